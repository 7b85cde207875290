package action

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// slow is code whose run lasts until it is let go, and ends as it is told.
type slow struct {
	*code
	gate  chan struct{}
	fails error
	mu    sync.Mutex // guards runs
	runs  int
}

func (s *slow) Execute(ctx context.Context, pkg, event, procedure string, input []byte) ([]byte, error) {
	if !strings.HasSuffix(procedure, "/run") {
		return s.code.Execute(ctx, pkg, event, procedure, input)
	}
	s.mu.Lock()
	s.runs++
	s.mu.Unlock()
	select {
	case <-s.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.fails != nil {
		return nil, s.fails
	}
	return []byte(`{"version":"1","title":"done","message":null,"result":null}`), nil
}

func (w *world) slow() *slow {
	s := &slow{code: w.code, gate: make(chan struct{})}
	w.packages = s
	return s
}

func asked(id string, digest byte) operation.Asked {
	return operation.Asked{ID: id, Digest: []byte{digest}}
}

const firstID = "01jxq5r0000000000000000001"

func (w *world) once(ctx context.Context, a operation.Asked) (string, error) {
	out, err := w.RunOnce(ctx, noon, a, "hello", "set", "", []byte(`{"a":2}`))
	return string(out), err
}

// A request that comes again while the first runs gets the answer of that, and the package's code runs once.
func TestARepetitionJoinsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		code := w.slow()
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				if out, err := w.once(t.Context(), asked(firstID, 1)); err != nil || !strings.Contains(out, "done") {
					t.Errorf("%q, %v", out, err)
				}
			})
		}
		synctest.Wait()
		if _, err := w.once(t.Context(), asked(firstID, 2)); !fault.Is(err, metav1.Reason_REASON_REQUEST_ID_REUSED) {
			t.Errorf("another request with the id, meanwhile: %v", err)
		}
		close(code.gate)
		group.Wait()
		if code.runs != 1 {
			t.Errorf("the code ran %d times", code.runs)
		}
	})
}

// Afterwards, and in the next daemon, a repetition is told what came of the run, and runs nothing.
func TestARepetitionRunsNothing(t *testing.T) {
	t.Parallel()
	for outcome, fails := range map[string]error{"succeeded": nil, "failed": errors.New("the package does not like it")} {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			code := w.slow()
			code.fails = fails
			close(code.gate)
			if _, err := w.once(t.Context(), asked(firstID, 1)); (err == nil) != (fails == nil) {
				t.Fatal(err)
			}
			next := *w
			next.Service = New(w.store, w.log, code, w.stops)
			for _, daemon := range []*world{w, &next} {
				_, err := daemon.once(t.Context(), asked(firstID, 1))
				if !fault.Is(err, metav1.Reason_REASON_ACTION_RAN) || fault.Proto(err).GetMetadata()["outcome"] != outcome {
					t.Errorf("a repetition: %v", err)
				}
				if _, err := daemon.once(t.Context(), asked(firstID, 2)); !fault.Is(err, metav1.Reason_REASON_REQUEST_ID_REUSED) {
					t.Errorf("another request with the id: %v", err)
				}
			}
			if code.runs != 1 {
				t.Errorf("the code ran %d times", code.runs)
			}
		})
	}
}

// A daemon that ended in the middle does not know what came of the action, and its successor does not try.
func TestARunThatADaemonLeftIsNotRunAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.slow()
	close(code.gate)
	if err := w.begin(t.Context(), noon, "hello/"+firstID, "set", asked(firstID, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := w.once(t.Context(), asked(firstID, 1))
	if !fault.Is(err, metav1.Reason_REASON_ACTION_RAN) || fault.Proto(err).GetMetadata()["outcome"] != "begun" || code.runs != 0 {
		t.Errorf("%v, and the code ran %d times", err, code.runs)
	}
}

// What is refused before the code runs uses up no id.
func TestARefusedRunCanBeAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.slow()
	close(code.gate)
	if _, err := w.RunOnce(t.Context(), noon, asked(firstID, 1), "hello", "set", "", []byte(`[]`)); !fault.Is(err, metav1.Reason_REASON_ACTION_INPUT) {
		t.Fatal(err)
	}
	if _, err := w.once(t.Context(), asked(firstID, 1)); err != nil || code.runs != 1 {
		t.Errorf("%v after %d runs", err, code.runs)
	}
}

// A caller that leaves ends the run where the package can be interrupted; the outcome is recorded.
func TestACallerThatLeavesIsRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.slow()
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := w.once(ctx, asked(firstID, 1))
			left <- err
		}()
		synctest.Wait()
		leave()
		if err := <-left; err == nil {
			t.Error("it succeeded")
		}
		if _, err := w.once(t.Context(), asked(firstID, 1)); !fault.Is(err, metav1.Reason_REASON_ACTION_RAN) {
			t.Errorf("a repetition: %v", err)
		}
	})
}

func TestOldRunsAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	close(w.slow().gate)
	for i := range keptRuns + 3 {
		id := fmt.Sprintf("01jxq5r00000000000000%05d", i)
		if _, err := w.RunOnce(t.Context(), noon.Add(time.Duration(i)*time.Second), asked(id, 1), "hello", "set", "", []byte(`{"a":2}`)); err != nil {
			t.Fatal(err)
		}
	}
	err := w.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*actionsv1.ActionRun](tx, "hello")
		if len(rows) != keptRuns || rows[0].GetMeta().GetId() != "hello/01jxq5r0000000000000000003" {
			t.Errorf("%d runs are kept, the oldest %s", len(rows), rows[0].GetMeta().GetId())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A person may dismiss what a package asks for; what is critical needs force.
func TestTasksAreDismissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for severity, reason := range map[string]metav1.Reason{"optional": 0, "important": 0, "critical": metav1.Reason_REASON_TASK_CRITICAL} {
		if err := w.CreateTask(t.Context(), noon, "hello", TaskRequest{ReplayID: "a/b " + severity, PackageID: "hello", ActionID: "set", Severity: severity}); err != nil {
			t.Fatal(err)
		}
		err := w.Dismiss(t.Context(), noon, "hello", "a/b "+severity, false)
		if reason == 0 && err != nil || reason != 0 && !fault.Is(err, reason) {
			t.Errorf("%s: %v", severity, err)
		}
		if err := w.Dismiss(t.Context(), noon, "hello", "a/b "+severity, true); reason != 0 && err != nil {
			t.Errorf("%s with force: %v", severity, err)
		}
		if tasks, _ := w.Tasks("hello"); len(tasks) != 0 {
			t.Errorf("%s: %v are left", severity, tasks)
		}
	}
	if err := w.Dismiss(t.Context(), noon, "hello", "never", false); !fault.Is(err, metav1.Reason_REASON_TASK_NOT_FOUND) {
		t.Errorf("a task that is not there: %v", err)
	}
	if err := w.Dismiss(t.Context(), noon, "gone", "never", false); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		t.Errorf("a package that is not there: %v", err)
	}
}
