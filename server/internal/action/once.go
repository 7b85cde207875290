package action

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// keptRuns is how many runs of a package's actions are remembered by the ids of their requests, the newest.
const keptRuns = 64

// running is a run under way in this daemon, for those who ask for it again.
type running struct {
	digest []byte
	done   chan struct{}
	out    []byte // valid after done, as err is
	err    error
}

// RunOnce is Run for a request that may come again: the package's code runs once for each id, whatever becomes of callers
// and daemons. A repetition waits for the run under way, and later is told that there was one: what an action answers may
// hold secrets, so it is not kept. What is refused before the code runs has used up nothing.
//
//	             the row is written, then the code runs     it ended
//	no row ─────────────────────────────────────▶ BEGUN ────────────────▶ SUCCEEDED, FAILED
//	                                                └ the daemon ended: nobody knows what came of it
func (s *Service) RunOnce(ctx context.Context, now time.Time, asked operation.Asked, pkg, id, event string, input []byte) ([]byte, error) {
	key := pkg + "/" + asked.ID
	if r := s.underWay(key); r != nil {
		return r.await(ctx, asked)
	}
	if err := s.store.View(func(tx *store.Tx) error { return ran(tx, key, asked) }); err != nil {
		return nil, err
	}
	mine := &running{digest: asked.Digest, done: make(chan struct{})}
	begun := false
	out, err := s.run(ctx, now, pkg, id, event, input, func() error {
		if other := s.claim(key, mine); other != nil {
			return errJoin{other}
		}
		if err := s.begin(ctx, now, key, id, asked); err != nil {
			mine.err = err
			s.release(key, mine)
			return err
		}
		begun = true
		return nil
	})
	if other, ok := errors.AsType[errJoin](err); ok {
		return other.run.await(ctx, asked)
	}
	if begun {
		// The caller may have left; what came of it is recorded all the same.
		err = errors.Join(err, s.end(context.WithoutCancel(ctx), now, key, err))
		mine.out, mine.err = out, err
		s.release(key, mine)
	}
	return out, err
}

// errJoin tells that the same request came in between.
type errJoin struct{ run *running }

func (errJoin) Error() string { return "the same request is being carried out" }

// await answers what a run under way comes to.
func (r *running) await(ctx context.Context, asked operation.Asked) ([]byte, error) {
	if !bytes.Equal(r.digest, asked.Digest) {
		return nil, reused(asked.ID)
	}
	select {
	case <-r.done:
		return r.out, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func reused(id string) error {
	return fault.New(metav1.Reason_REASON_REQUEST_ID_REUSED, "another request was made with the id %s", id).With("request_id", id)
}

func (s *Service) underWay(key string) *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs[key]
}

// claim makes a run the one of its key, unless there is one, which it answers.
func (s *Service) claim(key string, r *running) *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.runs[key]; other != nil {
		return other
	}
	s.runs[key] = r
	return nil
}

func (s *Service) release(key string, r *running) {
	s.mu.Lock()
	delete(s.runs, key)
	s.mu.Unlock()
	close(r.done)
}

// ran refuses a request that was carried out, or begun, before.
func ran(tx *store.Tx, key string, asked operation.Asked) error {
	row, ok, err := store.Lookup[*actionsv1.ActionRun](tx, key)
	if err != nil || !ok {
		return err
	}
	if !bytes.Equal(row.GetSpec().GetRequestDigest(), asked.Digest) {
		return reused(asked.ID)
	}
	came := "it is not known what came of it"
	switch row.GetStatus().GetState() {
	case actionsv1.ActionRunStatus_STATE_SUCCEEDED:
		came = "it succeeded"
	case actionsv1.ActionRunStatus_STATE_FAILED:
		came = "it failed"
	}
	outcome := strings.ToLower(strings.TrimPrefix(row.GetStatus().GetState().String(), "STATE_"))
	return fault.New(metav1.Reason_REASON_ACTION_RAN, "action %q was run by this request before: %s", row.GetSpec().GetActionId(), came).
		With("action", row.GetSpec().GetActionId()).With("outcome", outcome)
}

// begin records the run before the code of the package is called, and forgets the oldest.
func (s *Service) begin(ctx context.Context, now time.Time, key, id string, asked operation.Asked) error {
	pkg, _, _ := strings.Cut(key, "/")
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		if err := ran(tx, key, asked); err != nil {
			return err
		}
		rows, err := store.List[*actionsv1.ActionRun](tx, pkg)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b *actionsv1.ActionRun) int {
			return a.GetMeta().GetCreateTime().AsTime().Compare(b.GetMeta().GetCreateTime().AsTime())
		})
		for len(rows) >= keptRuns {
			if err := store.Delete[*actionsv1.ActionRun](tx, rows[0].GetMeta().GetId()); err != nil {
				return err
			}
			rows = rows[1:]
		}
		return store.Put(tx, &actionsv1.ActionRun{
			Meta:   &metav1.Meta{Id: key},
			Spec:   &actionsv1.ActionRunSpec{ActionId: id, RequestDigest: asked.Digest},
			Status: &actionsv1.ActionRunStatus{State: actionsv1.ActionRunStatus_STATE_BEGUN},
		})
	})
	return err
}

// end records what came of a run. A package that was uninstalled meanwhile has no runs.
func (s *Service) end(ctx context.Context, now time.Time, key string, failed error) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*actionsv1.ActionRun](tx, key)
		if err != nil || !ok {
			return err
		}
		row.Status = &actionsv1.ActionRunStatus{State: actionsv1.ActionRunStatus_STATE_SUCCEEDED}
		if failed != nil {
			row.Status.State = actionsv1.ActionRunStatus_STATE_FAILED
		}
		return store.Put(tx, row)
	})
	return err
}
