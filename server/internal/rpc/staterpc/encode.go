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

// encoder makes messages of what the cursors of one stream yield. Changes are encoded once for all streams: the encoding
// of a message is that of its parts one behind the other, so an Update is its head followed by the changes.
type encoder struct {
	server  *Server
	targets []target
	parts   [][]byte // kept for the next update
}

type target struct {
	name   string
	rights store.Rights
}

// encode makes one message of the pieces.
func (e *encoder) encode(pieces []store.Piece) (*codec.Encoded, error) {
	var out []byte
	for _, p := range pieces {
		for rest := p.Watchers; len(rest) > 0; {
			var names []string
			rights := e.targets[rest[0]].rights
			names, rest = e.alike(rest, p.Bookmark)
			var err error
			if out, err = e.update(out, p.Batch, names, rights); err != nil {
				return nil, err
			}
		}
	}
	return &codec.Encoded{Message: (*statev1.WatchResponse)(nil), Bytes: out}, nil
}

// alike answers the names of those targets that can have one update, and the others: a bookmark is bound to rights.
func (e *encoder) alike(watchers []int, bookmark bool) (names []string, others []int) {
	names = make([]string, 0, len(watchers))
	rights := e.targets[watchers[0]].rights
	for _, i := range watchers {
		if bookmark && e.targets[i].rights != rights {
			others = append(others, i)
			continue
		}
		names = append(names, e.targets[i].name)
	}
	return names, others
}

// update appends the Update of a batch, as a member of the message.
func (e *encoder) update(b []byte, batch store.Batch, names []string, rights store.Rights) ([]byte, error) {
	head := &statev1.Update{Targets: names, Phase: statev1.Update_PHASE_CHANGES, BootId: batch.Boot}
	if batch.Snapshot {
		head.Phase = statev1.Update_PHASE_SNAPSHOT
	}
	if batch.Bookmark {
		head.Bookmark, head.Revision = e.server.bookmark(batch.Revision, rights), batch.Revision
	}
	size := proto.Size(head)
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
	b, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, head)
	for _, part := range parts {
		b = append(b, part...)
	}
	clear(parts)
	e.parts = parts
	return b, err
}

// bookmark is one that was made.
type bookmark struct {
	revision uint64
	rights   store.Rights
	text     string
}

// bookmark answers the bookmark of a revision. The streams of callers with the same rights move on together, so the newest
// one is kept.
func (s *Server) bookmark(revision uint64, rights store.Rights) string {
	if m := s.marks.Load(); m != nil && m.revision == revision && m.rights == rights {
		return m.text
	}
	m := &bookmark{revision, rights, s.store.EncodeBookmark(revision, rights)}
	s.marks.Store(m)
	return m.text
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
