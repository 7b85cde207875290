package action

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// TaskRequest is what a package asks for with the effect action.create-task; When and Input are its JSON.
type TaskRequest struct {
	ReplayID, PackageID, ActionID, Severity, Reason string
	When, Input                                     []byte
}

// CreateTask sets a task of a package, or replaces the one with the same replay id.
//
// A task with a condition is active while the action's present value matches none of the accepted ones. Where the
// value cannot be read now (the target is not installed, not initialised, or is the caller in its own init), the flag
// stays what it was, or is set for a new task; it is put right when the target's init has ended.
func (s *Service) CreateTask(ctx context.Context, now time.Time, pkg string, req TaskRequest) error {
	spec, err := parseTask(req)
	if err != nil {
		return err
	}
	segment, err := ids.Escape(req.ReplayID)
	if err != nil {
		return invalid("replayId", err.Error())
	}
	row, err := ids.Join(pkg, segment)
	if err != nil {
		return invalid("replayId", err.Error())
	}
	value, known := any(nil), false
	if spec.GetWhenInputNotMatches() {
		value, known = s.currentValue(ctx, now, spec.GetPackageId(), spec.GetActionId())
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		task := &actionsv1.Task{Meta: &metav1.Meta{Id: row}, Spec: spec, Status: &actionsv1.TaskStatus{Active: true}}
		if spec.GetWhenInputNotMatches() {
			if known && accepted(spec, value) {
				if spec.GetOnce() {
					return store.Delete[*actionsv1.Task](tx, row)
				}
				task.Status.Active = false
			} else if !known {
				have, ok, err := store.Lookup[*actionsv1.Task](tx, row)
				if err != nil {
					return err
				}
				task.Status.Active = !ok || have.GetStatus().GetActive()
			}
		}
		return s.putTask(tx, pkg, task)
	})
	return err
}

// putTask writes a task and stops its service where the task blocks it.
func (s *Service) putTask(tx *store.Tx, pkg string, task *actionsv1.Task) error {
	if err := within(tx, pkg, "tasks", maxTasks, task); err != nil {
		return err
	}
	if err := store.Put(tx, task); err != nil {
		return err
	}
	if blocks(task) {
		return s.desires.Stop(tx, pkg)
	}
	return nil
}

func blocks(t *actionsv1.Task) bool {
	return t.GetStatus().GetActive() && t.GetSpec().GetSeverity() == actionsv1.TaskSpec_SEVERITY_CRITICAL
}

// Blocking returns an active critical task of the package, which keeps its service from starting, or nil.
func Blocking(tx *store.Tx, pkg string) (*actionsv1.Task, error) {
	tasks, err := store.List[*actionsv1.Task](tx, pkg)
	for _, t := range tasks {
		if blocks(t) {
			return t, err
		}
	}
	return nil, err
}

// ClearTasks removes the tasks of a package with the replay ids in only, or all but those in except. Exactly one of
// the two is a JSON list.
func (s *Service) ClearTasks(ctx context.Context, now time.Time, pkg string, only, except []byte) error {
	chosen, keep, err := parseOnlyExcept(only, except)
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		tasks, err := store.List[*actionsv1.Task](tx, pkg)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			replay, err := ids.Unescape(t.GetMeta().GetId()[len(pkg)+1:])
			if err != nil {
				return err
			}
			if chosen[replay] != keep {
				if err := store.Delete[*actionsv1.Task](tx, t.GetMeta().GetId()); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

// Dismiss removes a task of a package because a person does not want to do it. The package may set it again. An active
// critical one goes by force alone, and its service may start then.
func (s *Service) Dismiss(ctx context.Context, now time.Time, pkg, replay string, force bool) error {
	missing := fault.New(metav1.Reason_REASON_TASK_NOT_FOUND, "package %q has no task %q", pkg, replay).With("package", pkg).With("task", replay)
	segment, err := ids.Escape(replay)
	if err != nil {
		return missing
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		if _, err := installed(tx, pkg); err != nil {
			return err
		}
		task, ok, err := store.Lookup[*actionsv1.Task](tx, pkg+"/"+segment)
		if err != nil {
			return err
		}
		if !ok {
			return missing
		}
		if blocks(task) && !force {
			return fault.New(metav1.Reason_REASON_TASK_CRITICAL, "cannot dismiss task %q of %q: it is critical", replay, pkg).With("package", pkg).With("task", replay)
		}
		return store.Delete[*actionsv1.Task](tx, task.GetMeta().GetId())
	})
	return err
}

func parseOnlyExcept(only, except []byte) (chosen map[string]bool, keep bool, err error) {
	raw, field := only, "only"
	if len(only) == 0 || string(only) == "null" {
		raw, field, keep = except, "except", true
	}
	var list []string
	if len(raw) == 0 {
		return nil, false, invalid("only", "one of only and except must be given")
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, false, invalid(field, "must be a list of replay ids")
	}
	chosen = map[string]bool{}
	for _, id := range list {
		chosen[id] = true
	}
	return chosen, keep, nil
}

// Tasks returns the tasks of a package, or of all where pkg is empty.
func (s *Service) Tasks(pkg string) ([]*actionsv1.Task, error) {
	var tasks []*actionsv1.Task
	err := s.store.View(func(tx *store.Tx) error {
		if pkg != "" {
			if _, err := installed(tx, pkg); err != nil {
				return err
			}
		}
		var err error
		tasks, err = store.List[*actionsv1.Task](tx, pkg)
		return err
	})
	return tasks, err
}

// Initialized is called when the init of a package has ended: tasks whose own action is gone vanish, and the flag of
// every task that points at the package is put right.
func (s *Service) Initialized(ctx context.Context, now time.Time, pkg string) error {
	targets := map[string]bool{}
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		tasks, err := store.List[*actionsv1.Task](tx, "")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			spec := t.GetSpec()
			if spec.GetPackageId() != pkg {
				continue
			}
			_, ok, err := store.Lookup[*actionsv1.Action](tx, pkg+"/"+spec.GetActionId())
			if err != nil {
				return err
			}
			if !ok && ids.Parent(t.GetMeta().GetId()) == pkg {
				if err := store.Delete[*actionsv1.Task](tx, t.GetMeta().GetId()); err != nil {
					return err
				}
				continue
			}
			if ok && spec.GetWhenInputNotMatches() {
				targets[spec.GetActionId()] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id := range targets {
		value, known := s.currentValue(ctx, now, pkg, id)
		if !known {
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if err := s.settle(ctx, now, pkg, id, raw, false); err != nil {
			return err
		}
	}
	return nil
}

// settle puts the tasks right that point at an action whose value is now input, or was part of it; ran says that the
// action was run with it.
func (s *Service) settle(ctx context.Context, now time.Time, pkg, id string, input []byte, ran bool) error {
	var value any
	if err := json.Unmarshal(input, &value); err != nil {
		return err
	}
	owners := map[string]bool{}
	err := s.store.View(func(tx *store.Tx) error {
		tasks, err := store.List[*actionsv1.Task](tx, "")
		for _, t := range tasks {
			if t.GetSpec().GetPackageId() == pkg && t.GetSpec().GetActionId() == id {
				owners[ids.Parent(t.GetMeta().GetId())] = true
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	// One commit takes the tasks of one package, not those of all.
	for _, owner := range slices.Sorted(maps.Keys(owners)) {
		_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
			tasks, err := store.List[*actionsv1.Task](tx, owner)
			for _, t := range tasks {
				if t.GetSpec().GetPackageId() == pkg && t.GetSpec().GetActionId() == id {
					err = errors.Join(err, s.settleTask(tx, t, value, ran))
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settleTask is the table of what a value means for a task:
//
//	no condition                       gone when the action ran
//	value holds one accepted           gone when once and ran, else inactive
//	value conflicts with all accepted  active
//	neither                            unchanged
func (s *Service) settleTask(tx *store.Tx, t *actionsv1.Task, value any, ran bool) error {
	id := t.GetMeta().GetId()
	spec := t.GetSpec()
	if !spec.GetWhenInputNotMatches() {
		if ran {
			return store.Delete[*actionsv1.Task](tx, id)
		}
		return nil
	}
	switch {
	case accepted(spec, value) && spec.GetOnce() && ran:
		return store.Delete[*actionsv1.Task](tx, id)
	case accepted(spec, value):
		t.Status = &actionsv1.TaskStatus{Active: false}
	case conflictsWithAll(spec, value):
		t.Status = &actionsv1.TaskStatus{Active: true}
	default:
		return nil
	}
	return s.putTask(tx, ids.Parent(id), t)
}

func accepted(spec *actionsv1.TaskSpec, value any) bool {
	for _, raw := range spec.GetAccept() {
		var want any
		if json.Unmarshal(raw, &want) == nil && partOf(want, value) {
			return true
		}
	}
	return false
}

func conflictsWithAll(spec *actionsv1.TaskSpec, value any) bool {
	for _, raw := range spec.GetAccept() {
		var want any
		if json.Unmarshal(raw, &want) != nil || !conflicts(want, value) {
			return false
		}
	}
	return true
}

// currentValue asks the target for the present value of an action. It never waits for a package that is in its init:
// a package that sets a task about itself there would wait for its own end.
func (s *Service) currentValue(ctx context.Context, now time.Time, pkg, id string) (any, bool) {
	act, status, err := s.find(pkg, id)
	if err != nil || !act.GetSpec().GetHasInput() || !initialized(status) {
		return nil, false
	}
	input, err := s.GetInput(ctx, now, pkg, id, nil)
	if err != nil {
		s.log.InfoContext(ctx, "cannot read the value of an action for a task", "pkg", pkg, "action", id, "error", err)
		return nil, false
	}
	var value any
	if len(input.Value) == 0 || json.Unmarshal(input.Value, &value) != nil {
		return nil, false
	}
	return value, true
}

func initialized(status *packagesv1.PackageStatus) bool {
	switch status.GetState() {
	case packagesv1.PackageStatus_STATE_STOPPED, packagesv1.PackageStatus_STATE_STARTING,
		packagesv1.PackageStatus_STATE_RUNNING, packagesv1.PackageStatus_STATE_STOPPING:
		return true
	}
	return false
}

// parseTask reads the request of a package; input in the form of older SDKs, {"value": X}, means that X is accepted
// and filled in.
func parseTask(req TaskRequest) (*actionsv1.TaskSpec, error) {
	// People are shown the two in commands to run.
	if _, err := ids.ParsePackage(req.PackageID); err != nil {
		return nil, invalid("packageId", err.Error())
	}
	if _, err := ids.ParseAction(req.ActionID); err != nil {
		return nil, invalid("actionId", err.Error())
	}
	spec := &actionsv1.TaskSpec{PackageId: req.PackageID, ActionId: req.ActionID, Reason: req.Reason}
	switch req.Severity {
	case "optional":
		spec.Severity = actionsv1.TaskSpec_SEVERITY_OPTIONAL
	case "important", "":
		spec.Severity = actionsv1.TaskSpec_SEVERITY_IMPORTANT
	case "critical":
		spec.Severity = actionsv1.TaskSpec_SEVERITY_CRITICAL
	default:
		return nil, invalid("severity", "must be optional, important or critical")
	}
	var when *struct {
		Once      bool   `json:"once"`
		Condition string `json:"condition"`
	}
	if err := unmarshalOptional(req.When, &when); err != nil {
		return nil, invalid("when", err.Error())
	}
	var input *struct {
		Accept []json.RawMessage `json:"accept"`
		Set    json.RawMessage   `json:"set"`
		Value  json.RawMessage   `json:"value"`
	}
	if err := unmarshalOptional(req.Input, &input); err != nil {
		return nil, invalid("input", err.Error())
	}
	if input != nil {
		if len(input.Value) > 0 && len(input.Accept) == 0 {
			input.Accept, input.Set = []json.RawMessage{input.Value}, input.Value
		}
		for _, a := range input.Accept {
			spec.Accept = append(spec.Accept, a)
		}
		spec.Set = input.Set
	}
	if when != nil {
		if when.Condition != "input-not-matches" {
			return nil, invalid("when.condition", "must be input-not-matches")
		}
		if input == nil {
			return nil, fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot create a task whose condition looks at the input without an input to compare with").
				Violation("input", "must be given with this condition")
		}
		spec.WhenInputNotMatches, spec.Once = true, when.Once
	}
	return spec, nil
}

func unmarshalOptional(raw []byte, into any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// Forget deletes what the area keeps about a package, in the caller's transaction and as far as there is room. Tasks
// that other packages set about it stay: they are theirs, and hold again when it comes back.
func Forget(tx *store.Tx, pkg string, room *store.Room) error {
	return errors.Join(store.DeleteBelow[*actionsv1.Task](tx, pkg, room), store.DeleteBelow[*actionsv1.Action](tx, pkg, room),
		store.DeleteBelow[*actionsv1.ActionRun](tx, pkg, room))
}
