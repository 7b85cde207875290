// Package staterpc answers hearth.state.v1: it gives each target of a watch its own cursor in the store and sends
// what they yield over one stream. It adds nothing to the store's promises and takes nothing away; what a caller may
// not read is left out before it reaches the stream.
//
//	view.go     which rows a caller may read
//	encode.go   what the cursors yield, as bytes that all streams share
package staterpc

import (
	"fmt"
	"sync/atomic"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Server implements StateServiceServer.
type Server struct {
	statev1.UnimplementedStateServiceServer
	store   *store.Store
	streams atomic.Int64 // being served
	marks   atomic.Pointer[mark]
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
	view := viewOf(stream.Context())
	out := encoder{server: s}
	watchers := make([]*store.Watcher, len(req.GetTargets()))
	names := map[string]bool{}
	for i, t := range req.GetTargets() {
		if names[t.GetId()] {
			return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot watch: two targets have the id %q", t.GetId()).
				Violation(fmt.Sprintf("targets[%d].id", i), "must be unique in the request")
		}
		names[t.GetId()] = true
		var err error
		if watchers[i], err = s.open(t, view); err != nil {
			return err
		}
		named, err := newTarget(t.GetId(), view.rights(t.GetSelectors()))
		if err != nil {
			return err
		}
		out.targets = append(out.targets, named)
	}
	feed := s.store.Feed(watchers...)
	s.streams.Add(1)
	defer s.streams.Add(-1)
	for {
		pieces, err := feed.Next(stream.Context())
		if err != nil {
			return err
		}
		message, err := out.encode(pieces)
		if err != nil {
			return err
		}
		if err := stream.SendMsg(message); err != nil {
			return err
		}
		if rest := time.Duration(s.streams.Load()) * eachMessage; rest >= leastRest {
			feed.Rest(min(rest, longestRest))
		}
	}
}

// Of many streams each rests after a message for about the time that a message to each of the others takes, so that writers
// who do not pause cost a message for each stream in a round, with all that was written meanwhile, and not one for each
// stream and revision. A few streams do not rest.
const (
	eachMessage = 20 * time.Microsecond
	leastRest   = time.Millisecond
	longestRest = 20 * time.Millisecond
)

// open places a cursor where the target says.
func (s *Server) open(t *statev1.Target, v view) (*store.Watcher, error) {
	opt := store.WatchOptions{Readable: v.readable}
	for _, sel := range t.GetSelectors() {
		if _, ok := v.kinds[sel.GetKind()]; !ok && sel.GetKind() != "" {
			return nil, fault.New(metav1.Reason_REASON_SELECTOR_INVALID, "cannot watch kind %q: there is none that you may read", sel.GetKind()).With("kind", sel.GetKind())
		}
		opt.Selectors = append(opt.Selectors, store.Selector{
			Kind: sel.GetKind(), ID: sel.GetId(), Parent: sel.GetParent(), Labels: sel.GetLabels(),
		})
	}
	if t.GetBookmark() != "" {
		from, err := s.store.DecodeBookmark(t.GetBookmark(), v.rights(t.GetSelectors()))
		if err != nil {
			return nil, err
		}
		opt.From = from
	}
	return s.store.Watch(opt)
}
