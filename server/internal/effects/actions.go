package effects

import (
	"context"
	"encoding/json"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// Task is a task as a package asks for it; When and Input are its JSON.
type Task struct {
	ReplayID, PackageID, ActionID, Severity, Reason string
	When, Input                                     []byte
}

// Form is the form of an action as its package made it.
type Form struct {
	EventID string          `json:"eventId"`
	Spec    json.RawMessage `json:"spec"`
	Value   json.RawMessage `json:"value"`
}

// Actions keeps the actions and tasks of packages and runs actions.
type Actions interface {
	Export(ctx context.Context, now time.Time, pkg, id string, metadata []byte) error
	Clear(ctx context.Context, now time.Time, pkg string, except []string) error
	CreateTask(ctx context.Context, now time.Time, pkg string, t Task) error
	ClearTasks(ctx context.Context, now time.Time, pkg string, only, except []byte) error
	// Form is nil for an action without input.
	Form(ctx context.Context, now time.Time, pkg, id string, prefill []byte) (*Form, error)
	Run(ctx context.Context, now time.Time, pkg, id, eventID string, input []byte) ([]byte, error)
}

// ActionExport implements EffectsServiceServer.
func (s *Service) ActionExport(ctx context.Context, req *effectsv1.ActionExportRequest) (*effectsv1.ActionExportResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return &effectsv1.ActionExportResponse{}, s.Actions.Export(ctx, s.Clock(), pkg, req.GetId(), req.GetMetadata())
}

// ActionClear implements EffectsServiceServer.
func (s *Service) ActionClear(ctx context.Context, req *effectsv1.ActionClearRequest) (*effectsv1.ActionClearResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return &effectsv1.ActionClearResponse{}, s.Actions.Clear(ctx, s.Clock(), pkg, req.GetExcept())
}

// ActionGetInput implements EffectsServiceServer.
func (s *Service) ActionGetInput(ctx context.Context, req *effectsv1.ActionGetInputRequest) (*effectsv1.ActionGetInputResponse, error) {
	pkg, err := s.actionTarget(ctx, req.GetPackageId(), req.GetActionId())
	if err != nil {
		return nil, err
	}
	form, err := s.Actions.Form(ctx, s.Clock(), pkg, req.GetActionId(), req.GetPrefill())
	if err != nil || form == nil {
		return &effectsv1.ActionGetInputResponse{}, err
	}
	if len(form.Value) == 0 {
		form.Value = json.RawMessage("null")
	}
	raw, err := json.Marshal(form)
	return &effectsv1.ActionGetInputResponse{Value: raw}, err
}

// ActionRun implements EffectsServiceServer.
func (s *Service) ActionRun(ctx context.Context, req *effectsv1.ActionRunRequest) (*effectsv1.ActionRunResponse, error) {
	pkg, err := s.actionTarget(ctx, req.GetPackageId(), req.GetActionId())
	if err != nil {
		return nil, err
	}
	out, err := s.Actions.Run(ctx, s.Clock(), pkg, req.GetActionId(), "", req.GetInput())
	return &effectsv1.ActionRunResponse{Value: out}, err
}

// actionTarget resolves the package of an action and holds the caller against the action's own access level.
func (s *Service) actionTarget(ctx context.Context, named, action string) (string, error) {
	from, err := caller(ctx)
	if err != nil || named == "" || named == from {
		return from, err
	}
	err = s.Store.View(func(tx *store.Tx) error {
		act, ok, err := store.Lookup[*actionsv1.Action](tx, named+"/"+action)
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(metav1.Reason_REASON_ACTION_NOT_FOUND, "package %q has no action %q", named, action)
		}
		switch act.GetSpec().GetAccess() {
		case actionsv1.ActionSpec_ACCESS_LEVEL_PUBLIC:
			return nil
		case actionsv1.ActionSpec_ACCESS_LEVEL_DEPENDENT:
			if _, ok, err := store.Lookup[*packagesv1.Dependency](tx, from+"/"+named); ok || err != nil {
				return err
			}
		}
		return fault.New(metav1.Reason_REASON_EFFECT_DENIED, "package %q may not run action %q of %q", from, action, named).
			With("package", from).With("target", named+"/"+action)
	})
	return named, err
}

// ActionCreateTask implements EffectsServiceServer.
func (s *Service) ActionCreateTask(ctx context.Context, req *effectsv1.ActionCreateTaskRequest) (*effectsv1.ActionCreateTaskResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	// Whether a task is due says what the input of the other package's action is, and its code is asked for that.
	err = s.Store.View(func(tx *store.Tx) error { _, err := s.reach(ctx, tx, pkg, req.GetPackageId()); return err })
	if err != nil {
		return nil, err
	}
	return &effectsv1.ActionCreateTaskResponse{}, s.Actions.CreateTask(ctx, s.Clock(), pkg, Task{
		ReplayID: req.GetReplayId(), PackageID: req.GetPackageId(), ActionID: req.GetActionId(),
		Severity: req.GetSeverity(), Reason: req.GetReason(), When: nonNull(req.GetWhen()), Input: nonNull(req.GetInput()),
	})
}

// ActionClearTasks implements EffectsServiceServer.
func (s *Service) ActionClearTasks(ctx context.Context, req *effectsv1.ActionClearTasksRequest) (*effectsv1.ActionClearTasksResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return &effectsv1.ActionClearTasksResponse{}, s.Actions.ClearTasks(ctx, s.Clock(), pkg, nonNull(req.GetOnly()), nonNull(req.GetExcept()))
}

// nonNull makes JSON null and absence the same, as packages mean them.
func nonNull(raw []byte) []byte {
	if string(raw) == "null" {
		return nil
	}
	return raw
}
