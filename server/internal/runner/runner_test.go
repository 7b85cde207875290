package runner

import (
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/store"
)

// A package is looked at again when somebody wants something new of it, and not because the runner said how it is.
func TestOwnStatusWakesNobody(t *testing.T) {
	t.Parallel()
	row := func(generation, observed uint64, state packagesv1.PackageStatus_State) *packagesv1.Package {
		return &packagesv1.Package{
			Meta:   &metav1.Meta{Id: "a", Generation: generation},
			Status: &packagesv1.PackageStatus{ObservedGeneration: observed, State: state},
		}
	}
	s := &Service{}
	for name, c := range map[string]struct {
		change store.Change
		wakes  bool
	}{
		"installed just now":     {store.Change{ID: "a", Row: row(1, 0, packagesv1.PackageStatus_STATE_UNSPECIFIED)}, true},
		"something new is asked": {store.Change{ID: "a", Row: row(3, 2, packagesv1.PackageStatus_STATE_RUNNING)}, true},
		"it has failed":          {store.Change{ID: "a", Row: row(3, 3, packagesv1.PackageStatus_STATE_FAILED)}, false},
		"it is being started":    {store.Change{ID: "a", Row: row(3, 3, packagesv1.PackageStatus_STATE_STARTING)}, false},
		"it is gone":             {store.Change{ID: "a"}, true},
	} {
		if got := len(s.wished(c.change)) > 0; got != c.wakes {
			t.Errorf("%s: wakes = %t, want %t", name, got, c.wakes)
		}
	}
}
