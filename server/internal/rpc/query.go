package rpc

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hearthos/hearth/api/fault"
)

// queryFault says which members of the query of a method cannot be read, and what each of them must be; nil where all
// can. The gateway's own words for it name a function of Go's library.
func queryFault(method string, query url.Values) error {
	input := inputOf(method)
	if input == nil {
		return nil
	}
	made, err := protoregistry.GlobalTypes.FindMessageByName(input.FullName())
	if err != nil {
		return nil // no method of this program
	}
	var refused *fault.Error
	for _, key := range slices.Sorted(maps.Keys(query)) {
		one := url.Values{key: query[key]}
		none := utilities.NewDoubleArray(nil)
		if runtime.PopulateQueryParameters(made.New().Interface(), one, none) == nil {
			continue
		}
		if refused == nil {
			refused = fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read member %q of the query of %s", key, input.FullName()).With("field", key)
		}
		refused = refused.Violation(key, mustBe(fieldAt(input, key), len(query[key])))
	}
	if refused == nil {
		return nil
	}
	return refused
}

// inputOf is the request of a method, as in "/hearth.logs.v1.LogService/ReadLogs"; nil where there is none.
func inputOf(method string) protoreflect.MessageDescriptor {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil
	}
	if m, ok := d.(protoreflect.MethodDescriptor); ok {
		return m.Input()
	}
	return nil
}

// fieldAt is the field that a member of the query names, or nil.
func fieldAt(md protoreflect.MessageDescriptor, path string) (fd protoreflect.FieldDescriptor) {
	path, _, _ = strings.Cut(path, "[")
	for name := range strings.SplitSeq(path, ".") {
		if md == nil {
			return nil
		}
		if fd = md.Fields().ByJSONName(name); fd == nil {
			fd = md.Fields().ByTextName(name)
		}
		if fd == nil {
			return nil
		}
		md = fd.Message()
	}
	return fd
}

// mustBe says what a member of the query must be that came so often and could not be read.
func mustBe(fd protoreflect.FieldDescriptor, times int) string {
	if fd == nil {
		return "is not part of the query"
	}
	if times > 1 && !fd.IsList() && !fd.IsMap() {
		return "may be there once only"
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return "must be true or false"
	case protoreflect.EnumKind:
		var names []string
		values := fd.Enum().Values()
		for i := range values.Len() {
			if values.Get(i).Number() != 0 {
				names = append(names, string(values.Get(i).Name()))
			}
		}
		return "must be one of " + strings.Join(names, ", ")
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return "must be a whole number of 32 bits"
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return "must be a whole number of 64 bits"
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "must be a whole number of 32 bits, and not below 0"
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "must be a whole number of 64 bits, and not below 0"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "must be a number"
	case protoreflect.BytesKind:
		return "must be base64"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		switch fd.Message().FullName() {
		case "google.protobuf.Timestamp":
			return "must be a time as in 2026-01-31T12:00:00Z"
		case "google.protobuf.Duration":
			return "must be a duration as in 90s"
		}
	}
	return fmt.Sprintf("is no %s that a query can hold", fd.Kind())
}
