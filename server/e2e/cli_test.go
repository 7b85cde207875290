package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a person types, against a server: lists as tables and as rows, progress told once, a log that is followed across
// a kill of the daemon, and a shutdown that returns when the daemon is gone.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installTold(t)
	m.healthy(sample)

	t.Run("lists", func(t *testing.T) {
		m.token("viewer", "viewer")
		for _, list := range []string{
			"package list", "package health " + sample, "package actions " + sample, "package tasks", "package addresses " + sample,
			"package logs " + sample, "get package", "get host", "operations", "operations list --target " + sample, "tokens list", "system capabilities",
		} {
			args := strings.Fields(list)
			table := strings.Split(strings.TrimSpace(m.hearth(args...)), "\n")
			rows := m.rows(args...)
			// A table has a head, a log has none, and hidden things are rows alone.
			if len(rows) == 0 || len(table) > len(rows)+1 {
				t.Errorf("%s: %d rows and a table of %d lines", list, len(rows), len(table))
			}
		}
	})
	t.Run("completion", func(t *testing.T) {
		if out := m.hearth("__complete", "package", "start", ""); !strings.HasPrefix(out, sample+"\t") {
			t.Errorf("completes %q", out)
		}
		if out := m.hearth("__complete", "watch", ""); !strings.Contains(out, "package\n") {
			t.Errorf("completes the kinds %q", out)
		}
	})
	t.Run("a followed log survives a kill of the daemon", m.followLog)

	out := m.hearth("system", "shutdown")
	select {
	case <-m.exited:
	case <-time.After(time.Second):
		t.Error("hearth system shutdown returned before the daemon had ended")
	}
	if !strings.Contains(out, "services go on") {
		t.Errorf("shutdown prints %q", out)
	}
	m.daemon = nil
	if _, err := m.tryHearth("status"); err == nil || !strings.Contains(err.Error(), "cannot reach the server") {
		t.Errorf("without a daemon: %v", err)
	}
	m.start()
	m.healthy(sample)
	m.hearth("system", "shutdown", "--services")
	<-m.exited
	m.daemon = nil
	if left := m.must("sh", "-c", "ls /run/hearth/*/s 2>/dev/null | grep -x "+sample+" || true"); left != "" {
		t.Errorf("after a shutdown with services there is still %q", left)
	}
}

// installTold installs the sample and checks what is told of the steps where nobody watches.
func (m *machine) installTold(t *testing.T) {
	t.Helper()
	cmd := m.command(m.cli, "package", "install", filepath.Join(m.bin, sample+".s9pk"))
	var told strings.Builder
	cmd.Stderr = &told
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, &told)
	}
	steps := strings.Split(strings.TrimSuffix(told.String(), "\n"), "\n")
	seen := map[string]bool{}
	for _, step := range steps {
		if step == "" || seen[step] {
			t.Errorf("the steps are told as %q", steps)
		}
		seen[step] = true
	}
	if steps[0] != "sending" {
		t.Errorf("the steps are told as %q", steps)
	}
}

// followLog follows the log while the daemon is killed, and wants each line once and in order.
func (m *machine) followLog(t *testing.T) {
	cmd := m.command(m.cli, "package", "logs", sample, "--follow", "--output", "json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan map[string]any, 4096)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			var line map[string]any
			if json.Unmarshal(scan.Bytes(), &line) == nil {
				lines <- line
			}
		}
	}()
	seen := map[any]bool{}
	// printed waits for a line that the service printed after what has been seen.
	printed := func(what string) {
		t.Helper()
		limit := time.NewTimer(30 * time.Second)
		defer limit.Stop()
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					t.Fatalf("the log ended while waiting for %q", what)
				}
				if seen[line["cursor"]] {
					t.Errorf("a line came twice: %v", line)
				}
				seen[line["cursor"]] = true
				if strings.Contains(fmt.Sprint(line["message"]), what) {
					return
				}
			case <-limit.C:
				t.Fatalf("no line with %q", what)
			}
		}
	}
	greet := func(word string) {
		m.hearth("package", "action", "run", sample, "set-greeting", "--input", `{"greeting":"`+word+`","color":"#2b5d34"}`)
	}
	greet("before the kill")
	printed("before the kill")
	m.kill(syscall.SIGKILL)
	m.start()
	greet("after the kill")
	printed("after the kill")
	_ = cmd.Process.Signal(syscall.SIGINT)
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != 7 {
		t.Errorf("an interrupted command ends with %v, want exit code 7", err)
	}
}

// A shutdown that has begun goes on without its caller: half of one would leave a daemon that minds nothing.
func TestAShutdownWhoseCallerGoesAwayComesToItsEnd(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	m.healthy(sample)
	agent := m.agentOf(sample)
	if err := syscall.Kill(agent, syscall.SIGSTOP); err != nil { // so that the stop takes its time
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	asked := m.commandContext(ctx, m.cli, "system", "shutdown", "--services")
	if err := asked.Start(); err != nil {
		t.Fatal(err)
	}
	m.eventually(30*time.Second, "the shutdown has begun", func() error {
		raw, err := os.ReadFile(m.log.Name())
		return errors.Join(err, errIf(!bytes.Contains(raw, []byte("the services are stopped for a shutdown")), "it has not"))
	})
	leave()
	asked.Wait()
	if err := syscall.Kill(agent, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.exited:
		m.daemon = nil
	case <-time.After(60 * time.Second):
		t.Fatal("the daemon lives on")
	}
	if left := m.containers(); len(left) > 0 {
		t.Errorf("there is still %q", left)
	}
	m.start()
	m.healthy(sample)
}
