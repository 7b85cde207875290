package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// census counts, all the time, the processes that run the code of a package on one volume: those of the JavaScript host
// that see it. Two would mean two services on the same data.
type census struct {
	m    *machine
	pkg  string
	stop chan struct{}
	done chan struct{}

	mu   sync.Mutex // guards most
	most int
	who  string
}

func (m *machine) census(pkg string) *census {
	c := &census{m: m, pkg: pkg, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			c.count()
			select {
			case <-c.stop:
				return
			case <-tick.C:
			}
		}
	}()
	return c
}

func (c *census) count() {
	list := c.m.processes(c.pkg)
	// What it starts looks like itself until it has become another program.
	starting := func(p process) bool {
		return slices.ContainsFunc(list, func(parent process) bool { return parent.script && parent.pid == p.parent })
	}
	var who []string
	for _, p := range list {
		if p.script && !starting(p) {
			who = append(who, fmt.Sprintf("%d of container %s", p.pid, p.container))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(who) > c.most {
		c.most, c.who = len(who), strings.Join(who, ", ")
	}
}

// end tells how many there were at most.
func (c *census) end() (int, string) {
	close(c.stop)
	<-c.done
	return c.most, c.who
}

// process is one of a service's container, seen from the host.
type process struct {
	pid, parent  int
	container    string
	init, script bool
	// program is what it runs when it is neither, command its arguments.
	program, command string
}

// processes lists the processes of the service's containers on this machine, whatever control group they are in.
func (m *machine) processes(pkg string) []process {
	entries, _ := os.ReadDir("/proc")
	var list []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		mounts, err := os.ReadFile(filepath.Join(dir, "mountinfo"))
		if err != nil || !bytes.Contains(mounts, []byte(m.state+"/upper/"+pkg+"/")) {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		p := process{pid: pid}
		if fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); len(fields) > 1 {
			p.parent, _ = strconv.Atoi(fields[1])
		}
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		args := strings.Split(strings.TrimRight(string(command), "\x00"), "\x00")
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		for _, v := range strings.Split(string(environ), "\x00") {
			if id, ok := strings.CutPrefix(v, "HEARTH_CONTAINER="); ok {
				p.container = id
			}
		}
		p.init = len(args) == 2 && args[0] == "/usr/lib/hearth/agent" && args[1] == "init"
		p.script = strings.Contains(string(command), "/usr/lib/hearth/jshost/index.mjs")
		p.program, p.command = args[0], strings.Join(args, " ")
		list = append(list, p)
	}
	return list
}

// only is the one process of a service that which picks.
func (m *machine) only(pkg, what string, which func(process) bool) int {
	m.t.Helper()
	var found int
	m.eventually(30*time.Second, what+" of "+pkg+" is there", func() error {
		for _, p := range m.processes(pkg) {
			if which(p) {
				found = p.pid
				return nil
			}
		}
		return errors.New("it is not")
	})
	return found
}

// strike kills those processes of a service that which picks and that are there now.
func (m *machine) strike(pkg string, which func(process) bool) (struck int) {
	for _, p := range m.processes(pkg) {
		if which(p) && syscall.Kill(p.pid, syscall.SIGKILL) == nil {
			struck++
		}
	}
	return struck
}

func (m *machine) agentOf(pkg string) int {
	return m.only(pkg, "the agent", func(p process) bool { return p.init })
}

// A service never runs twice on its data, whatever is killed, and in whatever order.
func TestDataHaveOneOwner(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	c := m.census(sample)
	daemon := func() { m.kill(syscall.SIGKILL) }
	agent := func() { m.strike(sample, func(p process) bool { return p.init }) }
	script := func() { m.strike(sample, func(p process) bool { return p.script }) }
	starter := func() { // while it starts the next container: hearth-lxc and liblxc's monitor with it
		m.must("sh", "-c", `for p in $(pgrep -x 'hearth-lxc'); do if [ /proc/$p/ns/net -ef /proc/self/ns/net ]; then kill -9 $p; fi; done`)
	}
	orders := [][]func(){
		{daemon, agent}, {agent, starter, daemon}, {script, daemon}, {daemon, script, agent}, {starter, daemon, agent},
		{agent, daemon}, {agent, daemon, starter}, {script, starter, daemon},
	}
	if !soak() {
		orders = orders[:5]
	}
	for i, order := range orders {
		for _, kill := range order {
			kill()
		}
		if m.daemon == nil {
			m.start()
		}
		t.Logf("round %d", i)
		// Anew, for the delays after crashes not to add up; and not before the last blow has been noticed.
		m.eventually(60*time.Second, "the service can be started anew", func() error {
			_, err := m.tryHearth("package", "rebuild", sample)
			return err
		})
		m.healthy(sample)
	}
	m.orphan()
	if most, who := c.end(); most != 1 {
		t.Errorf("%d ran on the same data at once: %s", most, who)
	}
}

// orphan has a container vanish from where the daemon looks for it. The daemon must not make another one on its data, says
// why, and makes it when the orphan has ended.
func (m *machine) orphan() {
	m.t.Helper()
	m.healthy(sample)
	m.kill(syscall.SIGKILL)
	init := m.agentOf(sample)
	tag := m.tag()
	// Out of its control groups, every process of it, as a restart of a service manager or a mistaken clean-up would do.
	m.must("sh", "-c", fmt.Sprintf(`for f in $(find /sys/fs/cgroup -path '*/hearth/%s/payload/%s*' -name cgroup.procs); do
		root=${f%%%%/hearth/*}; for p in $(cat $f); do echo $p > $root/cgroup.procs || true; done; done`, tag, sample))
	m.start()
	m.eventually(30*time.Second, "the daemon says that something runs on the data", func() error {
		if row := m.pkg(sample); !strings.Contains(fmt.Sprint(row["fault"]), "DATA_HELD") && !strings.Contains(strings.ToLower(fmt.Sprint(row["fault"])), "data_held") {
			return fmt.Errorf("%v: %v", row["state"], row["fault"])
		}
		return nil
	})
	if err := syscall.Kill(init, 0); err != nil {
		m.t.Errorf("the orphan was ended: %v", err)
	}
	_ = syscall.Kill(init, syscall.SIGKILL)
	m.healthy(sample)
}

// tag is the tag of the server on this machine.
func (m *machine) tag() string {
	m.t.Helper()
	entries, err := filepath.Glob(fmt.Sprintf("/proc/%d/root/run/hearth/*/hearthd.sock", m.holder.Process.Pid))
	if err != nil || len(entries) != 1 {
		m.t.Fatalf("the server's folder: %v, %v", entries, err)
	}
	return filepath.Base(filepath.Dir(entries[0]))
}

// What is killed of a service comes back by itself, and the server says what happened.
func TestKilledPartsComeBack(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	crashed := func(count float64, how string) {
		t.Helper()
		m.eventually(60*time.Second, "the crash is told", func() error {
			c, _ := m.pkg(sample)["crashes"].(map[string]any)
			if c == nil || c["count"] != count || !strings.Contains(fmt.Sprint(c["reason"]), how) {
				return fmt.Errorf("%v", c)
			}
			return nil
		})
		m.healthy(sample)
		if said := m.hearth("package", "show", sample); !strings.Contains(said, "ended by itself") {
			t.Errorf("a person is told\n%s", said)
		}
	}
	if m.strike(sample, func(p process) bool { return p.script }) == 0 {
		t.Fatal("the JavaScript host is not there")
	}
	crashed(1, "killed")
	if m.strike(sample, func(p process) bool { return p.init }) == 0 {
		t.Fatal("the agent is not there")
	}
	crashed(2, "its container ended")
	// What the package started is its own to start again: the container stays. It starts its program again and again in
	// the subcontainer it once launched, whose first process may be what was killed.
	before := m.pkg(sample)["container"]
	program := func(p process) bool { return strings.HasSuffix(p.program, "lighttpd") }
	launcher := func(p process) bool { return strings.Contains(p.command, " subcontainer launch ") }
	first := func(p process) bool { return strings.Contains(p.command, " subcontainer launch-init ") }
	for _, is := range []func(process) bool{program, launcher, first} {
		m.eventually(60*time.Second, "what shall be killed is there", func() error { // the one before may be dying of what was killed, and its page answer until then
			return errIf(m.strike(sample, is) == 0, fmt.Sprint(m.processes(sample)))
		})
		m.eventually(90*time.Second, "the page is back", func() error {
			_, err := m.run("curl", "-sS", "--fail", "--max-time", "5", "--cacert", m.root(), m.address(sample))
			return err
		})
	}
	m.healthy(sample)
	if after := m.pkg(sample)["container"]; after != before {
		t.Errorf("the container is another than before: %v, %v", before, after)
	}
}

// awaitEnd returns in the moment in which a process ends.
func (m *machine) awaitEnd(pid int) {
	m.t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer unix.Close(fd)
	for limit := time.Now().Add(60 * time.Second); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(limit).Milliseconds()))
		if n == 1 {
			return
		}
		if !errors.Is(err, unix.EINTR) || time.Now().After(limit) { // Go interrupts its threads to share them
			m.t.Fatalf("process %d does not end: %v", pid, err)
		}
	}
}

// A container that the server takes down has not ended by itself, also when the server dies with it.
func TestADaemonThatDiesWithAContainerItEndsCountsNoCrash(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	for range 3 {
		m.healthy(sample)
		agent := m.agentOf(sample)
		asked := make(chan error, 1)
		go func() {
			_, err := m.tryHearth("package", "rebuild", sample) // it waits for its server to be back
			asked <- err
		}()
		m.awaitEnd(agent)
		m.kill(syscall.SIGKILL)
		m.start()
		m.eventually(90*time.Second, "the service runs again", func() error {
			row := m.pkg(sample)
			if row["crashes"] != nil {
				t.Fatalf("a crash is counted: %v", row["crashes"])
			}
			if row["state"] != "running" {
				return fmt.Errorf("%v", row["state"])
			}
			return nil
		})
		if err := <-asked; err != nil {
			t.Errorf("who asked for it is told %v", err)
		}
	}
}
