package operation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// execution drives one operation. What it decides follows from the row alone, which it reads anew for each turn:
//
//	state     what is done                     how it went            what is committed
//	PENDING   –                                –                      RUNNING, first step running
//	          –                                cancel was requested   CANCELLED
//	RUNNING   Do of the current step           well                   step done; the next running, or SUCCEEDED
//	          "                                well, cancel requested step done; UNDOING, fault cancelled
//	          "                                it failed              step failed; UNDOING, fault
//	          "                                cut off by a cancel    UNDOING, fault cancelled
//	          " (a final step has begun)       it failed              fault; the same again later
//	          "                                failed, step given up  step left; FAILED
//	UNDOING   Undo of the current step         well                   step undone; the one before current
//	          " (the first step)               well                   FAILED, or CANCELLED if that is the fault
//	          "                                it failed              the same again later
//	          "                                failed, step given up  step left; the one before current, or FAILED
//
// A step that is given up is cut off where it is being tried, and not tried again. Each line is one commit. A wish to cancel counts at the commit that would begin the next step, so it never comes
// between the decision to begin a final step and the step.
type execution struct {
	e   *Engine
	id  string
	log *slog.Logger

	failures int // of the current step, in a row; used by run's goroutine only
	progress *progress

	cancelOnce sync.Once
	cancelled  chan struct{} // closed when somebody asked to cancel

	retries uint32                 // as last seen; used by the engine's goroutine only
	givenUp atomic.Pointer[string] // name of the step somebody gave up
	nudged  chan struct{}          // has a token when somebody asked for another attempt, or gave up
}

var (
	errCancelled = fault.New(metav1.Reason_REASON_CANCELLED, "the operation was cancelled")
	errGivenUp   = fault.New(metav1.Reason_REASON_CANCELLED, "the step was given up")
	errGone      = errors.New("the operation's row is gone")
)

func newExecution(e *Engine, op row) *execution {
	id := op.GetMeta().GetId()
	return &execution{
		e: e, id: id, log: e.log.With("op", id), cancelled: make(chan struct{}), nudged: make(chan struct{}, 1),
		retries: op.GetSpec().GetRetries(), progress: newProgress(e.st, id),
	}
}

// heed passes on what somebody asked for since the row was seen last.
func (x *execution) heed(spec *operationsv1.OperationSpec) {
	if spec.GetCancelRequested() {
		x.requestCancel()
	}
	step := spec.GetGiveUpStep()
	if had := x.givenUp.Load(); step != "" && (had == nil || *had != step) {
		x.givenUp.Store(&step)
		x.nudge()
	}
	if spec.GetRetries() > x.retries {
		x.retries = spec.GetRetries()
		x.nudge()
	}
}

func (x *execution) nudge() {
	select {
	case x.nudged <- struct{}{}:
	default:
	}
}

// gaveUp tells whether somebody gave up the step of this name.
func (x *execution) gaveUp(step string) bool {
	had := x.givenUp.Load()
	return had != nil && *had == step
}

func (x *execution) requestCancel() { x.cancelOnce.Do(func() { close(x.cancelled) }) }

// run takes the operation to its end, or until ctx ends.
func (x *execution) run(ctx context.Context) {
	defer x.progress.stop()
	ctx = store.WithUrgency(ctx) // most of what makes room on a full disk is an operation
	x.e.probe("run")
	var op row
	err := x.e.st.View(func(tx *store.Tx) (err error) {
		op, err = store.Get[row](tx, x.id)
		return err
	})
	for err == nil && ctx.Err() == nil && !ended(op) {
		r := &Run{x: x, op: op}
		switch op.GetStatus().GetState() {
		case operationsv1.OperationStatus_STATE_PENDING:
			op, err = x.begin(ctx)
		case operationsv1.OperationStatus_STATE_RUNNING:
			op, err = x.do(ctx, r)
		case operationsv1.OperationStatus_STATE_UNDOING:
			op, err = x.undo(ctx, r)
		default:
			err = fmt.Errorf("operation has state %d", op.GetStatus().GetState())
		}
	}
	switch {
	case err != nil && ctx.Err() == nil:
		x.log.Error("operation cannot go on", "error", err)
	case err == nil && ended(op):
		x.log.Info("operation ended", "kind", op.GetSpec().GetKind(), "target", op.GetSpec().GetTarget(), "state", stateName(op))
	}
}

// commit writes what change makes of the row, trying until it works: what was done must not be forgotten because the
// disk is full for a while. When ctx has ended it tries once.
func (x *execution) commit(ctx context.Context, change func(op row, now *timestamppb.Timestamp)) (row, error) {
	x.e.probe("before commit")
	for failures := 1; ; failures++ {
		var after row
		now := time.Now()
		_, err := x.e.st.Update(context.WithoutCancel(ctx), now, func(tx *store.Tx) error {
			op, there, err := store.Lookup[row](tx, x.id)
			if err != nil {
				return err
			}
			if !there {
				return errGone
			}
			change(op, timestamppb.New(now))
			if err := x.e.release(tx, op); err != nil {
				return err
			}
			if err := store.Put(tx, op); err != nil {
				return err
			}
			after, err = store.Get[row](tx, x.id)
			return err
		})
		if err == nil {
			x.e.probe("after commit")
			return after, nil
		}
		if errors.Is(err, errGone) || !pause(ctx, backOff(failures)) {
			return nil, err
		}
		x.log.Warn("progress of the operation cannot be recorded yet", "error", err)
	}
}

func (x *execution) begin(ctx context.Context) (row, error) {
	return x.commit(ctx, func(op row, now *timestamppb.Timestamp) {
		if op.GetSpec().GetCancelRequested() {
			op.Status.Fault = fault.Proto(errCancelled)
			end(op, operationsv1.OperationStatus_STATE_CANCELLED, now)
			return
		}
		op.Status.State = operationsv1.OperationStatus_STATE_RUNNING
		beginStep(op, 0, now)
	})
}

func (x *execution) do(ctx context.Context, r *Run) (row, error) {
	def := x.e.defs[r.op.GetSpec().GetKind()]
	onlyForward := passed(def, r.op)
	if onlyForward && leaving(r.op) {
		return x.leave(ctx, r)
	}
	var err error
	if step := r.step(); step == nil {
		err = fault.New(metav1.Reason_REASON_INTERNAL, "this release cannot go on with step %q of a %s begun by another", r.name(), r.op.GetSpec().GetKind())
	} else {
		x.e.probe("before do " + r.name())
		err = x.call(ctx, onlyForward, step.Timeout, r, step.Do)
		x.e.probe("after do " + r.name())
	}
	switch {
	case err == nil:
		x.failures = 0
		return x.commit(ctx, func(op row, now *timestamppb.Timestamp) { advance(op, onlyForward, now) })
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case onlyForward:
		return x.again(ctx, r, err)
	}
	f := x.blame(r, err)
	return x.commit(ctx, func(op row, now *timestamppb.Timestamp) {
		if op.GetSpec().GetCancelRequested() {
			f = fault.Proto(errCancelled)
		} else {
			step := op.GetStatus().GetSteps()[op.GetStatus().GetCurrent()]
			step.State, step.EndTime = operationsv1.Step_STATE_FAILED, now
		}
		op.Status.State, op.Status.Fault = operationsv1.OperationStatus_STATE_UNDOING, f
	})
}

func (x *execution) undo(ctx context.Context, r *Run) (row, error) {
	if leaving(r.op) {
		return x.leave(ctx, r)
	}
	step := r.step()
	began := r.op.GetStatus().GetSteps()[r.op.GetStatus().GetCurrent()].GetState() != operationsv1.Step_STATE_PENDING
	if began && step != nil && step.Undo != nil {
		x.e.probe("before undo " + r.name())
		err := x.call(ctx, true, step.Timeout, r, step.Undo)
		x.e.probe("after undo " + r.name())
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return x.again(ctx, r, err)
		}
	}
	x.failures = 0
	return x.commit(ctx, retreat)
}

// again notes why a step that must succeed did not, and waits before the next turn, unless the step is given up.
func (x *execution) again(ctx context.Context, r *Run, err error) (row, error) {
	f := x.blame(r, err)
	x.failures++
	after := backOff(x.failures)
	op, err := x.commit(ctx, func(op row, now *timestamppb.Timestamp) {
		op.Status.Stuck = &operationsv1.Stuck{
			Attempts: op.GetStatus().GetStuck().GetAttempts() + 1, Fault: f, NextTime: timestamppb.New(now.AsTime().Add(after)),
		}
	})
	if err != nil || leaving(op) {
		return op, err
	}
	x.progress.tell(0, 0, "", "trying again: "+f.GetMessage())
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.nudged:
	case <-ctx.Done():
	}
	// What was asked meanwhile counts for the next turn.
	err = x.e.st.View(func(tx *store.Tx) (err error) {
		op, err = store.Get[row](tx, x.id)
		return err
	})
	return op, err
}

// leave ends the attempts at a step that was given up, and gives up no other one.
func (x *execution) leave(ctx context.Context, r *Run) (row, error) {
	x.failures = 0
	what := fmt.Sprintf("what step %q did", r.name())
	if step := r.step(); step != nil && step.Leaves != "" {
		what = step.Leaves
	}
	x.log.Warn("step is given up", "step", r.name(), "left", what)
	unrecorded := fault.Proto(fault.New(metav1.Reason_REASON_CANCELLED, "the step was given up").With("step", r.name()))
	return x.commit(ctx, func(op row, now *timestamppb.Timestamp) {
		step := op.GetStatus().GetSteps()[op.GetStatus().GetCurrent()]
		step.State, step.EndTime = operationsv1.Step_STATE_LEFT, now
		op.Status.LeftBehind = append(op.Status.LeftBehind, what)
		if op.GetStatus().GetState() == operationsv1.OperationStatus_STATE_UNDOING {
			retreat(op, now)
			return
		}
		if op.Status.Fault = op.GetStatus().GetStuck().GetFault(); op.Status.Fault == nil {
			op.Status.Fault = unrecorded // it was given up by force, and the daemon ended before an attempt had failed
		}
		op.Status.Stuck = nil
		end(op, operationsv1.OperationStatus_STATE_FAILED, now)
	})
}

// call runs a function of a step within its time. A wish to cancel cuts it off or, where it must succeed, one to give it up.
func (x *execution) call(ctx context.Context, mustSucceed bool, timeout time.Duration, r *Run, fn func(context.Context, *Run) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := fault.New(metav1.Reason_REASON_OPERATION_TIMEOUT, "step %q took longer than %s", r.name(), timeout)
	if timeout > 0 {
		var release context.CancelFunc
		ctx, release = context.WithTimeoutCause(ctx, timeout, late)
		defer release()
	}
	ended := make(chan struct{})
	var watcher sync.WaitGroup
	step := r.name() // asked here: fn replaces the row that tells it
	watcher.Go(func() { x.cutOff(step, mustSucceed, ended, cancel) })
	defer watcher.Wait()
	defer close(ended)
	defer func() {
		if p := recover(); p != nil {
			x.log.Error("step panics", "step", r.name(), "panic", p, "stack", string(debug.Stack()))
			err = errors.New("the step panicked")
		}
	}()
	r.x.progress.enter(r.op)
	err = fn(ctx, r)
	if err != nil && errors.Is(context.Cause(ctx), late) {
		return fault.New(metav1.Reason_REASON_OPERATION_TIMEOUT, "step %q took longer than %s: %w", r.name(), timeout, err).With("timeout", timeout)
	}
	return err
}

// cutOff ends an attempt at a step when somebody asks for it, until the attempt has ended.
func (x *execution) cutOff(step string, mustSucceed bool, ended <-chan struct{}, cancel context.CancelCauseFunc) {
	cancelled := x.cancelled
	if mustSucceed {
		cancelled = nil
	}
	for {
		if mustSucceed && x.gaveUp(step) {
			cancel(errGivenUp)
			return
		}
		select {
		case <-cancelled:
			cancel(errCancelled)
			return
		case <-x.nudged: // another attempt is being made already; or it is given up
		case <-ended:
			return
		}
	}
}

// blame logs why a step did not work and answers what callers may know of it, with the step's name.
func (x *execution) blame(r *Run, err error) *metav1.Fault {
	x.log.Info("step failed", "step", r.name(), "state", stateName(r.op), "error", err)
	f := fault.Proto(err)
	if f.Metadata == nil {
		f.Metadata = make(map[string]string)
	}
	f.Metadata["step"] = r.name()
	return f
}

// leaving tells whether the current step is one that must succeed and is given up.
func leaving(op row) bool {
	return op.GetStatus().GetSteps()[op.GetStatus().GetCurrent()].GetName() == op.GetSpec().GetGiveUpStep()
}

// The rest are the transitions.

func beginStep(op row, i int32, now *timestamppb.Timestamp) {
	op.Status.Current = i
	step := op.GetStatus().GetSteps()[i]
	step.State, step.StartTime = operationsv1.Step_STATE_RUNNING, now
}

// advance follows a step that was done.
func advance(op row, onlyForward bool, now *timestamppb.Timestamp) {
	current := op.GetStatus().GetCurrent()
	step := op.GetStatus().GetSteps()[current]
	step.State, step.EndTime = operationsv1.Step_STATE_DONE, now
	op.Status.Stuck = nil
	switch {
	case op.GetSpec().GetCancelRequested() && !onlyForward:
		op.Status.State, op.Status.Fault = operationsv1.OperationStatus_STATE_UNDOING, fault.Proto(errCancelled)
	case int(current)+1 == len(op.GetStatus().GetSteps()):
		end(op, operationsv1.OperationStatus_STATE_SUCCEEDED, now)
	default:
		beginStep(op, current+1, now)
	}
}

// retreat follows a step that was undone. The one that failed stays marked as such, for people to see.
func retreat(op row, now *timestamppb.Timestamp) {
	current := op.GetStatus().GetCurrent()
	step := op.GetStatus().GetSteps()[current]
	switch step.GetState() {
	case operationsv1.Step_STATE_FAILED, operationsv1.Step_STATE_PENDING, operationsv1.Step_STATE_LEFT:
	default:
		step.State, step.EndTime = operationsv1.Step_STATE_UNDONE, now
	}
	op.Status.Stuck = nil
	switch {
	case current > 0:
		op.Status.Current = current - 1
	case len(op.GetStatus().GetLeftBehind()) > 0:
		end(op, operationsv1.OperationStatus_STATE_FAILED, now)
	case op.GetSpec().GetCancelRequested() && op.GetStatus().GetFault().GetReason() == metav1.Reason_REASON_CANCELLED:
		end(op, operationsv1.OperationStatus_STATE_CANCELLED, now)
	default:
		end(op, operationsv1.OperationStatus_STATE_FAILED, now)
	}
}

func end(op row, state operationsv1.OperationStatus_State, now *timestamppb.Timestamp) {
	op.Status.State, op.Status.EndTime = state, now
}
