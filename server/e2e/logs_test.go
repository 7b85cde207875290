package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a service prints while the daemon is killed and comes back is in the log, each line once and in order, and so is
// which program printed it.
func TestLogsLoseNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	m.healthy(sample)
	const last = 3000
	// As what the package starts prints: to the pipe that the agent made for the JavaScript host.
	script := fmt.Sprintf(`exec >/proc/$(pgrep -of index.mjs)/fd/1; i=1; while [ $i -le %d ]; do echo "number $i"; i=$((i+1)); [ $((i %% 100)) = 0 ] && sleep 0.1; done; true`, last)
	printed := make(chan error, 1)
	go func() {
		_, err := m.inside(sample, "sh", "-c", script)
		printed <- err
	}()
	m.eventually(30*time.Second, "the service prints", func() error {
		if !strings.Contains(m.hearth("package", "logs", sample, "--grep", "^number"), "number") {
			return fmt.Errorf("no number yet")
		}
		return nil
	})
	m.kill(syscall.SIGKILL)
	m.start()
	if err := <-printed; err != nil {
		t.Fatal(err)
	}
	want := 1
	for line := range strings.Lines(m.hearth("package", "logs", sample, "--grep", "^number", "--tail", fmt.Sprint(last+10), "--source", "service")) {
		if !strings.HasSuffix(line, fmt.Sprintf("service: number %d\n", want)) {
			t.Fatalf("where %d should be stands %q", want, line)
		}
		want++
	}
	if want != last+1 {
		t.Errorf("the log ends before number %d", want)
	}
	// What a program of a subcontainer prints has its name.
	m.hearth("package", "restart", sample)
	m.healthy(sample)
	if out := m.hearth("package", "logs", sample, "--source", "lighttpd"); !strings.Contains(out, "lighttpd: ") {
		t.Errorf("lighttpd has printed %q", out)
	}
}
