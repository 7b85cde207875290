package lxc_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
	"github.com/hearthos/hearth/server/internal/testenv"
)

func TestMain(m *testing.M) { mounttest.Main(m) }

func TestConformance(t *testing.T) {
	n := 10
	lxctest.Conformance(t, func(t *testing.T) lxctest.Subject {
		m := lxctest.NewMachine(t)
		return lxctest.Subject{
			NoControllers: os.Getenv(mounttest.UnifiedVariable) != "",
			Open: func(t *testing.T) lxctest.Runtime {
				r := m.Open(t)
				t.Cleanup(func() { r.Close() })
				return r
			},
			Spec: func(t *testing.T, name string, isPolite bool) lxc.Spec {
				n++
				if isPolite {
					return m.Spec(t, name, n, lxctest.Polite)
				}
				return m.Spec(t, name, n, lxctest.Stubborn)
			},
			Ready: func(t *testing.T, s lxc.Spec) { m.Ready(t, s) },
			Kill: func(t *testing.T, c lxc.Container) {
				p, err := lxc.Open(c)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				if err := p.Signal(unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// TestGenerationTwoAlone runs what depends on the layout of cgroups again, on a machine that shows only generation 2.
func TestGenerationTwoAlone(t *testing.T) {
	testenv.Require(t, "root", "lxc", "netns")
	if os.Getenv(mounttest.UnifiedVariable) != "" {
		t.Skip("this is that run")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := os.StartProcess("/proc/self/exe", []string{os.Args[0], "-test.v", "-test.run=^Test(Conformance|StopLeavesNothing|DeathOfTheMonitorEndsTheContainer|DaemonKilledWhileStarting|HelperKilledWhileStarting)$"}, &os.ProcAttr{
		Env: append(mounttest.OuterEnviron(), mounttest.UnifiedVariable+"=1"), Files: []*os.File{nil, w, w},
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if !st.Success() || !strings.Contains(string(out), "--- PASS: TestConformance") {
		t.Errorf("%v\n%s", st, out)
	}
}
