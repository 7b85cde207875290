package e2e

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A service whose JavaScript host or agent hangs is told to be ill, and recovers by itself; the one beside it does not
// notice.
func TestAServiceThatHangsIsToldAndRecovers(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	m.hearth("package", "install", m.packTwin())
	m.healthy(twin)
	page := m.visit("page", m.address(twin), m.root(), "Hello")
	m.hang(sample, m.only(sample, "the JavaScript host", func(p process) bool { return p.script }), "a signal has stopped its process", "JavaScript host")
	page.leave(t)
	page = m.visit("page", m.address(sample), m.root(), "Hello")
	m.hang(twin, m.agentOf(twin), "the agent in its container does not answer", "agent")
	page.leave(t)
}

// hang stops a process of a service, and sees what people are told, that the service recovers in another container, and
// that this counts as an end that it came to by itself.
func (m *machine) hang(pkg string, pid int, why, what string) {
	m.t.Helper()
	before := m.pkg(pkg)["container"]
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		m.t.Fatal(err)
	}
	hung := time.Now()
	m.eventually(time.Minute, "people are told that the "+what+" hangs", func() error {
		for _, c := range m.rows("package", "health", pkg) {
			if c["result"] != "failure" || !strings.Contains(fmt.Sprint(c["message"]), why) {
				return fmt.Errorf("%v is %v: %v", c["id"], c["result"], c["message"])
			}
		}
		told := m.rows("package", "why", pkg)
		if len(told) != 1 || told[0]["cause"] != "stalled" || !strings.Contains(fmt.Sprint(told[0]), why) {
			return fmt.Errorf("why tells %v", told)
		}
		return nil
	})
	m.t.Logf("the %s: told after %v", what, time.Since(hung).Round(time.Second))
	m.eventually(3*time.Minute, "the service recovers from its "+what, func() error {
		row := m.pkg(pkg)
		if row["state"] != "running" || row["container"] == before {
			return fmt.Errorf("%v in %v", row["state"], row["container"])
		}
		crashes, _ := row["crashes"].(map[string]any)
		if crashes["count"] != 1.0 {
			return errors.New("it is not counted: " + fmt.Sprint(crashes))
		}
		return nil
	})
	m.healthy(pkg)
	m.t.Logf("the %s: healthy again after %v", what, time.Since(hung).Round(time.Second))
}
