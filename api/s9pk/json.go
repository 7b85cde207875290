package s9pk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

const maxNesting = 64

// checkJSON refuses what two parsers could read differently: text that is not UTF-8, a member that appears twice, bytes
// behind the value. It also bounds the nesting. Package code reads the same manifest with a parser of its own, so what is
// checked here must be what is used there.
func checkJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return fmt.Errorf("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more follows its value")
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("it is nested deeper than %d", maxNesting)
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		seen := make(map[string]bool)
		for d.More() {
			token, err := d.Token()
			if err != nil {
				return err
			}
			key, _ := token.(string)
			if seen[key] {
				return fmt.Errorf("member %q appears twice", cut(key))
			}
			seen[key] = true
			if err := checkValue(d, depth+1); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for d.More() {
			if err := checkValue(d, depth+1); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // the closing delimiter
	return err
}

// object is a JSON object whose members are looked up by their exact names; Go's own decoder would ignore their case.
type object map[string]json.RawMessage

func parseObject(data []byte) (object, error) {
	var o object
	if err := json.Unmarshal(data, &o); err != nil || o == nil {
		return nil, fmt.Errorf("it is not an object")
	}
	return o, nil
}

// fields reads members of an object into variables and keeps the first error, named by the member.
type fields struct {
	from object
	err  error
}

// need reads a member that must be there; null counts as absent.
func (f *fields) need(name string, into any) {
	if f.err == nil && !f.read(name, into) && f.err == nil {
		f.err = fmt.Errorf("%s is missing", name)
	}
}

// may reads a member that may be absent or null, which leaves the variable alone.
func (f *fields) may(name string, into any) { f.read(name, into) }

func (f *fields) read(name string, into any) bool {
	raw, ok := f.from[name]
	if f.err != nil || !ok || isNull(raw) {
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		f.err = fmt.Errorf("%s: %w", name, JSONError(err))
		return false
	}
	return true
}

// JSONError words what Go's decoder says about a value of the wrong type for those who know JSON and not Go. Other errors
// are answered as they are.
func JSONError(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	is, _, _ := strings.Cut(wrong.Value, " ") // "number 1.5"
	where := ""
	if wrong.Field != "" {
		where = wrong.Field + " "
	}
	return fmt.Errorf("%smust be %s, not %s", where, wanted(wrong.Type), article(is))
}

// wanted is what a value of a Go type is in JSON.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "something else"
}

// article is a type of JSON as the decoder names it, with its article.
func article(kind string) string {
	switch kind {
	case "bool":
		return "true or false"
	case "array", "object":
		return "an " + kind
	case "number":
		return "this number"
	}
	return "a " + kind
}

func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

// encodeJSON is compact and leaves <, > and & alone, as the original writes.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

func cut(s string) string {
	const enough = 80
	if len(s) > enough {
		return string(bytes.ToValidUTF8([]byte(s[:enough]), nil)) + "…"
	}
	return s
}
