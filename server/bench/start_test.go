package bench_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/mount"
)

// BenchmarkStart starts containers from the shared root by turns: ours until the agent in it answers a call, and
// lxc-start with a configuration of its own, once with a shell that says a word as init, once with the same agent.
func BenchmarkStart(b *testing.B) {
	m := lxctest.NewMachine(b)
	m.Image = mount.Squashfs{File: filepath.Join(bin(b), "rootfs.squashfs")}
	r := m.Open(b)
	defer r.Close()
	ours := newContainer(b, m, "ours", 200)
	shell := newContainer(b, m, "shell", 201)
	agent := newContainer(b, m, "agent", 202)
	shellConfig := shell.config(b, m, "/bin/sh /run/hearth/init")
	agentConfig := agent.config(b, m, strings.Join(ours.spec.Init, " "))
	var us, theShell, theAgent []float64
	for b.Loop() {
		us = append(us, timed(func() {
			_, err := r.Start(b.Context(), ours.spec)
			must(b, err)
			ours.answers(b)
		}))
		theShell = append(theShell, timed(func() {
			shell.lxcStart(b, m, shellConfig)
			waitFor(b, 20*time.Second, func() bool {
				info, err := os.Stat(filepath.Join(shell.rpc, "ready"))
				return err == nil && info.Size() > 0
			})
		}))
		theAgent = append(theAgent, timed(func() {
			agent.lxcStart(b, m, agentConfig)
			agent.answers(b)
		}))
		must(b, r.Stop(b.Context(), "ours", 0))
		shell.lxcStop(b, m)
		agent.lxcStop(b, m)
		for _, c := range []*container{ours, shell, agent} {
			c.clear(b)
		}
	}
	report(b, median(us), "start-to-agent-ms")
	report(b, median(theShell), "lxc-start-to-shell-ms")
	report(b, median(theAgent), "lxc-start-to-agent-ms")
	report(b, median(us)/median(theShell), "ratio-to-shell")
	report(b, median(us)/median(theAgent), "ratio-to-agent")
	b.ReportMetric(0, "ns/op")
}

func timed(fn func()) float64 {
	begin := time.Now()
	fn()
	return milliseconds(time.Since(begin))
}

// container is a root with the agent in it and a folder of sockets.
type container struct {
	spec lxc.Spec
	rpc  string
}

func newContainer(b *testing.B, m *lxctest.Machine, name string, n int) *container {
	b.Helper()
	c := &container{spec: m.Spec(b, name, n, ""), rpc: filepath.Join(m.Config.RunDir, "rpc-"+name)}
	must(b, os.Mkdir(c.rpc, 0o700))
	must(b, os.Chown(c.rpc, lxctest.IDBase, lxctest.IDBase))
	must(b, m.Mounts.Ensure(c.spec.Rootfs+"/usr/lib/hearth/agent", mount.Bind{Path: filepath.Join(bin(b), "hearth-agent")},
		mount.Options{IDMap: idmap.Base(lxctest.IDBase), ReadOnly: true, NoDev: true}))
	must(b, m.Mounts.Ensure(c.spec.Rootfs+"/run/hearth", mount.Bind{Path: c.rpc}, mount.Options{NoSUID: true, NoDev: true}))
	// What is measured ends where the package's code would begin: the agent has no JavaScript host to start.
	c.spec.Init = []string{"/usr/lib/hearth/agent", "init"}
	c.spec.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "HEARTH_CONTAINER=bench", "HEARTH_PACKAGE=bench", "HEARTH_NODE=/bin/false"}
	must(b, os.WriteFile(filepath.Join(c.rpc, "init"), []byte("echo ready > /run/hearth/ready\nexec sleep 1000\n"), 0o644))
	return c
}

// clear removes what the last start left in the folder of sockets, but for the shell's script.
func (c *container) clear(b *testing.B) {
	b.Helper()
	entries, err := os.ReadDir(c.rpc)
	must(b, err)
	for _, e := range entries {
		if e.Name() == "init" {
			continue
		}
		must(b, os.RemoveAll(filepath.Join(c.rpc, e.Name())))
	}
}

// answers returns when the agent has answered a call.
func (c *container) answers(b *testing.B) {
	b.Helper()
	socket := filepath.Join(c.rpc, "agent.sock")
	waitFor(b, 20*time.Second, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(b, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	_, err = agentv1.NewAgentServiceClient(conn).GetState(ctx, &agentv1.GetStateRequest{})
	must(b, err)
}

// config is what a person would write for lxc-start: the same root, ids and network, and nothing that costs time.
func (c *container) config(b *testing.B, m *lxctest.Machine, init string) string {
	b.Helper()
	lines := []string{
		"lxc.uts.name = " + c.spec.Hostname, "lxc.rootfs.path = dir:" + c.spec.Rootfs,
		fmt.Sprintf("lxc.idmap = u 0 %d %d", lxctest.IDBase, idmap.Range), fmt.Sprintf("lxc.idmap = g 0 %d %d", lxctest.IDBase, idmap.Range),
		"lxc.cgroup.dir.container = " + m.Config.CgroupParent + "/" + c.spec.Name,
		"lxc.cgroup.dir.monitor = " + m.Config.CgroupParent + "/monitor-" + c.spec.Name,
		"lxc.cgroup.dir.monitor.pivot = " + m.Config.CgroupParent + "/pivot",
		"lxc.mount.auto = proc:rw sys:rw cgroup:mixed", "lxc.apparmor.profile = unconfined", "lxc.tty.max = 0", "lxc.console.path = none",
		"lxc.net.0.type = veth", "lxc.net.0.link = " + c.spec.Network.Bridge, "lxc.net.0.flags = up",
		"lxc.net.0.veth.pair = " + c.spec.Network.Interface,
		"lxc.net.0.ipv4.address = " + c.spec.Network.Address.String(), "lxc.net.0.ipv4.gateway = " + c.spec.Network.Gateway.String(),
		"lxc.init.cmd = " + init,
	}
	if mac := c.spec.Network.MAC; mac != nil { // the same at each start, or the machine looks for the one before
		lines = append(lines, "lxc.net.0.hwaddr = "+mac.String())
	}
	for _, kv := range c.spec.Env {
		lines = append(lines, "lxc.environment = "+kv)
	}
	path := filepath.Join(b.TempDir(), "config")
	must(b, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

func (c *container) lxcStart(b *testing.B, m *lxctest.Machine, config string) {
	b.Helper()
	run(b, "lxc-start", "-n", c.spec.Name, "-P", m.Config.RunDir, "-f", config, "-d")
}

func (c *container) lxcStop(b *testing.B, m *lxctest.Machine) {
	b.Helper()
	run(b, "lxc-stop", "-n", c.spec.Name, "-P", m.Config.RunDir, "-k")
}

// run runs a program of liblxc. Without newuidmap in its path it writes the id map itself, as root may.
func run(b *testing.B, name string, args ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "/usr/bin/"+name, args...)
	cmd.Env = []string{"PATH=/nonexistent"}
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", name, err, out)
	}
}
