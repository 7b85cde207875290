package operation_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

type row = *operationsv1.Operation

// world is an engine at work in a bubble of artificial time.
type world struct {
	t    *testing.T
	st   *store.Store
	e    *operation.Engine
	stop func()
	mu   sync.Mutex
	log  []string // what steps did, in order
}

// in runs fn with an engine that knows the definitions made by defs.
func in(t *testing.T, defs func(w *world) []operation.Definition, fn func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.TempDir(), store.Options{MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, st: st}
		w.start(defs(w)...)
		fn(w)
		w.stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

// start is what a daemon does at boot.
func (w *world) start(defs ...operation.Definition) {
	w.e = operation.New(w.st, slog.New(slog.DiscardHandler), defs...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.e.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) did(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, what)
}

// step makes a step that writes down what is done and, unless do is given, succeeds.
func (w *world) step(name string, do func(ctx context.Context, r *operation.Run) error) operation.Step {
	return operation.Step{
		Name: name,
		Do: func(ctx context.Context, r *operation.Run) error {
			w.did("do " + name)
			if do == nil {
				return nil
			}
			return do(ctx, r)
		},
		Undo: func(context.Context, *operation.Run) error { w.did("undo " + name); return nil },
	}
}

func newID(t testing.TB) string {
	id, err := ids.NewULID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(id)
}

func lockTarget(op *operationsv1.Operation) []string { return []string{op.GetSpec().GetTarget()} }

func (w *world) begin(kind, target string) string {
	w.t.Helper()
	op, err := w.e.Begin(w.t.Context(), time.Now(), operation.Request{Asked: operation.Asked{ID: newID(w.t)}, Kind: kind, Target: target})
	if err != nil {
		w.t.Fatal(err)
	}
	return op.GetMeta().GetId()
}

// settled answers the operation when all goroutines wait.
func (w *world) settled(id string) row {
	w.t.Helper()
	synctest.Wait()
	var op row
	err := w.st.View(func(tx *store.Tx) (err error) {
		op, err = store.Get[row](tx, id)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

// spell writes an operation as "STATE step:STATE …".
func spell(op row) string {
	text := strings.TrimPrefix(op.GetStatus().GetState().String(), "STATE_")
	for _, s := range op.GetStatus().GetSteps() {
		text += " " + s.GetName() + ":" + strings.TrimPrefix(s.GetState().String(), "STATE_")
	}
	return text
}

func (w *world) expect(id, want string, log ...string) row {
	w.t.Helper()
	op := w.settled(id)
	if diff := cmp.Diff(want, spell(op)); diff != "" {
		w.t.Error(diff)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(log, w.log); diff != "" {
		w.t.Error(diff)
	}
	return op
}

func TestStepsAreDoneInOrder(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{
			w.step("a", func(ctx context.Context, r *operation.Run) error {
				if r.Target() != "x" || r.Param("p") != "v" || r.Param("none") != "" || r.Memo("m") != "" {
					return errors.New("the run does not know what was asked")
				}
				return r.SetMemo(ctx, "m", r.ID())
			}),
			w.step("b", func(ctx context.Context, r *operation.Run) error {
				return r.Commit(ctx, func(tx *store.Tx) error {
					r.SetMemoIn(tx, "n", r.Memo("m"))
					if r.Memo("n") != r.ID() {
						return errors.New("a memo of this commit is not seen")
					}
					return store.Put(tx, &packagesv1.Artifact{Meta: &metav1.Meta{Id: "made"}})
				})
			}),
		}}}
	}, func(w *world) {
		before := time.Now()
		time.Sleep(time.Second)
		r := operation.Request{Asked: operation.Asked{ID: newID(t), By: "local", Digest: []byte("a request")}, Kind: "k", Target: "x", Parameters: map[string]string{"p": "v"}}
		op, err := w.e.Begin(w.t.Context(), time.Now(), r)
		if err != nil || op.GetStatus().GetState() != operationsv1.OperationStatus_STATE_PENDING || op.GetSpec().GetRequestedBy() != "local" {
			t.Fatalf("%v, %v", op, err)
		}
		op = w.expect(r.ID, "SUCCEEDED a:DONE b:DONE", "do a", "do b")
		if op.GetStatus().GetMemo()["n"] != r.ID || op.GetStatus().GetFault() != nil {
			t.Errorf("%v", op)
		}
		if !op.GetStatus().GetEndTime().AsTime().After(before) || op.GetStatus().GetSteps()[0].GetStartTime() == nil || op.GetStatus().GetSteps()[1].GetEndTime() == nil {
			t.Errorf("times are missing: %v", op)
		}
		if again, err := w.e.Begin(w.t.Context(), time.Now(), r); err != nil || spell(again) != spell(op) {
			t.Errorf("asked again: %v, %v", again, err)
		}
		bent := r
		bent.Digest = []byte("another request for the same")
		if _, err := w.e.Begin(w.t.Context(), time.Now(), bent); !fault.Is(err, metav1.Reason_REASON_REQUEST_ID_REUSED) {
			t.Errorf("the id of a request with other parameters: %v", err)
		}
		r.Target = "y"
		if _, err := w.e.Begin(w.t.Context(), time.Now(), r); !fault.Is(err, metav1.Reason_REASON_REQUEST_ID_REUSED) {
			t.Errorf("the id of another request: %v", err)
		}
		if _, err := w.e.Cancel(w.t.Context(), time.Now(), r.ID); !fault.Is(err, metav1.Reason_REASON_OPERATION_FINAL) {
			t.Errorf("cancelled after its end: %v", err)
		}
	})
}

func TestFailureUndoesWhatBegan(t *testing.T) {
	t.Parallel()
	secret := errors.New("password is hunter2")
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{
			w.step("a", nil),
			{Name: "nothing to undo", Do: func(context.Context, *operation.Run) error { return nil }},
			w.step("b", func(context.Context, *operation.Run) error {
				return fault.New(metav1.Reason_REASON_DISK_FULL, "no room for %s: %w", "it", secret).With("need", 5)
			}),
			w.step("c", nil),
		}}}
	}, func(w *world) {
		op := w.expect(w.begin("k", "x"), "FAILED a:UNDONE nothing to undo:UNDONE b:FAILED c:PENDING", "do a", "do b", "undo b", "undo a")
		f := op.GetStatus().GetFault()
		want := map[string]string{"need": "5", "step": "b"}
		if f.GetReason() != metav1.Reason_REASON_DISK_FULL || f.GetMessage() != "no room for it" || !cmp.Equal(f.GetMetadata(), want) {
			t.Errorf("%v", f)
		}
	})
}

func TestPanicIsAFailureThatShowsNothing(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{w.step("a", func(context.Context, *operation.Run) error { panic("hunter2") })}}}
	}, func(w *world) {
		op := w.expect(w.begin("k", "x"), "FAILED a:FAILED", "do a", "undo a")
		if f := op.GetStatus().GetFault(); f.GetReason() != metav1.Reason_REASON_INTERNAL || strings.Contains(f.String(), "hunter2") {
			t.Errorf("%v", f)
		}
	})
}

func TestUndoIsTriedUntilItWorks(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		a := w.step("a", func(context.Context, *operation.Run) error { return errors.New("no") })
		tries := 0
		a.Undo = func(context.Context, *operation.Run) error {
			if tries++; tries < 4 {
				return errors.New("not yet")
			}
			w.did("undo a")
			return nil
		}
		return []operation.Definition{{Kind: "k", Locks: lockTarget, Steps: []operation.Step{a}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		w.expect(id, "UNDOING a:FAILED", "do a")
		if p, _ := store.Ephemeral[*operationsv1.Progress](w.st, id); !strings.HasPrefix(p.GetStatus().GetMessage(), "trying again") {
			time.Sleep(time.Second / 5)
			if p, _ = store.Ephemeral[*operationsv1.Progress](w.st, id); !strings.HasPrefix(p.GetStatus().GetMessage(), "trying again") {
				t.Errorf("progress says %v", p)
			}
		}
		time.Sleep(7 * time.Second)
		w.expect(id, "FAILED a:FAILED", "do a", "undo a")
	})
}

func TestFinalStepGoesOnlyForward(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		tries := 0
		flaky := func(context.Context, *operation.Run) error {
			if tries++; tries%3 != 0 {
				return errors.New("not yet")
			}
			return nil
		}
		b := w.step("b", flaky)
		b.Final = true
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{w.step("a", nil), b, w.step("c", flaky)}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		op := w.expect(id, "RUNNING a:DONE b:RUNNING c:PENDING", "do a", "do b")
		if op.GetStatus().GetStuck().GetFault().GetMetadata()["step"] != "b" {
			t.Errorf("nobody can see why it does not go on: %v", op)
		}
		if _, err := w.e.Cancel(w.t.Context(), time.Now(), id); !fault.Is(err, metav1.Reason_REASON_OPERATION_FINAL) {
			t.Errorf("cancelled past the point of return: %v", err)
		}
		time.Sleep(time.Minute)
		op = w.expect(id, "SUCCEEDED a:DONE b:DONE c:DONE", "do a", "do b", "do b", "do b", "do c", "do c", "do c")
		if op.GetStatus().GetFault() != nil || op.GetStatus().GetStuck() != nil {
			t.Errorf("%v", op)
		}
	})
}

func TestCancelCutsTheStepOffAndUndoes(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{
			w.step("a", nil),
			w.step("b", func(ctx context.Context, _ *operation.Run) error { <-ctx.Done(); return ctx.Err() }),
		}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		w.expect(id, "RUNNING a:DONE b:RUNNING", "do a", "do b")
		for range 2 {
			if op, err := w.e.Cancel(w.t.Context(), time.Now(), id); err != nil || !op.GetSpec().GetCancelRequested() {
				t.Errorf("%v, %v", op, err)
			}
		}
		op := w.expect(id, "CANCELLED a:UNDONE b:UNDONE", "do a", "do b", "undo b", "undo a")
		if op.GetStatus().GetFault().GetReason() != metav1.Reason_REASON_CANCELLED || op.GetStatus().GetEndTime() == nil {
			t.Errorf("%v", op)
		}
		if _, err := w.e.Cancel(w.t.Context(), time.Now(), newID(t)); !fault.Is(err, metav1.Reason_REASON_OPERATION_NOT_FOUND) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCancelCountsWhenTheStepAtHandIgnoresIt(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	in(t, func(w *world) []operation.Definition {
		release = make(chan struct{})
		b := w.step("b", nil)
		b.Final = true
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{
			w.step("a", func(context.Context, *operation.Run) error { <-release; return nil }), b,
		}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		synctest.Wait()
		if _, err := w.e.Cancel(w.t.Context(), time.Now(), id); err != nil {
			t.Fatal(err)
		}
		close(release)
		w.expect(id, "CANCELLED a:UNDONE b:PENDING", "do a", "undo a")
	})
}

func TestStepThatTakesTooLongFails(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		a := w.step("a", func(ctx context.Context, _ *operation.Run) error { <-ctx.Done(); return ctx.Err() })
		a.Timeout = time.Minute
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{a}}}
	}, func(w *world) {
		id := w.begin("k", "x")
		time.Sleep(time.Minute - time.Second)
		w.expect(id, "RUNNING a:RUNNING", "do a")
		time.Sleep(time.Second)
		op := w.expect(id, "FAILED a:FAILED", "do a", "undo a")
		if f := op.GetStatus().GetFault(); f.GetReason() != metav1.Reason_REASON_OPERATION_TIMEOUT || f.GetMetadata()["step"] != "a" {
			t.Errorf("%v", f)
		}
	})
}

func TestConflictNamesTheHolder(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		wait := func(ctx context.Context, _ *operation.Run) error { <-ctx.Done(); return ctx.Err() }
		return []operation.Definition{
			{Kind: "install", Locks: lockTarget, Steps: []operation.Step{w.step("a", wait)}},
			{Kind: "backup", Locks: func(op *operationsv1.Operation) []string { return []string{"disk", op.GetSpec().GetTarget()} }, Steps: []operation.Step{w.step("a", nil)}},
			{Kind: "free", Steps: []operation.Step{w.step("a", nil)}},
		}
	}, func(w *world) {
		first := w.begin("install", "x")
		prepared := false
		r := operation.Request{Asked: operation.Asked{ID: newID(t)}, Kind: "backup", Target: "x", Prepare: func(*store.Tx) error { prepared = true; return nil }}
		_, err := w.e.Begin(w.t.Context(), time.Now(), r)
		want := map[string]string{"operation": first, "kind": "install", "target": "x", "lock": "x"}
		if f := fault.Proto(err); f.GetReason() != metav1.Reason_REASON_OPERATION_CONFLICT || !cmp.Equal(f.GetMetadata(), want) || prepared {
			t.Errorf("%v, prepared %v", f, prepared)
		}
		w.begin("backup", "y")
		w.begin("free", "x")
		synctest.Wait()
		if _, err := w.e.Cancel(w.t.Context(), time.Now(), first); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := w.e.Begin(w.t.Context(), time.Now(), r); err != nil || !prepared {
			t.Errorf("after the holder ended: %v", err)
		}
	})
}

func TestRefusalToPrepareRecordsNothing(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{w.step("a", nil)}}}
	}, func(w *world) {
		before := w.st.Revision()
		r := operation.Request{Asked: operation.Asked{ID: newID(t)}, Kind: "k", Prepare: func(tx *store.Tx) error {
			return errors.Join(store.Put(tx, &packagesv1.Artifact{Meta: &metav1.Meta{Id: "x"}}), no)
		}}
		if _, err := w.e.Begin(w.t.Context(), time.Now(), r); !errors.Is(err, no) || w.st.Revision() != before {
			t.Errorf("%v, revision %d", err, w.st.Revision())
		}
		r.ID = "not-a-ulid"
		if _, err := w.e.Begin(w.t.Context(), time.Now(), r); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("got %v", err)
		}
		r.ID, r.Kind = newID(t), "unknown"
		if _, err := w.e.Begin(w.t.Context(), time.Now(), r); err == nil {
			t.Error("an unknown kind was begun")
		}
	})
}

func TestStoppedEngineLeavesOperationsAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	var defs []operation.Definition
	hang := true
	in(t, func(w *world) []operation.Definition {
		defs = []operation.Definition{{Kind: "k", Steps: []operation.Step{
			w.step("a", nil),
			w.step("b", func(ctx context.Context, _ *operation.Run) error {
				if hang {
					<-ctx.Done()
				}
				return ctx.Err()
			}),
		}}}
		return defs
	}, func(w *world) {
		id := w.begin("k", "x")
		synctest.Wait()
		w.stop()
		w.expect(id, "RUNNING a:DONE b:RUNNING", "do a", "do b")
		hang = false
		w.start(defs...)
		w.expect(id, "SUCCEEDED a:DONE b:DONE", "do a", "do b", "do b")
	})
}

func TestStepThatEndsWellWhileTheEngineStopsIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	var defs []operation.Definition
	in(t, func(w *world) []operation.Definition {
		defs = []operation.Definition{{Kind: "k", Steps: []operation.Step{
			w.step("a", func(ctx context.Context, _ *operation.Run) error { <-ctx.Done(); return nil }),
			w.step("b", nil),
		}}}
		return defs
	}, func(w *world) {
		id := w.begin("k", "x")
		synctest.Wait()
		w.stop()
		w.expect(id, "RUNNING a:DONE b:RUNNING", "do a")
		w.start(defs...)
		w.expect(id, "SUCCEEDED a:DONE b:DONE", "do a", "do b")
	})
}

func TestOperationOfAKindThatIsNoMoreEnds(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "old", Steps: []operation.Step{w.step("a", nil)}}}
	}, func(w *world) {
		w.stop()
		id := w.begin("old", "x")
		w.start()
		op := w.expect(id, "FAILED a:FAILED")
		if op.GetStatus().GetFault().GetReason() != metav1.Reason_REASON_INTERNAL {
			t.Errorf("%v", op)
		}
	})
}

func TestProgressIsThrottledAndEndsWithTheOperation(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		b := w.step("b", func(ctx context.Context, r *operation.Run) error {
			for i := range 1000 {
				r.Progress(uint64(i+1), 1000, "bytes", fmt.Sprint("piece ", i))
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Second)
			return nil
		})
		a := w.step("a", nil)
		a.Weight, b.Weight = 1, 3
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{a, b}}}
	}, func(w *world) {
		watcher, err := w.st.Watch(store.WatchOptions{From: w.st.Revision(), Selectors: []store.Selector{{Kind: "progress"}}})
		if err != nil {
			t.Fatal(err)
		}
		id := w.begin("k", "x")
		shown := 0
		var last *operationsv1.ProgressStatus
		for {
			b, err := watcher.Next(w.t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Changes) == 0 {
				continue
			}
			p, there := b.Changes[len(b.Changes)-1].Row.(*operationsv1.Progress)
			if !there {
				break
			}
			shown++
			if f := p.GetStatus().GetFraction(); f < last.GetFraction() || f > 1 {
				t.Errorf("progress goes from %v to %v", last, p.GetStatus())
			}
			last = p.GetStatus()
		}
		if shown < 5 || shown > 13 {
			t.Errorf("%d tellings in a second", shown)
		}
		if last.GetStep() != "b" || last.GetDone() != 1000 || last.GetUnits() != "bytes" || last.GetMessage() != "piece 999" || last.GetFraction() != 1 {
			t.Errorf("the last telling is %v", last)
		}
		w.settled(id)
		if _, there := store.Ephemeral[*operationsv1.Progress](w.st, id); there {
			t.Error("progress outlives its operation")
		}
	})
}

// Who does the work of a step elsewhere tells of it, and how far the whole is follows.
func TestProgressIsToldFromOutsideOfTheStep(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{
			w.step("a", nil),
			w.step("b", func(ctx context.Context, _ *operation.Run) error { time.Sleep(time.Minute); return nil }),
		}}}
	}, func(w *world) {
		w.e.Tell("nobody", 1, 2, "files", "lost")
		id := w.begin("k", "x")
		time.Sleep(time.Second)
		w.e.Tell(id, 1, 2, "files", "half")
		time.Sleep(time.Second)
		p, _ := store.Ephemeral[*operationsv1.Progress](w.st, id)
		if s := p.GetStatus(); s.GetStep() != "b" || s.GetDone() != 1 || s.GetTotal() != 2 || s.GetUnits() != "files" || s.GetMessage() != "half" || s.GetFraction() != 0.75 {
			t.Errorf("progress is %v", s)
		}
		time.Sleep(2 * time.Minute)
		w.e.Tell(id, 2, 2, "files", "late")
		if _, there := store.Ephemeral[*operationsv1.Progress](w.st, id); there {
			t.Error("progress outlives its operation")
		}
	})
}

func TestOldOperationsAreForgotten(t *testing.T) {
	t.Parallel()
	in(t, func(w *world) []operation.Definition {
		return []operation.Definition{{Kind: "k", Steps: []operation.Step{w.step("a", nil)}}}
	}, func(w *world) {
		_, err := w.st.Update(w.t.Context(), time.Now(), func(tx *store.Tx) error {
			for i := range 1015 {
				id, err := ids.NewULID(time.UnixMilli(int64(i)), rand.Reader)
				if err != nil {
					return err
				}
				state := operationsv1.OperationStatus_STATE_SUCCEEDED
				if i == 0 {
					state = operationsv1.OperationStatus_STATE_UNSPECIFIED // not ended, whatever it is
				}
				end := time.Now()
				if i >= 500 && i < 510 {
					end = end.AddDate(0, 0, -181)
				}
				op := &operationsv1.Operation{Meta: &metav1.Meta{Id: string(id)}, Status: &operationsv1.OperationStatus{State: state, EndTime: timestamppb.New(end)}}
				if err := store.Put(tx, op); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		ran := make(chan error, 1)
		go func() { ran <- reconcile.New(w.st, slog.New(slog.DiscardHandler), w.e.History()).Run(ctx) }()
		id := w.begin("k", "x")
		w.settled(id)
		if rows := w.rows(); len(rows) != 1001 || rows[len(rows)-1].GetMeta().GetId() != id || rows[0].GetStatus().GetState() != operationsv1.OperationStatus_STATE_UNSPECIFIED {
			t.Errorf("%d are left", len(rows))
		}
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}

func (w *world) rows() (rows []row) {
	w.t.Helper()
	err := w.st.View(func(tx *store.Tx) (err error) {
		rows, err = store.List[row](tx, "")
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}
