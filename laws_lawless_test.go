package laws_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
)

// A law that cannot fail protects nothing: these are the laws of the contract held to a contract that breaks them.

// lawless makes a file of the contract, at a path, out of its descriptor.
func lawless(t *testing.T, path string, fd *descriptorpb.FileDescriptorProto) protoreflect.FileDescriptor {
	t.Helper()
	fd.Name, fd.Package, fd.Syntax = proto.String(path), proto.String("lawless.v1"), proto.String("proto3")
	file, err := protodesc.NewFile(fd, &protoregistry.Files{})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheLawOfAccessFindsWhoIsLetIn(t *testing.T) {
	t.Parallel()
	role := func(r optionsv1.Role) *optionsv1.Access {
		return &optionsv1.Access{Who: &optionsv1.Access_Role{Role: r}}
	}
	everybody := &optionsv1.Access{Who: &optionsv1.Access_Anonymous{Anonymous: true}}
	container := &optionsv1.Access{Who: &optionsv1.Access_Container{Container: true}}
	internal := &optionsv1.Access{Who: &optionsv1.Access_Internal{Internal: true}}
	for _, c := range []struct {
		area, method string
		access       *optionsv1.Access
		fault        string // empty: none
	}{
		{"packages", "List", role(optionsv1.Role_ROLE_VIEWER), ""},
		{"accounts", "Login", everybody, ""},
		{"effects", "Restart", container, ""},
		{"door", "SetTable", internal, ""},
		{"packages", "List", nil, "has no option"},
		{"packages", "List", &optionsv1.Access{}, "has no option"},
		{"packages", "List", role(optionsv1.Role_ROLE_UNSPECIFIED), "lets nobody in"},
		{"packages", "List", everybody, "lets everybody in"},
		{"packages", "List", container, "methods for containers"},
		{"effects", "Restart", role(optionsv1.Role_ROLE_OWNER), "methods for containers"},
		{"packages", "List", internal, "internal methods"},
		{"door", "SetTable", role(optionsv1.Role_ROLE_OWNER), "internal methods"},
	} {
		options := &descriptorpb.MethodOptions{}
		if c.access != nil {
			proto.SetExtension(options, optionsv1.E_Access, c.access)
		}
		file := lawless(t, "hearth/"+c.area+"/v1/lawless.proto", &descriptorpb.FileDescriptorProto{
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}},
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String(c.method), InputType: proto.String(".lawless.v1.M"), OutputType: proto.String(".lawless.v1.M"), Options: options,
			}}}},
		})
		faults := accessFaults(file.Services().Get(0).Methods().Get(0))
		if found := strings.Join(faults, "\n"); (c.fault == "") != (found == "") || !strings.Contains(found, c.fault) {
			t.Errorf("%s.%s with %v: found %q, should be %q", c.area, c.method, c.access, found, c.fault)
		}
	}
}

func TestTheLawOfReasonsFindsWhatIsNotExplained(t *testing.T) {
	t.Parallel()
	const code = optionsv1.Code_CODE_NOT_FOUND
	long := "REASON_" + strings.Repeat("X", 57)
	reasons := map[string]struct {
		info  *optionsv1.ReasonInfo
		fault string // empty: none
	}{
		"REASON_FINE":      {&optionsv1.ReasonInfo{Code: code, Remedy: "Do it."}, ""},
		"REASON_BARE":      {nil, "needs a code"},
		"REASON_NO_CODE":   {&optionsv1.ReasonInfo{Remedy: "Do it."}, "needs a code"},
		"REASON_NO_REMEDY": {&optionsv1.ReasonInfo{Code: code}, "needs a remedy"},
		"REASON_NO_END":    {&optionsv1.ReasonInfo{Code: code, Remedy: "do it"}, "needs a remedy"},
		long:               {&optionsv1.ReasonInfo{Code: code, Remedy: "Do it."}, "longer than 63"},
	}
	enum := &descriptorpb.EnumDescriptorProto{Name: proto.String("Reason"), Value: []*descriptorpb.EnumValueDescriptorProto{
		{Name: proto.String("REASON_UNSPECIFIED"), Number: proto.Int32(0)},
	}}
	for i, name := range slices.Sorted(maps.Keys(reasons)) {
		options := &descriptorpb.EnumValueOptions{}
		if info := reasons[name].info; info != nil {
			proto.SetExtension(options, optionsv1.E_Reason, info)
		}
		enum.Value = append(enum.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(name), Number: proto.Int32(int32(i + 1)), Options: options})
	}
	values := lawless(t, "hearth/meta/v1/lawless.proto", &descriptorpb.FileDescriptorProto{EnumType: []*descriptorpb.EnumDescriptorProto{enum}}).Enums().Get(0).Values()
	for i := range values.Len() {
		want := reasons[string(values.Get(i).Name())].fault
		if found := strings.Join(reasonFaults(values.Get(i)), "\n"); (want == "") != (found == "") || !strings.Contains(found, want) {
			t.Errorf("%s: found %q, should be %q", values.Get(i).Name(), found, want)
		}
	}
}
