package main

import (
	"slices"
	"strings"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// publicMethods are the methods of the contract that a server answers to people, by their full names. This program holds the
// descriptors of all services that its client has.
func publicMethods() []protoreflect.MethodDescriptor {
	var list []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if f.Package() == "hearth.registry.v1" { // of another server, which a test may hold beside this program
			return true
		}
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				if m := f.Services().Get(i).Methods().Get(j); public(m) {
					list = append(list, m)
				}
			}
		}
		return true
	})
	slices.SortFunc(list, func(a, b protoreflect.MethodDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	return list
}

// access is who may call a method, nil for a foreign one.
func access(m protoreflect.MethodDescriptor) *optionsv1.Access {
	access, _ := proto.GetExtension(m.Options(), optionsv1.E_Access).(*optionsv1.Access)
	return access
}

// public tells whether people may call a method, with whatever rights.
func public(m protoreflect.MethodDescriptor) bool {
	switch access(m).GetWho().(type) {
	case *optionsv1.Access_Anonymous, *optionsv1.Access_Role, *optionsv1.Access_Local:
		return true
	}
	return false
}
