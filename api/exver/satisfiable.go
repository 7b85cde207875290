package exver

import (
	"cmp"
	"slices"
)

// Satisfiable tells whether r can hold any version. It treats the versions of a flavor as dense, so a gap between two
// bounds always counts as inhabited.
func (r Range) Satisfiable() bool {
	classes := make(map[flavorClass][]Version)
	// Bounds say nothing about flavors the range does not name, but negations do: all of those behave alike.
	classes[flavorClass{name: "\x00", flavored: true}] = nil
	classes[flavorClass{}] = nil
	r.node().collect(classes)
	for class, bounds := range classes {
		if r.node().inhabited(class, bounds) {
			return true
		}
	}
	return false
}

// Intersects tells whether some version lies in both ranges.
func (r Range) Intersects(s Range) bool { return r.And(s).Satisfiable() }

type flavorClass struct {
	name     string
	flavored bool
}

func (e *expr) collect(classes map[flavorClass][]Version) {
	switch e.kind {
	case anchor:
		class := flavorClass{e.version.flavor, e.version.flavored}
		classes[class] = append(classes[class], e.version)
	case flavorIs:
		class := flavorClass{e.flavor, e.flavored}
		if _, known := classes[class]; !known {
			classes[class] = nil
		}
	}
	if e.left != nil {
		e.left.collect(classes)
	}
	if e.right != nil {
		e.right.collect(classes)
	}
}

// inhabited evaluates e at every distinguishable place of one flavor: on each bound (odd places) and in each gap before,
// between and behind them (even places).
func (e *expr) inhabited(class flavorClass, bounds []Version) bool {
	slices.SortFunc(bounds, Version.compareNumbers)
	bounds = slices.CompactFunc(bounds, Version.Equal)
	for place := 0; place <= 2*len(bounds); place++ {
		at := func(op operator, w Version) bool {
			if w.flavored != class.flavored || w.flavor != class.name {
				return op.holds(0, false)
			}
			i, _ := slices.BinarySearchFunc(bounds, w, Version.compareNumbers)
			return op.holds(cmp.Compare(place, 2*i+1), true)
		}
		if e.holds(at, class.name, class.flavored) {
			return true
		}
	}
	return false
}
