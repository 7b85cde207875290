package exver

import (
	"fmt"
	"slices"
	"strings"
)

// Warning is something in a range that a server and the code of a package may read differently, or that people misread.
type Warning struct {
	Code WarningCode
	// At is where in the text it is, in bytes.
	At  int
	Why string
}

// WarningCode names what is warned of; the set is closed.
type WarningCode string

// What is warned of.
const (
	UnreadByServer WarningCode = "UNREAD_BY_SERVER" // a server refuses the range
	UnreadByCode   WarningCode = "UNREAD_BY_CODE"   // the code of a package refuses it
	IgnoredRest    WarningCode = "IGNORED_REST"     // a server ignores the rest of the text
	MixedJoins     WarningCode = "MIXED_JOINS"      // "and" and "or" on one level without parentheses
	EmptyFlavor    WarningCode = "EMPTY_FLAVOR"     // "#" alone
	TagOnBound     WarningCode = "TAG_ON_BOUND"     // caret or tilde with a pre-release tag
	NoNextVersion  WarningCode = "NO_NEXT_VERSION"  // caret or tilde without a number to count up
	MixedTag       WarningCode = "MIXED_TAG"        // letters and digits in one part of a tag
	NumberTag      WarningCode = "NUMBER_TAG"       // a tag that begins with a number
	LeadingZero    WarningCode = "LEADING_ZERO"     // a number that begins with 0
	Means          WarningCode = "MEANS_DIFFERENT"  // any other difference in what the two hold
)

// Lint warns of what is ambiguous in a range. It answers nothing when a server and the code of a package read the same
// thing, and an error when neither can read it.
func Lint(s string) ([]Warning, error) {
	host, err := ParseRange(s)
	code, codeErr := ParseCodeRange(s)
	if err != nil && codeErr != nil {
		return nil, err
	}
	l := linter{text: s}
	if err != nil {
		l.warn(UnreadByServer, 0, "a server cannot read it")
	}
	if codeErr != nil {
		l.warn(UnreadByCode, 0, "the code of a package cannot read it")
	}
	p := &rangeParser{text: s}
	tree := p.parseRange(0)
	if tree != nil && p.pos < len(s) {
		l.warn(IgnoredRest, p.pos, fmt.Sprintf("a server ignores %q", cutText(s[p.pos:])))
	}
	l.zeros()
	if tree != nil {
		l.tree(tree)
	}
	if len(l.warnings) == 0 && (host.And(code.Range().Not()).Satisfiable() || code.Range().And(host.Not()).Satisfiable()) {
		l.warn(Means, 0, "a server and the code of a package read different ranges")
	}
	return l.warnings, nil
}

type linter struct {
	text     string
	warnings []Warning
}

func (l *linter) warn(code WarningCode, at int, why string) {
	if !slices.ContainsFunc(l.warnings, func(w Warning) bool { return w.Code == code }) {
		l.warnings = append(l.warnings, Warning{code, at, why})
	}
}

// tree looks at the pieces that a server recognises.
func (l *linter) tree(s *syntax) {
	switch s.kind {
	case both:
		joins := map[operator]bool{}
		for _, op := range s.ops {
			if op == "" {
				op = joinAnd
			}
			joins[op] = true
		}
		if len(joins) > 1 && !l.split() {
			l.warn(MixedJoins, s.at, `"and" and "or" stand side by side: put parentheses around what belongs together`)
		}
	case flavorIs:
		if s.mark == "" {
			l.warn(EmptyFlavor, s.at, `"#" is every version without a flavor to a server, and none to the code of a package`)
		}
	case anchor:
		l.bound(s)
	}
	for _, part := range s.parts {
		l.tree(part)
	}
}

func (l *linter) bound(s *syntax) {
	for _, text := range []string{s.up, s.down} {
		_, tag, _ := strings.Cut(text, "-")
		if tag != "" && tag[0] >= '0' && tag[0] <= '9' {
			l.warn(NumberTag, s.at, "the code of a package does not order tags of numbers and tags of letters as a server does: begin with a word")
		}
		for part := range strings.SplitSeq(tag, ".") {
			if strings.ContainsAny(part, "0123456789") && strings.ContainsFunc(part, func(r rune) bool { return r < '0' || r > '9' }) {
				l.warn(MixedTag, s.at, fmt.Sprintf("the part %q of a tag is no text to the code of a package: separate letters and digits by a dot", cutText(part)))
			}
		}
	}
	if s.op != "" && s.op != caret && s.op != tilde {
		return
	}
	numbers, _, tagged := strings.Cut(s.up, "-")
	if tagged {
		l.warn(TagOnBound, s.at, "to a server the tag also limits the end of the range, to the code of a package it does not")
	}
	parts := strings.Split(numbers, ".")
	first := slices.IndexFunc(parts, func(p string) bool { return strings.Trim(p, "0") != "" })
	if (first < 0 || s.op == tilde && first+1 == len(parts)) && !l.split() {
		l.warn(NoNextVersion, s.at, "to the code of a package no version satisfies it: write both bounds")
	}
}

// split tells whether the pieces are a server's alone, which takes a number that begins with 0 for two.
func (l *linter) split() bool {
	return slices.ContainsFunc(l.warnings, func(w Warning) bool { return w.Code == LeadingZero })
}

// zeros looks for numbers that begin with 0, which a server takes for two numbers.
func (l *linter) zeros() {
	digit := func(i int) bool { return i >= 0 && i < len(l.text) && l.text[i] >= '0' && l.text[i] <= '9' }
	for i := range len(l.text) {
		before := i > 0 && (l.text[i-1]|0x20 >= 'a' && l.text[i-1]|0x20 <= 'z' || l.text[i-1] == '-')
		if l.text[i] == '0' && digit(i+1) && !digit(i-1) && !before {
			l.warn(LeadingZero, i, "a number begins with 0, which a server takes for a number of its own")
		}
	}
}

func cutText(s string) string {
	const enough = 40
	if len(s) > enough {
		return strings.ToValidUTF8(s[:enough], "") + "…"
	}
	return s
}
