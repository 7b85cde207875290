package access

import (
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hearthos/hearth/api/fault"
)

// Scope narrows what a credential may do. A nil Scope, and an empty list, does not narrow.
type Scope struct {
	// Methods are full names of services and methods.
	Methods []string
	// Packages are ids. Only methods that name a package can be called, and those that heed the scope by themselves.
	Packages []string
}

func (s *Scope) equal(other *Scope) bool {
	if s == nil || other == nil {
		return s == other
	}
	return slices.Equal(s.Methods, other.Methods) && slices.Equal(s.Packages, other.Packages)
}

// Narrowed tells whether the scope excludes anything.
func (s *Scope) Narrowed() bool { return s != nil && len(s.Methods)+len(s.Packages) > 0 }

// Covers tells whether a package is within the scope.
func (s *Scope) Covers(pkg string) bool {
	return s == nil || len(s.Packages) == 0 || slices.Contains(s.Packages, pkg)
}

// CheckMethod refuses a method, by its path, that the scope excludes. What names no package and does not heed the scope
// by itself is refused to a scope with packages; desc is nil for methods that do not exist.
func (s *Scope) CheckMethod(procedure string, desc protoreflect.MethodDescriptor) error {
	if s == nil {
		return nil
	}
	service, _, _ := strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
	method := strings.ReplaceAll(strings.TrimPrefix(procedure, "/"), "/", ".")
	if len(s.Methods) > 0 && !slices.Contains(s.Methods, service) && !slices.Contains(s.Methods, method) {
		return outOfScope("cannot call this: the token is not for it").With("method", method)
	}
	if len(s.Packages) > 0 && (desc == nil || !heeds(desc) && packageField(desc.Input()) == nil) {
		return outOfScope("cannot call this: the token is for single packages, and this concerns more").With("method", method)
	}
	return nil
}

// CheckRequest refuses a request that names a package outside of the scope, or none.
func (s *Scope) CheckRequest(desc protoreflect.MethodDescriptor, m proto.Message) error {
	if s == nil || len(s.Packages) == 0 || heeds(desc) {
		return nil
	}
	field := packageField(desc.Input())
	if field == nil {
		return outOfScope("cannot call this: the token is for single packages")
	}
	if pkg := m.ProtoReflect().Get(field).String(); !s.Covers(pkg) {
		return outOfScope("cannot call this for the package %q: the token is not for it", pkg).With("package", pkg)
	}
	return nil
}

func heeds(desc protoreflect.MethodDescriptor) bool {
	scoped, _ := proto.GetExtension(desc.Options(), optionsv1.E_Scoped).(bool)
	return scoped
}

// packageField is the field of a request that names the package it concerns.
func packageField(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	for i := range md.Fields().Len() {
		f := md.Fields().Get(i)
		if names, _ := proto.GetExtension(f.Options(), optionsv1.E_Package).(bool); names {
			return f
		}
	}
	return nil
}

func outOfScope(format string, args ...any) *fault.Error {
	return fault.New(metav1.Reason_REASON_OUT_OF_SCOPE, format, args...)
}
