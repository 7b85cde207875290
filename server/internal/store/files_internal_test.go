package store

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"
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

// A copy into a memory map may write the middle of a record before its head, and a kill may come between the two: that
// is no damage, however much of the record is there. A head lost from a record that others follow is.
func TestRecordWithoutItsHeadIsTheLastBreathOfAKill(t *testing.T) {
	t.Parallel()
	before := transaction(make([]byte, walHeader), 2)
	row := appendRecord(nil, walTxn, "r/\x00\x01a", 3, strings.Repeat("row", 700))
	for head := 1; head <= 32; head++ {
		for _, end := range []int{head + 32, 1000, len(row) - 128, len(row)} {
			torn := append(append(append([]byte{}, before...), make([]byte, head)...), row[head:end]...)
			w := readWAL(append(torn, make([]byte, 4096)...), true)
			if w.damaged || w.end != int64(len(before)) {
				t.Errorf("without %d bytes of its head, up to %d: damaged %v, read to %d of %d", head, end, w.damaged, w.end, len(before))
			}
		}
		for name, after := range map[string][]byte{
			"a record of it": appendRecord(nil, walTxn, string(logKey(3)), 3, "record"),
			"its end":        appendRecord(nil, walTxnEnd, "!badger!txn", 3, "3"),
			"another":        transaction(nil, 4),
		} {
			lost := append(append(append([]byte{}, before...), make([]byte, head)...), row[head:]...)
			if w := readWAL(append(append(lost, after...), make([]byte, 4096)...), true); !w.damaged {
				t.Errorf("without %d bytes of its head and with %s after it, the log counts as whole", head, name)
			}
		}
	}
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
		w := readWAL(data, true)
		if w.end > int64(len(data)) || w.end < min(walHeader, int64(len(data))) {
			t.Fatalf("read to %d of %d", w.end, len(data))
		}
		again := readWAL(append(append([]byte{}, data[:w.end]...), make([]byte, 100)...), true)
		if again.damaged || len(data) >= walHeader && again.end != w.end {
			t.Errorf("what was read to %d is read to %d, damaged %v", w.end, again.end, again.damaged)
		}
		if next := readWAL(transaction(append([]byte{}, data[:w.end]...), 9), true); len(data) >= walHeader && len(next.keys) != len(w.keys)+2 {
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
