package logseg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// Writer appends to a log. One log has one Writer at a time. Its methods may be called concurrently.
type Writer struct {
	mu   sync.Mutex // guards what follows
	dir  *folder
	file *os.File // nil until the first record and after a segment is full or spoilt
	next uint64   // number of the segment to be made next
	size int64
	lost uint64 // records that could not be written since the last that could
	buf  []byte
}

// NewWriter opens the folder of a log, makes it where it is missing, and continues behind what is there. No file is made
// before the first record.
func NewWriter(path string) (*Writer, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("cannot make log folder: %w", err)
	}
	dir, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	segs, err := dir.segments()
	if err != nil {
		dir.close()
		return nil, err
	}
	w := &Writer{dir: dir, next: 1}
	if n := len(segs); n > 0 {
		w.next = segs[n-1] + 1
	}
	return w, nil
}

// Write appends records with one system call. When the disk refuses, the records are lost and counted; the first write
// that succeeds afterwards begins with a record of stream System that says how many were lost. So an error is for the
// caller's information only, there is nothing to repeat.
func (w *Writer) Write(records ...Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dir == nil {
		return os.ErrClosed
	}
	w.buf = w.buf[:0]
	if w.lost > 0 {
		w.buf = appendRecord(w.buf, Record{Time: time.Now(), Stream: System, Source: "log",
			Message: fmt.Sprintf("%d lines were lost: the disk took no more", w.lost)})
	}
	pending := uint64(0)
	for _, r := range records {
		mark := len(w.buf)
		w.buf = appendRecord(w.buf, r)
		if mark > 0 && w.size+int64(len(w.buf)) > SegmentSize {
			rest := append([]byte(nil), w.buf[mark:]...)
			w.buf = w.buf[:mark]
			if err := w.flush(); err != nil {
				w.lost += uint64(len(records))
				return err
			}
			w.seal()
			w.buf, pending = append(w.buf[:0], rest...), 0
		}
		pending++
	}
	if err := w.flush(); err != nil {
		w.lost += pending
		return err
	}
	if cap(w.buf) > 256<<10 {
		w.buf = nil
	}
	return nil
}

// flush writes buf to the current segment whole, or not at all.
func (w *Writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if w.file != nil && w.size+int64(len(w.buf)) > SegmentSize {
		w.seal()
	}
	if w.file == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	n, err := w.file.Write(w.buf)
	if err != nil {
		// A torn record must not swallow the one after it: cut it off, or leave the segment if even that fails.
		if n > 0 && w.file.Truncate(w.size) != nil {
			w.seal()
		}
		return fmt.Errorf("cannot write log: %w", err)
	}
	w.size += int64(n)
	w.lost = 0
	return nil
}

// begin makes the next segment and drops those over the quota.
func (w *Writer) begin() error {
	if w.next > maxSegment {
		return fmt.Errorf("cannot begin log segment %d: no number is left", w.next)
	}
	fd, err := unix.Openat(w.dir.fd, segmentName(w.next),
		unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o640)
	if err == unix.EEXIST {
		w.next++
	}
	if err != nil {
		return fmt.Errorf("cannot begin log segment: %w", err)
	}
	w.file, w.size = os.NewFile(uintptr(fd), segmentName(w.next)), 0
	w.next++
	w.prune()
	return nil
}

// prune removes what is over the quota; what cannot be removed is tried again with the next segment.
func (w *Writer) prune() {
	segs, err := w.dir.segments()
	if err != nil {
		return
	}
	for len(segs) > KeepSegments {
		_ = unix.Unlinkat(w.dir.fd, segmentName(segs[0]), 0)
		segs = segs[1:]
	}
}

func (w *Writer) seal() {
	if w.file != nil {
		_ = w.file.Close()
		w.file, w.size = nil, 0
	}
}

// Close ends the log; a later Write answers os.ErrClosed.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dir == nil {
		return nil
	}
	w.seal()
	err := w.dir.close()
	w.dir = nil
	return err
}
