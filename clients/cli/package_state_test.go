package main

import (
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
)

// A service that was just installed is not told to be stopped when it is about to run.
func TestAServiceThatIsAboutToRunIsNotToldToBeStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		desired  packagesv1.PackageSpec_Desired
		observed uint64
		want     string
	}{
		"nobody has looked yet":         {packagesv1.PackageSpec_DESIRED_RUNNING, 1, "starting"},
		"looked at: a task blocks it":   {packagesv1.PackageSpec_DESIRED_RUNNING, 2, "stopped"},
		"somebody wants it to be so":    {packagesv1.PackageSpec_DESIRED_STOPPED, 2, "stopped"},
		"somebody wants it, not looked": {packagesv1.PackageSpec_DESIRED_STOPPED, 1, "stopped"},
	} {
		p := &packagesv1.Package{
			Meta: &metav1.Meta{Generation: 2}, Spec: &packagesv1.PackageSpec{Desired: c.desired},
			Status: &packagesv1.PackageStatus{State: packagesv1.PackageStatus_STATE_STOPPED, ObservedGeneration: c.observed},
		}
		if got := stateNow(p); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
