package store

import (
	"encoding/binary"
	"slices"
)

// rowKey names a row in memory; its Badger key is r/<kind u16 BE>/<id>.
type rowKey struct {
	kind uint16
	id   string
}

const rowHead = len("r/") + 2 + len("/") // bytes before the id

func (k rowKey) bytes() []byte {
	b := append(make([]byte, 0, rowHead+len(k.id)), "r/"...)
	b = binary.BigEndian.AppendUint16(b, k.kind)
	b = append(b, '/')
	return append(b, k.id...)
}

// parentKey answers the beginning of the keys of all rows of a kind, or of those below a parent.
func parentKey(kind uint16, parent string) []byte {
	b := rowKey{kind: kind}.bytes()
	if parent != "" {
		b = append(append(b, parent...), '/')
	}
	return b
}

// after answers the first key behind all that begin with prefix. Every prefix in use ends with a slash.
func after(prefix []byte) []byte {
	end := slices.Clone(prefix)
	end[len(end)-1]++
	return end
}

func logKey(revision uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("l/"), revision)
}

// logRevision is the inverse of logKey for keys the store wrote.
func logRevision(key []byte) (uint64, bool) {
	if len(key) != len("l/")+8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[len("l/"):]), true
}

// Keys of the store's own facts.
const (
	keyStoreID    = "m/store_id"
	keyFormat     = "m/format"
	keyCompacted  = "m/compacted"
	keyUnfinished = "m/unfinished"
	keyEpochs     = "m/epochs"
)
