package rpc

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/store"
)

// audited has every call that could change something recorded, refused ones too. It stands outside of the checks and of the
// fault mapping, so that it sees what the caller is told. What containers and the server's own processes do is not recorded.
func (h *Hub) audited(ctx context.Context, c *Call, next func(context.Context) error) error {
	if h.cfg.Audit == nil {
		return next(ctx)
	}
	log := h.cfg.Audit()
	if log == nil || c.Method == nil || c.rule.Class() != access.Public || c.m.reads {
		return next(ctx)
	}
	targets := map[string]string{}
	c.about = targets
	entry := log.Begin(func() *auditv1.EntrySpec {
		return &auditv1.EntrySpec{
			Method: string(c.Method.FullName()), Targets: targets, Caller: c.Caller.Identity.Name(), Role: c.Caller.Identity.Role, CallerId: credentialOf(c.Caller.Identity),
			Listener: c.Caller.Origin.Listener.String(), Address: c.Caller.Origin.Remote, Uid: c.Caller.Origin.UID,
			Wire: c.Wire, RequestId: c.RequestID, CallTime: timestamppb.New(c.start),
		}
	})
	if c.m.recordFailure {
		entry.LeaveOut()
	}
	ahead := c.m.recordFirst || c.Stream // a stream may last, and what it does is not one commit
	c.OnReceive(func(m proto.Message) error {
		if isTrial(m.ProtoReflect()) {
			entry.Trial()
		}
		if len(targets) == 0 {
			addTargets(targets, c.Method, m.ProtoReflect())
		}
		return nil
	})
	reason := metav1.Reason_REASON_INTERNAL // of a panic
	defer func() { entry.End(ctx, reason) }()
	c.entry = entry
	if ahead {
		c.ahead = func() error { return entry.Write(ctx) }
	}
	err := next(ctx)
	reason = metav1.Reason_REASON_UNSPECIFIED
	if err != nil {
		reason = fault.Reason(err)
		c.aboutRefused(targets)
	}
	return err
}

// aboutRefused tells what a call is about that was refused before its request was read. Nothing is read of what nobody
// known sends.
func (c *Call) aboutRefused(targets map[string]string) {
	if c.read == nil || c.Caller.Identity.Kind == access.Nobody {
		return
	}
	input, err := protoregistry.GlobalTypes.FindMessageByName(c.Method.Input().FullName())
	if err != nil {
		return
	}
	m := input.New()
	if err := c.read(m.Interface()); err == nil {
		addTargets(targets, c.Method, m)
	}
}

// validateOnly is the field by which a caller asks what would be done, and has nothing done.
const validateOnly = "validate_only"

func isTrial(m protoreflect.Message) bool {
	f := m.Descriptor().Fields().ByName(validateOnly)
	return f != nil && f.Kind() == protoreflect.BoolKind && !f.IsList() && m.Get(f).Bool()
}

// credentialOf names the session, token or key that a caller showed.
func credentialOf(id access.Identity) string {
	if id.Kind == access.Local {
		return ""
	}
	return id.ID
}

// carried has the commits of the service carry the entry, and of nothing that stands before it: not those of the checks.
// They may use the store's reserve: on a full disk it is a person who makes room.
func carried(ctx context.Context, c *Call, next func(context.Context) error) error {
	if c.entry != nil {
		ctx = store.WithUrgency(c.entry.Context(ctx))
	}
	return next(ctx)
}

// maxTarget bounds what is recorded of one member.
const maxTarget = 128

// addTargets tells what a request is about: the members its REST route has in the path, and those with the option target.
// A member with the option secret is none. The items of a list stand beside each other.
func addTargets(targets map[string]string, method protoreflect.MethodDescriptor, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.IsMap() || f.Message() != nil || !m.Has(f) || Secret(f) {
			continue
		}
		marked, _ := proto.GetExtension(f.Options(), optionsv1.E_Target).(bool)
		if f.IsList() {
			if marked && f.Kind() == protoreflect.StringKind {
				targets[string(f.Name())] = targetText(joined(m.Get(f).List()))
			}
			continue
		}
		if marked || inPath(method, string(f.Name())) {
			targets[string(f.Name())] = targetText(display(f, m.Get(f)))
		}
	}
}

// targetText is as much of a text as is recorded.
func targetText(text string) string {
	return strings.ToValidUTF8(fmt.Sprintf("%.*s", maxTarget, text), "")
}

// joined is a list of strings as a person would type it, no longer than needed.
func joined(list protoreflect.List) string {
	var b strings.Builder
	for i := range list.Len() {
		item := list.Get(i).String()
		if item == "" || strings.ContainsAny(item, " \t\n\"'") {
			item = strconv.Quote(item[:min(len(item), maxTarget)])
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		if b.WriteString(item); b.Len() > maxTarget {
			break
		}
	}
	return b.String()
}

func display(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if f.Enum() != nil {
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return string(value.Name())
		}
	}
	return v.String()
}

// Secret tells whether a field of the contract holds a secret.
func Secret(f protoreflect.FieldDescriptor) bool {
	secret, _ := proto.GetExtension(f.Options(), optionsv1.E_Secret).(bool)
	return secret
}

func inPath(method protoreflect.MethodDescriptor, field string) bool {
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	for _, path := range []string{rule.GetGet(), rule.GetPost(), rule.GetPut(), rule.GetPatch(), rule.GetDelete()} {
		if strings.Contains(path, "{"+field+"}") || strings.Contains(path, "{"+field+"=") {
			return true
		}
	}
	return false
}
