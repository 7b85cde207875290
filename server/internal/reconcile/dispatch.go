package reconcile

import (
	"context"
	"time"
)

// task is a key that is not at rest.
//
//	          wake              a worker is free
//	at rest ───────▶ queued ───────────────────▶ running ──▶ at rest
//	   ▲               ▲                          │    │     done, nothing more to do
//	   │               └──────────────────────────┘    │
//	   │               ▲    woken meanwhile            ▼
//	   │               └─────────────────────────── waiting   failed, or asked to come back
//	   │                    due, or woken
type task struct {
	state    state
	again    bool      // running: woken meanwhile
	due      time.Time // waiting: when to run
	failures int       // in a row
	failedAt time.Time
}

type state int

const (
	queued state = iota
	running
	waiting
)

// result is how a run ended.
type result struct {
	key   string
	after time.Duration
	err   error
}

// dispatcher decides what runs when. It belongs to one goroutine.
type dispatcher struct {
	l       *loop
	tasks   map[string]*task
	ready   []string // queued keys, the longest waiting first
	active  int
	results chan result
}

// dispatch runs keys until ctx ends and all runs have returned.
func (l *loop) dispatch(ctx context.Context) {
	d := &dispatcher{l: l, tasks: make(map[string]*task), results: make(chan result)}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		d.start(ctx)
		var due <-chan time.Time
		if at, ok := d.nextDue(); ok {
			timer.Reset(time.Until(at))
			due = timer.C
		}
		select {
		case <-l.news:
			for key := range l.takeWoken() {
				d.wake(key)
			}
		case r := <-d.results:
			d.end(r, ctx.Err() != nil)
		case <-due:
			d.promote(time.Now())
		case <-ctx.Done():
		}
	}
	for ; d.active > 0; d.active-- {
		<-d.results
	}
}

// start gives queued keys to free workers.
func (d *dispatcher) start(ctx context.Context) {
	for d.active < d.l.Workers && len(d.ready) > 0 {
		key := d.ready[0]
		d.ready = d.ready[1:]
		d.tasks[key].state = running
		d.active++
		d.count()
		go func() {
			after, err := d.l.run(ctx, key)
			d.results <- result{key, after, err}
		}()
	}
}

func (d *dispatcher) queue(key string, t *task) {
	t.state, t.again = queued, false
	d.ready = append(d.ready, key)
}

func (d *dispatcher) wake(key string) {
	t, ok := d.tasks[key]
	if !ok {
		t = &task{}
		d.tasks[key] = t
		d.queue(key, t)
		return
	}
	switch t.state {
	case queued:
	case running:
		t.again = true
	case waiting:
		if t.failures == 0 {
			d.queue(key, t)
			return
		}
		t.hurry()
	}
}

// hurry makes a failed key come back soon, but not at once: what wakes it may be the status it wrote about its failure.
func (t *task) hurry() {
	if soon := t.failedAt.Add(firstDelay); soon.Before(t.due) {
		t.due = soon
	}
}

func (d *dispatcher) end(r result, stopping bool) {
	d.active--
	d.l.counters.runs.Add(1)
	defer d.count()
	t := d.tasks[r.key]
	if r.err != nil && !stopping {
		d.l.counters.errors.Add(1)
		t.failures++
		t.failedAt = time.Now()
		t.state, t.due = waiting, t.failedAt.Add(delay(t.failures))
		if t.again {
			t.again = false
			t.hurry()
		}
		d.report(r, t)
		return
	}
	t.failures = 0
	switch {
	case t.again:
		d.queue(r.key, t)
	case r.after > 0:
		t.state, t.due = waiting, time.Now().Add(r.after)
	default:
		delete(d.tasks, r.key)
	}
}

// report logs a failure; one that goes on and on is for people to look at.
func (d *dispatcher) report(r result, t *task) {
	const stubborn = 5
	log := d.l.log.Info
	if t.failures == stubborn {
		log = d.l.log.Warn
	}
	log("key is tried again", "key", r.key, "failures", t.failures, "in", time.Until(t.due).Round(time.Millisecond), "error", r.err)
}

func (d *dispatcher) nextDue() (at time.Time, ok bool) {
	for _, t := range d.tasks {
		if t.state == waiting && (!ok || t.due.Before(at)) {
			at, ok = t.due, true
		}
	}
	return at, ok
}

func (d *dispatcher) promote(now time.Time) {
	for key, t := range d.tasks {
		if t.state == waiting && !t.due.After(now) {
			d.queue(key, t)
		}
	}
}

// count tells how much there is to do, for whoever measures it.
func (d *dispatcher) count() {
	d.l.counters.queued.Store(int64(len(d.ready)))
	d.l.counters.active.Store(int64(d.active))
	failing := 0
	for _, t := range d.tasks {
		if t.failures > 0 {
			failing++
		}
	}
	d.l.counters.failing.Store(int64(failing))
}
