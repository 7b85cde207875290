package registry

import (
	"encoding/json"
	"fmt"

	"github.com/hearthos/hearth/api/exver"
)

// Wanted is a package that somebody wants to have from a registry.
type Wanted struct {
	Package string
	// Version is a version or a range of them; empty: the newest that will do.
	Version string
	// Installed is the version that is there, Skipped are versions that will not do, and Needed, if not nil, the versions
	// that others need it in.
	Installed string
	Skipped   []string
	Needed    *exver.Range
	// Suits tells whether a file of a version is for the machine, as far as a registry tells; nil: each is.
	Suits func(v *Version, f File) bool
}

// Narrow is a range, nil for all versions, without those that will not do.
func (w Wanted) Narrow(target *exver.Range) (*exver.Range, error) {
	and := func(r exver.Range) {
		if target != nil {
			r = target.And(r)
		}
		target = &r
	}
	for _, text := range w.Skipped {
		v, err := exver.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("cannot leave out version %q: %w", text, err)
		}
		and(exver.Exactly(v).Not())
	}
	if w.Needed != nil {
		and(*w.Needed)
	}
	return target, nil
}

// Suiting are those of some versions that have a file for the machine, each with those files alone.
func (w Wanted) Suiting(all []Candidate) []Candidate {
	if w.Suits == nil {
		return all
	}
	var suiting []Candidate
	for _, c := range all {
		version := *c.Version
		version.Files = nil
		for _, f := range c.Version.Files {
			if w.Suits(c.Version, f) {
				version.Files = append(version.Files, f)
			}
		}
		if len(version.Files) > 0 {
			suiting = append(suiting, Candidate{Exver: c.Exver, Version: &version, Listed: c.Whole()})
		}
	}
	return suiting
}

// All are the versions that were told whole: the best, and with DetailFull the others.
func (l Listing) All() (map[string]*Version, error) {
	all := make(map[string]*Version, len(l.Best)+len(l.OtherVersions))
	for name, raw := range l.OtherVersions {
		v := new(Version)
		if err := json.Unmarshal(raw, v); err != nil {
			return nil, fmt.Errorf("cannot read what is told of version %q: %w", name, err)
		}
		all[name] = v
	}
	for name, v := range l.Best {
		all[name] = v
	}
	return all, nil
}
