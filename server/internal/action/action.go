// Package action is what people can have packages do, and the tasks by which packages ask people to do it.
//
// Actions and tasks are rows that the code of a package writes through its effects; this area gives those writes
// their meaning, asks the package for the form of an action, runs it, and keeps the active flag of every task true.
// It deliberately knows neither containers nor wires: a package's code is reached through the interface Packages.
//
// Invariants: an action of a package that is not installed never runs; a task of severity critical that is active
// keeps its service from starting; what a form looks like and what it accepts is the package's own business, its JSON
// is passed through as it is.
package action

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sort"
	"sync"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// Time a package has to answer, as packages know it.
const (
	inputTimeout = 30 * time.Second
	runTimeout   = 120 * time.Second
)

// Limits of what one package may have, of each kind. The bytes let all rows of a kind be changed in one commit.
const (
	maxActions = 256
	maxTasks   = 128
	maxBytes   = 384 << 10
)

// Packages reaches the code of installed packages.
type Packages interface {
	// Execute runs a procedure of the package's code. It fails with SERVICE_NOT_READY where the code cannot be asked.
	Execute(ctx context.Context, pkg, eventID, procedure string, input []byte) ([]byte, error)
	// Secure makes durable what the code wrote to the package's data.
	Secure(pkg string) error
}

// Desires changes what is wanted of a service.
type Desires interface {
	// Stop makes the service stop, in the caller's transaction.
	Stop(tx *store.Tx, pkg string) error
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	store    *store.Store
	log      *slog.Logger
	packages Packages
	desires  Desires

	mu   sync.Mutex // guards runs
	runs map[string]*running
}

// New returns the area over st.
func New(st *store.Store, log *slog.Logger, packages Packages, desires Desires) *Service {
	return &Service{store: st, log: log, packages: packages, desires: desires, runs: map[string]*running{}}
}

// Export sets one action of a package from the metadata its code gave.
func (s *Service) Export(ctx context.Context, now time.Time, pkg, id string, metadata []byte) error {
	spec, err := parseMetadata(metadata)
	if err != nil {
		return err
	}
	if _, err := ids.ParseAction(id); err != nil {
		return invalid("id", err.Error())
	}
	row, err := ids.Join(pkg, id)
	if err != nil {
		return invalid("id", err.Error())
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		have, ok, err := store.Lookup[*actionsv1.Action](tx, row)
		if err != nil {
			return err
		}
		if ok {
			spec.Order = have.GetSpec().GetOrder()
		} else if spec.Order, err = nextOrder(tx, pkg); err != nil {
			return err
		}
		act := &actionsv1.Action{Meta: &metav1.Meta{Id: row}, Spec: spec}
		if err := within(tx, pkg, "actions", maxActions, act); err != nil {
			return err
		}
		return store.Put(tx, act)
	})
	return err
}

// within refuses a row with which a package would have more of its kind than it may have.
func within[T store.Row](tx *store.Tx, pkg, what string, most int, row T) error {
	have, err := store.List[T](tx, pkg)
	if err != nil {
		return err
	}
	count, bytes := 1, proto.Size(row)
	for _, other := range have {
		if other.GetMeta().GetId() != row.GetMeta().GetId() {
			count, bytes = count+1, bytes+proto.Size(other)
		}
	}
	if count > most || bytes > maxBytes {
		return fault.New(metav1.Reason_REASON_EFFECT_LIMIT, "cannot take more %s of package %q: at most %d with %d bytes in all are allowed", what, pkg, most, maxBytes).
			With("package", pkg).With("what", what).With("limit", most)
	}
	return nil
}

// nextOrder is the place behind all actions of the package: packages export in the order they want shown.
func nextOrder(tx *store.Tx, pkg string) (uint32, error) {
	actions, err := store.List[*actionsv1.Action](tx, pkg)
	next := uint32(1)
	for _, a := range actions {
		next = max(next, a.GetSpec().GetOrder()+1)
	}
	return next, err
}

// Clear removes all actions of a package but some.
func (s *Service) Clear(ctx context.Context, now time.Time, pkg string, except []string) error {
	keep := map[string]bool{}
	for _, id := range except {
		keep[pkg+"/"+id] = true
	}
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		actions, err := store.List[*actionsv1.Action](tx, pkg)
		if err != nil {
			return err
		}
		for _, a := range actions {
			if !keep[a.GetMeta().GetId()] {
				if err := store.Delete[*actionsv1.Action](tx, a.GetMeta().GetId()); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

// List returns the actions of a package in its own order.
func (s *Service) List(pkg string) ([]*actionsv1.Action, error) {
	var actions []*actionsv1.Action
	err := s.store.View(func(tx *store.Tx) error {
		if _, err := installed(tx, pkg); err != nil {
			return err
		}
		var err error
		actions, err = store.List[*actionsv1.Action](tx, pkg)
		return err
	})
	sort.SliceStable(actions, func(i, j int) bool { return actions[i].GetSpec().GetOrder() < actions[j].GetSpec().GetOrder() })
	return actions, err
}

// Input is the form of an action as its package made it.
type Input struct {
	// EventID is the token with which Run is checked against this very form.
	EventID string
	// Spec and Value are the package's JSON; Value may be null.
	Spec, Value json.RawMessage
}

// GetInput asks the package for the form of an action. An action without input has none: nil, nil.
func (s *Service) GetInput(ctx context.Context, now time.Time, pkg, id string, prefill []byte) (*Input, error) {
	act, _, err := s.find(pkg, id)
	if err != nil {
		return nil, err
	}
	if !act.GetSpec().GetHasInput() {
		return nil, nil
	}
	event, err := ids.NewULID(now, rand.Reader)
	if err != nil {
		return nil, err
	}
	return s.askInput(ctx, pkg, id, string(event), prefill)
}

func (s *Service) askInput(ctx context.Context, pkg, id, event string, prefill []byte) (*Input, error) {
	if len(prefill) == 0 {
		prefill = []byte("null")
	}
	if !isObjectOrNull(prefill) {
		return nil, fault.New(metav1.Reason_REASON_ACTION_INPUT, "cannot fill in the form of action %q: the values are not a JSON object", id)
	}
	args, err := json.Marshal(map[string]json.RawMessage{"prefill": prefill})
	if err != nil {
		return nil, err
	}
	out, err := s.execute(ctx, inputTimeout, pkg, event, "/actions/"+id+"/getInput", args)
	if err != nil {
		return nil, err
	}
	var form struct {
		EventID string          `json:"eventId"`
		Spec    json.RawMessage `json:"spec"`
		Value   json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(out, &form); err != nil || len(form.Spec) == 0 {
		return nil, fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "cannot use the form of action %q: the package did not answer with a form", id)
	}
	return &Input{EventID: event, Spec: form.Spec, Value: form.Value}, nil
}

// execute bounds a call of the package's code and tells a package that is slow from a caller that went away.
func (s *Service) execute(ctx context.Context, limit time.Duration, pkg, event, procedure string, args []byte) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out, err := s.packages.Execute(bounded, pkg, event, procedure, args)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return nil, fault.New(metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT, "cannot finish %s of package %q within %s: %w", procedure, pkg, limit, err)
	}
	return out, err
}

// Run runs an action and returns its result as JSON in the newest form, or nothing. With an empty event id the input
// is checked against a form made now.
func (s *Service) Run(ctx context.Context, now time.Time, pkg, id, event string, input []byte) ([]byte, error) {
	return s.run(ctx, now, pkg, id, event, input, func() error { return nil })
}

// run is Run; before is called when nothing is in the way any more, and its error keeps the code from running.
func (s *Service) run(ctx context.Context, now time.Time, pkg, id, event string, input []byte, before func() error) ([]byte, error) {
	act, status, err := s.find(pkg, id)
	if err != nil {
		return nil, err
	}
	if err := mayRun(act, status); err != nil {
		return nil, err
	}
	if len(input) == 0 {
		input = []byte("null")
	}
	if !json.Valid(input) {
		return nil, fault.New(metav1.Reason_REASON_ACTION_INPUT, "cannot run action %q: the input is not JSON", id)
	}
	if act.GetSpec().GetHasInput() && !isObject(input) {
		return nil, fault.New(metav1.Reason_REASON_ACTION_INPUT, "cannot run action %q: it needs a JSON object as input", id)
	}
	if event == "" {
		made, err := ids.NewULID(now, rand.Reader)
		if err != nil {
			return nil, err
		}
		event = string(made)
		if act.GetSpec().GetHasInput() {
			if _, err := s.askInput(ctx, pkg, id, event, nil); err != nil {
				return nil, err
			}
		}
	}
	args, err := json.Marshal(map[string]json.RawMessage{"input": input})
	if err != nil {
		return nil, err
	}
	if err := before(); err != nil {
		return nil, err
	}
	out, err := s.execute(ctx, runTimeout, pkg, event, "/actions/"+id+"/run", args)
	if err != nil {
		return nil, err
	}
	// Before a task is recorded as done, which would not be asked for again, and before anybody is told.
	if err := s.packages.Secure(pkg); err != nil {
		return nil, err
	}
	if err := s.settle(ctx, now, pkg, id, input, true); err != nil {
		return nil, err
	}
	return newestResult(out)
}

func mayRun(act *actionsv1.Action, status *packagesv1.PackageStatus) error {
	spec := act.GetSpec()
	if spec.GetVisibility() == actionsv1.ActionSpec_VISIBILITY_DISABLED {
		return fault.New(metav1.Reason_REASON_ACTION_DISABLED, "cannot run action %q: %s", spec.GetName(), spec.GetDisabledReason())
	}
	running := status.GetStartTime() != nil
	switch {
	case spec.GetAllowedStatuses() == actionsv1.ActionSpec_ALLOWED_STATUSES_ONLY_RUNNING && !running:
		return fault.New(metav1.Reason_REASON_ACTION_STATUS, "cannot run action %q: start the service first", spec.GetName())
	case spec.GetAllowedStatuses() == actionsv1.ActionSpec_ALLOWED_STATUSES_ONLY_STOPPED && running:
		return fault.New(metav1.Reason_REASON_ACTION_STATUS, "cannot run action %q: stop the service first", spec.GetName())
	}
	return nil
}

func (s *Service) find(pkg, id string) (*actionsv1.Action, *packagesv1.PackageStatus, error) {
	var act *actionsv1.Action
	var status *packagesv1.PackageStatus
	err := s.store.View(func(tx *store.Tx) error {
		row, err := installed(tx, pkg)
		if err != nil {
			return err
		}
		status = row.GetStatus()
		found, ok, err := store.Lookup[*actionsv1.Action](tx, pkg+"/"+id)
		if err == nil && !ok {
			err = fault.New(metav1.Reason_REASON_ACTION_NOT_FOUND, "package %q has no action %q", pkg, id).With("package", pkg).With("action", id)
		}
		act = found
		return err
	})
	return act, status, err
}

func installed(tx *store.Tx, pkg string) (*packagesv1.Package, error) {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err == nil && !ok {
		err = fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
	}
	return row, err
}

func invalid(field, why string) error {
	return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot use parameter %q: %s", field, why).Violation(field, why)
}
