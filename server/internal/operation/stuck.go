package operation

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// Retry has an operation tried again at once and answers the one that is: the same where a step of it must succeed and
// is waiting for its next attempt; where it ended without success a new one, with the id again, that does the same. A
// kind that cannot be repeated is refused with REASON_OPERATION_NOT_REPEATABLE, an operation that goes on by itself or
// was done with REASON_OPERATION_NOT_STUCK. Asking twice with the same id begins nothing twice. To begin one anew is to ask
// for what it does: refused, where it is an error, is why the caller may not.
func (e *Engine) Retry(ctx context.Context, now time.Time, id string, again Asked, refused error) (*operationsv1.Operation, error) {
	var answer row
	_, err := e.st.Update(ctx, now, func(tx *store.Tx) error {
		answer = nil
		op, err := lookup(tx, id)
		if err != nil || ended(op) {
			return err
		}
		if op.GetStatus().GetStuck() == nil {
			return notStuck(op, "cannot try operation %s again: it is under way (%s)", id, stateName(op))
		}
		op.Spec.Retries++
		answer, err = put(tx, op)
		return err
	})
	switch {
	case err != nil || answer != nil:
		return answer, err
	case refused != nil:
		return nil, refused
	}
	return e.repeat(ctx, now, id, again)
}

// repeat begins an operation that ended anew.
func (e *Engine) repeat(ctx context.Context, now time.Time, id string, again Asked) (*operationsv1.Operation, error) {
	var old row
	err := e.st.View(func(tx *store.Tx) (err error) {
		old, err = lookup(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	spec := old.GetSpec()
	if old.GetStatus().GetState() == operationsv1.OperationStatus_STATE_SUCCEEDED {
		return nil, notStuck(old, "cannot try operation %s again: it has succeeded", id)
	}
	def := e.defs[spec.GetKind()]
	if def == nil || def.Repeat == nil {
		return nil, fault.New(metav1.Reason_REASON_OPERATION_NOT_REPEATABLE, "cannot begin a %s anew from what is recorded of it", spec.GetKind()).
			With("operation", id).With("kind", spec.GetKind())
	}
	return e.Begin(ctx, now, Request{
		Asked: again, Kind: spec.GetKind(), Target: spec.GetTarget(), Parameters: maps.Clone(spec.GetParameters()),
		Prepare: func(tx *store.Tx) error { return def.Repeat(tx, old) }, RetryOf: id,
	})
}

// GiveUp leaves the step as it is at which an operation must succeed and does not, and answers the operation as it is
// then. Without force an attempt at the step must have failed. Steps before it are undone still, each with a right of
// its own to be given up. Asking twice does nothing more. One that has ended is refused with REASON_OPERATION_FINAL, one
// that can be cancelled or has not failed yet with REASON_OPERATION_NOT_STUCK.
func (e *Engine) GiveUp(ctx context.Context, now time.Time, id string, force bool) (*operationsv1.Operation, error) {
	var answer row
	_, err := e.st.Update(ctx, now, func(tx *store.Tx) error {
		op, err := lookup(tx, id)
		if err != nil {
			return err
		}
		step := op.GetStatus().GetSteps()[op.GetStatus().GetCurrent()].GetName()
		switch undoing := op.GetStatus().GetState() == operationsv1.OperationStatus_STATE_UNDOING; {
		case ended(op):
			return fault.New(metav1.Reason_REASON_OPERATION_FINAL, "cannot give up operation %s: it has ended", id).
				With("operation", id).With("state", stateName(op))
		case !undoing && !passed(e.defs[op.GetSpec().GetKind()], op):
			return notStuck(op, "cannot give up operation %s: it can be cancelled", id)
		case op.GetStatus().GetStuck() == nil && !force:
			return notStuck(op, "cannot give up operation %s: no attempt at its step %q has failed", id, step)
		}
		op.Spec.GiveUpStep = step
		answer, err = put(tx, op)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// release gives back what an operation holds that ended without being done or undone.
func (e *Engine) release(tx *store.Tx, op row) error {
	def := e.defs[op.GetSpec().GetKind()]
	if !ended(op) || len(op.GetStatus().GetLeftBehind()) == 0 || def == nil || def.Release == nil {
		return nil
	}
	return def.Release(tx, op)
}

func notStuck(op row, format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_OPERATION_NOT_STUCK, format, args...).
		With("operation", op.GetMeta().GetId()).With("state", stateName(op))
}

func lookup(tx *store.Tx, id string) (row, error) {
	op, there, err := store.Lookup[row](tx, id)
	if err == nil && !there {
		err = fault.New(metav1.Reason_REASON_OPERATION_NOT_FOUND, "there is no operation %q", id).With("operation", id)
	}
	return op, err
}

// put writes a row and answers it as it is then.
func put(tx *store.Tx, op row) (row, error) {
	if err := store.Put(tx, op); err != nil {
		return nil, fmt.Errorf("cannot record what is asked of operation %s: %w", op.GetMeta().GetId(), err)
	}
	return store.Get[row](tx, op.GetMeta().GetId())
}
