// Package codec is how messages and faults look as JSON, the same on Connect, REST and JSON-RPC: members in
// lowerCamelCase, fields with their default value written out, 64-bit numbers as strings, enums by name, unknown
// members refused. Binary protobuf needs no rules of ours.
//
// Everything here reads bytes of strangers: size is bounded by the callers, depth here.
package codec

import (
	"errors"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
)

// MaxMessage is the limit of one message in bytes, on every wire.
const MaxMessage = 4 << 20

// maxDepth bounds how deep JSON may nest.
const maxDepth = 64

var (
	marshaler   = protojson.MarshalOptions{EmitDefaultValues: true}
	unmarshaler = protojson.UnmarshalOptions{RecursionLimit: maxDepth}
)

// Marshal writes m as JSON. Its spacing differs from build to build: never compare the bytes.
func Marshal(m proto.Message) ([]byte, error) { return marshaler.Marshal(m) }

// Append writes m as JSON behind b.
func Append(b []byte, m proto.Message) ([]byte, error) { return marshaler.MarshalAppend(b, m) }

// Unmarshal reads JSON into m. It fails with REASON_UNKNOWN_FIELD, naming the member, where the message has no such
// field, else with REASON_INVALID_ARGUMENT, with a violation where one member is wrong.
func Unmarshal(data []byte, m proto.Message) error {
	err := unmarshaler.Unmarshal(data, m)
	if err == nil {
		return nil
	}
	name := m.ProtoReflect().Descriptor().FullName()
	found, ok := findFlaw(data, m.ProtoReflect().Descriptor())
	if found.unknown {
		return fault.New(metav1.Reason_REASON_UNKNOWN_FIELD, "cannot read %s: it has no member %q", name, found.path).
			With("field", found.path).Violation(found.path, found.why)
	}
	invalid := fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the JSON of %s: %s", name, plain(err))
	if ok {
		invalid = invalid.Violation(found.path, found.why)
	}
	return invalid
}

// plain takes the library's prefix and its deliberately unsteady spaces out of an error text for people.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimSpace(strings.TrimPrefix(text, "proto:"))
}

// errDepth tells that a value nests too deep.
var errDepth = errors.New("nests too deep")

// CheckDepth refuses JSON that nests deeper than messages may, before anything is built from it. It does not check
// that data is JSON.
func CheckDepth(data []byte) error {
	depth, quoted, escaped := 0, false, false
	for _, b := range data {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = b == '\\', b != '"'
		case b == '"':
			quoted = true
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return errDepth
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return nil
}
