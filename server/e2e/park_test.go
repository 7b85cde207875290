package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// watchingInit lets the twin's init write down what the sample's service does, and watch that: it never asks again by
// itself, so what its next init writes down was seen in its place.
const watchingInit = `
const { appendFileSync } = require("node:fs");
const twin = module.exports;
module.exports = {
  ...twin,
  init: async (options) => {
    await twin.init(options);
    const status = await options.effects.getStatus({ packageId: "hello-hearth", callback: () => {} });
    appendFileSync("/media/startos/volumes/main/seen", (options.kind ?? "again") + " " + status?.desired.main + "\n");
  },
};
`

// cost is what runs for a package, the keeper of its container with it, by commands.
func (m *machine) cost(pkg string) []string {
	m.t.Helper()
	var found []string
	tag := m.tag()
	for _, path := range m.glob("/proc/[0-9]*/cgroup") {
		raw, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(raw), tag) || !strings.Contains(string(raw), pkg) {
			continue // the first of them: it has ended meanwhile
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
	}
	return found
}

// compiled is what is kept of a package's compiled code: when each file was written.
func (m *machine) compiled(pkg string) map[string]time.Time {
	m.t.Helper()
	found := map[string]time.Time{}
	for _, path := range m.glob(filepath.Join(m.state, "upper", pkg, "code-*", "*", "*")) {
		info, err := os.Stat(path)
		if err != nil {
			m.t.Fatal(err)
		}
		found[path] = info.ModTime()
	}
	return found
}

func (m *machine) glob(pattern string) []string {
	m.t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		m.t.Fatal(err)
	}
	return paths
}

// parked waits until nothing runs for a package, and it is told to be stopped.
func (m *machine) parked(pkg string) {
	m.t.Helper()
	m.eventually(2*time.Minute, pkg+" costs no process", func() error {
		if left := m.cost(pkg); len(left) > 0 {
			return fmt.Errorf("%d processes: %q", len(left), left)
		}
		if state := m.rows("package", "show", pkg)[0]["state"]; state != "stopped" {
			return fmt.Errorf("it is %v", state)
		}
		return nil
	})
}

// seen is what the twin's inits wrote down.
func (m *machine) seen() string {
	m.t.Helper()
	raw, err := os.ReadFile(filepath.Join(m.state, "volumes", twin, "main", "seen"))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(raw)
}

// Where another package has a task at one of its actions, a parked service is asked for the action's value as soon as it is
// back. It must not wait for what it is doing itself.
func TestTasksAtAParkedServiceArePutRightWhenItIsBack(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start("--park-after", "1s")
	m.hearth("package", "install", "--no-start", m.packTwin())
	m.hearth("package", "action", "run", twin, "set-greeting", "--input", `{"greeting":"Hello","color":"#2b5d34"}`)
	m.parked(twin)
	m.kill(syscall.SIGKILL)
	st, err := store.Open(filepath.Join(m.state, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.Update(t.Context(), time.Now(), func(tx *store.Tx) error {
		return store.Put(tx, &actionsv1.Task{
			Meta: &metav1.Meta{Id: twin + "/wish"},
			Spec: &actionsv1.TaskSpec{
				PackageId: twin, ActionId: "set-greeting", Severity: actionsv1.TaskSpec_SEVERITY_IMPORTANT,
				WhenInputNotMatches: true, Accept: [][]byte{[]byte(`{"greeting":"Another"}`)},
			},
			Status: &actionsv1.TaskStatus{},
		})
	})
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	m.start("--park-after", "1s")
	m.hearth("package", "start", twin)
	m.healthy(twin)
	wish := func() any {
		for _, task := range m.rows("package", "tasks") {
			if task["id"] == twin+"/wish" {
				return task["active"]
			}
		}
		return nil
	}
	if got := wish(); got != true {
		t.Errorf("the task is told as active=%v though the greeting is another", got)
	}
}

func TestAStoppedServiceCostsNoProcessAndMissesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start("--park-after", "1s")
	m.installSample()
	needs := `"dependencies":{"hello-hearth":{"description":null,"optional":true,"metadata":null,"s9pk":null}}`
	m.hearth("package", "install", "--no-start", m.packTwinWith(watchingInit, `"dependencies":{}`, needs))
	m.parked(twin)
	if got := m.seen(); got != "install running\n" {
		t.Errorf("before anything changed the inits saw %q", got)
	}

	// What its container had compiled is there for the next one, and is not made again.
	kept := m.compiled(twin)
	if len(kept) == 0 {
		t.Error("a package that was parked has no compiled code")
	}

	// Its form is made by its code, and its action run.
	m.hearth("package", "action", "run", twin, "set-greeting", "--input", `{"greeting":"Hello from the park","color":"#2b5d34"}`)
	m.parked(twin)
	if now := m.compiled(twin); !maps.Equal(now, kept) {
		t.Errorf("compiled code after another container: %v, and before: %v", now, kept)
	}

	// What its init had watched changes while nothing of it is there: also for a daemon that begins after it was parked.
	m.kill(syscall.SIGKILL)
	m.start("--park-after", "1s")
	m.parked(twin)
	m.hearth("package", "stop", sample)
	m.eventually(time.Minute, "the change is seen", func() error {
		if got := m.seen(); !strings.HasSuffix(got, "again stopped\n") {
			return fmt.Errorf("the inits saw %q", got)
		}
		return nil
	})
	m.parked(twin)

	began := time.Now()
	m.hearth("package", "start", twin)
	t.Logf("a parked service started within %s", time.Since(began).Round(time.Millisecond))
	m.healthy(twin)
	m.shows(twin, "Hello from the park")
	if got := len(m.cost(twin)); got < 4 {
		t.Errorf("a running service has %d processes; its monitor, agent, code and web server are expected", got)
	}
	// The original's SDK leaves a timer of a minute behind when its daemons end; both wait for it.
	m.hearth("package", "stop", twin)
	m.parked(twin)
	m.parked(sample)
	m.hearth("package", "uninstall", twin, "--yes")
	if left := m.compiled(twin); len(left) > 0 {
		t.Errorf("what was removed has compiled code: %v", left)
	}
	if left := m.cost(twin); len(left) > 0 {
		t.Errorf("what was removed has processes: %q", left)
	}
}

// A daemon that is killed at any time while a service is parked, or comes back, leaves it neither twice nor half, and nothing of it
// where it is parked.
func TestKillsWhileAServiceIsParked(t *testing.T) {
	t.Parallel()
	rounds := 8
	if soak() {
		rounds = 60
	}
	m := newMachine(t)
	m.start("--park-after", "100ms")
	m.hearth("package", "install", "--no-start", filepath.Join(m.bin, sample+".s9pk"))
	greeting := ""
	killed := func(most time.Duration) {
		pause := time.NewTimer(rand.N(most))
		<-pause.C
		m.kill(syscall.SIGKILL)
		m.start("--park-after", "100ms")
	}
	for round := range rounds {
		switch round % 4 {
		case 0: // on its way down
			m.hearth("package", "rebuild", sample)
			killed(1200 * time.Millisecond)
		case 1, 3: // on its way up
			m.hearth("package", "start", sample, "--no-wait")
			if round%4 == 3 { // and down and up again
				m.hearth("package", "stop", sample, "--no-wait")
				m.hearth("package", "start", sample, "--no-wait")
			}
			killed(1200 * time.Millisecond)
			m.healthy(sample)
			m.runsOnce(fmt.Sprint("round ", round))
			m.hearth("package", "stop", sample)
			m.hearth("package", "rebuild", sample) // the next container has no timers of an ended main
		case 2: // up for an action alone, which is asked again when its daemon ended
			greeting = fmt.Sprint("Hello from round ", round)
			input := fmt.Sprintf(`{"greeting":%q,"color":"#2b5d34"}`, greeting)
			asked := m.command(m.cli, "package", "action", "run", sample, "set-greeting", "--input", input)
			if err := asked.Start(); err != nil {
				t.Fatal(err)
			}
			killed(1200 * time.Millisecond)
			_ = asked.Wait()
			m.hearth("package", "action", "run", sample, "set-greeting", "--input", input)
		}
		m.parked(sample)
		m.leavesNothing(sample)
	}
	m.hearth("package", "start", sample)
	m.healthy(sample)
	m.shows(sample, greeting)
}

// runsOnce fails unless the sample has one container, which never ended by itself.
func (m *machine) runsOnce(when string) {
	m.t.Helper()
	agents := 0
	for _, p := range m.processes(sample) {
		if p.init {
			agents++
		}
	}
	row := m.rows("package", "show", sample)[0]
	if agents != 1 || row["crashes"] != nil {
		m.t.Fatalf("%s: %d agents run, and it ended by itself: %v; %q", when, agents, row["crashes"], m.cost(sample))
	}
}

// leavesNothing fails when a parked package has mounts, or more on disk than its data, its log and what was compiled.
func (m *machine) leavesNothing(pkg string) {
	m.t.Helper()
	m.eventually(20*time.Second, "nothing is left of the container of "+pkg, func() error {
		if mounts := m.must("sh", "-c", `grep -F "/s/$0/" /proc/mounts || true`, pkg); mounts != "" {
			return fmt.Errorf("it has mounts: %s", mounts)
		}
		for _, path := range m.glob(filepath.Join(m.state, "upper", pkg, "*")) {
			if !strings.HasPrefix(filepath.Base(path), "code-") {
				return fmt.Errorf("%s is there", path)
			}
		}
		return nil
	})
}
