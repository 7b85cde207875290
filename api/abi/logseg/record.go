package logseg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// MaxMessage is how many bytes the message of a record may have.
	MaxMessage = 16 << 10
	// MaxSource is how many bytes the source of a record may have.
	MaxSource = 64
	// SegmentSize is how many bytes a segment may have.
	SegmentSize = 4 << 20
	// KeepSegments is how many segments are kept.
	KeepSegments = 16

	// maxRecord bounds the encoded form of one record: a control character takes six bytes in JSON.
	maxRecord = 6*(MaxMessage+MaxSource) + 128
)

// Stream says where a line was printed.
type Stream string

// The streams there are.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
	// System marks what Hearth itself has to say in the log of a service.
	System Stream = "system"
)

// Record is one line of a log.
type Record struct {
	Time    time.Time
	Stream  Stream
	Source  string
	Message string
}

// ErrRecord says that a line of a segment is not a record.
var ErrRecord = errors.New("not a log record")

type wireRecord struct {
	Time    int64  `json:"t"`
	Stream  Stream `json:"s"`
	Source  string `json:"p"`
	Message string `json:"m"`
}

// appendRecord appends the line of r. What does not fit the format is made to: text becomes valid UTF-8, a message over
// its limit loses its end.
func appendRecord(b []byte, r Record) []byte {
	w := wireRecord{Time: r.Time.UnixNano(), Stream: r.Stream, Source: clean(r.Source, MaxSource), Message: clean(r.Message, MaxMessage)}
	if !w.Stream.valid() {
		w.Stream = System
	}
	buf := bytes.NewBuffer(b)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		panic("logseg: cannot encode a record of strings and numbers: " + err.Error())
	}
	return buf.Bytes()
}

// parseRecord reads one line without its end.
func parseRecord(line []byte) (Record, error) {
	if len(line) > maxRecord {
		return Record{}, fmt.Errorf("%w: %d bytes", ErrRecord, len(line))
	}
	var w wireRecord
	if err := json.Unmarshal(line, &w); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if !w.Stream.valid() || len(w.Source) > MaxSource || len(w.Message) > MaxMessage {
		return Record{}, fmt.Errorf("%w: a member is out of its bounds", ErrRecord)
	}
	if w.Time < 0 {
		return Record{}, fmt.Errorf("%w: time before 1970", ErrRecord)
	}
	return Record{Time: time.Unix(0, w.Time).UTC(), Stream: w.Stream, Source: w.Source, Message: w.Message}, nil
}

func (s Stream) valid() bool { return s == Stdout || s == Stderr || s == System }

// clean returns s as valid UTF-8 without line ends, cut to at most limit bytes between two runes.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit+1] // an invalid tail is replaced below; cutting first bounds the work
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// Cursor is a place in a log: the byte of a segment where the next record begins. The zero Cursor is the beginning of
// whatever is kept.
type Cursor struct {
	Segment uint64
	Offset  int64
}

// maxSegment leaves twelve digits to segment numbers: at one segment a second that is thirty thousand years.
const maxSegment = 999_999_999_999

// String renders c so that ParseCursor reads it; cursors of one log sort as their numbers do, not as strings.
func (c Cursor) String() string { return fmt.Sprintf("%d:%d", c.Segment, c.Offset) }

// ParseCursor reads a cursor that a client kept. It says nothing about whether its place still exists.
func ParseCursor(s string) (Cursor, error) {
	seg, off, ok := strings.Cut(s, ":")
	n, err1 := strconv.ParseUint(seg, 10, 64)
	o, err2 := strconv.ParseInt(off, 10, 64)
	if !ok || err1 != nil || err2 != nil || n > maxSegment || o < 0 {
		return Cursor{}, fmt.Errorf("cannot read log cursor %q", s)
	}
	return Cursor{Segment: n, Offset: o}, nil
}

// Before reports whether c lies before d.
func (c Cursor) Before(d Cursor) bool {
	return c.Segment < d.Segment || c.Segment == d.Segment && c.Offset < d.Offset
}

func segmentName(n uint64) string { return fmt.Sprintf("%08d.log", n) }

// segmentNumber reads the name of a segment; every number has exactly one name.
func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, ".log")
	if !ok || len(digits) < 8 || len(digits) > 12 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 || segmentName(n) != name {
		return 0, false
	}
	return n, true
}
