// Package lxctest has what tests of containers need: a Machine that runs real ones in private
// namespaces, and the Conformance suite that holds them and those of a sandbox to the same behaviour.
package lxctest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// Runtime is what the real runtime and the sandbox's have in common.
type Runtime interface {
	Start(ctx context.Context, s lxc.Spec) (lxc.Container, error)
	List() ([]lxc.Container, error)
	Adopt(name string) (lxc.Container, error)
	Wait(ctx context.Context, c lxc.Container) error
	Stop(ctx context.Context, name string, grace time.Duration) error
	Usage(name string) (lxc.Usage, error)
}

var _ Runtime = (*lxc.Runtime)(nil)

// Subject is an implementation under test.
type Subject struct {
	// Open returns a runtime on the same machine as all others it returned: the next daemon.
	Open func(t *testing.T) Runtime
	// Spec returns a startable Spec whose init ends on SIGTERM when polite, and ignores it otherwise.
	Spec func(t *testing.T, name string, polite bool) lxc.Spec
	// Ready returns when the container's init obeys signals; before that the kernel drops them.
	Ready func(t *testing.T, s lxc.Spec)
	// NoControllers says that the machine measures nothing, so that usage is not asked for.
	NoControllers bool
	// Kill ends the container's init from outside.
	Kill func(t *testing.T, c lxc.Container)
}

// limit bounds what should happen at once; it is generous because test machines are busy.
const limit = 30 * time.Second

// Conformance runs the suite. newSubject is called once for each test; the tests run one after another.
func Conformance(t *testing.T, newSubject func(t *testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, Subject, Runtime){
		"a started container is listed until it is stopped": startListStop,
		"the next daemon finds and stops the container":     nextDaemon,
		"a name runs once":              once,
		"stop is idempotent":            stopTwice,
		"a stubborn init is killed":     stubborn,
		"a death is noticed":            death,
		"wait honours its context":      waitContext,
		"an old identity is not reused": oldIdentity,
		"bad specs are refused":         badSpecs,
		"usage is measured":             usage,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(t)
			test(t, s, s.Open(t))
		})
	}
}

func start(t *testing.T, sub Subject, r Runtime, s lxc.Spec) lxc.Container {
	t.Helper()
	c, err := r.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != s.Name || c.InitPID <= 1 || c.InitStart == 0 {
		t.Fatalf("started %+v", c)
	}
	sub.Ready(t, s)
	return c
}

func wantList(t *testing.T, r Runtime, want ...lxc.Container) {
	t.Helper()
	got, err := r.List()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]lxc.Container(nil), want...), got); diff != "" {
		t.Errorf("list: %s", diff)
	}
}

func stop(t *testing.T, r Runtime, name string, grace time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := r.Stop(ctx, name, grace); err != nil {
		t.Fatal(err)
	}
}

func startListStop(t *testing.T, s Subject, r Runtime) {
	wantList(t, r)
	b := start(t, s, r, s.Spec(t, "b", true))
	a := start(t, s, r, s.Spec(t, "a", true))
	wantList(t, r, a, b)
	stop(t, r, "b", limit)
	wantList(t, r, a)
	if got, err := r.Adopt("a"); err != nil || got != a {
		t.Errorf("adopted %+v, %v", got, err)
	}
	if _, err := r.Adopt("b"); !errors.Is(err, lxc.ErrNotRunning) {
		t.Errorf("adopting a stopped one: %v", err)
	}
	stop(t, r, "a", limit)
	wantList(t, r)
}

func nextDaemon(t *testing.T, s Subject, r Runtime) {
	spec := s.Spec(t, "a", true)
	c := start(t, s, r, spec)
	next := s.Open(t)
	wantList(t, next, c)
	if _, err := next.Start(t.Context(), spec); !errors.Is(err, lxc.ErrRunning) {
		t.Errorf("starting it again: %v", err)
	}
	stop(t, next, "a", limit)
	wantList(t, r)
	if err := r.Wait(t.Context(), c); err != nil {
		t.Errorf("waiting for one that another stopped: %v", err)
	}
}

func once(t *testing.T, s Subject, r Runtime) {
	spec := s.Spec(t, "a", true)
	const tries = 4
	errs := make(chan error, tries)
	for range tries {
		next := s.Open(t)
		go func() {
			_, err := next.Start(t.Context(), spec)
			errs <- err
		}()
	}
	started := 0
	for range tries {
		switch err := <-errs; {
		case err == nil:
			started++
		case !errors.Is(err, lxc.ErrRunning):
			t.Error(err)
		}
	}
	if started != 1 {
		t.Errorf("started %d times", started)
	}
}

func stopTwice(t *testing.T, s Subject, r Runtime) {
	stop(t, r, "never-started", limit)
	spec := s.Spec(t, "a", true)
	first := start(t, s, r, spec)
	stop(t, r, "a", limit)
	stop(t, r, "a", limit)
	if second := start(t, s, r, spec); second == first {
		t.Errorf("two containers with one identity %+v", first)
	}
}

func stubborn(t *testing.T, s Subject, r Runtime) {
	start(t, s, r, s.Spec(t, "a", false))
	stop(t, r, "a", 50*time.Millisecond)
	wantList(t, r)
	start(t, s, r, s.Spec(t, "a", false))
	stop(t, r, "a", 0)
	wantList(t, r)
}

func death(t *testing.T, s Subject, r Runtime) {
	spec := s.Spec(t, "a", true)
	c := start(t, s, r, spec)
	noticed := make(chan error, 1)
	go func() { noticed <- s.Open(t).Wait(t.Context(), c) }()
	s.Kill(t, c)
	if err := <-noticed; err != nil {
		t.Errorf("wait: %v", err)
	}
	wantList(t, r)
	if got := start(t, s, r, spec); got == c {
		t.Errorf("two containers with one identity %+v", c)
	}
}

func waitContext(t *testing.T, s Subject, r Runtime) {
	c := start(t, s, r, s.Spec(t, "a", true))
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error, 1)
	go func() { result <- r.Wait(ctx, c) }()
	cancel(why)
	if err := <-result; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	wantList(t, r, c)
}

func oldIdentity(t *testing.T, s Subject, r Runtime) {
	spec := s.Spec(t, "a", true)
	start(t, s, r, spec)
	c, err := r.Adopt("a")
	if err != nil {
		t.Fatal(err)
	}
	c.InitStart--
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := r.Wait(ctx, c); err != nil {
		t.Errorf("waiting for a process whose number was reused: %v", err)
	}
}

func badSpecs(t *testing.T, s Subject, r Runtime) {
	for name, change := range map[string]func(*lxc.Spec){
		"name":      func(s *lxc.Spec) { s.Name = "../x" },
		"no name":   func(s *lxc.Spec) { s.Name = "" },
		"root id":   func(s *lxc.Spec) { s.IDBase = 0 },
		"no init":   func(s *lxc.Spec) { s.Init = nil },
		"init":      func(s *lxc.Spec) { s.Init = []string{"sh"} },
		"rootfs":    func(s *lxc.Spec) { s.Rootfs = "relative" },
		"hostname":  func(s *lxc.Spec) { s.Hostname = "a b" },
		"variable":  func(s *lxc.Spec) { s.Env = []string{"A=b\nlxc.rootfs.path = dir:/"} },
		"mount":     func(s *lxc.Spec) { s.Mounts = []lxc.Mount{{Source: "/a\nb", Target: "/c"}} },
		"over root": func(s *lxc.Spec) { s.Mounts = []lxc.Mount{{Source: "/a", Target: "/"}} },
		"device":    func(s *lxc.Spec) { s.Devices = []lxc.Device{{Path: "/etc/passwd"}} },
		"rlimit":    func(s *lxc.Spec) { s.Rlimits = []lxc.Rlimit{{Name: "no file", Soft: 1, Hard: 2}} },
		"rlimits":   func(s *lxc.Spec) { s.Rlimits = []lxc.Rlimit{{Name: "nofile", Soft: 3, Hard: 2}} },
		"memory":    func(s *lxc.Spec) { s.Limits.Memory = 5 },
		"interface": func(s *lxc.Spec) { s.Network = &lxc.Network{Interface: "much-too-long-for-the-kernel", Bridge: "b"} },
	} {
		spec := s.Spec(t, "a", true)
		change(&spec)
		if _, err := r.Start(t.Context(), spec); !errors.Is(err, lxc.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Stop(t.Context(), "../x", 0); !errors.Is(err, lxc.ErrInvalid) {
		t.Errorf("stop: %v", err)
	}
	if _, err := r.Adopt("a/b"); !errors.Is(err, lxc.ErrInvalid) {
		t.Errorf("adopt: %v", err)
	}
	wantList(t, r)
}

func usage(t *testing.T, s Subject, r Runtime) {
	if _, err := r.Usage("a"); !errors.Is(err, lxc.ErrNotRunning) {
		t.Errorf("without a container: %v", err)
	}
	start(t, s, r, s.Spec(t, "a", true))
	if s.NoControllers {
		return
	}
	u, err := r.Usage("a")
	if err != nil {
		t.Fatal(err)
	}
	if u.Memory <= 0 || u.Memory > 1<<30 || u.PIDs < 1 || u.CPU <= 0 || u.CPU > time.Minute {
		t.Errorf("usage %+v", u)
	}
}
