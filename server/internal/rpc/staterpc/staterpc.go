// Package staterpc answers hearth.state.v1: it gives each target of a watch its own cursor in the store and sends
// what they yield over one stream. It adds nothing to the store's promises and takes nothing away; what a caller may
// not read is left out before it reaches the stream.
package staterpc

import (
	"context"
	"fmt"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/store"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Server implements StateServiceServer.
type Server struct {
	statev1.UnimplementedStateServiceServer
	store *store.Store
	// arms tells which member of the oneof Resource holds a message.
	arms map[protoreflect.FullName]protoreflect.FieldDescriptor
}

// New returns the server over st.
func New(st *store.Store) *Server {
	arms := map[protoreflect.FullName]protoreflect.FieldDescriptor{}
	fields := (&statev1.Resource{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		arms[fields.Get(i).Message().FullName()] = fields.Get(i)
	}
	return &Server{store: st, arms: arms}
}

// Watch implements StateServiceServer.
func (s *Server) Watch(req *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
	role := rpc.CallerRole(stream.Context())
	watchers := make([]*store.Watcher, len(req.GetTargets()))
	names := map[string]bool{}
	for i, t := range req.GetTargets() {
		if names[t.GetId()] {
			return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot watch: two targets have the id %q", t.GetId()).
				Violation(fmt.Sprintf("targets[%d].id", i), "must be unique in the request")
		}
		names[t.GetId()] = true
		w, err := s.open(t, role)
		if err != nil {
			return err
		}
		watchers[i] = w
	}
	group, ctx := errgroup.WithContext(stream.Context())
	updates := make(chan *statev1.Update)
	for i, w := range watchers {
		name := req.GetTargets()[i].GetId()
		group.Go(func() error { return s.follow(ctx, name, w, updates) })
	}
	group.Go(func() error { return send(ctx, updates, stream) })
	return group.Wait()
}

// open places a cursor where the target says.
func (s *Server) open(t *statev1.Target, role optionsv1.Role) (*store.Watcher, error) {
	readable := map[string]bool{}
	for _, k := range store.Kinds() {
		if k.ReadRole != optionsv1.Role_ROLE_UNSPECIFIED && k.ReadRole <= role {
			readable[k.ID] = true
		}
	}
	opt := store.WatchOptions{Readable: func(kind string) bool { return readable[kind] }}
	for _, sel := range t.GetSelectors() {
		if sel.GetKind() != "" && !readable[sel.GetKind()] {
			return nil, fault.New(metav1.Reason_REASON_SELECTOR_INVALID, "cannot watch kind %q: there is none that you may read", sel.GetKind()).With("kind", sel.GetKind())
		}
		opt.Selectors = append(opt.Selectors, store.Selector{
			Kind: sel.GetKind(), ID: sel.GetId(), Parent: sel.GetParent(), Labels: sel.GetLabels(),
		})
	}
	if t.GetBookmark() != "" {
		from, err := s.store.DecodeBookmark(t.GetBookmark())
		if err != nil {
			return nil, err
		}
		opt.From = from
	}
	return s.store.Watch(opt)
}

// follow turns what one cursor yields into updates, until ctx ends or the cursor cannot go on.
func (s *Server) follow(ctx context.Context, name string, w *store.Watcher, updates chan<- *statev1.Update) error {
	for {
		batch, err := w.Next(ctx)
		if err != nil {
			return err
		}
		u := &statev1.Update{Target: name, Phase: statev1.Update_PHASE_CHANGES}
		if batch.Snapshot {
			u.Phase = statev1.Update_PHASE_SNAPSHOT
		}
		for _, c := range batch.Changes {
			change, err := s.change(c)
			if err != nil {
				return err
			}
			u.Changes = append(u.Changes, change)
		}
		if batch.Bookmark {
			u.Bookmark, u.Revision = store.EncodeBookmark(s.store.ID(), batch.Revision), batch.Revision
		}
		select {
		case updates <- u:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Server) change(c store.Change) (*statev1.Change, error) {
	change := &statev1.Change{Revision: c.Revision, Kind: c.Kind, Id: c.ID}
	if c.Row == nil {
		return change, nil
	}
	arm, ok := s.arms[c.Row.ProtoReflect().Descriptor().FullName()]
	if !ok {
		return nil, fmt.Errorf("kind %q has no member in hearth.state.v1.Resource", c.Kind)
	}
	change.Resource = &statev1.Resource{}
	change.Resource.ProtoReflect().Set(arm, protoreflect.ValueOfMessage(c.Row.ProtoReflect()))
	return change, nil
}

// maxMessage bounds one stream message; updates are put together up to it, for a message costs more than its bytes.
const maxMessage = 1 << 20

// send writes updates as they come, several in a message when they come faster than the caller reads.
func send(ctx context.Context, updates <-chan *statev1.Update, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
	for {
		var first *statev1.Update
		select {
		case first = <-updates:
		case <-ctx.Done():
			return ctx.Err()
		}
		resp := &statev1.WatchResponse{Updates: []*statev1.Update{first}}
		size := proto.Size(first)
	gather:
		for size < maxMessage {
			select {
			case u := <-updates:
				resp.Updates = append(resp.Updates, u)
				size += proto.Size(u)
			default:
				break gather
			}
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
	}
}
