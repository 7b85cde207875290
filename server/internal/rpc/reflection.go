package rpc

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// registerReflection offers the contract of the public services to clients without files. It knows only the files
// these services are made of, for the services of containers are nobody else's business.
func (h *Hub) registerReflection() error {
	files := new(protoregistry.Files)
	opts := reflection.ServerOptions{Services: h.channel, DescriptorResolver: files}
	reflectionv1.RegisterServerReflectionServer(h, reflection.NewServerV1(opts))
	//lint:ignore SA1019 tools that know only the older name are still in use
	reflectionalpha.RegisterServerReflectionServer(h, reflection.NewServer(opts))
	for service := range h.channel.GetServiceInfo() {
		sd, err := serviceDescriptor(service)
		if err != nil {
			return err
		}
		if err := addFile(files, sd.ParentFile()); err != nil {
			return err
		}
	}
	return nil
}

// addFile adds a file and what it imports.
func addFile(files *protoregistry.Files, fd protoreflect.FileDescriptor) error {
	if _, err := files.FindFileByPath(fd.Path()); err == nil {
		return nil
	}
	if err := files.RegisterFile(fd); err != nil {
		return fmt.Errorf("cannot offer %s by reflection: %w", fd.Path(), err)
	}
	imports := fd.Imports()
	for i := range imports.Len() {
		imported := imports.Get(i).FileDescriptor
		if imported.IsPlaceholder() {
			continue
		}
		if err := addFile(files, imported); err != nil {
			return err
		}
	}
	return nil
}

var _ grpc.ServiceRegistrar = (*Hub)(nil)
