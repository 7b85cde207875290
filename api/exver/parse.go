package exver

import (
	"math"
	"strings"
)

// ParseRange reads a range in the host's dialect:
//
//	range   = atom ( ( "||" | "&&" )? atom )*
//	atom    = "(" range ")" | bound | "!" atom | "*" | "!" | "#" flavor
//	bound   = ( ">=" | "<=" | "!=" | "=" | "<" | ">" | "^" | "~" )? ( "#" flavor ":" )? version ( ":" version )?
//
// Three habits of the original are kept on purpose, since packages in the wild depend on them: there is no precedence
// (everything joins to the left); two atoms side by side join by the operator last written on the same level, "and"
// at first; and text after the longest valid beginning is ignored. Linters should ask authors for parentheses and
// nothing else.
func ParseRange(s string) (Range, error) {
	if len(s) > MaxRange {
		return Range{}, refuseRange(s, "it is too long")
	}
	p := &rangeParser{text: s}
	tree := p.parseRange(0)
	if p.tooDeep {
		return Range{}, refuseRange(s, tooDeep)
	}
	if tree == nil {
		return Range{}, refuseRange(s, "it does not begin with a version range")
	}
	root, err := tree.build()
	if err != nil {
		return Range{}, err
	}
	r := Range{root}
	// What is accepted can be printed and read again.
	if root.depth() > MaxDepth {
		return Range{}, refuseRange(s, tooDeep)
	}
	if len(r.String()) > MaxRange {
		return Range{}, refuseRange(s, "it is too long in its canonical form")
	}
	return r, nil
}

// rangeParser recognises the grammar by recursive descent with ordered choice. Recognising comes first and values second,
// because a token that matches but means nothing (a number of 80 bits) is an error and no reason to try another branch.
type rangeParser struct {
	text    string
	pos     int
	tooDeep bool
	code    bool         // read the dialect of package code instead, see CodeRange
	closed  map[int]bool // positions of "(" that cannot be parsed; without it "!(!(!(" would take exponential time
}

// syntax is a recognised piece: a join of parts, a bound, a negation or a leaf.
type syntax struct {
	kind  kind
	parts []*syntax  // join: kind both; negation: one part
	ops   []operator // join: the operator in front of each part but the first, "" where none was written
	op    operator
	mark  string // text between # and its end; has says whether there is one
	has   bool
	up    string
	down  string
	at    int // where it begins
}

const (
	joinAnd operator = "&&"
	joinOr  operator = "||"
)

func (p *rangeParser) parseRange(depth int) *syntax {
	if depth > MaxDepth {
		p.tooDeep = true
		return nil
	}
	begin := p.pos
	first := p.parseAtom(depth)
	if first == nil {
		return nil
	}
	join := &syntax{kind: both, parts: []*syntax{first}, at: begin}
	for {
		start := p.pos
		p.spaces()
		op := p.oneOf(joinOr, joinAnd)
		if op != "" {
			p.spaces()
		}
		next := p.parseAtom(depth)
		if next == nil {
			p.pos = start
			return join
		}
		join.parts = append(join.parts, next)
		join.ops = append(join.ops, op)
	}
}

// parseAtom leaves the position alone when it answers nil.
func (p *rangeParser) parseAtom(depth int) *syntax {
	if p.tooDeep {
		return nil
	}
	if p.peek() == '(' {
		return p.parseGroup(depth)
	}
	if bound := p.parseBound(); bound != nil {
		return bound
	}
	start := p.pos
	switch p.peek() {
	case '!':
		p.pos++
		p.spaces()
		if depth >= MaxDepth {
			p.tooDeep = true
			return nil
		}
		if inner := p.parseAtom(depth + 1); inner != nil {
			return &syntax{kind: not, parts: []*syntax{inner}, at: start}
		}
		p.pos = start + 1
		return &syntax{kind: nothing}
	case '*':
		p.pos++
		return &syntax{kind: everything}
	case '#':
		p.pos++
		name := p.letters()
		return &syntax{kind: flavorIs, mark: name, has: name != "", at: start}
	}
	return nil
}

func (p *rangeParser) parseGroup(depth int) *syntax {
	start := p.pos
	if p.closed[start] {
		return nil
	}
	p.pos++
	p.spaces()
	if inner := p.parseRange(depth + 1); inner != nil {
		p.spaces()
		if p.peek() == ')' {
			p.pos++
			return inner
		}
	}
	if p.closed == nil {
		p.closed = make(map[int]bool)
	}
	p.closed[start] = true
	p.pos = start
	return nil
}

func (p *rangeParser) parseBound() *syntax {
	start := p.pos
	b := &syntax{kind: anchor, at: start}
	b.op = p.oneOf(atLeast, atMost, differs, equal, below, above, caret, tilde)
	p.spaces()
	if p.peek() == '#' {
		before := p.pos
		p.pos++
		// Other than in a version, an empty flavor in a bound is none.
		b.mark = p.letters()
		b.has = b.mark != ""
		if p.peek() == ':' {
			p.pos++
		} else {
			p.pos, b.mark, b.has = before, "", false
		}
	}
	var ok bool
	if b.up, ok = p.version(); !ok {
		p.pos = start
		return nil
	}
	if p.peek() == ':' {
		colon := p.pos
		p.pos++
		if b.down, ok = p.version(); !ok {
			p.pos = colon
		}
	}
	return b
}

// version recognises numbers joined by dots and an optional tag. A dot must be followed by a number; a hyphen that
// begins no tag is left standing.
func (p *rangeParser) version() (string, bool) {
	start := p.pos
	for {
		if !p.number() {
			p.pos = start
			return "", false
		}
		if p.peek() != '.' {
			break
		}
		p.pos++
	}
	if p.peek() == '-' {
		end := p.pos
		for {
			p.pos++
			if !p.tag() {
				break
			}
			end = p.pos
			if p.peek() != '.' {
				break
			}
		}
		p.pos = end
	}
	return p.text[start:p.pos], true
}

// number recognises 0 or digits without a leading zero, so that 01 is two numbers.
func (p *rangeParser) number() bool {
	start := p.pos
	if p.peek() == '0' && !p.code {
		p.pos++
		return true
	}
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.pos++
	}
	return p.pos > start
}

func (p *rangeParser) tag() bool {
	start := p.pos
	if p.code {
		return p.codeTag()
	}
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		p.pos++
	}
	return p.pos > start
}

func (p *rangeParser) letters() string {
	start := p.pos
	for c := p.peek(); c >= 'a' && c <= 'z'; c = p.peek() {
		p.pos++
	}
	return p.text[start:p.pos]
}

func (p *rangeParser) spaces() {
	for c := p.peek(); c == ' ' || p.code && (c == '\t' || c == '\r' || c == '\n'); c = p.peek() {
		p.pos++
	}
}

// peek answers the next byte, or 0 at the end; a NUL in the text belongs to no token, so the two need no telling apart.
func (p *rangeParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *rangeParser) oneOf(ops ...operator) operator {
	for _, op := range ops {
		if strings.HasPrefix(p.text[p.pos:], string(op)) {
			p.pos += len(op)
			return op
		}
	}
	return ""
}

// build turns the recognised text into an expression.
func (s *syntax) build() (*expr, error) {
	switch s.kind {
	case both:
		return s.buildJoin()
	case not:
		inner, err := s.parts[0].build()
		if err != nil {
			return nil, err
		}
		return negate(inner), nil
	case anchor:
		return s.buildBound()
	case flavorIs:
		return &expr{kind: flavorIs, flavor: s.mark, flavored: s.has}, nil
	case everything:
		return all, nil
	}
	return none, nil
}

func (s *syntax) buildJoin() (*expr, error) {
	left, err := s.parts[0].build()
	if err != nil {
		return nil, err
	}
	last := joinAnd
	for i, op := range s.ops {
		right, err := s.parts[i+1].build()
		if err != nil {
			return nil, err
		}
		if op != "" {
			last = op
		}
		if last == joinOr {
			left = or(left, right)
		} else {
			left = and(left, right)
		}
	}
	return left, nil
}

func (s *syntax) buildBound() (*expr, error) {
	v := Version{flavor: s.mark, flavored: s.has}
	var err error
	if v.upstream, err = parsePlain(s.up); err != nil {
		return nil, err
	}
	if s.down != "" {
		if v.downstream, err = parsePlain(s.down); err != nil {
			return nil, err
		}
	}
	if s.op != "" && s.op != caret && s.op != tilde {
		return &expr{kind: anchor, op: s.op, version: v}, nil
	}
	upper, ok := v.next(s.op == tilde)
	if !ok {
		return nil, refuse(s.up, "there is no version above it")
	}
	low := &expr{kind: anchor, op: atLeast, version: v}
	return and(low, &expr{kind: anchor, op: below, version: upper}), nil
}

// next answers the first version a caret (or tilde) range leaves out: the first number that is not 0 (or the one after
// it) goes up by one and everything behind it falls away, except the tag, which the original keeps on the bound.
func (v Version) next(minor bool) (Version, bool) {
	numbers := v.upstream.numbers
	for len(numbers) > 1 && numbers[len(numbers)-1] == 0 {
		numbers = numbers[:len(numbers)-1]
	}
	i := 0
	for i < len(numbers)-1 && numbers[i] == 0 {
		i++
	}
	if minor {
		i++
	}
	upper := make([]uint64, i+1)
	copy(upper, numbers)
	if upper[i] == math.MaxUint64 {
		return Version{}, false
	}
	upper[i]++
	v.upstream = Plain{numbers: upper, tag: v.upstream.tag}
	v.downstream = Plain{}
	return v, true
}
