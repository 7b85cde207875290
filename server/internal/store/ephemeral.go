package store

import (
	"container/list"
	"sync"

	"google.golang.org/protobuf/proto"
)

// ephemera holds the rows of ephemeral kinds. Each change moves a row to the end of a list and gives it the next number
// of a sequence that ends with the process, so a watcher finds what is new by walking from the end. Deletions leave
// nothing behind: watchers remember what they showed.
type ephemera struct {
	mu    sync.Mutex // guards the following; a leaf
	rows  map[rowKey]*list.Element
	order *list.List // of *ephemeral, the last changed last
	last  uint64     // newest number given
	drops uint64     // counts deletions
	wake  chan struct{}
}

type ephemeral struct {
	key    rowKey
	kind   *KindInfo
	row    Row // immutable
	number uint64
}

func newEphemera() *ephemera {
	return &ephemera{rows: make(map[rowKey]*list.Element), order: list.New(), wake: make(chan struct{})}
}

// SetEphemeral creates or replaces a row of an ephemeral kind under its meta.id. It takes no revision, is gone when the
// store is closed, and is shown to watchers. An equal row changes nothing. The row given is neither kept nor changed.
func SetEphemeral[T Row](s *Store, row T) {
	kind := ephemeralKind[T]()
	key := rowKey{kind.Number, row.GetMeta().GetId()}
	e := s.eph
	e.mu.Lock()
	defer e.mu.Unlock()
	old, there := e.rows[key]
	if there && proto.Equal(old.Value.(*ephemeral).row, row) {
		return
	}
	if there {
		e.order.Remove(old)
	}
	e.last++
	e.rows[key] = e.order.PushBack(&ephemeral{key: key, kind: kind, row: proto.Clone(row).(Row), number: e.last})
	e.changed()
}

// DropEphemeral removes a row of an ephemeral kind; one that is not there is no error.
func DropEphemeral[T Row](s *Store, id string) {
	key := rowKey{ephemeralKind[T]().Number, id}
	e := s.eph
	e.mu.Lock()
	defer e.mu.Unlock()
	old, there := e.rows[key]
	if !there {
		return
	}
	e.order.Remove(old)
	delete(e.rows, key)
	e.drops++
	e.changed()
}

// Ephemeral answers a row of an ephemeral kind, the caller's own copy, and whether it is there.
func Ephemeral[T Row](s *Store, id string) (T, bool) {
	key := rowKey{ephemeralKind[T]().Number, id}
	e := s.eph
	e.mu.Lock()
	defer e.mu.Unlock()
	if el, there := e.rows[key]; there {
		return proto.Clone(el.Value.(*ephemeral).row).(T), true
	}
	var none T
	return none, false
}

func (e *ephemera) changed() {
	close(e.wake)
	e.wake = make(chan struct{})
}

// since answers up to limit rows changed after number, oldest change first, and a channel closed at the next change.
func (e *ephemera) since(number uint64, limit int) (rows []*ephemeral, wake <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := (*list.Element)(nil)
	for el := e.order.Back(); el != nil && el.Value.(*ephemeral).number > number; el = el.Prev() {
		first = el
	}
	for el := first; el != nil && len(rows) < limit; el = el.Next() {
		rows = append(rows, el.Value.(*ephemeral))
	}
	return rows, e.wake
}

// dropped answers which of the known rows are gone, if anything was dropped after drops, and the new count.
func (e *ephemera) dropped(known map[rowKey]struct{}, drops uint64) (gone []rowKey, now uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.drops == drops {
		return nil, drops
	}
	for key := range known {
		if _, there := e.rows[key]; !there {
			gone = append(gone, key)
		}
	}
	return gone, e.drops
}
