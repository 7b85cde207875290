// Package reconcile runs controllers: for each key (mostly the id of a package) a function that compares what should be
// with what is and takes a step, again and again until nothing is left to do.
//
// It is deliberately not a place for work that a person asked for once (that is an operation) and keeps no state of its
// own: what a controller knows is in the store or in the world. Changes carry no meaning here, they only wake keys; a
// controller reads what it needs when it runs, so that changes which come together cost one run.
//
// Invariants: a key is never run twice at the same time; a wake during a run causes another run after it; no wake is
// lost between the listing at boot and the first change; a key that fails is run again after a delay that doubles from
// 500 ms to a minute, however often its own writes wake it meanwhile; a panic is a failure of its key; a time of a
// calendar is kept once, also when the machine was off then.
//
//	reconcile.go  what is declared: Controller, Source; what wakes keys
//	dispatch.go   which key runs when
//	calendar.go   times of the wall clock        timetable.go  keeping them
//	graph.go      which controller reads and writes what
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/store"
)

// The delays after failures.
const (
	firstDelay = 500 * time.Millisecond
	lastDelay  = time.Minute
)

// Source says which rows wake which keys.
type Source struct {
	Selector store.Selector
	// Keys answers the keys a change wakes. Default: the first segment of the row's id, so that a package is woken by
	// its own row and by its children's.
	Keys func(store.Change) []string
}

// Controller is a function and what wakes it.
type Controller struct {
	Name    string
	Sources []Source
	// Workers is how many keys may run at the same time. Default 1.
	Workers int
	// List answers the keys to run at boot, such as those of leftovers that no row tells of. Default: what the sources
	// make of the rows that are there.
	List func() ([]string, error)
	// Reconcile takes a key a step towards what should be. after > 0 asks for another run then, if nothing wakes the key
	// before. It heeds ctx and is safe to call again at any point where it was left.
	Reconcile func(ctx context.Context, key string) (after time.Duration, err error)
	// Times wake keys at times of the wall clock. A key has at most one calendar.
	Times []Time

	// What follows declares inputs and outputs, for people and for the laws. Area is whose word it writes, as the contract
	// names the writers of kinds; the name of the controller when empty. Reads are kinds that Reconcile reads besides those
	// of the sources, Writes the kinds it writes; Drives is what it makes so outside of the store, in a word or two.
	Area                  string
	Reads, Writes, Drives []string
}

// Manager runs controllers.
type Manager struct {
	loops []*loop
}

// New makes a manager. Nothing runs before Run.
func New(st *store.Store, log *slog.Logger, cs ...Controller) *Manager {
	m := &Manager{}
	for _, c := range cs {
		c.Workers = max(c.Workers, 1)
		l := &loop{
			Controller: c, st: st, log: log.With("controller", c.Name),
			woken: make(map[string]struct{}), news: make(chan struct{}, 1),
		}
		for _, at := range c.Times {
			l.appointments = append(l.appointments, &appointment{Time: at})
		}
		m.loops = append(m.loops, l)
	}
	return m
}

// Wake asks for a run of a key, at any time and from anywhere; before Run it is remembered. A controller of another name
// than those given to New is not there to be woken.
func (m *Manager) Wake(controller, key string) {
	for _, l := range m.loops {
		if l.Name == controller {
			l.wake(key)
		}
	}
}

// Run runs all controllers until ctx ends, then waits for the runs under way, whose contexts have ended too, and answers
// nil. It fails at once when a source cannot be watched. It is called once.
func (m *Manager) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, l := range m.loops {
		// The cursors stand before anything is listed: what changes meanwhile wakes a second time, it is never missed.
		watchers := make([]*store.Watcher, len(l.Sources))
		for i := range l.Sources {
			from := uint64(0)
			if l.List != nil {
				from = l.st.Revision()
			}
			w, err := l.watch(i, from)
			if err != nil {
				cancel(err)
				return fmt.Errorf("cannot run controller %q: %w", l.Name, err)
			}
			watchers[i] = w
		}
		for i, w := range watchers {
			wg.Go(func() { l.follow(ctx, i, w) })
		}
		for _, a := range l.appointments {
			wg.Go(func() { l.keepTime(ctx, a) })
		}
		wg.Go(func() { l.boot(ctx) })
		wg.Go(func() { l.dispatch(ctx) })
	}
	<-ctx.Done()
	return nil
}

// loop is one controller at work.
type loop struct {
	Controller
	st  *store.Store
	log *slog.Logger

	news chan struct{} // has a token when woken is not empty

	appointments []*appointment
	counters     counters

	mu    sync.Mutex // guards woken, and what is in appointments; a leaf
	woken map[string]struct{}
}

func (l *loop) wake(keys ...string) {
	if len(keys) == 0 {
		return
	}
	l.mu.Lock()
	for _, k := range keys {
		l.woken[k] = struct{}{}
	}
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

func (l *loop) takeWoken() map[string]struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	keys := l.woken
	l.woken = make(map[string]struct{})
	return keys
}

func (l *loop) watch(source int, from uint64) (*store.Watcher, error) {
	return l.st.Watch(store.WatchOptions{Selectors: []store.Selector{l.Sources[source].Selector}, From: from, OwnKinds: true})
}

// follow wakes keys for the changes of one source. A cursor that was lost is replaced by one that begins with everything.
func (l *loop) follow(ctx context.Context, source int, w *store.Watcher) {
	keys := l.Sources[source].Keys
	if keys == nil {
		keys = func(c store.Change) []string {
			first, _, _ := strings.Cut(c.ID, "/")
			return []string{first}
		}
	}
	for failures := 0; ; {
		b, err := w.Next(ctx)
		if err == nil {
			failures = 0
			for _, c := range b.Changes {
				l.wake(keys(c)...)
			}
			continue
		}
		for err != nil {
			failures++
			if !sleep(ctx, delay(failures)) {
				return
			}
			l.log.Warn("source is watched anew", "source", l.Sources[source].Selector.Kind, "error", err)
			var fresh *store.Watcher
			if fresh, err = l.watch(source, 0); err == nil {
				w = fresh
			}
		}
	}
}

// boot wakes the listed keys.
func (l *loop) boot(ctx context.Context) {
	if l.List == nil {
		return
	}
	for failures := 1; ; failures++ {
		keys, err := l.List()
		if err == nil {
			l.wake(keys...)
			return
		}
		l.log.Warn("keys cannot be listed", "error", err)
		if !sleep(ctx, delay(failures)) {
			return
		}
	}
}

// run calls Reconcile and makes a panic an error.
func (l *loop) run(ctx context.Context, key string) (after time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("controller panics", "key", key, "panic", p, "stack", string(debug.Stack()))
			err = errors.New("the controller panicked")
		}
	}()
	due := l.appointed(key)
	if after, err = l.Reconcile(ctx, key); err == nil {
		err = l.kept(ctx, due)
	}
	return after, err
}

// delay answers how long to wait after so many failures in a row: doubling, with up to a quarter more by chance, so that
// keys which failed together do not all come back together.
func delay(failures int) time.Duration {
	d := lastDelay
	if shift := failures - 1; shift < 7 {
		d = min(d, firstDelay<<shift)
	}
	return d + rand.N(d/4)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
