package operation_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// brokenUndo is an operation whose second step fails and can never be undone.
func brokenUndo(w *world) []operation.Definition {
	b := w.step("b", func(context.Context, *operation.Run) error { return errors.New("no") })
	b.Undo = func(context.Context, *operation.Run) error { w.did("undo b"); return errors.New("never") }
	b.Leaves = "the thing of b"
	return []operation.Definition{{
		Kind: "k", Locks: lockTarget, Steps: []operation.Step{w.step("a", nil), b},
		Release: func(_ *store.Tx, op row) error { w.did("release " + op.GetSpec().GetTarget()); return nil },
	}}
}

func TestGivingUpLeavesTheStepAndGivesTheLocksBack(t *testing.T) {
	t.Parallel()
	in(t, brokenUndo, func(w *world) {
		id := w.begin("k", "x")
		time.Sleep(2 * time.Second)
		op := w.settled(id)
		stuck := op.GetStatus().GetStuck()
		if stuck.GetAttempts() != 2 || stuck.GetFault().GetMetadata()["step"] != "b" || !stuck.GetNextTime().AsTime().After(time.Now()) {
			t.Errorf("nobody sees that it is stuck: %v", op)
		}
		_, err := w.e.Begin(w.t.Context(), time.Now(), operation.Request{Asked: operation.Asked{ID: newID(t)}, Kind: "k", Target: "x"})
		if !fault.Is(err, metav1.Reason_REASON_OPERATION_CONFLICT) {
			t.Errorf("the lock is not held: %v", err)
		}
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), id, false); err != nil {
			t.Fatal(err)
		}
		op = w.expect(id, "FAILED a:UNDONE b:LEFT", "do a", "do b", "undo b", "undo b", "undo a", "release x")
		if diff := cmp.Diff([]string{"the thing of b"}, op.GetStatus().GetLeftBehind()); diff != "" {
			t.Error(diff)
		}
		if op.GetStatus().GetStuck() != nil || op.GetStatus().GetFault().GetMetadata()["step"] != "b" {
			t.Errorf("it does not tell why it failed: %v", op)
		}
		w.begin("k", "x") // the lock is free
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), id, true); !fault.Is(err, metav1.Reason_REASON_OPERATION_FINAL) {
			t.Errorf("given up after its end: %v", err)
		}
	})
}

func TestGivingUpSurvivesARestart(t *testing.T) {
	t.Parallel()
	in(t, brokenUndo, func(w *world) {
		id := w.begin("k", "x")
		time.Sleep(time.Second)
		w.settled(id)
		w.stop() // the wish is recorded by one process and heeded by the next
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), id, false); err != nil {
			t.Fatal(err)
		}
		w.start(brokenUndo(w)...)
		if op := w.settled(id); spell(op) != "FAILED a:UNDONE b:LEFT" {
			t.Error(spell(op))
		}
	})
}

func TestGivingUpCutsOffAnAttemptThatHangs(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		a := w.step("a", func(context.Context, *operation.Run) error { return errors.New("no") })
		a.Undo = func(ctx context.Context, _ *operation.Run) error { <-ctx.Done(); return ctx.Err() }
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{a}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		synctest.Wait()
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), id, false); !fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_STUCK) {
			t.Errorf("nothing has failed yet: %v", err)
		}
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), id, true); err != nil {
			t.Fatal(err)
		}
		w.expect(id, "FAILED a:LEFT", "do a")
	})
}

func TestGivingUpAStepPastThePointOfReturn(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		b := w.step("b", func(context.Context, *operation.Run) error { return errors.New("never") })
		b.Final = true
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{w.step("a", nil), b, w.step("c", nil)}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		synctest.Wait()
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), id, false); err != nil {
			t.Fatal(err)
		}
		op := w.expect(id, "FAILED a:DONE b:LEFT c:PENDING", "do a", "do b")
		if len(op.GetStatus().GetLeftBehind()) != 1 || op.GetStatus().GetFault().GetMetadata()["step"] != "b" {
			t.Errorf("it does not tell what is left and why: %v", op)
		}
	})
}

func TestWhatIsGivenUpByForceTellsWhyItFailed(t *testing.T) {
	t.Parallel()
	hang := func(w *world) []operation.Definition {
		a := w.step("a", func(ctx context.Context, _ *operation.Run) error { <-ctx.Done(); return ctx.Err() })
		a.Final = true
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{a}}}
	}
	in(t, hang, func(w *world) {
		id := w.begin("k", "x")
		synctest.Wait()
		w.stop() // nothing is recorded of the attempt
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), id, true); err != nil {
			t.Fatal(err)
		}
		w.start(hang(w)...)
		op := w.settled(id)
		if f := op.GetStatus().GetFault(); spell(op) != "FAILED a:LEFT" || f.GetReason() != metav1.Reason_REASON_CANCELLED || f.GetMetadata()["step"] != "a" {
			t.Errorf("%s: %v", spell(op), f)
		}
	})
}

func TestWhatCanBeCancelledIsNotGivenUp(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{
			w.step("a", func(ctx context.Context, _ *operation.Run) error { <-ctx.Done(); return ctx.Err() }),
		}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		synctest.Wait()
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), id, true); !fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_STUCK) {
			t.Errorf("got %v", err)
		}
		if _, err := w.e.Retry(w.t.Context(), time.Now(), id, operation.Asked{ID: newID(t), By: "local"}, nil); !fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_STUCK) {
			t.Errorf("got %v", err)
		}
		if _, err := w.e.GiveUp(w.t.Context(), time.Now(), newID(t), true); !fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_FOUND) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRetryDoesNotWaitForTheNextAttempt(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		tries := 0
		a := w.step("a", func(context.Context, *operation.Run) error {
			if tries++; tries < 8 {
				return errors.New("not yet")
			}
			return nil
		})
		a.Final = true
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{a}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		time.Sleep(64 * time.Second) // seven attempts; the next one is a minute away
		began := time.Now()
		if op := w.settled(id); op.GetStatus().GetStuck().GetAttempts() != 7 {
			t.Fatalf("%v", op)
		}
		if _, err := w.e.Retry(w.t.Context(), time.Now(), id, operation.Asked{ID: newID(t), By: "local"}, nil); err != nil {
			t.Fatal(err)
		}
		if op := w.settled(id); spell(op) != "SUCCEEDED a:DONE" || time.Since(began) > time.Second {
			t.Errorf("%v after %v", spell(op), time.Since(began))
		}
	})
}

func TestRetryOfOneThatFailedBeginsAnother(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		tries := 0
		return []operation.Definition{
			{
				Kind: "k", Locks: lockTarget,
				Steps: []operation.Step{w.step("a", func(_ context.Context, r *operation.Run) error {
					if tries++; tries == 1 {
						return errors.New("by chance")
					}
					w.did(r.Param("p"))
					return nil
				})},
				Repeat: func(_ *store.Tx, op row) error { w.did("repeat " + op.GetSpec().GetTarget()); return nil },
			},
			{Kind: "once", Steps: []operation.Step{w.step("a", func(context.Context, *operation.Run) error { return errors.New("no") })}},
		}
	}, func(w *world) {
		op, err := w.e.Begin(w.t.Context(), time.Now(), operation.Request{Asked: operation.Asked{ID: newID(t)}, Kind: "k", Target: "x", Parameters: map[string]string{"p": "v"}})
		if err != nil {
			t.Fatal(err)
		}
		old := op.GetMeta().GetId()
		w.expect(old, "FAILED a:FAILED", "do a", "undo a")
		again := newID(t)
		for range 2 { // a repeated request begins nothing twice
			if op, err = w.e.Retry(w.t.Context(), time.Now(), old, operation.Asked{ID: again, By: "local"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		op = w.expect(again, "SUCCEEDED a:DONE", "do a", "undo a", "repeat x", "do a", "v")
		if op.GetSpec().GetRetryOf() != old || op.GetSpec().GetRequestedBy() != "local" {
			t.Errorf("%v", op)
		}
		if _, err := w.e.Retry(w.t.Context(), time.Now(), again, operation.Asked{ID: newID(t), By: "local"}, nil); !fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_STUCK) {
			t.Errorf("tried again what was done: %v", err)
		}
		once := w.begin("once", "y")
		w.settled(once)
		if _, err := w.e.Retry(w.t.Context(), time.Now(), once, operation.Asked{ID: newID(t), By: "local"}, nil); !fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_REPEATABLE) {
			t.Errorf("got %v", err)
		}
	})
}
