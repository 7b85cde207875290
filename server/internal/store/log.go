package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/proto"
)

// The record of one revision, the value of l/<revision>:
//
//	record  1 byte version = 1, then for each change: uvarint length, change
//	change  ├ 1 byte    what: 1 written, 2 deleted
//	        ├ 2 bytes   kind, big endian
//	        ├ uvarint length, id
//	        ├ uvarint length, labels before: a hearth.meta.v1.Meta with nothing but labels; empty unless there were
//	        │         some and they changed: a watcher that selected by them must hear that the row left
//	        └ the rest: the row; of a deleted one the last row, by whose labels selectors still find it
const (
	recordVersion = 1
	opWritten     = 1
	opDeleted     = 2
)

// change is one row that a revision wrote or deleted. It is immutable once made: all watchers share it.
type change struct {
	key     rowKey
	deleted bool
	row     Row               // of a deleted one: the last row
	before  map[string]string // labels before, if there were some and they changed
	raw     []byte            // the row as it is stored; only until it is written
}

// entry is one revision.
type entry struct {
	revision uint64
	changes  []change
	shared   []shared // one for each change: what watchers put down there for each other
	size     int      // bytes of the record: what it weighs in the ring
}

var errRecord = errors.New("record of the log is damaged")

// encodeRecord answers the record of changes whose raw is set.
func encodeRecord(changes []change) ([]byte, error) {
	b := []byte{recordVersion}
	for _, c := range changes {
		var before []byte
		if len(c.before) > 0 {
			var err error
			before, err = proto.MarshalOptions{Deterministic: true}.Marshal(&metav1.Meta{Labels: c.before})
			if err != nil {
				return nil, fmt.Errorf("cannot encode labels: %w", err)
			}
		}
		n := 1 + 2 + sizeBytes(len(c.key.id)) + sizeBytes(len(before)) + len(c.raw)
		b = binary.AppendUvarint(b, uint64(n))
		op := byte(opWritten)
		if c.deleted {
			op = opDeleted
		}
		b = append(b, op)
		b = binary.BigEndian.AppendUint16(b, c.key.kind)
		b = append(binary.AppendUvarint(b, uint64(len(c.key.id))), c.key.id...)
		b = append(binary.AppendUvarint(b, uint64(len(before))), before...)
		b = append(b, c.raw...)
	}
	return b, nil
}

// sizeBytes answers how long n bytes with their length before them are.
func sizeBytes(n int) int {
	size := 1 + n
	for v := uint(n); v >= 0x80; v >>= 7 {
		size++
	}
	return size
}

// decodeRecord is the inverse. Changes of kinds this program does not know are left out. It accepts nothing that reaches
// beyond its bounds and keeps no reference to b.
func decodeRecord(revision uint64, b []byte) (*entry, error) {
	if len(b) == 0 || b[0] != recordVersion {
		return nil, errRecord
	}
	e := &entry{revision: revision, size: len(b)}
	for b = b[1:]; len(b) > 0; {
		body, rest, ok := takeBytes(b)
		if !ok {
			return nil, errRecord
		}
		b = rest
		c, known, err := decodeChange(body)
		if err != nil {
			return nil, err
		}
		if known {
			e.changes = append(e.changes, c)
		}
	}
	e.shared = make([]shared, len(e.changes))
	return e, nil
}

func decodeChange(b []byte) (c change, known bool, err error) {
	if len(b) < 3 || b[0] != opWritten && b[0] != opDeleted {
		return c, false, errRecord
	}
	c.deleted = b[0] == opDeleted
	c.key.kind = binary.BigEndian.Uint16(b[1:])
	id, b, ok := takeBytes(b[3:])
	if !ok {
		return c, false, errRecord
	}
	c.key.id = string(id)
	before, b, ok := takeBytes(b)
	if !ok {
		return c, false, errRecord
	}
	if len(before) > 0 {
		var m metav1.Meta
		if err := proto.Unmarshal(before, &m); err != nil {
			return c, false, errRecord
		}
		c.before = m.GetLabels()
	}
	kind, known := kinds().byNumber[c.key.kind]
	if !known {
		return c, false, nil
	}
	if c.row, err = decodeRow(kind, b); err != nil {
		return c, false, errRecord
	}
	return c, true, nil
}

func takeBytes(b []byte) (head, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	return b[used : used+int(n)], b[used+int(n):], true
}

func encodeRow(row Row) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(row)
	if err != nil {
		return nil, fmt.Errorf("cannot encode row: %w", err)
	}
	return b, nil
}

func decodeRow(k *KindInfo, b []byte) (Row, error) {
	row := k.New()
	if err := proto.Unmarshal(b, row); err != nil {
		return nil, fmt.Errorf("cannot decode a row of kind %q: %w", k.ID, err)
	}
	return row, nil
}
