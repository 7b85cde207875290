package lxc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
)

// daemonOrder is what TestDaemonBody, run in a process of its own, does.
type daemonOrder struct {
	Config lxc.Config
	Spec   lxc.Spec
}

const daemonVariable = "HEARTH_TEST_DAEMON"

// TestDaemonBody is no test: it is the process that TestDaemonKilledWhileStarting kills.
func TestDaemonBody(t *testing.T) {
	text := os.Getenv(daemonVariable)
	if text == "" {
		t.Skip("needs to be started by another test")
	}
	var o daemonOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	r, err := lxc.New(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.NewFile(3, "ready").WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start(t.Context(), o.Spec); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done()
}

// spawnDaemon returns once the daemon is about to call Start.
func spawnDaemon(t *testing.T, o daemonOrder) *os.Process {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := os.StartProcess("/proc/self/exe", []string{os.Args[0], "-test.run=^TestDaemonBody$"}, &os.ProcAttr{
		Env: append(os.Environ(), daemonVariable+"="+string(text)), Files: []*os.File{null, null, null, w},
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatalf("daemon did not begin: %v", err)
	}
	return p
}

func TestDaemonKilledWhileStarting(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	outcomes := map[string]int{}
	for i := range 8 {
		name := fmt.Sprintf("crash-%d", i)
		s := m.Spec(t, name, 120+i, lxctest.Polite)
		p := spawnDaemon(t, daemonOrder{Config: m.Config, Spec: s})
		time.Sleep(time.Duration(i) * 6 * time.Millisecond)
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		_, err := r.Start(t.Context(), s)
		switch {
		case err == nil:
			outcomes["started by the next"]++
		case errors.Is(err, lxc.ErrRunning):
			outcomes["finished by the helper"]++
		default:
			t.Errorf("killed after %d ms: %v", 6*i, err)
		}
		if l, err := r.List(); err != nil || len(l) != 1 {
			t.Errorf("killed after %d ms: listed %v, %v", 6*i, l, err)
		}
		m.Ready(t, s)
		if err := r.Stop(t.Context(), name, 10*time.Second); err != nil {
			t.Error(err)
		}
		assertNoCgroup(t, m, name)
	}
	t.Log(outcomes)
}

func TestHelperKilledWhileStarting(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	failures := 0
	for i := range 8 {
		name := fmt.Sprintf("helper-%d", i)
		s := m.Spec(t, name, 140+i, lxctest.Polite)
		result := make(chan error, 1)
		go func() {
			_, err := r.Start(t.Context(), s)
			result <- err
		}()
		killed := killStarter(m, name, time.Duration(i)*time.Millisecond, result)
		if killed != nil {
			failures++
			if strings.Contains(killed.Error(), "\n") {
				t.Errorf("leftovers: %v", killed)
			}
		}
		if _, err := r.Adopt(name); (err == nil) != (killed == nil) {
			t.Errorf("start said %v, adopt says %v", killed, err)
		}
		if killed != nil {
			assertNoCgroup(t, m, name)
			start(t, r, s)
		}
		m.Ready(t, s)
		if err := r.Stop(t.Context(), name, 10*time.Second); err != nil {
			t.Error(err)
		}
		assertNoCgroup(t, m, name)
	}
	t.Logf("%d of 8 starts were broken", failures)
}

// killStarter kills the helper, and whatever it has forked, when it has run for a while, and returns what Start said.
func killStarter(m *lxctest.Machine, name string, after time.Duration, result <-chan error) error {
	var seen time.Time
	for {
		select {
		case err := <-result:
			return err
		case <-time.After(200 * time.Microsecond):
		}
		for _, root := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
			data, err := os.ReadFile(filepath.Join(root, m.Config.CgroupParent, m.Config.Tag, "starter", name, "cgroup.procs"))
			if err != nil || len(data) == 0 {
				continue
			}
			if seen.IsZero() {
				seen = time.Now()
			}
			if time.Since(seen) < after {
				continue
			}
			for _, f := range strings.Fields(string(data)) {
				var pid int
				if _, err := fmt.Sscan(f, &pid); err == nil {
					_ = unix.Kill(pid, unix.SIGKILL)
				}
			}
		}
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	for i := range 8 {
		name := fmt.Sprintf("cancel-%d", i)
		s := m.Spec(t, name, 160+i, lxctest.Polite)
		ctx, cancel := contextAfter(t, time.Duration(i)*4*time.Millisecond)
		_, err := r.Start(ctx, s)
		cancel()
		if err == nil {
			m.Ready(t, s)
			if err := r.Stop(t.Context(), name, 10*time.Second); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, errEnough) {
			t.Errorf("got %v", err)
		}
		assertNoCgroup(t, m, name)
		if l, err := r.List(); err != nil || len(l) != 0 {
			t.Errorf("listed %v, %v", l, err)
		}
	}
}
