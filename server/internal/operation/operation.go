// Package operation carries out what a person asks for once and what takes a while: a linear list of named steps that
// are done, or undone, whatever happens to the process meanwhile.
//
// It is deliberately not a workflow engine (no branches, no loops, no parallel steps) and not for what should be true
// continuously; that is reconcile's. An operation does not run services: it writes what is wanted and waits for it.
//
//	operation.go  what is declared and asked: Definition, Step, Request; Begin and Cancel
//	stuck.go      what people can do about an operation that does not get on: Retry and GiveUp
//	history.go    the controller that forgets operations which ended long ago
//	engine.go     which operations run in this process
//	execution.go  the state machine of one operation
//	run.go        what a step can do
//	progress.go   how far it is, for whoever watches
//
// Invariants:
//   - The row of the operation is the only truth. That a step is about to be done or undone is committed before it is;
//     that it was is committed after. So after a crash the step at hand is done (or undone) again: Do and Undo are
//     idempotent, and Undo copes with a Do that never began or stopped anywhere.
//   - An operation ends in SUCCEEDED with all steps done, or in FAILED or CANCELLED with all that began undone in
//     reverse order. Once a step declared Final has begun, nothing is undone: what fails is tried again until it works.
//     The same holds for Undo, always; only a person may give such a step up, and then the operation tells what is left.
//   - Two operations whose locks overlap are never under way at the same time.
//   - A process that stops leaves operations where they are; the next one goes on.
package operation

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

type row = *operationsv1.Operation

// Step is a named part of an operation.
type Step struct {
	Name   string
	Weight uint32 // share of the whole work, relative to the other steps'
	// Timeout bounds one attempt of Do or Undo; 0: no bound.
	Timeout time.Duration
	// Do and Undo are idempotent: after a crash they are called again. Undo may be nil; it is called for every step that
	// began, also for one whose Do failed or was cut off. Both heed ctx within a second. A Do waits inside for what it
	// set in motion, by a watch.
	Do, Undo func(ctx context.Context, r *Run) error
	// Final: once this step has begun there is no way back, only forward.
	Final bool
	// Leaves is what stays behind when the step is given up, in words for people, as in "the service's container".
	Leaves string
}

// Definition says how operations of a kind go.
type Definition struct {
	Kind string
	// Locks answers what an operation needs for itself, as in "package/hello". It depends on nothing but the operation's
	// spec. nil: nothing.
	Locks func(op *operationsv1.Operation) []string
	Steps []Step
	// Release gives back what an operation holds besides its locks, such as a mark in another row. It runs in the commit
	// that ends an operation of which a step was given up: nothing else does. nil: nothing.
	Release func(tx *store.Tx, op *operationsv1.Operation) error
	// Repeat refuses to begin an operation anew, in the commit that does; op is the one that ended. nil: it cannot be.
	Repeat func(tx *store.Tx, op *operationsv1.Operation) error
}

// step answers the step of this name, or nil: the row may come from a release with other steps.
func (d *Definition) step(name string) *Step {
	for i := range d.Steps {
		if d.Steps[i].Name == name {
			return &d.Steps[i]
		}
	}
	return nil
}

func (d *Definition) locks(op row) []string {
	if d.Locks == nil {
		return nil
	}
	return d.Locks(op)
}

// Asked is what an operation knows of the request that asks for it.
type Asked struct {
	ID     string // of the operation: a lower-case ULID
	By     string // who asked
	Digest []byte // tells a repetition of the request from another with the same id; none: kind and target do
}

// Request asks for an operation.
type Request struct {
	Asked
	Kind, Target string
	Parameters   map[string]string
	// Prepare runs in the commit that records the operation, after it is known that no other is in the way; its error
	// refuses the operation.
	Prepare func(tx *store.Tx) error
	// RetryOf is the operation of which this is another attempt, if any.
	RetryOf string
}

// Engine keeps operations of some kinds going. All methods may be called concurrently.
type Engine struct {
	st    *store.Store
	log   *slog.Logger
	defs  map[string]*Definition
	probe func(point string)

	mu      sync.Mutex // guards running; a leaf
	running map[string]*execution
}

// New makes an engine; nothing runs before Run. It panics when a kind is defined twice or a definition is not whole.
func New(st *store.Store, log *slog.Logger, defs ...Definition) *Engine {
	e := &Engine{
		st: st, log: log, defs: make(map[string]*Definition), running: make(map[string]*execution),
		probe: func(string) {},
	}
	for _, d := range defs {
		names := make(map[string]bool)
		for _, s := range d.Steps {
			if s.Name == "" || s.Do == nil || names[s.Name] {
				panic(fmt.Sprintf("operation %q has a step %q that has no name of its own or does nothing", d.Kind, s.Name))
			}
			names[s.Name] = true
		}
		if _, twice := e.defs[d.Kind]; twice || d.Kind == "" || len(d.Steps) == 0 {
			panic(fmt.Sprintf("operation %q is defined twice or has no steps", d.Kind))
		}
		e.defs[d.Kind] = &d
	}
	return e
}

// Probe has fn called, on the goroutine of the operation, at every point before and after which a crash makes a
// difference. It is for package operationtest and is called before Run.
func (e *Engine) Probe(fn func(point string)) { e.probe = fn }

// Begin records an operation and answers it; it is run by Run. The id is a ULID the caller made: asking again with the
// same one answers the operation as it is, so a request can be repeated; another request with it is refused with
// REASON_REQUEST_ID_REUSED. Another operation that holds a lock is the
// reason REASON_OPERATION_CONFLICT with the metadata operation, kind, target and lock of the holder.
func (e *Engine) Begin(ctx context.Context, now time.Time, r Request) (*operationsv1.Operation, error) {
	def, ok := e.defs[r.Kind]
	if !ok {
		return nil, fmt.Errorf("cannot begin an operation of kind %q: it is not defined", r.Kind)
	}
	if _, err := ids.ParseULID(r.ID); err != nil {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot begin an operation: %w", err).
			Violation("request_id", "must be a lower-case ULID")
	}
	var answer row
	_, err := e.st.Update(ctx, now, func(tx *store.Tx) error {
		old, there, err := store.Lookup[row](tx, r.ID)
		if err != nil {
			return err
		}
		if there {
			answer = old
			return sameRequest(old, r)
		}
		op := draft(def, r)
		if err := e.refuseConflict(tx, def, op); err != nil {
			return err
		}
		if r.Prepare != nil {
			if err := r.Prepare(tx); err != nil {
				return err
			}
		}
		if err := store.Put(tx, op); err != nil {
			return err
		}
		answer, err = store.Get[row](tx, r.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func draft(def *Definition, r Request) row {
	op := &operationsv1.Operation{
		Meta: &metav1.Meta{Id: r.ID},
		Spec: &operationsv1.OperationSpec{
			Kind: r.Kind, Target: r.Target, Parameters: r.Parameters, RequestedBy: r.By, RetryOf: r.RetryOf, RequestDigest: r.Digest,
		},
		Status: &operationsv1.OperationStatus{State: operationsv1.OperationStatus_STATE_PENDING},
	}
	for _, s := range def.Steps {
		op.Status.Steps = append(op.Status.Steps, &operationsv1.Step{
			Name: s.Name, State: operationsv1.Step_STATE_PENDING, Weight: s.Weight,
		})
	}
	return op
}

func sameRequest(op row, r Request) error {
	spec := op.GetSpec()
	known := len(r.Digest) == 0 || len(spec.GetRequestDigest()) == 0 || bytes.Equal(spec.GetRequestDigest(), r.Digest)
	if known && spec.GetKind() == r.Kind && spec.GetTarget() == r.Target {
		return nil
	}
	return fault.New(metav1.Reason_REASON_REQUEST_ID_REUSED, "cannot begin an operation with id %q: another request began one with it", r.ID).
		With("operation", r.ID).With("kind", op.GetSpec().GetKind()).With("target", op.GetSpec().GetTarget())
}

// refuseConflict looks for an operation under way that holds what op needs.
func (e *Engine) refuseConflict(tx *store.Tx, def *Definition, op row) error {
	needs := def.locks(op)
	if len(needs) == 0 {
		return nil
	}
	all, err := store.List[row](tx, "")
	if err != nil {
		return err
	}
	for _, other := range all {
		theirs, known := e.defs[other.GetSpec().GetKind()]
		if ended(other) || !known {
			continue
		}
		for _, lock := range theirs.locks(other) {
			if slices.Contains(needs, lock) {
				spec := other.GetSpec()
				return fault.New(metav1.Reason_REASON_OPERATION_CONFLICT, "cannot %s %s: it is being worked on by operation %s (%s)",
					op.GetSpec().GetKind(), op.GetSpec().GetTarget(), other.GetMeta().GetId(), spec.GetKind()).
					With("operation", other.GetMeta().GetId()).With("kind", spec.GetKind()).With("target", spec.GetTarget()).With("lock", lock)
			}
		}
	}
	return nil
}

// Cancel asks for an operation to be undone and answers it as it is then; asking twice does nothing more. One that has
// ended, or has begun a final step, is refused with REASON_OPERATION_FINAL.
func (e *Engine) Cancel(ctx context.Context, now time.Time, id string) (*operationsv1.Operation, error) {
	var answer row
	_, err := e.st.Update(ctx, now, func(tx *store.Tx) error {
		op, err := lookup(tx, id)
		if err != nil {
			return err
		}
		if def := e.defs[op.GetSpec().GetKind()]; ended(op) || passed(def, op) {
			return fault.New(metav1.Reason_REASON_OPERATION_FINAL, "cannot cancel operation %s: it has ended or can only go forward", id).
				With("operation", id).With("state", stateName(op))
		}
		if op.GetStatus().GetState() != operationsv1.OperationStatus_STATE_UNDOING {
			op.Spec.CancelRequested = true
		}
		answer, err = put(tx, op)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ended tells whether nothing will happen to an operation any more.
func ended(op row) bool {
	switch op.GetStatus().GetState() {
	case operationsv1.OperationStatus_STATE_SUCCEEDED, operationsv1.OperationStatus_STATE_FAILED, operationsv1.OperationStatus_STATE_CANCELLED:
		return true
	}
	return false
}

// passed tells whether a final step has begun.
func passed(def *Definition, op row) bool {
	if def == nil || op.GetStatus().GetState() == operationsv1.OperationStatus_STATE_UNDOING {
		return false
	}
	return slices.ContainsFunc(op.GetStatus().GetSteps(), func(s *operationsv1.Step) bool {
		declared := def.step(s.GetName())
		return s.GetState() != operationsv1.Step_STATE_PENDING && declared != nil && declared.Final
	})
}

func stateName(op row) string {
	return strings.ToLower(strings.TrimPrefix(op.GetStatus().GetState().String(), "STATE_"))
}
