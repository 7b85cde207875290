package exver

import "strings"

// ParseEmver reads the version of a package of StartOS 0.3: three or four numbers, the fourth of which counts the packager's
// own changes. As in the original, what follows them is ignored.
func ParseEmver(s string) (Version, error) {
	if len(s) > MaxVersion {
		return Version{}, refuse(s, "it is too long")
	}
	p := &rangeParser{text: s, code: true}
	var numbers []string
	for start := 0; p.number(); start = p.pos {
		numbers = append(numbers, p.text[start:p.pos])
		if p.peek() != '.' {
			break
		}
		p.pos++
	}
	if len(numbers) != 3 && len(numbers) != 4 {
		return Version{}, refuse(s, "it is not three or four numbers joined by dots")
	}
	var v Version
	var err error
	if v.upstream, err = parsePlain(strings.Join(numbers[:3], ".")); err != nil {
		return Version{}, err
	}
	v.downstream = Plain{numbers: []uint64{0}}
	if len(numbers) == 4 {
		v.downstream, err = parsePlain(numbers[3])
	}
	return v, err
}

// ParseEmverRange reads a range of StartOS 0.3. It has the operators of today's ranges and no flavors.
func ParseEmverRange(s string) (CodeRange, error) {
	if len(s) > MaxRange {
		return CodeRange{}, refuseRange(s, "it is too long")
	}
	if strings.ContainsAny(s, "#:-") {
		return CodeRange{}, refuseRange(s, "a range of version 0.3 has neither flavors, downstream parts nor tags")
	}
	r, err := ParseCodeRange(s)
	if err != nil {
		return CodeRange{}, err
	}
	r.root, err = r.root.fromEmver(s)
	return r, err
}

// fromEmver makes the fourth number of each bound its downstream part.
func (e *expr) fromEmver(text string) (*expr, error) {
	c := *e
	var err error
	switch e.kind {
	case anchor:
		n := len(e.version.upstream.numbers)
		if n != 3 && n != 4 {
			return nil, refuseRange(text, "a version in it is not three or four numbers joined by dots")
		}
		c.version.upstream = Plain{numbers: e.version.upstream.numbers[:3]}
		c.version.downstream = Plain{numbers: append([]uint64{}, e.version.upstream.numbers[3:]...)}
	case both, either, not:
		if c.left, err = e.left.fromEmver(text); err == nil && e.right != nil {
			c.right, err = e.right.fromEmver(text)
		}
	}
	return &c, err
}
