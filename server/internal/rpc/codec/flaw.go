package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// maxProbes bounds the values that are looked at one by one to find which one is wrong.
const maxProbes = 10_000

// flaw is the member because of which JSON is not read, by the names it was sent under.
type flaw struct {
	path    string
	why     string
	unknown bool // the message has no such member
}

// findFlaw finds the first member of the JSON object in data that cannot be read into md; false where it is none in
// particular. It is asked only when reading has failed, since the library tells the field by nothing but words: what
// the library says of each value alone shows which one it is.
func findFlaw(data []byte, md protoreflect.MessageDescriptor) (flaw, bool) {
	w := walker{dec: json.NewDecoder(bytes.NewReader(data))}
	w.dec.UseNumber()
	w.message(md, nil, false)
	if w.found == nil {
		return flaw{}, false
	}
	return *w.found, true
}

type walker struct {
	dec    *json.Decoder
	depth  int
	probes int
	found  *flaw // nil while none is found
}

// wrong ends the walk at a member.
func (w *walker) wrong(path []string, why string) bool {
	w.found = &flaw{path: strings.Join(path, "."), why: why}
	return false
}

// message reads one JSON value that stands for md, which may be null where null is, and tells whether to go on.
func (w *walker) message(md protoreflect.MessageDescriptor, path []string, null bool) bool {
	seen, chosen := map[protoreflect.FieldNumber]bool{}, map[protoreflect.FullName]bool{}
	return w.object(path, null, func(name string) bool {
		at := beneath(path, name)
		member := md.Fields().ByJSONName(name)
		if member == nil {
			member = md.Fields().ByTextName(name)
		}
		switch {
		case member == nil:
			w.found = &flaw{path: strings.Join(at, "."), why: "is not part of the message", unknown: true}
			return false
		case seen[member.Number()]:
			return w.wrong(at, Once)
		}
		seen[member.Number()] = true
		oneof := member.ContainingOneof()
		if oneof == nil || oneof.IsSynthetic() {
			return w.field(member, at)
		}
		if chosen[oneof.FullName()] {
			return w.wrong(at, fmt.Sprintf("may not stand beside another %s", oneof.Name()))
		}
		chosen[oneof.FullName()] = true
		return w.field(member, at)
	})
}

// field reads the value of a field.
func (w *walker) field(fd protoreflect.FieldDescriptor, path []string) bool {
	switch {
	case fd.IsMap():
		return w.entries(fd, path)
	case fd.IsList():
		return w.list(path, func(i int) bool {
			last := len(path) - 1
			at := beneath(path[:last], path[last]+"["+strconv.Itoa(i)+"]")
			if fields(fd) {
				return w.message(fd.Message(), at, false)
			}
			return w.value(fd, at, `[`, `]`)
		})
	case fields(fd):
		return w.message(fd.Message(), path, true)
	}
	return w.value(fd, path, "", "")
}

// entries reads the value of a map.
func (w *walker) entries(fd protoreflect.FieldDescriptor, path []string) bool {
	seen := map[string]bool{}
	return w.object(path, true, func(key string) bool {
		at := beneath(path, key)
		if seen[key] {
			return w.wrong(at, Once)
		}
		seen[key] = true
		quoted, err := json.Marshal(key)
		if err != nil {
			return false
		}
		if !fields(fd.MapValue()) {
			return w.value(fd, at, `{`+string(quoted)+`:`, `}`)
		}
		return w.reads(fd, at, `{`+string(quoted)+`:{}}`) && w.message(fd.MapValue().Message(), at, false)
	})
}

// value reads a value that has no members of ours, which stands between two texts in the field.
func (w *walker) value(fd protoreflect.FieldDescriptor, path []string, before, behind string) bool {
	var raw json.RawMessage
	if w.dec.Decode(&raw) != nil {
		return false
	}
	return w.reads(fd, path, before+string(raw)+behind)
}

// reads tells whether the library takes value for the field.
func (w *walker) reads(fd protoreflect.FieldDescriptor, path []string, value string) bool {
	if w.probes++; w.probes > maxProbes {
		return false
	}
	probe := dynamicpb.NewMessage(fd.ContainingMessage())
	if unmarshaler.Unmarshal(fmt.Appendf(nil, `{%q:%s}`, fd.JSONName(), value), probe) == nil {
		return true
	}
	return w.wrong(path, MustBe(fd))
}

// object calls member for each member of the object that comes next; member reads the value.
func (w *walker) object(path []string, null bool, member func(name string) bool) bool {
	return w.within('{', path, null, func() bool {
		for w.dec.More() {
			t, err := w.dec.Token()
			if err != nil {
				return false
			}
			name, ok := t.(string)
			if !ok || !member(name) {
				return false
			}
		}
		return true
	})
}

// list calls element for each element of the list that comes next; element reads it.
func (w *walker) list(path []string, element func(i int) bool) bool {
	return w.within('[', path, true, func() bool {
		for i := 0; w.dec.More(); i++ {
			if !element(i) {
				return false
			}
		}
		return true
	})
}

// within reads what begins with open and ends with its counterpart, or a null that stands for a field that is not there.
func (w *walker) within(open json.Delim, path []string, null bool, inner func() bool) bool {
	t, err := w.dec.Token()
	switch {
	case err != nil:
		return false
	case t == nil && null:
		return true
	case t != open && path == nil:
		return false // the whole is no object, and no member of it wrong
	case t != open:
		return w.wrong(path, map[json.Delim]string{'{': "must be an object", '[': "must be a list"}[open])
	}
	if w.depth++; w.depth > maxDepth {
		return false
	}
	defer func() { w.depth-- }()
	if !inner() {
		return false
	}
	_, err = w.dec.Token()
	return err == nil
}

func beneath(path []string, name string) []string { return append(path[:len(path):len(path)], name) }

// fields tells whether the JSON of a field's value is an object with a member for each field of its own.
func fields(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName().Parent() != "google.protobuf"
}
