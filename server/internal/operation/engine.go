package operation

import (
	"context"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/store"
)

// Run goes on with what was under way and runs what is begun, until ctx ends; then it waits for the steps at hand, whose
// contexts have ended too, leaves everything where it is and answers nil. It is called once.
func (e *Engine) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for failures := 0; ; {
		// Begin and Cancel do nothing but write rows; this watch is how they take effect.
		w, err := e.st.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "operation"}}, OwnKinds: true})
		for err == nil {
			var b store.Batch
			if b, err = w.Next(ctx); err == nil {
				failures = 0
				for _, c := range b.Changes {
					e.look(ctx, &wg, c)
				}
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		failures++
		e.log.Warn("operations are watched anew", "error", err)
		pause(ctx, backOff(failures))
	}
}

// look starts what is not running and passes on the wish to cancel.
func (e *Engine) look(ctx context.Context, wg *sync.WaitGroup, c store.Change) {
	op, isRow := c.Row.(row)
	if !isRow || ended(op) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	x, running := e.running[c.ID]
	if !running {
		x = newExecution(e, op)
		e.running[c.ID] = x
		wg.Go(func() {
			defer func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				delete(e.running, c.ID)
			}()
			x.run(ctx)
		})
	}
	x.heed(op.GetSpec())
}

// Tell is Run.Progress for who does the work of a step without being it, such as the code of a package while its operation
// waits. Any goroutine may call it. What is told of an operation that is not running a step is dropped.
func (e *Engine) Tell(id string, done, total uint64, units, message string) {
	e.mu.Lock()
	x, running := e.running[id]
	e.mu.Unlock()
	if running {
		x.progress.tell(done, total, units, message)
	}
}

// backOff answers how long to wait after so many failures in a row.
func backOff(failures int) time.Duration {
	const most = time.Minute
	if failures > 6 {
		return most
	}
	return min(most, time.Second<<(failures-1))
}

// pause waits, and tells whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
