package staterpc

import (
	"fmt"

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
}

type target struct {
	name   string
	rights store.Rights
	// The newest bookmark and its revision: most targets of a stream move on together.
	mark     string
	revision uint64
}

// encode makes one message of the pieces.
func (e *encoder) encode(pieces []store.Piece) (*codec.Encoded, error) {
	var out, body []byte
	for _, p := range pieces {
		var err error
		if body, err = e.update(body[:0], p); err != nil {
			return nil, err
		}
		out = protowire.AppendTag(out, updates, protowire.BytesType)
		out = protowire.AppendBytes(out, body)
	}
	return &codec.Encoded{Message: (*statev1.WatchResponse)(nil), Bytes: out}, nil
}

// update appends the Update of a piece.
func (e *encoder) update(b []byte, p store.Piece) ([]byte, error) {
	t := &e.targets[p.Watcher]
	head := &statev1.Update{Target: t.name, Phase: statev1.Update_PHASE_CHANGES, BootId: p.Boot}
	if p.Snapshot {
		head.Phase = statev1.Update_PHASE_SNAPSHOT
	}
	if p.Bookmark {
		head.Bookmark, head.Revision = e.bookmark(p.Watcher, p.Revision), p.Revision
	}
	b, err := proto.MarshalOptions{}.MarshalAppend(b, head)
	if err != nil {
		return nil, err
	}
	for _, c := range p.Changes {
		encoded, err := c.Encoded(e.server.change)
		if err != nil {
			return nil, err
		}
		b = append(b, encoded...)
	}
	return b, nil
}

// bookmark answers the bookmark of a target; the one of the target before it is used again where it is the same.
func (e *encoder) bookmark(i int, revision uint64) string {
	t := &e.targets[i]
	t.revision = revision
	if i > 0 && e.targets[i-1].revision == revision && e.targets[i-1].rights == t.rights {
		t.mark = e.targets[i-1].mark
	} else {
		t.mark = e.server.store.EncodeBookmark(revision, t.rights)
	}
	return t.mark
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
