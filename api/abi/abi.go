// Package abi is the JSON that the code of StartOS packages and its host exchange about the network: the parameters of
// the effects that bind ports and export interfaces, and the objects the effects answer with (Host, service interface,
// port forward), member by member, with the order of members and the nulls that packages were built against.
//
// It is deliberately not the transport of effects, which is hearth.effects.v1, and decides nothing: which port a binding
// gets and which addresses a host has is said by the callers. Packages compute usable addresses themselves from the raw
// Host object, so a member that is missing here is a service that cannot be found.
//
// Invariants: everything parsed here came from inside a container and is held against limits before it is returned;
// what cannot be carried out is refused with REASON_EFFECT_INVALID, never dropped; unknown members are left out, as
// older and newer packages send more than is used. Encoding never fails and is deterministic: equal objects are equal
// bytes.
package abi

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// maxParameter is the largest parameter that is parsed, in bytes.
const maxParameter = 64 << 10

// Encode answers the JSON of v without the escapes that encoding/json adds for HTML pages; packages compare text. v is
// one of the types of this package or made of maps, slices and strings.
func Encode(v any) []byte {
	data, err := encode(v)
	if err != nil {
		panic(fmt.Sprintf("abi: %T has no JSON: %v", v, err))
	}
	return data
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decode parses a parameter into v. It answers false for null and for nothing at all, which mean the same.
func decode(name string, data []byte, v any) (bool, error) {
	if len(data) > maxParameter {
		return false, invalid(name, "it is longer than %d bytes", maxParameter)
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return false, nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, invalid(name, "%s", describe(err))
	}
	return true, nil
}

// describe says what is wrong with JSON without repeating it: the text may hold a secret.
func describe(err error) string {
	switch e := err.(type) {
	case *json.UnmarshalTypeError:
		if e.Field != "" {
			return fmt.Sprintf("its member %s is a %s", e.Field, e.Value)
		}
		return "it is a " + e.Value
	case *json.SyntaxError:
		return fmt.Sprintf("it is not JSON at byte %d", e.Offset)
	}
	return err.Error()
}

func invalid(parameter, format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot use parameter %s: %s", parameter,
		fmt.Sprintf(format, args...)).With("parameter", parameter)
}
