package logseg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	// MaxTail bounds what Tail returns.
	MaxTail = 100_000
	// blockSize is how much is read at a time.
	blockSize = 64 << 10
	// maxBatch bounds the records, and about the bytes, that From returns.
	maxBatch      = 1024
	maxBatchBytes = 1 << 20
)

// Entry is a record with the place behind it: reading from there goes on with the next record.
type Entry struct {
	Record
	Cursor Cursor
	// Gap says that records before this one are no longer kept although the reader had not seen them.
	Gap bool
}

// Reader reads a log while it is written. It may be used concurrently.
type Reader struct{ dir *folder }

// OpenReader opens the folder of a log. A folder without segments is an empty log.
func OpenReader(path string) (*Reader, error) {
	dir, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	return &Reader{dir: dir}, nil
}

// Close ends the use of r; no other method may be running.
func (r *Reader) Close() error { return r.dir.close() }

// Tail returns the cursor before the last n records that are whole; From goes on there. With n = 0 it is the end.
func (r *Reader) Tail(n int) (Cursor, error) {
	n = min(max(n, 0), MaxTail)
	segs, err := r.dir.segments()
	if err != nil {
		return Cursor{}, err
	}
	var at Cursor
	for i, seg := range slices.Backward(segs) {
		f, size, err := r.dir.open(seg)
		if errors.Is(err, errNoSegment) {
			continue
		}
		if err != nil {
			return Cursor{}, err
		}
		off, found, err := backwards(f, size, n)
		f.Close()
		if err != nil {
			return Cursor{}, fmt.Errorf("cannot read log segment %d: %w", seg, err)
		}
		at = Cursor{Segment: seg, Offset: off}
		n -= found
		if n <= 0 || len(segs)-i > 4*KeepSegments {
			break
		}
	}
	return at, nil
}

// Since returns a cursor before every record of the time and later, for a clock that was not set back: the beginning of
// the last segment whose first record is older. The zero time is the beginning of all.
func (r *Reader) Since(t time.Time) (Cursor, error) {
	segs, err := r.dir.segments()
	if err != nil || t.IsZero() {
		return Cursor{}, err
	}
	var at Cursor
	for _, seg := range segs[max(0, len(segs)-4*KeepSegments):] {
		first, _, err := r.segment(Cursor{Segment: seg}, 1)
		if err != nil {
			return Cursor{}, err
		}
		if len(first) == 0 {
			continue
		}
		if !first[0].Time.Before(t) {
			break
		}
		at = Cursor{Segment: seg}
	}
	return at, nil
}

// backwards finds where the last n whole lines of f begin, and how many there are if fewer.
func backwards(f *os.File, size int64, n int) (off int64, found int, err error) {
	buf := make([]byte, blockSize)
	ends := 0 // line ends seen, from the end of the file
	for end := size; end > 0; {
		start := max(0, end-blockSize)
		block := buf[:end-start]
		if _, err := f.ReadAt(block, start); err != nil && !isEOF(err) {
			return 0, 0, err
		}
		for i := len(block) - 1; i >= 0; i-- {
			if block[i] != '\n' {
				continue
			}
			if ends++; ends > n {
				return start + int64(i) + 1, n, nil
			}
		}
		end = start
	}
	return 0, ends, nil
}

// From returns the records behind c, at most a batch of them, with the cursor to go on from. No record means that there
// is none yet. What is damaged is skipped. A cursor of segments that are gone, or that never were, goes on with the
// oldest record behind it, or the oldest of all, which then tells of a gap.
func (r *Reader) From(c Cursor) ([]Entry, Cursor, error) {
	gap := false
	for range 4 * KeepSegments {
		// The list is made before the segment is read: when it names a newer one, this one no longer grows.
		segs, err := r.dir.segments()
		if err != nil || len(segs) == 0 {
			return nil, c, err
		}
		i, exact := slices.BinarySearch(segs, c.Segment)
		if !exact {
			gap = gap || c != Cursor{}
			i %= len(segs) // behind the last: the log began anew
			c = Cursor{Segment: segs[i]}
		}
		entries, next, err := r.segment(c, maxBatch)
		if err != nil {
			return nil, c, err
		}
		if len(entries) > 0 {
			entries[0].Gap = gap
			return entries, next, nil
		}
		switch {
		case next != c: // a stretch without a record
			c = next
		case i == len(segs)-1:
			return nil, c, nil
		default: // the segment has ended; a rest without a line end is a torn record
			gap = gap || segs[i+1] != c.Segment+1
			c = Cursor{Segment: segs[i+1]}
		}
	}
	return nil, c, nil
}

// segment returns a batch of one segment, of at most so many records. No entries and next == c mean that its end is reached.
func (r *Reader) segment(c Cursor, limit int) (out []Entry, next Cursor, err error) {
	f, size, err := r.dir.open(c.Segment)
	if errors.Is(err, errNoSegment) {
		return nil, c, nil
	}
	if err != nil {
		return nil, c, err
	}
	defer f.Close()
	line := make([]byte, 0, 512)
	buf := make([]byte, blockSize)
	total := 0
	for pos := c.Offset; pos < size && total < maxBatchBytes; {
		n, err := f.ReadAt(buf[:min(blockSize, size-pos)], pos)
		if err != nil && !isEOF(err) {
			return nil, c, fmt.Errorf("cannot read log segment %d: %w", c.Segment, err)
		}
		if n == 0 {
			break
		}
		for block := buf[:n]; len(block) > 0; {
			i := bytes.IndexByte(block, '\n')
			if i < 0 {
				line = appendBounded(line, block)
				pos += int64(len(block))
				break
			}
			line = appendBounded(line, block[:i])
			pos += int64(i) + 1
			c.Offset = pos
			total += len(line)
			if rec, err := parseRecord(line); err == nil {
				out = append(out, Entry{Record: rec, Cursor: c})
			}
			line, block = line[:0], block[i+1:]
			if len(out) == limit {
				return out, c, nil
			}
		}
		if len(line) > maxRecord {
			// No record is this long: step over it now, or every call would read it again.
			c.Offset = pos
		}
	}
	return out, c, nil
}

// appendBounded keeps just enough of an overlong line to see that it is one.
func appendBounded(line, more []byte) []byte {
	if room := maxRecord + 1 - len(line); len(more) > room {
		more = more[:room]
	}
	return append(line, more...)
}
