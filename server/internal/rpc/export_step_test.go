package rpc

import (
	"context"
	"time"

	_ "github.com/hearthos/hearth/api/gen/go/hearth/system/v1" // so that its methods are known
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hearthos/hearth/server/internal/rpc/access"
)

// StepUp runs the check of fresh proofs alone, for a method and a caller.
func StepUp(ctx context.Context, name protoreflect.FullName, id access.Identity) error {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return err
	}
	h := &Hub{cfg: Config{Now: time.Now}, methods: map[string]*method{}, services: map[string]*service{}}
	if _, err := h.learn(string(d.Parent().FullName())); err != nil {
		return err
	}
	m := h.methods[procedure(d.(protoreflect.MethodDescriptor))]
	c := &Call{Method: m.desc, m: m, Caller: access.Caller{Identity: id}}
	return h.steppedUp(ctx, c, func(context.Context) error { return nil })
}
