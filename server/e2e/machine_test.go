// Package e2e tests whole flows as people go through them: the real programs, real containers, real sockets, a real
// browser. Each test has a machine of its own, a network and mount namespace in which fixed ports and addresses collide
// with nobody.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/testenv"
)

// machine is a namespace with a server in it.
type machine struct {
	t      *testing.T
	bin    string // the folder of the programs
	cli    string // the command line
	state  string
	holder *exec.Cmd
	daemon *exec.Cmd
	exited chan struct{}
	log    *os.File
	// cleaned says that nothing is left to clean up, nor a program to do it.
	cleaned bool
}

// newMachine makes a machine without a server. What it runs is ended with the test.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if testing.Short() {
		t.Skip("the fast lane runs no containers")
	}
	testenv.Require(t, "root", "lxc", "netns")
	bin := os.Getenv("HEARTH_BIN")
	if bin == "" {
		bin, _ = filepath.Abs("../../bin")
	}
	for _, name := range []string{"hearthd", "hearth", "rootfs.squashfs", "hello-hearth.s9pk"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Fatalf("%v: run 'make sample' first", err)
		}
	}
	m := &machine{t: t, bin: bin, cli: filepath.Join(bin, "hearth"), state: filepath.Join(t.TempDir(), "state")}
	m.holder = exec.Command("sleep", "infinity")
	m.holder.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := m.holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	m.must("mkdir", "-p", "/run/hearth")
	m.must("mount", "-t", "tmpfs", "-o", "mode=711", "tmpfs", "/run/hearth")
	// The machine's own view of its network devices, with the control groups as they are.
	m.must("sh", "-c", `mkdir /run/hearth/.cgroup && mount --rbind /sys/fs/cgroup /run/hearth/.cgroup &&
		mount -t sysfs sysfs /sys && mount --rbind /run/hearth/.cgroup /sys/fs/cgroup &&
		umount -l /run/hearth/.cgroup && rmdir /run/hearth/.cgroup`)
	m.must("ip", "link", "set", "lo", "up")
	log, err := os.Create(filepath.Join(filepath.Dir(m.state), "daemon.log"))
	if err != nil {
		t.Fatal(err)
	}
	m.log = log
	return m
}

// tellServices prints what services said last, and what runs of them: a failure is often theirs to explain.
func (m *machine) tellServices() {
	services, _ := filepath.Glob(filepath.Join(m.state, "logs", "*"))
	for _, dir := range services {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(m.t.Context()), 10*time.Second)
		out, err := m.commandContext(ctx, m.cli, "package", "logs", filepath.Base(dir), "-n", "40").CombinedOutput()
		cancel()
		m.t.Logf("log of %s (%v):\n%s", filepath.Base(dir), err, out)
	}
	out, _ := exec.Command("ps", "-eo", "pid,ppid,etime,stat,wchan:20,args", "--sort=pid").Output()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "start-container") || strings.Contains(line, "jshost") {
			m.t.Log(strings.TrimSpace(line))
		}
	}
}

// close ends everything on the machine.
func (m *machine) close() {
	if m.t.Failed() {
		raw, _ := os.ReadFile(m.log.Name())
		if len(raw) > 20000 {
			raw = raw[len(raw)-20000:]
		}
		m.t.Logf("log of the daemon:\n%s", raw)
		m.tellServices()
	}
	if m.daemon != nil {
		m.kill(syscall.SIGKILL)
	}
	if !m.cleaned {
		clean := m.command(filepath.Join(m.bin, "hearthd"), "--clean-host", "--state", m.state, "--bin", m.bin)
		if out, err := clean.CombinedOutput(); err != nil {
			m.t.Errorf("the machine cannot be cleaned: %v\n%s", err, out)
		}
	}
	m.holder.Process.Kill()
	m.holder.Wait()
	if m.log != nil {
		m.log.Close()
	}
}

// command is a program that will run on the machine.
func (m *machine) command(name string, args ...string) *exec.Cmd {
	return m.commandContext(m.t.Context(), name, args...)
}

func (m *machine) commandContext(ctx context.Context, name string, args ...string) *exec.Cmd {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx) // clean-up runs after the test's context has ended
	}
	enter := append([]string{"-t", strconv.Itoa(m.holder.Process.Pid), "-n", "-m", "--", name}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", enter...)
	cmd.Env = append(os.Environ(), "HEARTH_STATE="+m.state, "HOME="+filepath.Dir(m.state))
	return cmd
}

// run runs a program on the machine and returns what it printed.
func (m *machine) run(name string, args ...string) (string, error) {
	m.t.Helper()
	cmd := m.command(name, args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), stderr.String())
	}
	return out.String(), err
}

// must is run for what has to succeed.
func (m *machine) must(name string, args ...string) string {
	m.t.Helper()
	out, err := m.run(name, args...)
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// hearth runs the command line; tryHearth lets it fail.
func (m *machine) hearth(args ...string) string {
	m.t.Helper()
	return m.must(m.cli, args...)
}

func (m *machine) tryHearth(args ...string) (string, error) {
	m.t.Helper()
	return m.run(m.cli, args...)
}

// rows runs the command line with JSON output and returns its rows.
func (m *machine) rows(args ...string) []map[string]any {
	m.t.Helper()
	return m.decoded(m.hearth(append(args, "--output", "json")...))
}

// decoded are the rows of JSON in what the command line printed.
func (m *machine) decoded(out string) (rows []map[string]any) {
	m.t.Helper()
	dec := json.NewDecoder(strings.NewReader(out))
	for dec.More() {
		var row map[string]any
		if err := dec.Decode(&row); err != nil {
			m.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// launch starts the daemon.
func (m *machine) launch(flags ...string) {
	m.t.Helper()
	args := append([]string{"--state", m.state, "--bin", m.bin}, flags...)
	m.daemon = m.command(filepath.Join(m.bin, "hearthd"), args...)
	m.daemon.Stderr = m.log
	m.daemon.Cancel = func() error { return nil } // it ends with the machine, in order
	if err := m.daemon.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.exited = make(chan struct{})
	go func() {
		defer close(m.exited)
		_ = m.daemon.Wait()
	}()
}

// start starts the daemon and waits until it answers.
func (m *machine) start(flags ...string) {
	m.t.Helper()
	m.launch(flags...)
	m.eventually(30*time.Second, "the daemon answers", func() error {
		select {
		case <-m.exited:
			raw, _ := os.ReadFile(m.log.Name())
			m.t.Fatalf("the daemon ended:\n%s", raw)
		default:
		}
		_, err := m.tryHearth("status")
		return err
	})
}

// kill ends the daemon with a signal and waits until it is gone.
func (m *machine) kill(sig syscall.Signal) {
	m.t.Helper()
	if err := m.daemon.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.t.Fatal(err)
	}
	select {
	case <-m.exited:
	case <-time.After(30 * time.Second):
		m.t.Fatalf("the daemon does not end on %v", sig)
	}
	m.daemon = nil
}

// eventually waits until fn succeeds. Tests look at other processes here, which tell nobody when they are ready.
func (m *machine) eventually(limit time.Duration, what string, fn func() error) {
	m.t.Helper()
	began := time.Now()
	var err error
	// Looking starts programs, which take from what is looked at: it is done the less often the longer it takes.
	for wait := 25 * time.Millisecond; time.Since(began) < limit; wait = min(wait*3/2, 400*time.Millisecond) {
		before := err
		if err = fn(); err == nil {
			if took := time.Since(began); took > limit/3 { // what comes near its limit is looked at before it is over it
				m.t.Logf("%s: after %s of %s; before it was %v", what, took.Round(time.Millisecond), limit, before)
			}
			return
		}
		pause := time.NewTimer(wait)
		<-pause.C
	}
	m.t.Fatalf("%s: not within %s: %v", what, limit, err)
}

// address is the https address of the sample on this machine.
func (m *machine) address(pkg string) string {
	m.t.Helper()
	for _, row := range m.rows("package", "addresses", pkg) {
		if row["kind"] == "localhost" && row["ssl"] == true {
			return row["url"].(string)
		}
	}
	m.t.Fatalf("%s has no https address on this machine", pkg)
	return ""
}

// root is the file with the server's root certificate.
func (m *machine) root() string { return filepath.Join(m.state, "authority", "ca.crt") }

// installSample installs the sample, which starts it, and does its task.
func (m *machine) installSample() {
	m.t.Helper()
	m.hearth("package", "install", filepath.Join(m.bin, "hello-hearth.s9pk"))
	m.hearth("package", "action", "run", "hello-hearth", "set-greeting", "--input", `{"greeting":"Hello from the test","color":"#2b5d34"}`)
	m.healthy("hello-hearth")
}

// healthy waits until all health checks of a service are green and there is one.
func (m *machine) healthy(pkg string) {
	m.t.Helper()
	m.eventually(60*time.Second, pkg+" is healthy", func() error {
		checks := m.rows("package", "health", pkg)
		if len(checks) == 0 {
			return errors.New("no health check yet")
		}
		for _, c := range checks {
			if c["result"] != "success" {
				return fmt.Errorf("%v is %v: %v", c["id"], c["result"], c["message"])
			}
		}
		return nil
	})
}
