package ids

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
)

// Join makes the row id of a child. Each part must be one non-empty segment; free text goes through Escape first.
func Join(parts ...string) (string, error) {
	if len(parts) == 0 {
		return "", refuse(KindRow, "", "it has no segment")
	}
	for _, p := range parts {
		if err := checkSegment(p); err != nil {
			return "", err
		}
	}
	id := strings.Join(parts, "/")
	if len(id) > MaxJoined {
		return "", refuse(KindRow, id, fmt.Sprintf("it is longer than %d bytes", MaxJoined))
	}
	return id, nil
}

// Split is the inverse of Join: it answers the segments of a row id, or refuses what Join would not have made.
func Split(id string) ([]string, error) {
	if len(id) > MaxJoined {
		return nil, refuse(KindRow, id, fmt.Sprintf("it is longer than %d bytes", MaxJoined))
	}
	parts := strings.Split(id, "/")
	for _, p := range parts {
		if err := checkSegment(p); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// Parent answers everything before the last segment, or "" for an id of one segment. It does not check the id.
func Parent(id string) string {
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		return id[:i]
	}
	return ""
}

// checkSegment also refuses "." and "..", because segments end up in paths.
func checkSegment(s string) error {
	switch {
	case s == "":
		return refuse(KindSegment, s, "it is empty")
	case s == "." || s == "..":
		return refuse(KindSegment, s, "it has a meaning as a path")
	case !utf8.ValidString(s):
		return refuse(KindSegment, s, "it is not UTF-8")
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '/' || s[i] < 0x20 || s[i] == 0x7f {
			return refuse(KindSegment, s, "it contains a separator or a control character")
		}
	}
	return nil
}

const hex = "0123456789abcdef"

// Escape turns free text chosen by a package (a task's replay id, a gateway name) into one segment. Text made of
// unreserved characters stays as it is; every other byte becomes %xx. Different texts give different segments.
func Escape(free string) (string, error) {
	switch {
	case free == "":
		return "", refuse(KindSegment, free, "it is empty")
	case len(free) > MaxFree:
		return "", refuse(KindSegment, free, fmt.Sprintf("it is longer than %d bytes", MaxFree))
	case !utf8.ValidString(free):
		return "", refuse(KindSegment, free, "it is not UTF-8")
	}
	dots := strings.Trim(free, ".") == ""
	var b strings.Builder
	for i := 0; i < len(free); i++ {
		if c := free[i]; unreserved(c) && (c != '.' || !dots) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String(), nil
}

// Unescape is the inverse of Escape and refuses any other spelling, so that a segment has exactly one text.
func Unescape(segment string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		if segment[i] != '%' {
			b.WriteByte(segment[i])
			continue
		}
		if i+2 >= len(segment) {
			return "", refuse(KindSegment, segment, "an escape is cut short")
		}
		high, low := strings.IndexByte(hex, segment[i+1]), strings.IndexByte(hex, segment[i+2])
		if high < 0 || low < 0 {
			return "", refuse(KindSegment, segment, "an escape is not two lower-case hex digits")
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	free := b.String()
	if again, err := Escape(free); err != nil || again != segment {
		return "", refuse(KindSegment, segment, "it is not the canonical escape of any text")
	}
	return free, nil
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.:@", c) >= 0
}

// ULID is a generated row id: 26 lower-case characters that sort by the millisecond they were made in.
type ULID string

// NewULID makes an id from the given time and ten bytes of entropy (crypto/rand.Reader outside tests). Callers make ids
// at the edge, never inside a store transaction.
func NewULID(t time.Time, entropy io.Reader) (ULID, error) {
	if t.UnixMilli() < 0 {
		return "", refuse(KindULID, t.String(), "the time is before 1970")
	}
	id, err := ulid.New(ulid.Timestamp(t), entropy)
	if err != nil {
		return "", fmt.Errorf("cannot make a ulid: %w", err)
	}
	return ULID(strings.ToLower(id.String())), nil
}

// ParseULID accepts exactly the spelling NewULID makes.
func ParseULID(s string) (ULID, error) {
	if s != strings.ToLower(s) {
		return "", refuse(KindULID, s, "it is not lower-case")
	}
	id, err := ulid.ParseStrict(strings.ToUpper(s))
	if err != nil || strings.ToLower(id.String()) != s {
		return "", refuse(KindULID, s, "it is not 26 characters of Crockford base32")
	}
	return ULID(s), nil
}

// Time answers the millisecond the id was made in, or the zero time when u was not parsed.
func (u ULID) Time() time.Time {
	id, err := ulid.ParseStrict(strings.ToUpper(string(u)))
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(id.Time()).UTC()
}
