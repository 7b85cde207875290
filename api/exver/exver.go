// Package exver holds the extended versions of packages and the ranges they are held against.
//
// A version is [#flavor:]upstream:downstream. Upstream is the version of the packaged software, downstream counts the
// packager's own changes to it, and a flavor names a fork whose versions cannot be compared with any other's:
//
//	29.1:2             upstream 29.1, second change of the package
//	#knots:29.1:0      the flavor "knots" of it
//	0.4.0-beta.10      a Plain version, as the system itself has
//
// Version and Range follow the dialect of the original's host, because decisions about what may be installed, updated
// and depended on must come out the same. The code of a package reads ranges in another dialect with different corners:
// CodeRange has that one, for tools that speak with packagers, and nothing is ever decided by it. Lint tells where the
// two part. ParseEmver reads the versions of packages before flavors and downstream parts.
//
// Invariants: all values are immutable and safe for concurrent use; what String prints is parsed back to an equal
// value; parsing takes time linear in its bounded input.
package exver

import (
	"fmt"
	"strings"
)

// Limits on foreign text. MaxDepth bounds the nesting of a range both as written and as built, MaxFlavors the flavors in
// a CodeRange, whose normal form can take a row for each set of them.
const (
	MaxVersion = 512
	MaxRange   = 4096
	MaxDepth   = 128
	MaxFlavors = 8

	tooDeep = "it has more than 127 joins behind each other, or is nested as deeply"
)

// Error is a refused version or, with Range, a refused range. Text is cut to a length that is safe to log.
type Error struct {
	Text  string
	Why   string
	Range bool
}

func (e *Error) Error() string {
	what := "version"
	if e.Range {
		what = "range"
	}
	return fmt.Sprintf("cannot parse %s %q: %s", what, e.Text, e.Why)
}

func refuse(text, why string) error { return &Error{Text: excerpt(text), Why: why} }

func refuseRange(text, why string) error { return &Error{Text: excerpt(text), Why: why, Range: true} }

func excerpt(text string) string {
	const enough = 80
	if len(text) > enough {
		text = strings.ToValidUTF8(text[:enough], "") + "…"
	}
	return text
}

// Version is an extended version. The zero value is 0:0 without flavor.
type Version struct {
	flavor     string
	flavored   bool
	upstream   Plain
	downstream Plain
}

// Parse reads an extended version. The downstream part is mandatory.
func Parse(s string) (Version, error) {
	if len(s) > MaxVersion {
		return Version{}, refuse(s, "it is too long")
	}
	var v Version
	rest := s
	if after, ok := strings.CutPrefix(s, "#"); ok {
		end := 0
		for end < len(after) && after[end] >= 'a' && after[end] <= 'z' {
			end++
		}
		if end == len(after) || after[end] != ':' {
			return Version{}, refuse(s, "a flavor is lower-case letters between # and :")
		}
		v.flavor, v.flavored, rest = after[:end], true, after[end+1:]
	}
	up, down, ok := strings.Cut(rest, ":")
	if !ok {
		return Version{}, refuse(s, "it has no downstream part")
	}
	var err error
	if v.upstream, err = parsePlain(up); err != nil {
		return Version{}, err
	}
	if v.downstream, err = parsePlain(down); err != nil {
		return Version{}, err
	}
	return v, nil
}

// Make joins two halves into a version without flavor.
func Make(upstream, downstream Plain) Version {
	return Version{upstream: upstream, downstream: downstream}
}

// Flavor answers the flavor and whether there is one; a foreign version can have one whose name is empty.
func (v Version) Flavor() (name string, ok bool) { return v.flavor, v.flavored }

// Upstream is the version of the packaged software.
func (v Version) Upstream() Plain { return v.upstream }

// Downstream is the packager's own count.
func (v Version) Downstream() Plain { return v.downstream }

// String prints the canonical form.
func (v Version) String() string {
	s := v.upstream.String() + ":" + v.downstream.String()
	if v.flavored {
		return "#" + v.flavor + ":" + s
	}
	return s
}

// Compare answers the order of two versions of one flavor; ok is false when the flavors differ and there is none.
func (v Version) Compare(w Version) (order int, ok bool) {
	if !v.sameFlavor(w) {
		return 0, false
	}
	return v.compareNumbers(w), true
}

// Equal is true when flavor and value are the same; 1.0:0 equals 1.0.0:0.
func (v Version) Equal(w Version) bool { return v.sameFlavor(w) && v.compareNumbers(w) == 0 }

// Order is a total order for sorting: flavors alphabetically, no flavor after all of them, then Compare. It agrees with
// Compare wherever that answers, and gives 0 exactly for Equal versions.
func (v Version) Order(w Version) int {
	switch {
	case v.sameFlavor(w):
		return v.compareNumbers(w)
	case !v.flavored:
		return 1
	case !w.flavored:
		return -1
	}
	return strings.Compare(v.flavor, w.flavor)
}

// Satisfies tells whether v lies in r.
func (v Version) Satisfies(r Range) bool {
	return r.node().holds(func(op operator, w Version) bool {
		order, ok := v.Compare(w)
		return op.holds(order, ok)
	}, v.flavor, v.flavored)
}

func (v Version) sameFlavor(w Version) bool { return v.flavored == w.flavored && v.flavor == w.flavor }

func (v Version) compareNumbers(w Version) int {
	if c := v.upstream.Compare(w.upstream); c != 0 {
		return c
	}
	return v.downstream.Compare(w.downstream)
}

// MarshalText prints v; it never fails.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is Parse.
func (v *Version) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err == nil {
		*v = parsed
	}
	return err
}
