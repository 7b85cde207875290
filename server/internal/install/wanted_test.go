package install_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/store"
)

var errAsked = errors.New("asked")

// asking are registries that keep what they were asked for.
type asking struct {
	install.Sources
	wanted registry.Wanted
}

func (a *asking) Find(_ context.Context, _ string, w registry.Wanted) (string, exver.Version, registry.Asset, error) {
	a.wanted = w
	return "", exver.Version{}, registry.Asset{}, errAsked
}

// What is asked of registries is what will do: what others need, and not what was skipped, unless somebody names a version.
func TestRegistriesAreAskedForWhatWillDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		installed bool
		ranges    []string // in which installed packages need it
		asked     string
		needed    string
		skipped   []string
	}{
		"nobody needs it":                  {},
		"one needs it":                     {ranges: []string{"^1.0:0"}, needed: "^1.0:0"},
		"two need it":                      {ranges: []string{">=1.0:0", "<2.0:0"}, needed: ">=1.0:0 && <2.0:0"},
		"no version is for both":           {ranges: []string{"<1.0:0", ">2.0:0"}},
		"somebody names a version":         {ranges: []string{"^1.0:0"}, asked: "2.0:0"},
		"installed, one skipped":           {installed: true, skipped: []string{"2.0:0"}},
		"installed, the skipped one named": {installed: true, asked: "2.0:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, pkg := newMachine(t, nil, false)
			a := &asking{}
			m.sources = a
			m.open(func(*store.Tx, string) error { return nil })
			m.update(func(tx *store.Tx) error {
				var errs []error
				for i, r := range c.ranges {
					errs = append(errs, store.Put(tx, &packagesv1.Dependency{
						Meta: &metav1.Meta{Id: []string{"first", "second"}[i] + "/" + pkg}, Spec: &packagesv1.DependencySpec{VersionRange: r},
					}))
				}
				if c.installed {
					errs = append(errs,
						store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{Version: dataVersion}}),
						store.Put(tx, &packagesv1.UpdatePolicy{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.UpdatePolicySpec{Skipped: []string{"2.0:0"}}}))
				}
				return errors.Join(errs...)
			})
			if _, err := m.installs.Plan(t.Context(), install.Wish{Listed: &install.Listed{Package: pkg, Version: c.asked}}); !errors.Is(err, errAsked) {
				t.Fatal(err)
			}
			needed := ""
			if a.wanted.Needed != nil {
				needed = a.wanted.Needed.String()
			}
			want := c.needed
			if want != "" {
				r, err := exver.ParseRange(want)
				if err != nil {
					t.Fatal(err)
				}
				want = exver.Any().And(r).String()
			}
			if needed != want || !slices.Equal(a.wanted.Skipped, c.skipped) || a.wanted.Version != c.asked {
				t.Errorf("asked for is %+v, needed %q, want %q", a.wanted, needed, want)
			}
		})
	}
}
