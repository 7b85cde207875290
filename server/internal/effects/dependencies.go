package effects

import (
	"context"
	"encoding/json"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// dependency is a dependency as packages write it.
type dependency struct {
	Kind         string   `json:"kind"`
	ID           string   `json:"id"`
	HealthChecks []string `json:"healthChecks,omitempty"`
	VersionRange string   `json:"versionRange"`
}

// SetDependencies implements EffectsServiceServer.
func (s *Service) SetDependencies(ctx context.Context, req *effectsv1.SetDependenciesRequest) (*effectsv1.SetDependenciesResponse, error) {
	if len(req.GetDependencies()) > maxDependencies {
		return nil, limit("dependencies", "bytes", maxDependencies)
	}
	var list []dependency
	if err := json.Unmarshal(req.GetDependencies(), &list); err != nil {
		return nil, invalid("dependencies", err.Error())
	}
	for _, d := range list {
		if _, err := ids.ParsePackage(d.ID); err != nil {
			return nil, invalid("dependencies.id", err.Error())
		}
		if d.Kind != "running" && d.Kind != "exists" {
			return nil, invalid("dependencies.kind", "must be running or exists")
		}
		if _, err := exver.ParseRange(d.VersionRange); err != nil {
			return nil, invalid("dependencies.versionRange", err.Error())
		}
	}
	return &effectsv1.SetDependenciesResponse{}, s.update(ctx, func(tx *store.Tx, pkg string) error {
		if err := store.DeleteBelow[*packagesv1.Dependency](tx, pkg, store.NewRoom()); err != nil {
			return err
		}
		declared, err := declares(tx, pkg)
		if err != nil {
			return err
		}
		for _, d := range list {
			if !declared[d.ID] {
				err := beyond(ctx, tx, pkg, d.ID, fault.New(metav1.Reason_REASON_EFFECT_DENIED, "package %q may not depend on %q: its manifest does not name it", pkg, d.ID).
					With("package", pkg).With("target", d.ID))
				if err != nil {
					return err
				}
			}
			title, err := titleOf(tx, d.ID)
			if err != nil {
				return err
			}
			err = store.Put(tx, &packagesv1.Dependency{
				Meta: &metav1.Meta{Id: pkg + "/" + d.ID},
				Spec: &packagesv1.DependencySpec{
					Running: d.Kind == "running", HealthChecks: d.HealthChecks, VersionRange: d.VersionRange, Title: title,
				},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// titleOf is the title of a package for people: its own where it is installed, else its id.
func titleOf(tx *store.Tx, id string) (string, error) {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, id)
	if err != nil || !ok {
		return id, err
	}
	return row.GetSpec().GetTitle(), nil
}

// GetDependencies implements EffectsServiceServer.
func (s *Service) GetDependencies(ctx context.Context, _ *effectsv1.GetDependenciesRequest) (*effectsv1.GetDependenciesResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list := []dependency{}
	err = s.Store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Dependency](tx, pkg)
		for _, r := range rows {
			d := dependency{Kind: "exists", ID: r.GetMeta().GetId()[len(pkg)+1:], VersionRange: r.GetSpec().GetVersionRange()}
			if r.GetSpec().GetRunning() {
				d.Kind, d.HealthChecks = "running", r.GetSpec().GetHealthChecks()
			}
			list = append(list, d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(list)
	return &effectsv1.GetDependenciesResponse{Value: raw}, err
}

// dependencyCheck is how one dependency is, as packages read it.
type dependencyCheck struct {
	PackageID        string                     `json:"packageId"`
	Title            *string                    `json:"title"`
	InstalledVersion *string                    `json:"installedVersion"`
	Satisfies        []string                   `json:"satisfies"`
	IsRunning        bool                       `json:"isRunning"`
	Tasks            map[string]json.RawMessage `json:"tasks"`
	HealthChecks     map[string]healthJSON      `json:"healthChecks"`
}

// CheckDependencies implements EffectsServiceServer.
func (s *Service) CheckDependencies(ctx context.Context, req *effectsv1.CheckDependenciesRequest) (*effectsv1.CheckDependenciesResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	chosen := map[string]bool{}
	for _, id := range req.GetPackageIds() {
		chosen[id] = true
	}
	list := []dependencyCheck{}
	err = s.Store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Dependency](tx, pkg)
		if err != nil {
			return err
		}
		for _, r := range rows {
			id := r.GetMeta().GetId()[len(pkg)+1:]
			if len(chosen) > 0 && !chosen[id] {
				continue
			}
			check, err := checkDependency(tx, pkg, id, r.GetSpec().GetTitle())
			if err != nil {
				return err
			}
			list = append(list, check)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(list)
	return &effectsv1.CheckDependenciesResponse{Value: raw}, err
}

func checkDependency(tx *store.Tx, pkg, id, title string) (dependencyCheck, error) {
	check := dependencyCheck{PackageID: id, Title: &title, Satisfies: []string{}, Tasks: map[string]json.RawMessage{}, HealthChecks: map[string]healthJSON{}}
	tasks, err := store.List[*actionsv1.Task](tx, pkg)
	if err != nil {
		return check, err
	}
	for _, t := range tasks {
		if t.GetSpec().GetPackageId() != id {
			continue
		}
		replay, raw, err := taskJSON(pkg, t)
		if err != nil {
			return check, err
		}
		check.Tasks[replay] = raw
	}
	row, ok, err := store.Lookup[*packagesv1.Package](tx, id)
	if err != nil || !ok {
		return check, err
	}
	version := row.GetSpec().GetVersion()
	check.InstalledVersion = &version
	check.IsRunning = row.GetStatus().GetStartTime() != nil
	check.HealthChecks, err = healthOf(tx, id)
	if err != nil {
		return check, err
	}
	art, err := artifactOf(tx, id)
	if err != nil {
		return check, err
	}
	var m struct {
		Satisfies []string `json:"satisfies"`
	}
	if err := json.Unmarshal(art.GetSpec().GetManifest(), &m); err != nil {
		return check, err
	}
	check.Satisfies = append(check.Satisfies, m.Satisfies...)
	return check, nil
}

// taskJSON is a task with its active flag as packages read it, and its replay id.
func taskJSON(pkg string, t *actionsv1.Task) (string, json.RawMessage, error) {
	replay, err := ids.Unescape(t.GetMeta().GetId()[len(pkg)+1:])
	if err != nil {
		return "", nil, err
	}
	spec := t.GetSpec()
	type input struct {
		Kind   string            `json:"kind"`
		Accept []json.RawMessage `json:"accept"`
		Set    json.RawMessage   `json:"set"`
	}
	type when struct {
		Condition string `json:"condition"`
		Once      bool   `json:"once"`
	}
	out := struct {
		Task struct {
			PackageID string  `json:"packageId"`
			ActionID  string  `json:"actionId"`
			Severity  string  `json:"severity"`
			Reason    *string `json:"reason"`
			When      *when   `json:"when"`
			Input     *input  `json:"input"`
		} `json:"task"`
		Active bool `json:"active"`
	}{Active: t.GetStatus().GetActive()}
	out.Task.PackageID, out.Task.ActionID = spec.GetPackageId(), spec.GetActionId()
	out.Task.Severity = map[actionsv1.TaskSpec_Severity]string{
		actionsv1.TaskSpec_SEVERITY_OPTIONAL: "optional", actionsv1.TaskSpec_SEVERITY_CRITICAL: "critical",
	}[spec.GetSeverity()]
	if out.Task.Severity == "" {
		out.Task.Severity = "important"
	}
	if spec.GetReason() != "" {
		out.Task.Reason = &spec.Reason
	}
	if spec.GetWhenInputNotMatches() {
		out.Task.When = &when{Condition: "input-not-matches", Once: spec.GetOnce()}
	}
	if len(spec.GetAccept()) > 0 {
		in := &input{Kind: "partial", Set: spec.GetSet()}
		for _, a := range spec.GetAccept() {
			in.Accept = append(in.Accept, a)
		}
		out.Task.Input = in
	}
	raw, err := json.Marshal(out)
	return replay, raw, err
}
