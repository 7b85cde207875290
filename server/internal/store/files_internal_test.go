package store

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"testing"

	"github.com/dgraph-io/badger/v4/y"
)

// appendRecord writes a record as Badger does.
func appendRecord(to []byte, meta byte, key string, version uint64, value string) []byte {
	full := y.KeyWithTs([]byte(key), version)
	r := binary.AppendUvarint([]byte{meta, 0}, uint64(len(full)))
	r = binary.AppendUvarint(r, uint64(len(value)))
	r = append(append(append(r, 0), full...), value...)
	return append(to, binary.BigEndian.AppendUint32(r, crc32.Checksum(r, y.CastagnoliCrcTable))...)
}

func transaction(to []byte, version uint64) []byte {
	to = appendRecord(to, walTxn, "r/\x00\x01a", version, "row")
	to = appendRecord(to, walTxn, string(logKey(version)), version, "record")
	return appendRecord(to, walTxnEnd, "!badger!txn", version, strconv.FormatUint(version, 10))
}

// FuzzReadWAL feeds logs of other bytes: whatever they are, what is read lies within them, and a log that is read to its
// end is not damaged by the zeros after it.
func FuzzReadWAL(f *testing.F) {
	whole := transaction(transaction(make([]byte, walHeader), 2), 3)
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(append(append([]byte{}, whole[:30]...), whole[33:]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		w := readWAL(data)
		if w.end > int64(len(data)) || w.end < min(walHeader, int64(len(data))) {
			t.Fatalf("read to %d of %d", w.end, len(data))
		}
		again := readWAL(append(append([]byte{}, data[:w.end]...), make([]byte, 100)...))
		if again.damaged || len(data) >= walHeader && again.end != w.end {
			t.Errorf("what was read to %d is read to %d, damaged %v", w.end, again.end, again.damaged)
		}
		if next := readWAL(transaction(append([]byte{}, data[:w.end]...), 9)); len(data) >= walHeader && len(next.keys) != len(w.keys)+2 {
			t.Errorf("%d keys and then %d", len(w.keys), len(next.keys))
		}
	})
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte("Bdgr\x00\x00\x00\x08"))
	f.Add([]byte("Bdgr\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readManifest(raw)
		if err != nil {
			return
		}
		if m.end > int64(len(raw)) {
			t.Fatalf("read to %d of %d", m.end, len(raw))
		}
		if again, err := readManifest(raw[:m.end]); err != nil || len(again.tables) != len(m.tables) {
			t.Errorf("%v, %v", again, err)
		}
	})
}
