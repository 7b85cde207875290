package access_test

import (
	"context"
	"testing"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

type tokens map[string]access.Identity

func (t tokens) Authenticate(_ context.Context, shown access.Credential, _ string) (access.Identity, error) {
	if id, ok := t[shown.Bearer]; ok {
		return id, nil
	}
	return access.Identity{}, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "unknown")
}

// rules are a rule of each kind, read from descriptors made for it.
func rules(t *testing.T) map[string]access.Rule {
	t.Helper()
	out := map[string]access.Rule{"none": {}}
	for name, option := range map[string]*optionsv1.Access{
		"anonymous": {Who: &optionsv1.Access_Anonymous{Anonymous: true}},
		"viewer":    {Who: &optionsv1.Access_Role{Role: optionsv1.Role_ROLE_VIEWER}},
		"operator":  {Who: &optionsv1.Access_Role{Role: optionsv1.Role_ROLE_OPERATOR}},
		"admin":     {Who: &optionsv1.Access_Role{Role: optionsv1.Role_ROLE_ADMIN}},
		"owner":     {Who: &optionsv1.Access_Role{Role: optionsv1.Role_ROLE_OWNER}},
		"no role":   {Who: &optionsv1.Access_Role{}},
		"local":     {Who: &optionsv1.Access_Local{Local: true}},
		"container": {Who: &optionsv1.Access_Container{Container: true}},
		"internal":  {Who: &optionsv1.Access_Internal{Internal: true}},
		"false":     {Who: &optionsv1.Access_Anonymous{}},
	} {
		rule, ok := access.RuleOf(method(t, option))
		if !ok {
			t.Fatalf("%s: no rule", name)
		}
		out[name] = rule
	}
	if _, ok := access.RuleOf(method(t, nil)); ok {
		t.Error("a method without option has a rule")
	}
	return out
}

func method(t *testing.T, option *optionsv1.Access) protoreflect.MethodDescriptor {
	t.Helper()
	opts := &descriptorpb.MethodOptions{}
	if option != nil {
		proto.SetExtension(opts, optionsv1.E_Access, option)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("t.proto"), Package: proto.String("t"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("R"), InputType: proto.String(".t.M"), OutputType: proto.String(".t.M"), Options: opts},
		}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Services().Get(0).Methods().Get(0)
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	auth := tokens{"r": {ID: "r", Role: optionsv1.Role_ROLE_VIEWER}, "o": {ID: "o", Role: optionsv1.Role_ROLE_OPERATOR}, "a": {ID: "a", Role: optionsv1.Role_ROLE_ADMIN}, "w": {ID: "w", Role: optionsv1.Role_ROLE_OWNER}}
	unix := origin.Origin{Listener: origin.Unix, UID: 1000}
	owner := origin.Origin{Listener: origin.Unix, Owner: true}
	web, door, grpc := origin.Origin{Listener: origin.Web}, origin.Origin{Listener: origin.Door}, origin.Origin{Listener: origin.GRPC}
	container := origin.Origin{Listener: origin.Container, Package: "hello", Owner: true}
	internal := origin.Origin{Listener: origin.Internal, Owner: true}
	cases := []struct {
		name    string
		origin  origin.Origin
		header  []string
		allowed string // names of the rules that let the caller in, in the order of the list below
	}{
		{"no origin", origin.Origin{}, nil, ""},
		{"no origin, with token", origin.Origin{}, []string{"Bearer a"}, ""},
		{"other user", unix, nil, "anonymous "},
		{"other user with token", unix, []string{"Bearer o"}, "anonymous viewer operator "},
		{"own user", owner, nil, "anonymous viewer operator admin owner local "},
		{"own user with token", owner, []string{"Bearer r"}, "anonymous viewer "},
		{"own user with wrong token", owner, []string{"Bearer x"}, ""},
		{"web", web, nil, "anonymous "},
		{"web, viewer", web, []string{"bearer r"}, "anonymous viewer "},
		{"web, admin", web, []string{"Bearer a"}, "anonymous viewer operator admin "},
		{"web, owner", web, []string{"Bearer w"}, "anonymous viewer operator admin owner "},
		{"web, wrong token", web, []string{"Bearer x"}, ""},
		{"web, no token", web, []string{"Bearer "}, ""},
		{"web, other scheme", web, []string{"Basic YTpi"}, ""},
		{"web, two tokens", web, []string{"Bearer r", "Bearer a"}, ""},
		{"door", door, nil, "anonymous "},
		{"grpc, operator", grpc, []string{"Bearer o"}, "anonymous viewer operator "},
		{"container", container, nil, "container "},
		{"container with token", container, []string{"Bearer a"}, "container "},
		{"container of nobody", origin.Origin{Listener: origin.Container}, nil, ""},
		{"internal", internal, nil, "internal "},
		{"internal, other user", origin.Origin{Listener: origin.Internal, UID: 1000}, nil, ""},
		{"internal with token", internal, []string{"Bearer a"}, "internal "},
	}
	all := rules(t)
	for _, c := range cases {
		caller, err := access.Identify(t.Context(), c.origin, c.header, access.Browser{}, nil, auth)
		got := ""
		for _, name := range []string{"none", "false", "no role", "anonymous", "viewer", "operator", "admin", "owner", "local", "container", "internal"} {
			if err != nil {
				if !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			switch cerr := all[name].Check(caller); {
			case cerr == nil:
				got += name + " "
			case !fault.Is(cerr, metav1.Reason_REASON_UNAUTHENTICATED) && !fault.Is(cerr, metav1.Reason_REASON_PERMISSION_DENIED) && !fault.Is(cerr, metav1.Reason_REASON_LOCAL_ONLY):
				t.Errorf("%s, %s: %v", c.name, name, cerr)
			}
		}
		if got != c.allowed {
			t.Errorf("%s may call %q, should %q", c.name, got, c.allowed)
		}
	}
}

func TestWithoutAuthenticatorTokensAreRefused(t *testing.T) {
	t.Parallel()
	_, err := access.Identify(t.Context(), origin.Origin{Listener: origin.Web}, []string{"Bearer a"}, access.Browser{}, nil, nil)
	if !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
		t.Errorf("got %v", err)
	}
}

func TestClass(t *testing.T) {
	t.Parallel()
	all := rules(t)
	for name, want := range map[string]access.Class{"anonymous": access.Public, "admin": access.Public, "container": access.Container, "internal": access.Internal} {
		if got := all[name].Class(); got != want {
			t.Errorf("%s has class %v", name, got)
		}
	}
	m := effectsv1.File_hearth_effects_v1_effects_proto.Services().Get(0).Methods().Get(0)
	if rule, ok := access.RuleOf(m); !ok || rule.Class() != access.Container {
		t.Errorf("%s is not for containers", m.FullName())
	}
}
