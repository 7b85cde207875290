package store

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/ids"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Tx is a consistent view of all durable rows, and in Update also what is about to be written. It is valid only inside
// the closure it was given to, and only on that goroutine.
type Tx struct {
	db       *badger.Txn
	revision uint64
	now      time.Time
	layers   []*group // what is not yet in Badger, oldest first
	writes   map[rowKey]*write
	order    []rowKey // of writes, as they were first touched
	writable bool
	done     bool
}

// write is what a transaction does to one row.
type write struct {
	base Row    // the row before the transaction; nil if there was none
	from Row    // the row whose life goes on: base, or nil once it was deleted in this transaction
	row  Row    // the row now; nil if there is none
	raw  []byte // row as it will be stored
}

// View runs fn with a view of the newest published revision. Rows it reads are its own copies.
func (s *Store) View(fn func(tx *Tx) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	rev := s.pin()
	defer s.unpin(rev)
	tx := &Tx{db: s.db.NewTransactionAt(rev, false), revision: rev}
	defer tx.end()
	return fn(tx)
}

func (tx *Tx) end() {
	tx.done = true
	tx.db.Discard()
}

// Now answers the time given to Update; in a View it is zero, since what is read does not depend on it.
func (tx *Tx) Now() time.Time { return tx.now }

// Revision answers the revision that is being read, and in Update the one the commit gets if it writes anything.
func (tx *Tx) Revision() uint64 { return tx.revision }

// Get answers the row with this id, or REASON_NOT_FOUND with the metadata kind and id.
func Get[T Row](tx *Tx, id string) (T, error) {
	row, ok, err := Lookup[T](tx, id)
	if err == nil && !ok {
		k := kindFor[T]()
		err = fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no %s %q", k.ID, id).With("kind", k.ID).With("id", id)
	}
	return row, err
}

// Lookup answers the row with this id and whether it is there.
func Lookup[T Row](tx *Tx, id string) (T, bool, error) {
	var none T
	row, shared, err := tx.read(rowKey{durableKind[T]().Number, id})
	if err != nil || row == nil {
		return none, false, err
	}
	if shared {
		row = proto.Clone(row).(Row)
	}
	return row.(T), true, nil
}

// List answers the rows below a parent, those whose id begins with it and a slash, ordered by id; with "" all rows of
// the kind.
func List[T Row](tx *Tx, parent string) ([]T, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	k := durableKind[T]()
	var rows []T
	if len(tx.layers) == 0 && len(tx.writes) == 0 {
		err := tx.scan(k, parent, func(_ string, row Row) { rows = append(rows, row.(T)) })
		return rows, err
	}
	found := make(map[string]Row)
	if err := tx.scan(k, parent, func(id string, row Row) { found[id] = row }); err != nil {
		return nil, err
	}
	tx.overlay(k, parent, found)
	for _, id := range slices.Sorted(maps.Keys(found)) {
		rows = append(rows, found[id].(T))
	}
	return rows, nil
}

// IDs answers the ids of the rows that List would answer, ordered, without reading the rows.
func IDs[T Row](tx *Tx, parent string) ([]string, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	k := durableKind[T]()
	it := tx.db.NewIterator(below(parentKey(k.Number, parent)))
	defer it.Close()
	var ids []string
	for it.Rewind(); it.Valid(); it.Next() {
		ids = append(ids, string(it.Item().Key()[rowHead:]))
	}
	if len(tx.layers) == 0 && len(tx.writes) == 0 {
		return ids, nil
	}
	found := make(map[string]Row, len(ids))
	for _, id := range ids {
		found[id] = nil
	}
	tx.overlay(k, parent, found)
	return slices.Sorted(maps.Keys(found)), nil
}

// scan reads what Badger has, in the order of ids.
func (tx *Tx) scan(k *KindInfo, parent string, take func(id string, row Row)) error {
	it := tx.db.NewIterator(below(parentKey(k.Number, parent)))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		err := it.Item().Value(func(raw []byte) error {
			row, err := decodeRow(k, raw)
			if err == nil {
				take(string(it.Item().Key()[rowHead:]), row)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("cannot read a row of kind %q: %w", k.ID, err)
		}
	}
	return nil
}

// Descend answers the rows of a kind from the greatest id down, those whose id is smaller than before, or all with "". What
// is not asked for is not read. It is for a View: rows about to be written are not among them, so in an Update it fails.
func Descend[T Row](tx *Tx, before string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := tx.usable(); err != nil {
			yield(none, err)
			return
		}
		if tx.writable {
			yield(none, errors.New("cannot read rows downwards in an update"))
			return
		}
		k := durableKind[T]()
		opt := below(parentKey(k.Number, ""))
		opt.Reverse = true
		it := tx.db.NewIterator(opt)
		defer it.Close()
		// Backwards, a seek finds the greatest key that is not greater.
		from := rowKey{k.Number, before}.bytes()
		if before == "" {
			from = after(opt.Prefix)
		}
		for it.Seek(from); it.Valid(); it.Next() {
			if before != "" && string(it.Item().Key()[rowHead:]) >= before {
				continue
			}
			row := Row(none)
			err := it.Item().Value(func(raw []byte) (err error) {
				row, err = decodeRow(k, raw)
				return err
			})
			if err != nil {
				yield(none, fmt.Errorf("cannot read a row of kind %q: %w", k.ID, err))
				return
			}
			if !yield(row.(T), nil) {
				return
			}
		}
	}
}

// overlay puts what is not yet in Badger over what is.
func (tx *Tx) overlay(k *KindInfo, parent string, found map[string]Row) {
	apply := func(key rowKey, row Row) {
		switch {
		case key.kind != k.Number || parent != "" && !strings.HasPrefix(key.id, parent+"/"):
		case row == nil:
			delete(found, key.id)
		default:
			found[key.id] = proto.Clone(row).(Row)
		}
	}
	for _, g := range tx.layers {
		for key, w := range g.rows {
			apply(key, w.row)
		}
	}
	for key, w := range tx.writes {
		apply(key, w.row)
	}
}

// read answers a row as it is now, or nil. A shared one must not be changed.
func (tx *Tx) read(key rowKey) (row Row, shared bool, err error) {
	if err := tx.usable(); err != nil {
		return nil, false, err
	}
	if w, ok := tx.writes[key]; ok {
		return w.row, true, nil
	}
	for _, g := range slices.Backward(tx.layers) {
		if w, ok := g.rows[key]; ok {
			return w.row, true, nil
		}
	}
	item, err := tx.db.Get(key.bytes())
	if errors.Is(err, badger.ErrKeyNotFound) || errors.Is(err, badger.ErrEmptyKey) {
		return nil, false, nil
	}
	if err == nil {
		err = item.Value(func(raw []byte) error {
			row, err = decodeRow(kinds().byNumber[key.kind], raw)
			return err
		})
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read %s %q: %w", kinds().byNumber[key.kind].ID, key.id, err)
	}
	return row, false, nil
}

// Put writes a row under its meta.id. Of meta the caller gives id, labels and finalizers; the store keeps the rest: it
// counts a changed spec in the generation and stamps revision and times. A row equal to what is there is not written. A
// row marked for deletion vanishes when a Put leaves it without finalizers. The row given is neither kept nor changed.
func Put[T Row](tx *Tx, row T) error {
	k := durableKind[T]()
	if err := tx.changeable(k, row.GetMeta().GetId()); err != nil {
		return err
	}
	w, err := tx.touch(rowKey{k.Number, row.GetMeta().GetId()})
	if err != nil {
		return err
	}
	next := proto.Clone(row).(Row)
	m := next.GetMeta()
	stamp := timestamppb.New(tx.now)
	if w.from == nil {
		m.CreateRevision, m.CreateTime, m.DeleteTime = tx.revision, stamp, nil
		m.Generation, m.Revision, m.UpdateTime = 1, tx.revision, stamp
		return w.set(k, next)
	}
	old := w.from.GetMeta()
	m.CreateRevision, m.CreateTime, m.DeleteTime = old.GetCreateRevision(), old.GetCreateTime(), w.row.GetMeta().GetDeleteTime()
	if m.GetDeleteTime() != nil && len(m.GetFinalizers()) == 0 {
		w.clear()
		return nil
	}
	m.Generation, m.Revision, m.UpdateTime = old.GetGeneration(), old.GetRevision(), old.GetUpdateTime()
	if proto.Equal(next, w.from) {
		w.row, w.raw = w.from, nil
		return nil
	}
	if !sameSpec(next, w.from) {
		m.Generation++
	}
	m.Revision, m.UpdateTime = tx.revision, stamp
	return w.set(k, next)
}

// Delete removes a row and leaves a tombstone in the log. One with finalizers is only marked with the time, once; it
// vanishes when a Put takes the last finalizer away. A row that is not there is no error.
func Delete[T Row](tx *Tx, id string) error {
	k := durableKind[T]()
	if err := tx.changeable(k, id); err != nil {
		return err
	}
	w, err := tx.touch(rowKey{k.Number, id})
	if err != nil || w.row == nil {
		return err
	}
	if len(w.row.GetMeta().GetFinalizers()) == 0 {
		w.clear()
		return nil
	}
	if w.row.GetMeta().GetDeleteTime() != nil {
		return nil
	}
	next := proto.Clone(w.row).(Row)
	m := next.GetMeta()
	m.DeleteTime = timestamppb.New(tx.now)
	m.Revision, m.UpdateTime = tx.revision, m.GetDeleteTime()
	return w.set(k, next)
}

// Room is how many bytes of rows a transaction still deletes with DeleteBelow.
type Room int

// NewRoom is as much as fits one commit beside the few rows that go with it.
func NewRoom() *Room {
	room := Room(MaxCommit / 2)
	return &room
}

// Left tells whether there is room: if so everything that DeleteBelow was asked to delete with it is deleted.
func (r *Room) Left() bool { return *r > 0 }

// DeleteBelow deletes the rows below a parent for as long as there is room. Rows below a package are as many as its code
// has made, so whoever removes them does it in as many commits as it takes.
func DeleteBelow[T Row](tx *Tx, parent string, room *Room) error {
	if !room.Left() {
		return nil
	}
	rows, err := List[T](tx, parent)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if !room.Left() {
			return nil
		}
		if err := Delete[T](tx, row.GetMeta().GetId()); err != nil {
			return err
		}
		*room -= Room(proto.Size(row) + 2*len(row.GetMeta().GetId()) + writeOverhead)
	}
	return nil
}

// touch answers what the transaction does to a row, beginning with nothing.
func (tx *Tx) touch(key rowKey) (*write, error) {
	if w, ok := tx.writes[key]; ok {
		return w, nil
	}
	row, _, err := tx.read(key)
	if err != nil {
		return nil, err
	}
	w := &write{base: row, from: row, row: row}
	tx.writes[key] = w
	tx.order = append(tx.order, key)
	return w, nil
}

func (w *write) set(k *KindInfo, row Row) error {
	raw, err := encodeRow(row)
	if err != nil {
		return err
	}
	if len(raw) > MaxRow {
		id := row.GetMeta().GetId()
		return fault.New(metav1.Reason_REASON_RESOURCE_TOO_LARGE, "cannot store %s %q: it has %d bytes, %d are allowed", k.ID, id, len(raw), MaxRow).
			With("kind", k.ID).With("id", id).With("size", len(raw)).With("limit", MaxRow)
	}
	w.row, w.raw = row, raw
	return nil
}

func (w *write) clear() { w.from, w.row, w.raw = nil, nil, nil }

// changes answers what the transaction changed, in the order of its calls.
func (tx *Tx) changes() []change {
	var all []change
	for _, key := range tx.order {
		w := tx.writes[key]
		switch {
		case w.row == w.base: // both nil, or the very same row again
		case w.row == nil:
			all = append(all, change{key: key, deleted: true, row: w.base})
		default:
			c := change{key: key, row: w.row, raw: w.raw}
			if w.base != nil && !maps.Equal(w.base.GetMeta().GetLabels(), w.row.GetMeta().GetLabels()) {
				c.before = w.base.GetMeta().GetLabels()
			}
			all = append(all, c)
		}
	}
	return all
}

func (tx *Tx) usable() error {
	if tx.done {
		return errors.New("cannot use a transaction after its closure returned")
	}
	return nil
}

func (tx *Tx) changeable(k *KindInfo, id string) error {
	if err := tx.usable(); err != nil {
		return err
	}
	if !tx.writable {
		return fmt.Errorf("cannot write %s %q in a view", k.ID, id)
	}
	if _, err := ids.Split(id); err != nil {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot store a %s under the id %q: %w", k.ID, id, err).With("kind", k.ID)
	}
	return nil
}

// sameSpec tells whether two rows of one kind want the same.
func sameSpec(a, b Row) bool {
	field := a.ProtoReflect().Descriptor().Fields().ByName("spec")
	if field == nil || field.Kind() != protoreflect.MessageKind || field.IsList() || field.IsMap() {
		return true
	}
	x, y := a.ProtoReflect(), b.ProtoReflect()
	return x.Has(field) == y.Has(field) && proto.Equal(x.Get(field).Message().Interface(), y.Get(field).Message().Interface())
}
