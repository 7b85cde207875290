package exver

import (
	"cmp"
	"strconv"
	"strings"
)

// Plain is one half of a version: numbers and an optional pre-release tag, such as 0.4.0-beta.10. The zero value is 0.
// A Plain is immutable.
type Plain struct {
	numbers []uint64
	tag     []segment
}

// segment is one part of a pre-release tag: a number when text is empty, else text.
type segment struct {
	number uint64
	text   string
}

// ParsePlain reads one version without flavor and downstream part, as osVersion in a manifest.
func ParsePlain(s string) (Plain, error) {
	if len(s) > MaxVersion {
		return Plain{}, refuse(s, "it is too long")
	}
	return parsePlain(s)
}

func parsePlain(s string) (Plain, error) {
	digits, tag, tagged := strings.Cut(s, "-")
	var p Plain
	for _, text := range strings.Split(digits, ".") {
		// The original's number parser lets one plus sign pass.
		n, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 10, 64)
		if err != nil {
			return Plain{}, refuse(s, "a part of it is not a number of at most 64 bits")
		}
		p.numbers = append(p.numbers, n)
	}
	if !tagged {
		return p, nil
	}
	for _, text := range strings.Split(tag, ".") {
		seg, why := parseSegment(text)
		if why != "" {
			return Plain{}, refuse(s, why)
		}
		p.tag = append(p.tag, seg)
	}
	return p, nil
}

func parseSegment(text string) (segment, string) {
	numeric := true
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
		case c == '-' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			numeric = false
		default:
			return segment{}, "the pre-release tag may hold only letters, digits, hyphens and dots"
		}
	}
	switch {
	case text == "":
		return segment{}, "a part of the pre-release tag is empty"
	case !numeric:
		return segment{text: text}, ""
	case text[0] == '0' && len(text) > 1:
		return segment{}, "a number in the pre-release tag begins with 0"
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return segment{}, "a number in the pre-release tag has more than 64 bits"
	}
	return segment{number: n}, ""
}

// String prints the numbers as they were given, without superfluous leading zeros.
func (p Plain) String() string {
	if len(p.numbers) == 0 {
		return "0"
	}
	b := make([]byte, 0, 32)
	for i, n := range p.numbers {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, n, 10)
	}
	for i, s := range p.tag {
		b = append(b, "-."[min(i, 1)])
		if s.text != "" {
			b = append(b, s.text...)
		} else {
			b = strconv.AppendUint(b, s.number, 10)
		}
	}
	return string(b)
}

// Compare orders by the numbers, a missing one being 0, then by the tag: none is greatest, numbers come before text, and
// of two tags where one begins with the other the shorter is less.
func (p Plain) Compare(q Plain) int {
	for i := range max(len(p.numbers), len(q.numbers)) {
		if c := cmp.Compare(p.number(i), q.number(i)); c != 0 {
			return c
		}
	}
	if len(p.tag) == 0 || len(q.tag) == 0 {
		return cmp.Compare(min(len(q.tag), 1), min(len(p.tag), 1))
	}
	for i := range min(len(p.tag), len(q.tag)) {
		if c := p.tag[i].compare(q.tag[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(p.tag), len(q.tag))
}

// Equal is Compare giving 0, so that 1.0 equals 1.0.0.
func (p Plain) Equal(q Plain) bool { return p.Compare(q) == 0 }

// Prerelease tells whether p has a tag.
func (p Plain) Prerelease() bool { return len(p.tag) > 0 }

// Satisfies holds p against a range as an unflavored version with downstream part 0.
func (p Plain) Satisfies(r Range) bool { return Make(p, Plain{}).Satisfies(r) }

func (p Plain) number(i int) uint64 {
	if i < len(p.numbers) {
		return p.numbers[i]
	}
	return 0
}

func (s segment) compare(t segment) int {
	switch {
	case s.text == "" && t.text == "":
		return cmp.Compare(s.number, t.number)
	case s.text == "":
		return -1
	case t.text == "":
		return 1
	}
	return strings.Compare(s.text, t.text)
}

// MarshalText prints p; it never fails.
func (p Plain) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePlain.
func (p *Plain) UnmarshalText(text []byte) error {
	parsed, err := ParsePlain(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}
