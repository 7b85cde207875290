package lxctest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// Fake is a runtime whose containers are entries in memory. The zero value is an empty machine; one Fake stands for the
// machine, so a test keeps it while it restarts what it tests. Safe for concurrent use.
type Fake struct {
	// FailStart, when set, decides whether a start fails; it sees every valid Spec.
	FailStart func(lxc.Spec) error
	// Stubborn, when set, names containers that ignore SIGTERM.
	Stubborn func(name string) bool

	mu      sync.Mutex // guards the fields below
	running map[string]*fakeContainer
	lastPID int
	starts  []lxc.Spec
}

type fakeContainer struct {
	lxc.Container
	spec  lxc.Spec
	ended chan struct{}
}

var _ Runtime = (*Fake)(nil)

// Start begins to list the container.
func (f *Fake) Start(ctx context.Context, s lxc.Spec) (lxc.Container, error) {
	if err := s.Check(); err != nil {
		return lxc.Container{}, fmt.Errorf("cannot start container: %w", err)
	}
	if ctx.Err() != nil {
		return lxc.Container{}, context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.running[s.Name]; ok {
		return lxc.Container{}, fmt.Errorf("cannot start container %q: %w", s.Name, lxc.ErrRunning)
	}
	if f.FailStart != nil {
		if err := f.FailStart(s); err != nil {
			return lxc.Container{}, err
		}
	}
	f.lastPID++
	c := &fakeContainer{
		Container: lxc.Container{Name: s.Name, InitPID: 1000 + f.lastPID, InitStart: uint64(f.lastPID)},
		spec:      s, ended: make(chan struct{}),
	}
	if f.running == nil {
		f.running = make(map[string]*fakeContainer)
	}
	f.running[s.Name] = c
	f.starts = append(f.starts, s)
	return c.Container, nil
}

// List returns the containers, ordered by name.
func (f *Fake) List() ([]lxc.Container, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []lxc.Container
	for _, c := range f.running {
		out = append(out, c.Container)
	}
	slices.SortFunc(out, func(a, b lxc.Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Adopt returns the container of that name.
func (f *Fake) Adopt(name string) (lxc.Container, error) {
	if err := lxc.CheckName(name); err != nil {
		return lxc.Container{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.running[name]; ok {
		return c.Container, nil
	}
	return lxc.Container{}, fmt.Errorf("container %q: %w", name, lxc.ErrNotRunning)
}

// Wait returns when the container has ended.
func (f *Fake) Wait(ctx context.Context, c lxc.Container) error {
	f.mu.Lock()
	run, ok := f.running[c.Name]
	f.mu.Unlock()
	if !ok || run.Container != c {
		return nil
	}
	select {
	case <-run.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stop ends the container; a Stubborn one takes the whole grace.
func (f *Fake) Stop(ctx context.Context, name string, grace time.Duration) error {
	if err := lxc.CheckName(name); err != nil {
		return fmt.Errorf("cannot stop container: %w", err)
	}
	if f.Stubborn != nil && f.Stubborn(name) && grace > 0 {
		if c, err := f.Adopt(name); err == nil {
			gctx, cancel := context.WithTimeout(ctx, grace)
			_ = f.Wait(gctx, c)
			cancel()
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f.Kill(name)
	return nil
}

// Usage returns figures that grow with nothing: one process, a little memory.
func (f *Fake) Usage(name string) (lxc.Usage, error) {
	if _, err := f.Adopt(name); err != nil {
		return lxc.Usage{}, err
	}
	return lxc.Usage{Memory: 8 << 20, CPU: time.Second, PIDs: 1}, nil
}

// Kill ends the container as a crash of its init does.
func (f *Fake) Kill(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.running[name]; ok {
		delete(f.running, name)
		close(c.ended)
	}
}

// Starts returns the Specs of all successful starts, in order.
func (f *Fake) Starts() []lxc.Spec {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.starts)
}
