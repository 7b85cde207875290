package registry

import (
	"encoding/json"
	"slices"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
)

// Question is which versions will do.
type Question struct {
	Target *exver.Range   // nil: all
	Source *exver.Version // what is to be updated; nil: anything
	Device *Device        // nil: any
}

// Candidate is a version with its name parsed. Listed is the version that Version was made of by leaving out files; nil
// where that is the same.
type Candidate struct {
	Exver           exver.Version
	Version, Listed *Version
}

// Whole is the version with all its files.
func (c Candidate) Whole() *Version {
	if c.Listed != nil {
		return c.Listed
	}
	return c.Version
}

// Choose answers the versions that will do, the best of each flavor and the others apart, both the newest first. Of a
// version only the files that suit the device are left; it is the same *Version where that changes nothing.
func Choose(all []Candidate, q Question) (best, others []Candidate) {
	for _, c := range all {
		if fit, ok := q.fits(c); ok {
			others = append(others, fit)
		}
	}
	slices.SortStableFunc(others, func(a, b Candidate) int { return b.Exver.Order(a.Exver) })
	all, others = others, nil
	for i, c := range all {
		if i > 0 {
			if _, same := c.Exver.Compare(all[i-1].Exver); same {
				others = append(others, c)
				continue
			}
		}
		best = append(best, c)
	}
	return best, others
}

func (q Question) fits(c Candidate) (Candidate, bool) {
	if q.Target != nil && !c.Exver.Satisfies(*q.Target) {
		return c, false
	}
	if q.Source != nil && c.Version.SourceVersion != nil && !q.Source.Satisfies(*c.Version.SourceVersion) {
		return c, false
	}
	if !q.Device.runs(c.Version) {
		return c, false
	}
	if q.Device == nil || q.Device.Hardware == nil {
		return c, true
	}
	files := Fit(c.Version.Files, q.Device.Hardware)
	if len(files) == 0 {
		return c, false
	}
	fitted := *c.Version
	fitted.Files = files
	return Candidate{Exver: c.Exver, Version: &fitted, Listed: c.Version}, true
}

// Candidates reads the names of versions, leaving out those that are none.
func Candidates(versions map[string]*Version) []Candidate {
	all := make([]Candidate, 0, len(versions))
	for name, v := range versions {
		if parsed, err := exver.Parse(name); err == nil && v != nil {
			all = append(all, Candidate{Exver: parsed, Version: v})
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int { return b.Exver.Order(a.Exver) })
	return all
}

// In is the version with every text in one language.
func (v *Version) In(language string) *Version {
	out := *v
	one := func(l s9pk.LocaleString) s9pk.LocaleString { return s9pk.Text(l.In(language)) }
	out.Description = s9pk.Description{Short: one(v.Description.Short), Long: one(v.Description.Long)}
	out.ReleaseNotes = one(v.ReleaseNotes)
	out.DependencyMetadata = make(map[ids.Package]Dependency, len(v.DependencyMetadata))
	for id, d := range v.DependencyMetadata {
		for _, text := range []**s9pk.LocaleString{&d.Title, &d.Description} {
			if *text != nil {
				t := one(**text)
				*text = &t
			}
		}
		out.DependencyMetadata[id] = d
	}
	return &out
}

// Answer puts what was chosen into the form of an answer. Others are told in the detail.
func Answer(categories []string, best, others []Candidate, detail string) (Listing, error) {
	l := Listing{Categories: categories, Best: make(map[string]*Version, len(best))}
	if l.Categories == nil {
		l.Categories = []string{}
	}
	for _, c := range best {
		l.Best[c.Exver.String()] = c.Version
	}
	if detail == DetailNone {
		return l, nil
	}
	l.OtherVersions = make(map[string]json.RawMessage, len(others))
	for _, c := range others {
		var told any = c.Version
		if detail != DetailFull {
			told = struct {
				ReleaseNotes s9pk.LocaleString `json:"releaseNotes"`
			}{c.Version.ReleaseNotes}
		}
		raw, err := json.Marshal(told)
		if err != nil {
			return Listing{}, err
		}
		l.OtherVersions[c.Exver.String()] = raw
	}
	return l, nil
}
