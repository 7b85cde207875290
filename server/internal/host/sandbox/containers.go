package sandbox

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/platform"
)

// Containers are those of the machine. They do what lxc.Runtime does, and no process runs.
type Containers struct {
	host *Host

	mu      sync.Mutex // guards the fields below
	running map[string]*container
	lastPID int
	group   sync.WaitGroup
}

// container is one that runs.
type container struct {
	lxc.Container
	spec  lxc.Spec
	begun time.Time
	ended chan struct{}
	// stop ends what the container does.
	stop    context.CancelFunc
	service *service
}

// Start starts a container: its agent answers when Start returns.
func (cs *Containers) Start(ctx context.Context, s lxc.Spec) (lxc.Container, error) {
	if err := s.Check(); err != nil {
		return lxc.Container{}, fmt.Errorf("cannot start container: %w", err)
	}
	if ctx.Err() != nil {
		return lxc.Container{}, context.Cause(ctx)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if _, ok := cs.running[s.Name]; ok {
		return lxc.Container{}, fmt.Errorf("cannot start container %q: %w", s.Name, lxc.ErrRunning)
	}
	// The container outlives the call that starts it, and the daemon that makes the call.
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	cs.lastPID++
	c := &container{
		Container: lxc.Container{Name: s.Name, InitPID: 1000 + cs.lastPID, InitStart: uint64(cs.lastPID)},
		spec:      s, begun: time.Now(), ended: make(chan struct{}), stop: stop,
	}
	var err error
	if c.service, err = newService(cs.host, c); err != nil {
		stop()
		return lxc.Container{}, fmt.Errorf("cannot start container %q: %w", s.Name, err)
	}
	cs.running[s.Name] = c
	cs.group.Go(func() { c.service.run(living) })
	return c.Container, nil
}

// List returns the containers, ordered by name.
func (cs *Containers) List() ([]lxc.Container, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var out []lxc.Container
	for _, c := range cs.running {
		out = append(out, c.Container)
	}
	slices.SortFunc(out, func(a, b lxc.Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Adopt returns the container of that name.
func (cs *Containers) Adopt(name string) (lxc.Container, error) {
	c, err := cs.find(name)
	if err != nil {
		return lxc.Container{}, err
	}
	return c.Container, nil
}

func (cs *Containers) find(name string) (*container, error) {
	if err := lxc.CheckName(name); err != nil {
		return nil, err
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c, ok := cs.running[name]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("container %q: %w", name, lxc.ErrNotRunning)
}

// Holds tells whether the container's agent holds the lock on the file.
func (cs *Containers) Holds(c lxc.Container, path string) (bool, error) {
	want, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	run, err := cs.find(c.Name)
	if err != nil || run.Container != c || run.service.held == nil {
		return false, nil
	}
	have, err := run.service.held.Stat()
	return err == nil && os.SameFile(have, want), err
}

// Wait returns when the container has ended.
func (cs *Containers) Wait(ctx context.Context, c lxc.Container) error {
	run, err := cs.find(c.Name)
	if err != nil || run.Container != c {
		return nil
	}
	select {
	case <-run.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Rest does nothing: what is played has no programs.
func (cs *Containers) Rest(name string, _ func(argv []string) bool) error {
	_, err := cs.Adopt(name)
	return err
}

// Stop ends the container; one that is stubborn takes the whole grace.
func (cs *Containers) Stop(ctx context.Context, name string, grace time.Duration) error {
	if err := lxc.CheckName(name); err != nil {
		return fmt.Errorf("cannot stop container: %w", err)
	}
	if c, err := cs.Adopt(name); err == nil && cs.host.play(name).Stubborn && grace > 0 {
		patient, cancel := context.WithTimeout(ctx, grace)
		_ = cs.Wait(patient, c) // it ends below, whether or not it has by then
		cancel()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cs.end(name)
	return nil
}

// Writes is nothing: no process runs.
func (cs *Containers) Writes(name string) (uint64, error) {
	_, err := cs.find(name)
	return 0, err
}

// Unlinked is nothing: no process runs.
func (cs *Containers) Unlinked(_ context.Context, name string) (uint64, error) {
	_, err := cs.find(name)
	return 0, err
}

// Freeze and Thaw change nothing: no process runs.
func (cs *Containers) Freeze(name string) error {
	_, err := cs.find(name)
	return err
}

// Thaw is like Freeze.
func (cs *Containers) Thaw(string) error { return nil }

// Limit changes nothing: no process runs.
func (cs *Containers) Limit(name string, _ lxc.Limits) error {
	_, err := cs.find(name)
	return err
}

// unbound is why what is played is not bounded.
var unbound = platform.Cannot(platform.Answer{Name: "limit.played", Text: "a sandbox plays the disk"}, nil)

// Abilities are those of a machine whose disk cannot be shared by weight.
func (cs *Containers) Abilities(*lxc.Disk) lxc.Abilities {
	return lxc.Abilities{IOWeight: unbound}
}

// Unsupported implements runner.Quotas: files of what is played are not bounded.
func (cs *Containers) Unsupported() error { return unbound }

// Bound implements runner.Quotas.
func (cs *Containers) Bound(context.Context, uint32, uint64, ...string) error { return nil }

// Release does nothing either.
func (cs *Containers) Release(context.Context, string) error { return nil }

// Kill ends a container at once.
func (cs *Containers) Kill(name string) error {
	cs.end(name)
	return nil
}

// end ends the container of that name, if it runs.
func (cs *Containers) end(name string) {
	cs.mu.Lock()
	c, ok := cs.running[name]
	delete(cs.running, name)
	cs.mu.Unlock()
	if !ok {
		return
	}
	c.stop()
	<-c.service.done // nothing of it touches its folders any more
	close(c.ended)
}

// wake lets the service of a package see that it shall behave otherwise.
func (cs *Containers) wake(name string) {
	if c, err := cs.find(name); err == nil {
		c.service.nudge()
	}
}

func (cs *Containers) close() {
	list, _ := cs.List() // never fails
	for _, c := range list {
		cs.end(c.Name)
	}
	cs.group.Wait()
}

// root is where a path of the container is on the machine.
func (c *container) root(path string) string { return c.spec.Rootfs + path }

// env is a variable of the container's environment.
func (c *container) env(name string) string {
	for _, kv := range c.spec.Env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// makeRoot makes what every container's root has.
func makeRoot(dir string) error {
	for _, path := range []string{"etc", "run", "usr/lib/hearth", "usr/lib/startos", "media/startos/images", "media/startos/volumes", "media/startos/subcontainers"} {
		if err := os.MkdirAll(dir+"/"+path, 0o755); err != nil {
			return err
		}
	}
	return nil
}
