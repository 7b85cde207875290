package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// How Badger's logs are laid out: a header of walHeader bytes, then records
//
//	meta | user meta | key length, value length, expiry as varints | key, its last 8 bytes the version | value | CRC-32C
//
// In the logs of memory (*.mem) the records of one transaction have walTxn and are followed by one with walTxnEnd; in
// those of large values (*.vlog) each record stands for itself. A log that is being written is longer than what is in
// it, and zero from there on.
const (
	walHeader = 20
	walTxn    = 1 << 6
	walTxnEnd = 1 << 7
	walMaxKey = 1 << 16
	// tornUnit is what a disk writes whole. Memory maps start as zeros, so what a loss of power left unwritten is zeros.
	tornUnit = 512
	// maxLog is far more than a log of a store can hold.
	maxLog = 1 << 30
)

// wal is what one log holds.
type wal struct {
	end     int64    // up to where Badger reads it
	size    int64    // up to where something was written
	keys    [][]byte // of its records up to end, with their versions
	damaged bool     // what is after end was acknowledged
	newest  uint64   // of the damaged part: the newest revision whose record is still readable, 0 for none
}

type walRecord struct {
	meta       byte
	key, value []byte
	version    uint64
}

// readWAL reads a log, one of memory or of large values, as Badger would, and tells what a kill or a loss of power left at its end from damage. Both can
// only touch the transaction that was being written, because each is synced before the next begins. So damage it is
// when beyond the first unreadable record there are records of another transaction, or when the record was written
// whole: it does not break off into zeros, has no hole of the size a disk writes at once, and is not the last one with
// its first bytes missing. Those a copy into a memory map may write after all others, and a kill comes between most
// easily, while the map gets its next page.
func readWAL(data []byte, memory bool) wal {
	w := wal{end: min(walHeader, int64(len(data)))}
	at, open := int(w.end), uint64(0)
	var pending [][]byte
walk:
	for {
		r, n, ok := readRecord(data[at:])
		if !ok {
			break
		}
		switch {
		case r.meta&walTxn != 0:
			if open != 0 && open != r.version {
				break walk
			}
			open = r.version
			pending = append(pending, r.key)
		case r.meta&walTxnEnd != 0:
			if open != r.version {
				break walk
			}
			open = 0
			w.keys, pending = append(w.keys, pending...), nil
			w.end = int64(at + n)
		case open != 0:
			break walk
		default:
			w.keys = append(w.keys, r.key)
			w.end = int64(at + n)
		}
		at += n
	}
	w.size = int64(lastByte(data))
	w.judge(data[:w.size], at, open, memory)
	return w
}

// judge says whether what follows the first unreadable record is damage.
func (w *wal) judge(data []byte, bad int, open uint64, memory bool) {
	if bad >= len(data) {
		return
	}
	versions, readable := map[uint64]bool{}, 0
	if open != 0 {
		versions[open] = true
	}
	for at := bad; at < len(data); {
		r, n, ok := readRecord(data[at:])
		if !ok {
			at++
			continue
		}
		at += n
		readable++
		versions[r.version] = true
		if revision, ok := logRevision(r.key[:len(r.key)-8]); ok {
			w.newest = max(w.newest, revision)
		}
	}
	w.damaged = len(versions) > 1 || !torn(data, bad) && !(readable == 0 && headless(data[bad:], memory))
}

// headless reports whether the head of a record was never written: each has a key, and in the logs of memory a mark of its
// transaction before it.
func headless(data []byte, memory bool) bool {
	return memory && data[0] == 0 || len(data) > 2 && data[2] == 0
}

// torn reports whether the record at bad breaks off, or the data from there on have a hole.
func torn(data []byte, bad int) bool {
	if _, size := recordSize(data[bad:]); size == 0 || size > len(data)-bad {
		return true
	}
	for at := bad &^ (tornUnit - 1); at < len(data); at += tornUnit {
		if lastByte(data[max(at, bad):min(at+tornUnit, len(data))]) == 0 {
			return true
		}
	}
	return false
}

// recordSize reads the head of a record: the lengths of the head and of the whole record, 0 where the head breaks off.
func recordSize(data []byte) (head, size int) {
	if len(data) < 2 {
		return 0, 0
	}
	head = 2
	var fields [3]uint64
	for i := range fields {
		v, n := binary.Uvarint(data[head:])
		if n <= 0 {
			return 0, 0
		}
		fields[i] = v
		head += n
	}
	if fields[0] > walMaxKey || fields[1] > maxLog {
		return head, math.MaxInt
	}
	return head, head + int(fields[0]+fields[1]) + crc32.Size
}

// readRecord reads the record at the begin of data, which must be whole and have a key that a store has.
func readRecord(data []byte) (r walRecord, n int, ok bool) {
	head, size := recordSize(data)
	if size == 0 || size > len(data) {
		return r, 0, false
	}
	keyLen, _ := binary.Uvarint(data[2:])
	if keyLen < 8+2 {
		return r, 0, false
	}
	key := data[head : head+int(keyLen)]
	if !ownKey(key) {
		return r, 0, false
	}
	body := size - crc32.Size
	if crc32.Checksum(data[:body], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(data[body:]) {
		return r, 0, false
	}
	r = walRecord{meta: data[0], key: key, value: data[head+int(keyLen) : body]}
	r.version = math.MaxUint64 - binary.BigEndian.Uint64(key[len(key)-8:])
	if r.meta&walTxnEnd != 0 {
		version, err := strconv.ParseUint(string(r.value), 10, 64)
		if err != nil {
			return r, 0, false
		}
		r.version = version
	}
	return r, size, true
}

// ownKey reports whether a key is one of the store or of Badger itself.
func ownKey(key []byte) bool {
	for _, prefix := range []string{"r/", "l/", "m/", "!badger!"} {
		if bytes.HasPrefix(key, []byte(prefix)) {
			return true
		}
	}
	return false
}

// lastByte answers where the zeros at the end of data begin.
func lastByte(data []byte) int {
	var zeros [4096]byte
	for len(data) >= len(zeros) && bytes.Equal(data[len(data)-len(zeros):], zeros[:]) {
		data = data[:len(data)-len(zeros)]
	}
	n := len(data)
	for n > 0 && data[n-1] == 0 {
		n--
	}
	return n
}

// readWritten reads a file up to the last of what was ever written to it; logs are mostly a hole.
func readWritten(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	end, err := writtenEnd(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if end > maxLog {
		return nil, fmt.Errorf("cannot read %s: it has %d bytes", path, end)
	}
	data := make([]byte, end)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, end), data); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return data, nil
}

// writtenEnd answers the end of the last extent of a file.
func writtenEnd(f *os.File) (int64, error) {
	end := int64(0)
	for {
		data, err := unix.Seek(int(f.Fd()), end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
		if end, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil {
			return 0, err
		}
	}
}
