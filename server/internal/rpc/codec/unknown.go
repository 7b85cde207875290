package codec

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// unknownMember finds the first member of the JSON object in data that md has no field for, as a path. It is asked
// only when reading has failed, since the library tells this case apart by nothing but words.
func unknownMember(data []byte, md protoreflect.MessageDescriptor) (string, bool) {
	w := walker{dec: json.NewDecoder(bytes.NewReader(data))}
	w.dec.UseNumber()
	w.message(md, nil)
	return strings.Join(w.found, "."), w.found != nil
}

type walker struct {
	dec   *json.Decoder
	depth int
	found []string // path of the member; nil while none is found
}

// message reads one JSON value that stands for md and tells whether to go on.
func (w *walker) message(md protoreflect.MessageDescriptor, path []string) bool {
	if wellKnown(md) {
		return w.skip()
	}
	return w.object(func(name string) bool {
		at := append(path[:len(path):len(path)], name)
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			fd = md.Fields().ByTextName(name)
		}
		if fd == nil {
			w.found = at
			return false
		}
		return w.field(fd, at)
	})
}

func (w *walker) field(fd protoreflect.FieldDescriptor, path []string) bool {
	switch {
	case fd.IsMap() && fd.MapValue().Message() != nil:
		return w.object(func(name string) bool {
			return w.message(fd.MapValue().Message(), append(path[:len(path):len(path)], name))
		})
	case fd.Message() == nil || fd.IsMap():
		return w.skip()
	case fd.IsList():
		return w.list(func(i int) bool {
			last := path[len(path)-1] + "[" + strconv.Itoa(i) + "]"
			return w.message(fd.Message(), append(path[:len(path)-1:len(path)-1], last))
		})
	}
	return w.message(fd.Message(), path)
}

// object calls member for each member of the object that comes next; member reads the value.
func (w *walker) object(member func(name string) bool) bool {
	t, err := w.dec.Token()
	if err != nil {
		return false
	}
	if t != json.Delim('{') {
		return w.skipFrom(t)
	}
	if w.depth++; w.depth > maxDepth {
		return false
	}
	defer func() { w.depth-- }()
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
	_, err = w.dec.Token()
	return err == nil
}

func (w *walker) list(element func(i int) bool) bool {
	t, err := w.dec.Token()
	if err != nil {
		return false
	}
	if t != json.Delim('[') {
		return w.skipFrom(t)
	}
	for i := 0; w.dec.More(); i++ {
		if !element(i) {
			return false
		}
	}
	_, err = w.dec.Token()
	return err == nil
}

func (w *walker) skip() bool {
	t, err := w.dec.Token()
	return err == nil && w.skipFrom(t)
}

// skipFrom reads the rest of the value that begins with t.
func (w *walker) skipFrom(t json.Token) bool {
	depth := 0
	for {
		switch t {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return false
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return true
		}
		var err error
		if t, err = w.dec.Token(); err != nil {
			return false
		}
	}
}

// wellKnown tells whether the message has a JSON form of its own.
func wellKnown(md protoreflect.MessageDescriptor) bool {
	return md.FullName().Parent() == "google.protobuf"
}
