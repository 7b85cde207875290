package exver

import "strings"

// CodeRange is a range as the code of a package reads it (version 2.0.9 of the SDK). It differs from Range in corners:
// any white space separates, the whole text must be a range, atoms side by side always join by "and", numbers may begin
// with 0, a part of a tag is all digits or all letters, the flavor "#" is one of its own, and caret and tilde keep the
// number of parts of their bound. A CodeRange is immutable; its zero value holds nothing.
type CodeRange struct{ root *expr }

// ParseCodeRange reads a range in the dialect of package code.
func ParseCodeRange(s string) (CodeRange, error) {
	if len(s) > MaxRange {
		return CodeRange{}, refuseRange(s, "it is too long")
	}
	p := &rangeParser{text: s, code: true}
	tree := p.parseRange(0)
	switch {
	case p.tooDeep:
		return CodeRange{}, refuseRange(s, tooDeep)
	case tree == nil:
		return CodeRange{}, refuseRange(s, "it does not begin with a version range")
	case p.pos < len(s):
		return CodeRange{}, refuseRange(s, "the code of a package cannot read it to its end")
	}
	root, err := tree.buildCode()
	if err != nil {
		return CodeRange{}, err
	}
	if root.depth() > MaxDepth {
		return CodeRange{}, refuseRange(s, tooDeep)
	}
	flavors := make(map[flavorClass][]Version)
	if root.collect(flavors); len(flavors) > MaxFlavors {
		return CodeRange{}, refuseRange(s, "it names too many flavors")
	}
	return CodeRange{root}, nil
}

// codeTag recognises one part of a tag. A dot in front of it is skipped, as package code does.
func (p *rangeParser) codeTag() bool {
	start := p.pos
	if p.peek() == '.' {
		p.pos++
	}
	digits := func(c byte) bool { return c >= '0' && c <= '9' }
	letters := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	for _, kind := range []func(byte) bool{digits, letters} {
		begin := p.pos
		for p.pos < len(p.text) && kind(p.text[p.pos]) {
			p.pos++
		}
		if p.pos > begin {
			return true
		}
	}
	p.pos = start
	return false
}

// buildCode turns recognised text into an expression that keeps carets, tildes and double negations.
func (s *syntax) buildCode() (*expr, error) {
	switch s.kind {
	case both:
		left, err := s.parts[0].buildCode()
		for i, op := range s.ops {
			if err != nil {
				return nil, err
			}
			join := &expr{kind: both, left: left}
			if op == joinOr {
				join.kind = either
			}
			join.right, err = s.parts[i+1].buildCode()
			left = join
		}
		return left, err
	case not:
		inner, err := s.parts[0].buildCode()
		return &expr{kind: not, left: inner}, err
	case anchor:
		return s.buildCodeBound()
	case flavorIs:
		return &expr{kind: flavorIs, flavor: s.mark, flavored: true}, nil
	case everything:
		return all, nil
	}
	return none, nil
}

func (s *syntax) buildCodeBound() (*expr, error) {
	v := Version{flavor: s.mark, flavored: s.has}
	var err error
	if v.upstream, err = codePlain(s.up); err != nil {
		return nil, err
	}
	if s.down != "" {
		if v.downstream, err = codePlain(s.down); err != nil {
			return nil, err
		}
	}
	op := s.op
	if op == "" {
		op = caret
	}
	return &expr{kind: anchor, op: op, version: v}, nil
}

// codePlain reads what codeTag and number recognised.
func codePlain(text string) (Plain, error) {
	digits, tag, tagged := strings.Cut(text, "-")
	if !tagged {
		return parsePlain(digits)
	}
	var parts []string
	for _, part := range strings.Split(tag, ".") {
		if part != "" {
			parts = append(parts, trimZeros(part))
		}
	}
	return parsePlain(digits + "-" + strings.Join(parts, "."))
}

func trimZeros(digits string) string {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits
}

// codeNext is the bound of a caret (or tilde): the first number that is not 0 (or the one after it) goes up by one and
// those behind it become 0. Where there is none, the bound is the version itself.
func (v Version) codeNext(minor bool) Version {
	numbers := append([]uint64{}, v.upstream.numbers...)
	i := 0
	for i < len(numbers) && numbers[i] == 0 {
		i++
	}
	if minor {
		i++
	}
	if i < len(numbers) {
		numbers[i]++
		clear(numbers[i+1:])
	}
	v.upstream, v.downstream = Plain{numbers: numbers}, Plain{}
	return v
}

func (r CodeRange) node() *expr {
	if r.root == nil {
		return none
	}
	return r.root
}

// Range is the host's range of the same meaning, one that holds the same versions.
func (r CodeRange) Range() Range { return Range{r.node().asHost()} }

func (e *expr) asHost() *expr {
	switch e.kind {
	case anchor:
		if e.op != caret && e.op != tilde {
			return e
		}
		return and(&expr{kind: anchor, op: atLeast, version: e.version},
			&expr{kind: anchor, op: below, version: e.version.codeNext(e.op == tilde)})
	case both:
		return and(e.left.asHost(), e.right.asHost())
	case either:
		return or(e.left.asHost(), e.right.asHost())
	case not:
		return negate(e.left.asHost())
	}
	return e
}

// Contains tells whether package code says that v satisfies r, but for a defect of its own: versions whose tags have parts
// of different kinds or number are ordered here as everywhere else. A version of the flavor "" is without one to package
// code and has one here.
func (r CodeRange) Contains(v Version) bool { return v.Satisfies(r.Range()) }

// String prints the range as package code does: carets and tildes stay, and parentheses stand only where the operator
// changes.
func (r CodeRange) String() string { return string(r.node().appendCode(nil)) }

func (e *expr) appendCode(b []byte) []byte {
	switch e.kind {
	case both:
		return e.right.appendCodeInner(append(e.left.appendCodeInner(b, both), " && "...), both)
	case either:
		return e.right.appendCodeInner(append(e.left.appendCodeInner(b, either), " || "...), either)
	case not:
		return e.left.appendCodeInner(append(b, '!'), not)
	}
	return e.append(b)
}

func (e *expr) appendCodeInner(b []byte, parent kind) []byte {
	switch e.kind {
	case both, either:
		if e.kind == parent {
			return e.appendCode(b)
		}
	case not, flavorIs:
		return e.appendCode(b)
	default:
		if parent != not {
			return e.appendCode(b)
		}
	}
	return append(e.appendCode(append(b, '(')), ')')
}
