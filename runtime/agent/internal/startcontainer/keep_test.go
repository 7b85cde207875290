package startcontainer_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// session starts a command as the agent does for a person, and returns what it prints.
func (s *subcontainer) session(flags []string, command ...string) (*exec.Cmd, *bufio.Reader) {
	s.t.Helper()
	args := append([]string{"subcontainer", "exec", "--session"}, flags...)
	cmd := s.command(append(append(args, s.root), command...)...)
	r, w, err := os.Pipe()
	must(s.t, err)
	cmd.Stdout = w
	must(s.t, cmd.Start())
	w.Close()
	s.t.Cleanup(func() { r.Close() })
	return cmd, bufio.NewReader(r)
}

func TestASessionEndsWithEverythingThatWasStartedInIt(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	t.Run("when the command ends", func(t *testing.T) {
		t.Parallel()
		cmd, out := s.session(nil, "probe", "daemon")
		// The daemon it left has the output too: it ends when that has.
		if all, err := io.ReadAll(out); err != nil || string(all) != "left\n" {
			t.Errorf("printed %q, %v", all, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("when the agent kills it", func(t *testing.T) {
		t.Parallel()
		cmd, out := s.session([]string{"--user=web"}, "probe", "daemon", "stay")
		if line, err := out.ReadString('\n'); err != nil || line != "left\n" {
			t.Errorf("printed %q, %v", line, err)
		}
		must(t, cmd.Process.Kill())
		if all, err := io.ReadAll(out); err != nil || len(all) > 0 {
			t.Errorf("printed %q, %v", all, err)
		}
		_ = cmd.Wait()
	})
}

func TestASessionTellsTheStatusAndTheSignals(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	for want, command := range map[int][]string{0: {"probe", "exit", "0"}, 42: {"probe", "exit", "42"}, 143: {"probe", "die", "15"}, 127: {"missing"}} {
		cmd, out := s.session(nil, command...)
		_, _ = io.ReadAll(out)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("%v: exit code %d, want %d", command, code, want)
		}
	}
	cmd, out := s.session(nil, "probe", "signals")
	for _, step := range []struct {
		sig  syscall.Signal
		want string
	}{{0, "ready"}, {syscall.SIGUSR1, "user defined signal 1"}, {syscall.SIGTERM, "terminated"}} {
		if step.sig != 0 {
			must(t, cmd.Process.Signal(step.sig))
		}
		if line, err := out.ReadString('\n'); err != nil || strings.TrimSpace(line) != step.want {
			t.Errorf("%v: %q, %v", step.sig, line, err)
		}
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d", code)
	}
}

func TestASessionWithoutACommandIsTheUsersShell(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	program, err := os.ReadFile(filepath.Join(s.root, "bin/probe"))
	must(t, err)
	// Without an argument the probe ends with 64, whatever its name.
	must(t, os.WriteFile(filepath.Join(s.root, "bin/sh"), program, 0o755))
	s.launch()
	for _, user := range []string{"root", "web", "44", "1234"} {
		cmd, out := s.session([]string{"--user=" + user})
		_, _ = io.ReadAll(out)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 64 {
			t.Errorf("user %s: exit code %d", user, code)
		}
	}
}
