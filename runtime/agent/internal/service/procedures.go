package service

import (
	"context"
	"sync"
)

// keepFinished is how many results are kept for callers that come back: the daemon asks again for the one event it
// committed before it died, so a few would do.
const keepFinished = 64

// procedures runs calls to their end whoever waits for them, and lets callers with the same key share one run. The
// daemon may die and come back in the middle of an init that takes hours.
type procedures struct {
	mu       sync.Mutex // guards what follows
	runs     map[string]*run
	finished []string // keys in the order they ended
	wg       sync.WaitGroup
}

type run struct {
	done chan struct{}
	err  error // valid after done
}

// do runs fn under key, or joins the run that has it, or answers with its result. When ctx ends the caller leaves and
// the run goes on.
func (p *procedures) do(ctx context.Context, key string, fn func() error) error {
	p.mu.Lock()
	r := p.runs[key]
	if r == nil {
		r = &run{done: make(chan struct{})}
		if p.runs == nil {
			p.runs = map[string]*run{}
		}
		p.runs[key] = r
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			r.err = fn()
			close(r.done)
			p.retire(key)
		}()
	}
	p.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *procedures) retire(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finished = append(p.finished, key)
	if len(p.finished) > keepFinished {
		delete(p.runs, p.finished[0])
		p.finished = append([]string(nil), p.finished[1:]...)
	}
}

// wait waits for all runs.
func (p *procedures) wait() { p.wg.Wait() }
