package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostile is where the attacker's program lies in the container of the sample.
const hostile = "/media/startos/volumes/main/attacker"

// besieged is a machine with two services, of which the sample is hostile and the twin its neighbour.
func besieged(t *testing.T, flags ...string) *machine {
	t.Helper()
	m := newMachine(t)
	m.start(flags...)
	m.installSample()
	m.hearth("package", "install", m.packTwin())
	m.healthy(twin)
	m.arm(sample)
	m.arm(twin)
	return m
}

// arm puts the attacker's program into the volume of a package.
func (m *machine) arm(pkg string) {
	m.t.Helper()
	program := filepath.Join(m.t.TempDir(), "attacker")
	build := exec.CommandContext(m.t.Context(), "go", "build", "-trimpath", "-o", program, "./testdata/attacker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	m.must("cp", program, filepath.Join(m.state, "volumes", pkg, "main", "attacker")) // which may be on a disk of the machine's own
}

// attack begins an attack from within the sample and returns what it printed, once end was called.
func (m *machine) attack(args ...string) (end func() string) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	out, err := os.Create(filepath.Join(m.t.TempDir(), "out"))
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := m.commandContext(ctx, "sh", m.enter(sample, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	// All it becomes is in the group of processes that is ended; what left it ends with the container.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return func() string {
		cancel()
		_ = cmd.Wait()
		raw, _ := os.ReadFile(out.Name())
		out.Close()
		return string(raw)
	}
}

// answers asks for the status for a while and tells how long that took. The test is that it is answered at all.
func (m *machine) answers(during string, span time.Duration) {
	m.t.Helper()
	var took []time.Duration
	for begun := time.Now(); time.Since(begun) < span; {
		ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
		asked := time.Now()
		out, err := m.commandContext(ctx, m.cli, "status").CombinedOutput()
		cancel()
		if err != nil {
			m.t.Fatalf("during %s the status is not told: %v\n%s", during, err, out)
		}
		took = append(took, time.Since(asked))
	}
	slices.Sort(took)
	m.t.Logf("during %s: status %d times, median %s, longest %s", during, len(took),
		took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
}

// What a hostile service with root in its container tries against its neighbours and the machine is refused.
func TestEscapes(t *testing.T) {
	t.Parallel()
	m := besieged(t)
	secret := filepath.Join(m.state, "volumes", twin, "main", "secret")
	if err := os.WriteFile(secret, []byte("the twin's own"), 0o644); err != nil {
		t.Fatal(err)
	}
	neighbour := m.pkg(twin)["ipv4"].(string)
	if out := m.must("curl", "-sS", "--max-time", "10", "http://"+neighbour); !strings.Contains(out, "html") {
		t.Fatalf("the neighbour has no page to be reached: %s", out)
	}
	target := func(pkg, volume, sub string) string {
		raw, _ := json.Marshal(map[string]any{"packageId": pkg, "volumeId": volume, "subpath": sub, "readonly": false})
		return string(raw)
	}
	mounted := func(pkg, volume, sub string) []string {
		return []string{"start-container", "mount", "--location", "/mnt/x", "--target", target(pkg, volume, sub)}
	}
	if out, err := m.inside(sample, mounted(sample, "main", "www")...); err != nil {
		t.Fatalf("a service cannot mount what is its own: %v\n%s", err, out)
	}
	if out, err := m.inside(sample, "ln", "-sfn", "/", "/media/startos/volumes/main/up"); err != nil {
		t.Fatal(err, out)
	}
	sh := func(script string) []string { return []string{"sh", "-c", script} }
	for what, args := range map[string][]string{
		"mount a neighbour's volume":           mounted(twin, "main", ""),
		"mount a volume by a path":             mounted(sample, "../../"+twin+"/main", ""),
		"mount a package by a path":            mounted("../volumes/"+twin, "main", ""),
		"mount what is above its volume":       sh(`start-container mount --location /mnt/x --target '` + target(sample, "main", "../..") + `' && test -e /mnt/x/` + twin),
		"mount through a link":                 mounted(sample, "main", "up/etc"),
		"find the neighbour's data":            sh(`find /media /run /mnt /srv /proc/1/root/media -name secret 2>/dev/null | grep -q .`),
		"mount the machine's disk":             sh(`for d in vda sda nvme0n1p1 loop0; do mkdir -p /tmp/d; mknod /tmp/$d b 254 0 && mount /tmp/$d /tmp/d && exit 0; done; exit 1`),
		"see the machine's disk in /dev":       sh(`ls /dev | grep -E '^(vd|sd|nvme|loop|mem|kmsg|kvm|fuse|mapper)'`),
		"mount the devices":                    sh(`mkdir -p /tmp/d; mount -t devtmpfs none /tmp/d && test -e /tmp/d/kmsg`),
		"open the kernel's memory":             sh(`head -c1 /proc/kcore || head -c1 /dev/mem`),
		"read the kernel's log":                sh(`dmesg || head -c1 /proc/kmsg || head -c1 /dev/kmsg`),
		"set the name of dumps":                sh(`echo '|/tmp/x' > /proc/sys/kernel/core_pattern`),
		"set a helper of the kernel":           sh(`echo /tmp/x > /sys/kernel/uevent_helper || echo /tmp/x > /proc/sys/kernel/modprobe`),
		"drop the machine's caches":            sh(`echo 3 > /proc/sys/vm/drop_caches`),
		"press a magic key":                    sh(`echo h > /proc/sysrq-trigger`),
		"freeze or rule the machine's groups":  sh(`mkdir -p /tmp/g; for c in memory pids freezer devices; do mount -t cgroup -o $c none /tmp/g || continue; mkdir /tmp/g/x || echo /tmp/x > /tmp/g/release_agent && exit 0; done; exit 1`),
		"make groups in generation 2":          sh(`mkdir -p /tmp/g2; mount -t cgroup2 none /tmp/g2 && mkdir /tmp/g2/x`),
		"see the machine's processes":          sh(`grep -sq hearthd /proc/[0-9]*/comm`),
		"enter the machine's namespaces":       sh(`nsenter -t 1 -m -- test -d ` + m.state),
		"load a module":                        sh(`echo > /tmp/x.ko; perl -e 'exit(syscall(313, fileno(F), "", 0) != 0) if open F, q(</tmp/x.ko)'`),
		"set the clock":                        sh(`date -s 2020-01-01`),
		"call the neighbour":                   {"curl", "-sS", "--max-time", "2", "http://" + neighbour},
		"call the neighbour by its name":       {"curl", "-sS", "--max-time", "2", "http://" + twin + ".startos"},
		"learn the neighbour's address":        {"getent", "hosts", twin + ".startos"},
		"learn the neighbour's name":           {"getent", "hosts", neighbour},
		"be the neighbour":                     sh(`ip addr add ` + neighbour + `/24 dev eth0 && curl -sS --max-time 2 --interface ` + neighbour + ` http://10.0.3.1:8080; r=$?; ip addr del ` + neighbour + `/24 dev eth0; exit $r`),
		"be another card":                      sh(`old=$(cat /sys/class/net/eth0/address); ip link set eth0 address 02:68:0a:00:03:7f && curl -sS --max-time 2 http://10.0.3.1:8080; r=$?; ip link set eth0 address $old; exit $r`),
		"call the machine's gRPC":              {"curl", "-ksf", "--max-time", "2", "https://10.0.3.1:5961/"},
		"call the API without a token":         {"curl", "-ksf", "--max-time", "2", "https://10.0.3.1:8443/api/v1/packages"},
		"find the machine's sockets":           sh(`ls /run/hearth/hearthd.sock /run/hearth/*/hearthd.sock /run/hearth/*/web.sock /run/hearth/*/door.sock`),
		"find other services' sockets":         sh(`ls -d /run/hearth/*/s /run/hearth/s /run/hearth/../s`),
		"see who listens on the machine":       sh(`grep -q hearthd.sock /proc/net/unix`),
		"fill the machine's /run":              sh(`head -c 1000000 /dev/zero > /run/hearth/full; s=$(stat -c %s /run/hearth/full); rm -f /run/hearth/full; [ "$s" -ge 1000000 ]`),
		"fill /run with names":                 sh(`for i in $(seq 200); do : > /run/hearth/n$i || break; done; n=$(ls /run/hearth | wc -l); rm -f /run/hearth/n*; [ "$n" -ge 200 ]`),
		"change the code it runs on":           sh(`mount -o remount,rw,bind /usr/lib/hearth/agent && echo >> /usr/lib/hearth/agent`),
		"leave its root by way of its agent":   sh(`test -d /proc/1/root/../..` + m.state + ` || test -d /proc/1/cwd/../..` + m.state),
		"make a device in its volume":          sh(`mknod /media/startos/volumes/main/disk b 254 0`),
		"open a device it brought in an image": sh(`mkdir -p /tmp/o/l /tmp/o/u /tmp/o/w /tmp/o/m; mount -t tmpfs none /tmp/o/u; mknod /tmp/o/u/d c 1 1`),
		"use the machine's kernel keys":        sh(`grep -q _uid.0: /proc/keys`),
	} {
		if out, err := m.inside(sample, args...); err == nil {
			t.Errorf("the container can %s: %s", what, out)
		}
	}
	if out, err := m.inside(sample, "sh", "-c", "test -e /mnt/x/secret"); err == nil {
		t.Errorf("the neighbour's data are mounted: %s", out)
	}
	m.healthy(sample)
	m.healthy(twin)
}

// While a service does what it can to be in the way, the server answers, its neighbour serves, and both go on after it.
func TestAbuse(t *testing.T) {
	t.Parallel()
	m := besieged(t, "--services-memory", "1024", "--services-processes", "2000")
	const span = 2 * time.Second
	page := m.address(twin)
	serves := func(during string) {
		t.Helper()
		if _, err := m.run("curl", "-sS", "--fail", "--max-time", "30", "-o", "/dev/null", "--cacert", m.root(), page); err != nil {
			t.Errorf("during %s the neighbour does not serve: %v", during, err)
		}
	}
	m.answers("peace", span)
	for what, args := range map[string][]string{
		"a flood of effects":         {hostile, "flood"},
		"a memory hog":               {"sh", "-c", "while :; do " + hostile + " memory > /dev/null; done"},
		"a fork bomb":                {hostile, "fork"},
		"a flood of flows":           {hostile, "connect", "10.0.3.1:53"},
		"a hog of watchers":          {hostile, "inotify"},
		"a flood of the log":         {"sh", "-c", `exec yes "$(head -c 3000 /dev/zero | tr '\0' x)" > /proc/$(pgrep -f jshost | head -n1)/fd/1`},
		"a flood of questions":       {"sh", "-c", "while :; do for i in $(seq 50); do getent hosts x$i.startos & done; wait; done"},
		"a flood of starts":          {"sh", "-c", "while :; do start-container get-status; done"},
		"a flood of its own restart": {"sh", "-c", "while :; do start-container restart; done"},
	} {
		end := m.attack(args...)
		m.answers(what, span)
		serves(what)
		if out, err := m.inside(twin, hostile, "watch"); err != nil {
			t.Errorf("during %s the neighbour cannot watch its files: %v\n%s", what, err, out)
		}
		if what == "a flood of flows" {
			m.trackedFlows(t)
		}
		said := end()
		t.Logf("%s said: %.200s", what, said[max(0, len(said)-200):])
		m.renew(sample) // what it left running goes with its container
	}
	out, err := m.inside(sample, hostile, "subcontainers")
	if err != nil || !strings.Contains(out, "refused") {
		t.Errorf("subcontainers without end: %v\n%s", err, out)
	}
	m.healthy(twin)
}

// trackedFlows holds what the kernel tracks, nearly all of it of one service, against that service's share.
func (m *machine) trackedFlows(t *testing.T) {
	t.Helper()
	number := func(name string) (n int) {
		out := m.must("cat", "/proc/sys/net/netfilter/"+name)
		if _, err := fmt.Sscan(out, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	size, tracked := number("nf_conntrack_max"), number("nf_conntrack_count")
	t.Logf("%d connections of %d are tracked", tracked, size)
	if tracked > size/8+2000 {
		t.Errorf("one service takes %d of %d tracked connections", tracked, size)
	}
}

// renew kills the first process of a service's container, and with it all others, and has the next one made at once: after
// as many crashes the server itself would wait.
func (m *machine) renew(pkg string) {
	m.t.Helper()
	before := m.pkg(pkg)["container"]
	m.strike(pkg, func(p process) bool { return p.init }) // unless it has ended of what was done in it
	m.eventually(60*time.Second, pkg+" can be started anew", func() error {
		_, err := m.tryHearth("package", "rebuild", pkg)
		return err
	})
	m.eventually(60*time.Second, pkg+" has another container", func() error {
		if row := m.pkg(pkg); row["state"] != "running" || row["container"] == before {
			return fmt.Errorf("%v in %v", row["state"], row["container"])
		}
		return nil
	})
	m.healthy(pkg)
}

// A service that fills the disk is stopped while there is still room for the server, however fast it is: what is asked of
// the server meanwhile is done, and a service beside it goes on.
func TestTheServiceThatFillsTheDiskIsStoppedWithAReason(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"as fast as a disk writes":    "while :; do head -c 16M /dev/zero >>full; sleep 0.1; done 2>/dev/null",
		"as fast as memory":           "exec cat /dev/zero >full",
		"a quarter of it in one call": "exec dd if=/dev/zero of=full bs=512M",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.smallDisk()
			m.start()
			m.installSample()
			m.hearth("package", "install", m.packTwin())
			m.healthy(twin)
			refused := m.commits(twin)
			end := m.attack("sh", "-c", "cd /media/startos/volumes/main; "+script)
			m.eventually(2*time.Minute, "the service that fills the disk is stopped", func() error {
				if row := m.rows("package", "show", sample)[0]; row["desired"] != "stopped" || row["stoppedFor"] == nil {
					return fmt.Errorf("it is wanted %v for %v", row["desired"], row["stoppedFor"])
				}
				return nil
			})
			m.eventually(time.Minute, "nothing of it runs", func() error {
				if row := m.rows("package", "show", sample)[0]; row["state"] != "stopped" {
					return fmt.Errorf("it is %v", row["state"])
				}
				return nil
			})
			end()
			if done, not := refused(); done == 0 || len(not) > 0 {
				t.Errorf("of what was asked of the server %d was done, and this not: %v", done, not)
			} else {
				t.Logf("%d commits meanwhile", done)
			}
			if why := m.hearth("package", "why", sample); !strings.Contains(why, "filled the disk") {
				t.Errorf("why tells %s", why)
			}
			if row := m.rows("package", "show", twin)[0]; row["state"] != "running" {
				t.Errorf("its neighbour is %v", row["state"])
			}
			m.hearth("package", "restart", twin) // the server has room to write
			m.healthy(twin)
		})
	}
}

// commits asks the server again and again for something that it has to write, until the function that it answers is called,
// which tells how often that was done, and what was answered where it was not.
func (m *machine) commits(pkg string) func() (done int, refused []string) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	var done int
	var refused []string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lenient := true; ctx.Err() == nil; lenient = !lenient {
			flag := map[bool]string{true: "--lenient", false: "--strict"}[lenient]
			out, err := m.commandContext(ctx, m.cli, "package", "effects", pkg, flag).CombinedOutput()
			switch {
			case err == nil:
				done++
			case ctx.Err() == nil:
				refused = append(refused, string(out))
			}
		}
	}()
	return func() (int, []string) {
		cancel()
		<-ended
		return done, refused
	}
}
