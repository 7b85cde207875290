package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const sdkSample = "hello-sdk"

// The sample that is written with our SDK does what the other one does: install, page, task, action, restart, update with
// a migration of its data, rollback, uninstall.
func TestSDKSample(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", filepath.Join(m.bin, sdkSample+".s9pk"))
	m.healthy(sdkSample)
	page := m.address(sdkSample)
	says := func(what string) {
		t.Helper()
		m.eventually(60*time.Second, "the page says "+what, func() error {
			body, err := m.run("curl", "-sS", "--fail", "--cacert", m.root(), page)
			if err == nil && !strings.Contains(body, `<h1 id="greeting">`+what+"</h1>") {
				err = errors.New(body)
			}
			return err
		})
	}
	says("Hello from Hearth")

	if tasks := m.rows("package", "tasks", sdkSample); len(tasks) != 1 || tasks[0]["active"] != true || tasks[0]["actionId"] != "settings" {
		t.Fatalf("tasks = %v", tasks)
	}
	if _, err := m.tryHearth("package", "action", "run", sdkSample, "settings", "--input", `{"greeting":1,"color":"#2b5d34"}`); err == nil ||
		!strings.Contains(err.Error(), "ACTION_INPUT") || !strings.Contains(err.Error(), "greeting") {
		t.Errorf("a form with a number for a text: %v", err)
	}
	m.hearth("package", "action", "run", sdkSample, "settings", "--input", `{"greeting":"Good morning","color":"#2b5d34"}`)
	says("Good morning")
	if tasks := m.rows("package", "tasks", sdkSample); len(tasks) != 0 {
		t.Errorf("the task is still there after its action ran: %v", tasks)
	}
	checks := m.rows("package", "health", sdkSample)
	if len(checks) != 1 || checks[0]["message"] != "The page is ready" {
		t.Errorf("health = %v", checks)
	}
	// What it declares of itself bounds its container, until people choose otherwise.
	bound := func(want string) {
		t.Helper()
		m.eventually(20*time.Second, "the memory of the container is bound to "+want, func() error {
			group := fmt.Sprintf("hearth/%s/payload/%s", m.tag(), sdkSample)
			got := m.must("sh", "-c", "cd /sys/fs/cgroup && cat memory/$0/memory.limit_in_bytes 2>/dev/null || cat $0/memory.max", group)
			if strings.TrimSpace(got) != want {
				return errors.New(got)
			}
			return nil
		})
	}
	bound("805306368")
	m.hearth("package", "limits", sdkSample, "--memory", "1G")
	bound("1073741824")
	m.hearth("package", "limits", sdkSample, "--memory", "default")
	bound("805306368")
	// It publishes how large its page is.
	m.eventually(40*time.Second, "the size of the page is published", func() error {
		rows := m.rows("package", "stats", sdkSample)
		if len(rows) != 1 || !strings.Contains(fmt.Sprint(rows[0]["metrics"]), "name:Size of the page unit:B value:") {
			return fmt.Errorf("%v", rows)
		}
		return nil
	})
	m.hearth("package", "restart", sdkSample)
	m.healthy(sdkSample)
	says("Good morning")

	m.hearth("package", "install", filepath.Join(m.bin, sdkSample+"-next.s9pk"))
	m.healthy(sdkSample)
	says("Good morning!")

	m.hearth("package", "uninstall", sdkSample, "--yes")
	m.leftNothing(t)
}
