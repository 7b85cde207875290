package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
	"golang.org/x/term"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// rows tells whether a command prints rows for programs, by printRow, and not a table or sentences for people.
func (a *app) rows() bool { return a.quiet || a.output != "table" }

// printRow prints one row the way that was asked: as a line of JSON, as a document of YAML, or what names it alone.
func (a *app) printRow(v any) error {
	if a.quiet {
		return a.printName(v)
	}
	if a.output == "yaml" {
		return a.printYAML(v)
	}
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printYAML prints the same members as JSON would have, as a document that ends the one before it.
func (a *app) printYAML(v any) error {
	plain, err := decoded(v)
	if err != nil {
		return err
	}
	raw, err := yaml.Marshal(plain)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "---\n%s", raw)
	return err
}

// naming are the members by which a row can be named, the first of which it has something.
func naming() []string { return []string{"id", "packageId", "name", "url", "file", "message"} }

// printName prints what names a row; one that nothing names, whole, so that a script never gets less than there is.
func (a *app) printName(v any) error {
	name, err := rowName(v)
	if err != nil || v == nil {
		return err
	}
	if name != "" {
		_, err = fmt.Fprintln(a.Out, printLog(name))
		return err
	}
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// rowName is what names a row, "" where nothing does.
func rowName(v any) (string, error) {
	plain, err := decoded(v)
	if err != nil {
		return "", err
	}
	row, ok := plain.(map[string]any)
	if !ok {
		return "", nil
	}
	for _, key := range naming() {
		if name, ok := row[key]; ok && name != "" {
			return fmt.Sprint(name), nil
		}
	}
	return "", nil
}

// decoded is a value as its JSON reads, with whole numbers as they are.
func decoded(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return nil, err
	}
	return numbered(plain), nil
}

// numbered gives numbers in decoded JSON their Go types.
func numbered(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = numbered(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbered(v[k])
		}
	}
	return v
}

// printable makes foreign text safe for a terminal: control characters, which could move the cursor or change the
// title, and those that reverse the direction of writing become a question mark.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return '?'
		}
		return r
	}, s)
}

// brief is text of others for one cell of a table: no service takes the screen from those beside it.
func brief(s string) string {
	const most = 100
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

// printLog is printable for lines of a log: tabs stay.
func printLog(s string) string {
	parts := strings.Split(s, "\t")
	for i := range parts {
		parts[i] = printable(parts[i])
	}
	return strings.Join(parts, "\t")
}

// printRows prints resources as rows for programs.
func printRows[T proto.Message](a *app, rows []T) error {
	for _, r := range rows {
		if err := a.printRow(flatten(r)); err != nil {
			return err
		}
	}
	return nil
}

// flatten makes a resource a flat row for scripts: the members of meta, spec and status side by side, with the id on
// top; enum values in lower case without their prefix; numbers as numbers; bytes that hold JSON as that JSON. Members
// that are zero or empty are there all the same, so that a script can count on them; only messages that are not set and
// bytes without content are left out.
func flatten(m proto.Message) map[string]any {
	out := map[string]any{}
	r := m.ProtoReflect()
	for i := range r.Descriptor().Fields().Len() {
		f := r.Descriptor().Fields().Get(i)
		if !r.Has(f) && (f.HasPresence() || f.Kind() == protoreflect.BytesKind && !f.IsList()) {
			continue
		}
		if !part(f) {
			out[f.JSONName()] = flattenField(f, r.Get(f))
			continue
		}
		for k, x := range flatten(r.Get(f).Message().Interface()) {
			out[k] = x
		}
	}
	return out
}

// part tells whether a field is one of the parts of a resource, whose members stand side by side in a row.
func part(f protoreflect.FieldDescriptor) bool {
	name := f.Name()
	return f.Kind() == protoreflect.MessageKind && !f.IsList() && !f.IsMap() && (name == "meta" || name == "spec" || name == "status")
}

func flattenField(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch {
	case f.IsList():
		list := []any{}
		for i := range v.List().Len() {
			list = append(list, flattenValue(f, v.List().Get(i)))
		}
		return list
	case f.IsMap():
		m := map[string]any{}
		v.Map().Range(func(k protoreflect.MapKey, x protoreflect.Value) bool {
			m[k.String()] = flattenValue(f.MapValue(), x)
			return true
		})
		return m
	}
	return flattenValue(f, v)
}

func flattenValue(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.EnumKind:
		return enumWord(f.Enum(), v.Enum())
	case protoreflect.MessageKind:
		switch m := v.Message().Interface().(type) {
		case *timestamppb.Timestamp:
			return m.AsTime().UTC().Format(time.RFC3339Nano)
		case *durationpb.Duration:
			return m.AsDuration().String()
		default:
			return flatten(m)
		}
	case protoreflect.BytesKind:
		if json.Valid(v.Bytes()) {
			return json.RawMessage(v.Bytes())
		}
		return base64.StdEncoding.EncodeToString(v.Bytes())
	}
	return v.Interface()
}

// enumWord is the value of an enum as people read it: lower case, without the enum's name.
func enumWord(d protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	value := d.Values().ByNumber(n)
	if value == nil {
		return fmt.Sprint(n)
	}
	zero := strings.TrimSuffix(string(d.Values().ByNumber(0).Name()), "UNSPECIFIED")
	return strings.ToLower(strings.TrimPrefix(string(value.Name()), zero))
}

// word is enumWord of a Go enum value.
func word(e protoreflect.Enum) string { return enumWord(e.Descriptor(), e.Number()) }

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// obeys tells whether a stream is a terminal that does more than print line after line: it draws over a line, and has colours.
func obeys(stream any) bool { return isTerminal(stream) && os.Getenv("TERM") != "dumb" }

// columns is how wide a terminal is.
func columns(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// since is a time as people say it.
func since(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	d := time.Since(t.AsTime())
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// size is a number of bytes as people say it.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f := float64(n)
	i := 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
