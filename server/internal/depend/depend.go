// Package depend answers questions between packages: whether one has what it needs of another, and what keeps a service
// from being healthy.
//
// It reads rows and writes none, keeps nothing, and does nothing: what follows from an answer is for others. The answers
// are pure functions of facts, which Read takes out of the store in one transaction.
package depend

import (
	"encoding/json"
	"strings"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// Facts are what is known of a package. Package is nil where none is installed.
type Facts struct {
	Package      *packagesv1.Package
	Satisfies    []string // versions of others that its manifest says it is as good as
	Tasks        []*actionsv1.Task
	Checks       []*packagesv1.HealthCheck
	Dependencies []*packagesv1.Dependency
}

// Read takes the facts of a package and of all that it needs, directly or not, out of the store.
func Read(tx *store.Tx, pkg string) (map[string]*Facts, error) {
	all := map[string]*Facts{}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		id := queue[0]
		if all[id] != nil {
			continue
		}
		f, err := readOne(tx, id)
		if err != nil {
			return nil, err
		}
		all[id] = f
		for _, d := range f.Dependencies {
			queue = append(queue, other(d))
		}
	}
	return all, nil
}

func readOne(tx *store.Tx, pkg string) (*Facts, error) {
	f := &Facts{}
	row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil || !ok {
		return f, err
	}
	f.Package = row
	if f.Tasks, err = store.List[*actionsv1.Task](tx, pkg); err != nil {
		return nil, err
	}
	if f.Checks, err = store.List[*packagesv1.HealthCheck](tx, pkg); err != nil {
		return nil, err
	}
	if f.Dependencies, err = store.List[*packagesv1.Dependency](tx, pkg); err != nil {
		return nil, err
	}
	art, _, err := store.Lookup[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Satisfies []string `json:"satisfies"`
	}
	if json.Unmarshal(art.GetSpec().GetManifest(), &manifest) == nil {
		f.Satisfies = manifest.Satisfies
	}
	return f, nil
}

// other is the package that a dependency is about.
func other(d *packagesv1.Dependency) string {
	_, id, _ := strings.Cut(d.GetMeta().GetId(), "/")
	return id
}

// States tells of each dependency of a package whether it is satisfied. It is what packages call a dependency, decided
// here and not by each of them: first that the other is installed, then its version, that it runs, its checks, and the
// critical tasks that the package set about it.
func States(pkg string, all map[string]*Facts) []*packagesv1.DependencyState {
	var list []*packagesv1.DependencyState
	f := all[pkg]
	if f == nil {
		return nil
	}
	for _, d := range f.Dependencies {
		list = append(list, state(pkg, f, d, all[other(d)]))
	}
	return list
}

func state(pkg string, f *Facts, d *packagesv1.Dependency, on *Facts) *packagesv1.DependencyState {
	s := &packagesv1.DependencyState{PackageId: other(d), VersionRange: d.GetSpec().GetVersionRange(), State: packagesv1.DependencyState_STATE_SATISFIED}
	if on == nil || on.Package == nil {
		s.State = packagesv1.DependencyState_STATE_NOT_INSTALLED
		return s
	}
	s.InstalledVersion = on.Package.GetSpec().GetVersion()
	if !Satisfied(d.GetSpec().GetVersionRange(), append([]string{s.InstalledVersion}, on.Satisfies...)) {
		s.State = packagesv1.DependencyState_STATE_VERSION
		return s
	}
	if d.GetSpec().GetRunning() {
		if on.Package.GetStatus().GetState() != packagesv1.PackageStatus_STATE_RUNNING {
			s.State = packagesv1.DependencyState_STATE_NOT_RUNNING
			return s
		}
		for _, id := range d.GetSpec().GetHealthChecks() {
			if !succeeds(on, s.PackageId, id) {
				s.State, s.Detail = packagesv1.DependencyState_STATE_UNHEALTHY, id
				return s
			}
		}
	}
	for _, t := range f.Tasks {
		if critical(t) && t.GetSpec().GetPackageId() == s.PackageId && s.PackageId != pkg {
			s.State, s.Detail = packagesv1.DependencyState_STATE_TASK, t.GetSpec().GetActionId()
			return s
		}
	}
	return s
}

// Satisfied tells whether one of the versions is in a range. A range that cannot be read allows nothing.
func Satisfied(versionRange string, versions []string) bool {
	r, err := exver.ParseRange(versionRange)
	if err != nil {
		return false
	}
	for _, text := range versions {
		if v, err := exver.Parse(text); err == nil && v.Satisfies(r) {
			return true
		}
	}
	return false
}

// succeeds tells whether a health check of a package does, or is switched off.
func succeeds(f *Facts, pkg, id string) bool {
	segment, err := ids.Escape(id)
	if err != nil {
		return false
	}
	for _, c := range f.Checks {
		if c.GetMeta().GetId() == pkg+"/"+segment {
			return c.GetStatus().GetResult() == packagesv1.HealthCheckStatus_RESULT_SUCCESS || c.GetStatus().GetResult() == packagesv1.HealthCheckStatus_RESULT_DISABLED
		}
	}
	return false
}

func critical(t *actionsv1.Task) bool {
	return t.GetStatus().GetActive() && t.GetSpec().GetSeverity() == actionsv1.TaskSpec_SEVERITY_CRITICAL
}
