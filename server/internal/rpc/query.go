package rpc

import (
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
	"github.com/hearthos/hearth/server/internal/rpc/codec"
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
	switch {
	case fd == nil:
		return "is not part of the query"
	case times > 1 && !fd.IsList() && !fd.IsMap():
		return codec.Once
	case fd.Message() != nil && fd.Message().FullName().Parent() != "google.protobuf":
		return "is no message that a query can hold"
	}
	return codec.MustBe(fd)
}
