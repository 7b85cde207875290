package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// People run commands in a service: on pipes and on a terminal, as other users, by the socket and by TLS; and whatever ends
// a session, nothing of it is left.
func TestAttach(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	m.healthy(sample)
	if rows := m.rows("package", "subcontainers", sample); len(rows) != 1 || rows[0]["name"] != "web" || rows[0]["image"] != "main" {
		t.Fatalf("subcontainers: %v", rows)
	}
	attach := func(args ...string) string {
		return m.hearth(append([]string{"package", "attach", sample}, args...)...)
	}

	t.Run("on pipes", func(t *testing.T) {
		if got := attach("--user", "www-data", "-w", "/tmp", "-e", "A=b c", "--", "sh", "-c", `id -un; pwd; echo "$A"`); got != "www-data\n/tmp\nb c\n" {
			t.Errorf("it says %q", got)
		}
		if got := attach("-s", "web", "--", "cat", "/etc/hostname"); got != sample+"\n" {
			t.Errorf("the host is %q", got)
		}
		_, err := m.tryHearth("package", "attach", sample, "--", "sh", "-c", "echo wrong >&2; exit 42")
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 42 {
			t.Errorf("the exit code: %v", err)
		}
		// More than all buffers on the way hold, in both directions.
		if got := m.must("sh", "-c", "head -c 30000000 /dev/zero | "+m.cli+" package attach "+sample+" -- sh -c 'cat; echo end >&2' 2>/dev/null | wc -c"); strings.TrimSpace(got) != "30000000" {
			t.Errorf("of 30000000 bytes %s come back", got)
		}
	})
	t.Run("on a terminal", func(t *testing.T) {
		script := fmt.Sprintf(`stty rows 33 cols 77; stty -g; %[1]s package attach %[2]s -- sh -c 'stty size; test -t 0 && test -t 2 && echo terminal; exit 5'; echo code $?; stty -g
			(sleep 2; kill -TERM $(pgrep -n -f "attach %[2]s -- sleep")) & %[1]s package attach %[2]s -- sleep 1000; stty -g`, m.cli, sample)
		out := m.must("script", "-qefc", script, "/dev/null")
		var states []string
		for line := range strings.Lines(out) {
			if strings.Count(line, ":") > 20 {
				states = append(states, strings.TrimSpace(line))
			}
		}
		if !strings.Contains(out, "33 77") || !strings.Contains(out, "terminal") || !strings.Contains(out, "code 5") {
			t.Errorf("it says %q", out)
		}
		if len(states) != 3 || states[0] != states[1] || states[0] != states[2] {
			t.Errorf("the terminal was not left as it was: %q", states)
		}
	})
	t.Run("whatever ends it", func(t *testing.T) { m.sessionsEnd(t) })
	if err := m.recorded("--method", "OpenSession"); err != nil {
		t.Error(err)
	}
}

// deaf starts a session that does all to outlive its end, and returns when it runs.
func (m *machine) deaf(t *testing.T) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := m.commandContext(ctx, m.cli, "package", "attach", sample, "--", "sh", "-c",
		`trap "" HUP TERM; (setsid sh -c "trap '' HUP TERM; exec sleep 7654" &); echo ready; exec sleep 7654`)
	stdin, err := cmd.StdinPipe() // kept open, as a terminal would be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return cmd
}

func (m *machine) sessionsEnd(t *testing.T) {
	left := func() error {
		out, err := m.inside(sample, "sh", "-c", "pgrep -fc 'sleep 7654' || true")
		if n := strings.TrimSpace(out); err == nil && n != "0" && n != "1" { // pgrep may see the shell that runs it
			err = fmt.Errorf("%s processes are left", n)
		}
		return err
	}
	for what, end := range map[string]func(cmd *exec.Cmd){
		"the client is killed":  func(cmd *exec.Cmd) { _ = cmd.Process.Kill() },
		"the client is stopped": func(cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGTERM) },
		"the daemon is killed":  func(*exec.Cmd) { m.kill(syscall.SIGKILL); m.start() },
	} {
		cmd := m.deaf(t)
		end(cmd)
		_ = cmd.Wait()
		m.eventually(30*time.Second, "nothing is left when "+what, left)
	}
	cmd := m.deaf(t)
	m.hearth("package", "stop", sample)
	if err := cmd.Wait(); err == nil {
		t.Error("a session ends well although its service was stopped")
	}
	m.hearth("package", "start", sample)
	m.healthy(sample)
}
