package exver

// Range is a set of versions written as an expression. The zero value holds nothing, so that a range somebody forgot to
// fill in permits nothing.
type Range struct{ root *expr }

// expr is a node of a range; kind says which fields matter. Nodes are immutable and may be shared.
type expr struct {
	kind        kind
	op          operator
	version     Version // anchor: the bound
	flavor      string  // flavorIs: the name, and whether there is one
	flavored    bool
	left, right *expr // both, either; left alone for not
}

type kind uint8

const (
	nothing kind = iota
	everything
	anchor
	flavorIs
	both
	either
	not
)

type operator string

const (
	atLeast operator = ">="
	atMost  operator = "<="
	above   operator = ">"
	below   operator = "<"
	equal   operator = "="
	differs operator = "!="
	caret   operator = "^"
	tilde   operator = "~"
)

var (
	none = &expr{kind: nothing}
	all  = &expr{kind: everything}
)

// Any is the range of all versions, written *.
func Any() Range { return Range{all} }

// None is the range of no version, written !.
func None() Range { return Range{none} }

// Exactly is the range of v alone.
func Exactly(v Version) Range { return Range{&expr{kind: anchor, op: equal, version: v}} }

// And is the intersection.
func (r Range) And(s Range) Range { return Range{and(r.node(), s.node())} }

// Or is the union.
func (r Range) Or(s Range) Range { return Range{or(r.node(), s.node())} }

// Not is the complement. Since flavors are incomparable, it holds the versions of all other flavors, too.
func (r Range) Not() Range { return Range{negate(r.node())} }

func (r Range) node() *expr {
	if r.root == nil {
		return none
	}
	return r.root
}

func and(a, b *expr) *expr {
	switch {
	case a.kind == nothing || b.kind == nothing:
		return none
	case a.kind == everything:
		return b
	case b.kind == everything:
		return a
	}
	return &expr{kind: both, left: a, right: b}
}

func or(a, b *expr) *expr {
	switch {
	case a.kind == everything || b.kind == everything:
		return all
	case a.kind == nothing:
		return b
	case b.kind == nothing:
		return a
	}
	return &expr{kind: either, left: a, right: b}
}

func negate(a *expr) *expr {
	switch a.kind {
	case nothing:
		return all
	case everything:
		return none
	case not:
		return a.left
	case both:
		return or(negate(a.left), negate(a.right))
	case either:
		return and(negate(a.left), negate(a.right))
	case anchor:
		if a.op == equal {
			return &expr{kind: anchor, op: differs, version: a.version}
		}
		if a.op == differs {
			return &expr{kind: anchor, op: equal, version: a.version}
		}
	}
	return &expr{kind: not, left: a}
}

// holds evaluates e for one version of the given flavor; compare decides the anchors.
func (e *expr) holds(compare func(operator, Version) bool, flavor string, flavored bool) bool {
	switch e.kind {
	case everything:
		return true
	case anchor:
		return compare(e.op, e.version)
	case flavorIs:
		return e.flavored == flavored && e.flavor == flavor
	case both:
		return e.left.holds(compare, flavor, flavored) && e.right.holds(compare, flavor, flavored)
	case either:
		return e.left.holds(compare, flavor, flavored) || e.right.holds(compare, flavor, flavored)
	case not:
		return !e.left.holds(compare, flavor, flavored)
	}
	return false
}

// holds decides one operator; between different flavors only "differs" is true.
func (op operator) holds(order int, comparable bool) bool {
	if !comparable {
		return op == differs
	}
	switch op {
	case atLeast:
		return order >= 0
	case atMost:
		return order <= 0
	case above:
		return order > 0
	case below:
		return order < 0
	case equal:
		return order == 0
	}
	return order != 0
}

// depth is the height of the expression; a leaf has 1.
func (e *expr) depth() int {
	d := 0
	if e.left != nil {
		d = e.left.depth()
	}
	if e.right != nil {
		d = max(d, e.right.depth())
	}
	return d + 1
}

// String prints the host's canonical form: caret and tilde appear as the two bounds they mean, and every inner
// expression that is not a bound stands in parentheses.
func (r Range) String() string { return string(r.node().append(nil)) }

func (e *expr) append(b []byte) []byte {
	switch e.kind {
	case everything:
		return append(b, '*')
	case anchor:
		b = append(b, e.op...)
		return append(b, e.version.String()...)
	case flavorIs:
		b = append(b, '#')
		return append(b, e.flavor...)
	case both:
		return e.right.appendInner(append(e.left.appendInner(b), ' '))
	case either:
		return e.right.appendInner(append(e.left.appendInner(b), " || "...))
	case not:
		return e.left.appendInner(append(b, '!'))
	}
	return append(b, '!')
}

func (e *expr) appendInner(b []byte) []byte {
	if e.kind <= anchor {
		return e.append(b)
	}
	return append(e.append(append(b, '(')), ')')
}

// MarshalText prints r; it never fails.
func (r Range) MarshalText() ([]byte, error) { return r.node().append(nil), nil }

// UnmarshalText is ParseRange.
func (r *Range) UnmarshalText(text []byte) error {
	parsed, err := ParseRange(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}
