package exver

import (
	"maps"
	"slices"
)

// A truth table says for every version whether a range holds it. Flavors are split into rows, a row for each flavor that
// is named and one for all others, and the versions of a row into stretches between points, as package code does it. Rows
// keep the order in which they were made, since the normal form prints in it.
type truth struct {
	// constant tables have no rows.
	constant, value bool
	rows            []row
}

// row is the versions of one flavor, or of all flavors but some.
type row struct {
	only   flavorClass
	but    []flavorClass // nil: of the flavor only
	points []point
	values []bool // one more than points: before, between and behind them
}

// point lies just before a version, or just behind it.
type point struct {
	version Version
	behind  bool
}

func (p point) compare(q point) int {
	if c := p.version.compareNumbers(q.version); c != 0 {
		return c
	}
	switch {
	case p.behind == q.behind:
		return 0
	case q.behind:
		return -1
	}
	return 1
}

func always(value bool) truth { return truth{constant: true, value: value} }

// split is the table of one flavor cut at a point, all other flavors being false.
func split(at point, before, behind bool) truth {
	class := flavorClass{at.version.flavor, at.version.flavored}
	return truth{rows: []row{
		{only: class, points: []point{at}, values: []bool{before, behind}},
		{but: []flavorClass{class}, values: []bool{false}},
	}}
}

// table makes the truth table of an expression.
func (e *expr) table() truth {
	switch e.kind {
	case everything:
		return always(true)
	case anchor:
		return e.boundTable()
	case flavorIs:
		class := flavorClass{e.flavor, e.flavored}
		return truth{rows: []row{{only: class, values: []bool{true}}, {but: []flavorClass{class}, values: []bool{false}}}}
	case both:
		return e.left.table().and(e.right.table())
	case either:
		return e.left.table().or(e.right.table())
	case not:
		return e.left.table().not()
	}
	return always(false)
}

func (e *expr) boundTable() truth {
	at, behind := point{version: e.version}, point{version: e.version, behind: true}
	switch e.op {
	case above:
		return split(behind, false, true)
	case below:
		return split(at, true, false)
	case atLeast:
		return split(at, false, true)
	case atMost:
		return split(behind, true, false)
	case caret, tilde:
		return split(at, false, true).and(split(point{version: e.version.codeNext(e.op == tilde)}, true, false))
	}
	exactly := split(at, false, true).and(split(behind, true, false))
	if e.op == differs {
		return exactly.not()
	}
	return exactly
}

func (t truth) not() truth {
	if t.constant {
		return always(!t.value)
	}
	out := truth{rows: make([]row, len(t.rows))}
	for i, r := range t.rows {
		values := make([]bool, len(r.values))
		for j, v := range r.values {
			values[j] = !v
		}
		out.rows[i] = row{r.only, r.but, r.points, values}
	}
	return out
}

func (t truth) and(u truth) truth {
	if t.constant || u.constant {
		switch {
		case t.constant && t.value:
			return u
		case u.constant && u.value:
			return t
		}
		return always(false)
	}
	var out truth
	for _, r := range t.rows {
		for _, s := range u.rows {
			if only, but, ok := r.meet(s); ok {
				out.add(r.zip(s, only, but, func(x, y bool) bool { return x && y }))
			}
		}
	}
	return out
}

// or joins rows of the same flavors. Rows whose flavors only overlap stay side by side, as in package code; that is why a
// normal form may say the same thing twice.
func (t truth) or(u truth) truth {
	switch {
	case t.constant && t.value || u.constant && u.value:
		return always(true)
	case t.constant:
		return u
	case u.constant:
		return t
	}
	out := truth{rows: slices.Clone(t.rows)}
	for _, r := range u.rows {
		out.add(r)
	}
	return out
}

// add puts a row into the table, joined with the one of the same flavors if there is one.
func (t *truth) add(r row) {
	for i, s := range t.rows {
		if r.sameFlavors(s) {
			t.rows[i] = r.zip(s, r.only, s.but, func(x, y bool) bool { return x || y })
			return
		}
	}
	t.rows = append(t.rows, r)
}

func (r row) sameFlavors(s row) bool {
	if r.but == nil || s.but == nil {
		return r.but == nil && s.but == nil && r.only == s.only
	}
	return len(r.but) == len(s.but) && !slices.ContainsFunc(r.but, func(c flavorClass) bool { return !slices.Contains(s.but, c) })
}

// meet answers the flavors that both rows are about, if there can be one.
func (r row) meet(s row) (only flavorClass, but []flavorClass, ok bool) {
	switch {
	case r.but == nil && s.but == nil:
		return r.only, nil, r.only == s.only
	case r.but == nil:
		return r.only, nil, !slices.Contains(s.but, r.only)
	case s.but == nil:
		return s.only, nil, !slices.Contains(r.but, s.only)
	}
	but = slices.Clone(r.but)
	for _, c := range s.but {
		if !slices.Contains(but, c) {
			but = append(but, c)
		}
	}
	return flavorClass{}, but, true
}

// zip joins two rows stretch by stretch; neighbours of the same value become one.
func (r row) zip(s row, only flavorClass, but []flavorClass, join func(x, y bool) bool) row {
	out := row{only: only, but: but}
	for i, j := 0, 0; ; {
		value := join(r.values[i], s.values[j])
		if n := len(out.values); n > 0 && out.values[n-1] == value {
			out.points = out.points[:len(out.points)-1]
		} else {
			out.values = append(out.values, value)
		}
		switch {
		case i == len(r.points) && j == len(s.points):
			return out
		case j == len(s.points) || i < len(r.points) && r.points[i].compare(s.points[j]) < 0:
			out.points = append(out.points, r.points[i])
			i++
		case i == len(r.points) || r.points[i].compare(s.points[j]) > 0:
			out.points = append(out.points, s.points[j])
			j++
		default:
			out.points = append(out.points, r.points[i])
			i++
			j++
		}
	}
}

// same answers the value that the table has everywhere, if there is one.
func (t truth) same() (value, ok bool) {
	if t.constant {
		return t.value, true
	}
	seen := map[bool]bool{}
	for _, r := range t.rows {
		for _, v := range r.values {
			seen[v] = true
		}
	}
	if len(seen) != 1 {
		return false, false
	}
	return slices.Collect(maps.Keys(seen))[0], true
}

// Satisfiable tells whether package code thinks that some version can satisfy r.
func (r CodeRange) Satisfiable() bool {
	value, ok := r.node().table().same()
	return !ok || value
}

// Intersects tells whether package code thinks that some version can satisfy both.
func (r CodeRange) Intersects(s CodeRange) bool {
	value, ok := r.node().table().and(s.node().table()).same()
	return !ok || value
}

// Normal is the range as a list of stretches, the form in which package code compares ranges.
func (r CodeRange) Normal() CodeRange {
	t := r.node().table()
	if value, ok := t.same(); ok {
		if value {
			return CodeRange{all}
		}
		return CodeRange{none}
	}
	sum := none
	for _, row := range t.rows {
		for i, value := range row.values {
			if value {
				sum = or(sum, row.stretch(i))
			}
		}
	}
	return CodeRange{sum}
}

// stretch is the expression of one stretch of a row. Bounds of the row of all other flavors are written without one.
func (r row) stretch(i int) *expr {
	term := all
	for _, c := range r.but {
		term = and(term, &expr{kind: not, left: &expr{kind: flavorIs, flavor: c.name, flavored: c.flavored}})
	}
	bound := func(op operator, v Version) *expr {
		v.flavor, v.flavored = r.only.name, r.only.flavored
		return &expr{kind: anchor, op: op, version: v}
	}
	if i > 0 && i < len(r.points) && !r.points[i-1].behind && r.points[i].behind &&
		r.points[i-1].version.compareNumbers(r.points[i].version) == 0 {
		return and(term, bound(equal, r.points[i-1].version))
	}
	if i > 0 {
		op := map[bool]operator{true: above, false: atLeast}[r.points[i-1].behind]
		term = and(term, bound(op, r.points[i-1].version))
	}
	if i < len(r.points) {
		op := map[bool]operator{true: atMost, false: below}[r.points[i].behind]
		term = and(term, bound(op, r.points[i].version))
	}
	if term.kind == everything {
		return &expr{kind: flavorIs, flavor: r.only.name, flavored: r.only.flavored}
	}
	return term
}
