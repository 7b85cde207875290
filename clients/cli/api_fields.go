package main

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// wellKnown tells whether a message has a JSON form of its own, such as a time.
func wellKnown(md protoreflect.MessageDescriptor) bool {
	return md.ParentFile().Package() == "google.protobuf"
}

// assign sets one field from "path=value". A path names fields by their JSON or their proto names, with dots into
// messages and to the keys of maps; a list grows by one with each value.
func assign(m protoreflect.Message, assignment string) error {
	path, value, ok := strings.Cut(assignment, "=")
	if !ok || path == "" {
		return wrong("usage.field-pair", "Field", assignment)
	}
	name, rest, deeper := strings.Cut(path, ".")
	f := fieldOf(m.Descriptor(), name)
	if f == nil {
		return wrong("usage.field-unknown", "Message", m.Descriptor().Name(), "Field", name)
	}
	switch {
	case f.IsMap():
		if !deeper {
			return wrong("usage.field-map", "Field", assignment, "Name", name)
		}
		return setEntry(m, f, rest, value)
	case deeper && (f.Message() == nil || f.IsList()):
		return wrong("usage.field-plain", "Field", assignment, "Name", name)
	case deeper:
		return assign(m.Mutable(f).Message(), rest+"="+value)
	case f.IsList():
		v, err := parseValue(f, m.Mutable(f).List().NewElement(), value)
		if err == nil {
			m.Mutable(f).List().Append(v)
		}
		return err
	}
	v, err := parseValue(f, m.NewField(f), value)
	if err == nil {
		m.Set(f, v)
	}
	return err
}

func setEntry(m protoreflect.Message, f protoreflect.FieldDescriptor, key, value string) error {
	k, err := parseValue(f.MapKey(), protoreflect.Value{}, key)
	if err != nil {
		return err
	}
	v, err := parseValue(f.MapValue(), m.Mutable(f).Map().NewValue(), value)
	if err == nil {
		m.Mutable(f).Map().Set(k.MapKey(), v)
	}
	return err
}

// fieldOf finds a field by either of its names.
func fieldOf(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := md.Fields().ByJSONName(name); f != nil {
		return f
	}
	return md.Fields().ByName(protoreflect.Name(name))
}

// parseValue reads one value of a field; fresh is a new value of its type. Messages are JSON, or as their JSON text is for
// those that are one; enums are words; bytes are what stands there when it is JSON, else base64.
func parseValue(f protoreflect.FieldDescriptor, fresh protoreflect.Value, s string) (protoreflect.Value, error) {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(s), nil
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fresh, wrong("usage.field-truth", "Value", s, "Field", f.JSONName())
		}
		return protoreflect.ValueOfBool(b), nil
	case protoreflect.EnumKind:
		for i := range f.Enum().Values().Len() {
			if v := f.Enum().Values().Get(i); string(v.Name()) == s || enumWord(f.Enum(), v.Number()) == s {
				return protoreflect.ValueOfEnum(v.Number()), nil
			}
		}
		return fresh, wrong("usage.field-one-of", "Value", s, "Field", f.JSONName(), "List", strings.Join(enumWords(f.Enum()), ", "))
	case protoreflect.BytesKind:
		if json.Valid([]byte(s)) {
			return protoreflect.ValueOfBytes([]byte(s)), nil
		}
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return fresh, wrong("usage.field-bytes", "Value", s, "Field", f.JSONName())
		}
		return protoreflect.ValueOfBytes(raw), nil
	case protoreflect.MessageKind, protoreflect.GroupKind:
		raw := []byte(s)
		if wellKnown(f.Message()) && !json.Valid(raw) {
			raw = []byte(strconv.Quote(s))
		}
		if err := protojson.Unmarshal(raw, fresh.Message().Interface()); err != nil {
			return fresh, wrong("usage.field-message", "Value", s, "Field", f.JSONName(), "Type", f.Message().Name(), "Why", reworded(err))
		}
		return fresh, nil
	}
	return parseNumber(f, s)
}

func parseNumber(f protoreflect.FieldDescriptor, s string) (protoreflect.Value, error) {
	var v protoreflect.Value
	var err error
	switch f.Kind() {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		var n int64
		n, err = strconv.ParseInt(s, 10, 32)
		v = protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		var n int64
		n, err = strconv.ParseInt(s, 10, 64)
		v = protoreflect.ValueOfInt64(n)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		var n uint64
		n, err = strconv.ParseUint(s, 10, 32)
		v = protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		var n uint64
		n, err = strconv.ParseUint(s, 10, 64)
		v = protoreflect.ValueOfUint64(n)
	case protoreflect.FloatKind:
		var n float64
		n, err = strconv.ParseFloat(s, 32)
		v = protoreflect.ValueOfFloat32(float32(n))
	default:
		var n float64
		n, err = strconv.ParseFloat(s, 64)
		v = protoreflect.ValueOfFloat64(n)
	}
	if err != nil {
		return v, wrong("usage.field-number", "Value", s, "Field", f.JSONName(), "Kind", f.Kind())
	}
	return v, nil
}

// enumWords are the values of an enum as people say them.
func enumWords(d protoreflect.EnumDescriptor) []string {
	var list []string
	for i := range d.Values().Len() {
		if n := d.Values().Get(i).Number(); n != 0 {
			list = append(list, enumWord(d, n))
		}
	}
	return list
}

// reworded is an error of protojson without its name and its changing blanks.
func reworded(err error) string {
	s := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimSpace(strings.TrimPrefix(s, "proto:"))
}

// completeField completes -f: the names of fields, and the values of those that have words.
func completeField(args []string, prefix string) []string {
	if len(args) == 0 {
		return nil
	}
	m, err := findMethod(args[0])
	if err != nil {
		return nil
	}
	md := m.Input()
	parent := ""
	name, _, valued := strings.Cut(prefix, "=")
	segments := strings.Split(name, ".")
	for _, segment := range segments[:len(segments)-1] {
		f := fieldOf(md, segment)
		if f == nil || f.Message() == nil || f.IsMap() || f.IsList() || wellKnown(f.Message()) {
			return nil
		}
		parent, md = parent+segment+".", f.Message()
	}
	if valued {
		return completeValue(fieldOf(md, segments[len(segments)-1]), name+"=")
	}
	var list []string
	for i := range md.Fields().Len() {
		f := md.Fields().Get(i)
		end := "="
		if f.IsMap() || f.Message() != nil && !f.IsList() && !wellKnown(f.Message()) {
			end = "."
		}
		list = append(list, parent+f.JSONName()+end+"\t"+typeName(f))
	}
	return list
}

func completeValue(f protoreflect.FieldDescriptor, before string) []string {
	var words, list []string
	switch {
	case f == nil:
	case f.Kind() == protoreflect.EnumKind:
		words = enumWords(f.Enum())
	case f.Kind() == protoreflect.BoolKind:
		words = []string{"true", "false"}
	}
	for _, w := range words {
		list = append(list, before+w)
	}
	return list
}
