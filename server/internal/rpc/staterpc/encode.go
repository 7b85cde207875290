package staterpc

import (
	"encoding/binary"
	"fmt"
	"slices"

	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// updates is the number of the field WatchResponse.updates.
const updates = 1

// encoder makes messages of what the cursors of one stream yield. The encoding of a message is that of its parts one behind
// the other, so an Update is the names of its targets, which the stream has encoded, its head, which streams share, and
// the changes, which are encoded once for all streams.
type encoder struct {
	server  *Server
	targets []target
	names   [][]byte // of the update being made, as parts is; kept for the next one
	parts   [][]byte
}

type target struct {
	name   []byte // an Update with nothing else in it
	rights store.Rights
}

func newTarget(name string, rights store.Rights) (target, error) {
	encoded, err := proto.Marshal(&statev1.Update{Targets: []string{name}})
	return target{encoded, rights}, err
}

// encode makes one message of the pieces.
func (e *encoder) encode(pieces []store.Piece) (*codec.Encoded, error) {
	var out []byte
	for _, p := range pieces {
		for rest := p.Watchers; len(rest) > 0; {
			rights := e.targets[rest[0]].rights
			rest = e.alike(rest, p.Bookmark)
			var err error
			if out, err = e.update(out, p.Batch, rights); err != nil {
				return nil, err
			}
		}
	}
	return &codec.Encoded{Message: (*statev1.WatchResponse)(nil), Bytes: out}, nil
}

// alike gathers the names of those targets that can have one update, and answers the others: a bookmark is bound to rights.
func (e *encoder) alike(watchers []int, bookmark bool) (others []int) {
	e.names = e.names[:0]
	rights := e.targets[watchers[0]].rights
	for _, i := range watchers {
		if bookmark && e.targets[i].rights != rights {
			others = append(others, i)
			continue
		}
		e.names = append(e.names, e.targets[i].name)
	}
	return others
}

// update appends the Update of a batch for the targets that alike gathered, as a member of the message.
func (e *encoder) update(b []byte, batch store.Batch, rights store.Rights) ([]byte, error) {
	head, err := e.server.head(batch, rights)
	if err != nil {
		return nil, err
	}
	size := len(head)
	for _, name := range e.names {
		size += len(name)
	}
	parts := e.parts[:0]
	for _, c := range batch.Changes {
		encoded, err := c.Encoded(e.server.change)
		if err != nil {
			return nil, err
		}
		parts = append(parts, encoded)
		size += len(encoded)
	}
	b = slices.Grow(b, size+2*binary.MaxVarintLen64)
	b = protowire.AppendVarint(protowire.AppendTag(b, updates, protowire.BytesType), uint64(size))
	for _, name := range e.names {
		b = append(b, name...)
	}
	b = append(b, head...)
	for _, part := range parts {
		b = append(b, part...)
	}
	clear(parts)
	e.parts = parts
	return b, nil
}

// head is an Update with what all targets are told of a batch besides its changes. The streams of callers with the same
// rights move on together, so the newest one is kept where nothing else is in it than the bookmark.
func (s *Server) head(batch store.Batch, rights store.Rights) ([]byte, error) {
	usual := batch.Bookmark && !batch.Snapshot && batch.Boot == ""
	if m := s.marks.Load(); usual && m != nil && m.revision == batch.Revision && m.rights == rights {
		return m.encoded, nil
	}
	head := &statev1.Update{Phase: statev1.Update_PHASE_CHANGES, BootId: batch.Boot}
	if batch.Snapshot {
		head.Phase = statev1.Update_PHASE_SNAPSHOT
	}
	if batch.Bookmark {
		head.Bookmark, head.Revision = s.store.EncodeBookmark(batch.Revision, rights), batch.Revision
	}
	encoded, err := proto.Marshal(head)
	if usual && err == nil {
		s.marks.Store(&mark{batch.Revision, rights, encoded})
	}
	return encoded, err
}

// mark is a head with nothing but the bookmark.
type mark struct {
	revision uint64
	rights   store.Rights
	encoded  []byte
}

// change encodes a change as an Update with nothing else in it.
func (s *Server) change(c store.Change) ([]byte, error) {
	change := &statev1.Change{Revision: c.Revision, Kind: c.Kind, Id: c.ID}
	if c.Row != nil {
		arm, ok := s.arms[c.Row.ProtoReflect().Descriptor().FullName()]
		if !ok {
			return nil, fmt.Errorf("kind %q has no member in hearth.state.v1.Resource", c.Kind)
		}
		change.Resource = &statev1.Resource{}
		change.Resource.ProtoReflect().Set(arm, protoreflect.ValueOfMessage(c.Row.ProtoReflect()))
	}
	return proto.Marshal(&statev1.Update{Changes: []*statev1.Change{change}})
}
