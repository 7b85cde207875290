package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// table prints rows with aligned columns; the head is in capitals.
func (a *app) table(head []string, rows [][]string) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for i, h := range head {
		head[i] = strings.ToUpper(h)
	}
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return w.Flush()
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

// printLog is printable for lines of a log: tabs stay.
func printLog(s string) string {
	parts := strings.Split(s, "\t")
	for i := range parts {
		parts[i] = printable(parts[i])
	}
	return strings.Join(parts, "\t")
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printRows prints resources as rows of JSON, one a line.
func printRows[T proto.Message](a *app, rows []T) error {
	for _, r := range rows {
		if err := a.printJSON(flatten(r)); err != nil {
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
