package lxc_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// group is where the container app of the instance lies in a hierarchy.
const group = "hearth/1234/payload/app"

// played are the files of a hierarchy as a kernel makes them, in a folder.
func played(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		path := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// both are runtimes on each generation of control groups, with a function that reads what was written to a file, once.
func both(t *testing.T) map[string]func() (*lxc.Runtime, func(controller, file string) string) {
	read := func(t *testing.T, path string) string {
		t.Helper()
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	return map[string]func() (*lxc.Runtime, func(string, string) string){
		"1": func() (*lxc.Runtime, func(string, string) string) {
			files := map[string][]string{
				"memory": {"memory.limit_in_bytes"}, "cpu": {"cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.shares"}, "pids": {"pids.max"},
				"blkio": {"blkio.bfq.weight", "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"}, "freezer": {"freezer.state"},
			}
			roots := map[string]string{}
			for controller, names := range files {
				var paths []string
				for _, name := range names {
					paths = append(paths, group+"/"+name, "hearth/1234/payload/"+name, "hearth/"+name)
				}
				roots[controller] = played(t, paths...)
			}
			return lxc.Recorded(roots, ""), func(controller, file string) string { return read(t, filepath.Join(roots[controller], file)) }
		},
		"2": func() (*lxc.Runtime, func(string, string) string) {
			var paths []string
			for _, dir := range []string{"", "hearth", "hearth/1234", "hearth/1234/payload", group} {
				for _, name := range []string{"cgroup.subtree_control", "cgroup.freeze", "memory.max", "cpu.max", "cpu.weight", "pids.max", "io.max", "io.weight", "io.bfq.weight"} {
					paths = append(paths, filepath.Join(dir, name))
				}
			}
			root := played(t, paths...)
			return lxc.Recorded(nil, root), func(_, file string) string { return read(t, filepath.Join(root, file)) }
		},
	}
}

// Both generations are told the same in their own words. The files are played; the machine of the tests has one of the two
// with each controller.
func TestLimitsAreThoseOfBothGenerations(t *testing.T) {
	t.Parallel()
	type want struct{ controller, file, text string }
	limits := lxc.Limits{Memory: 1 << 30, CPU: 500, CPUWeight: 200, PIDs: 64, IOWeight: 300, IO: []lxc.IOLimit{{Major: 8, Read: 1 << 20}}}
	wants := map[string][2][]want{
		"1": {
			{
				{"memory", "memory.limit_in_bytes", "1073741824"}, {"cpu", "cpu.cfs_period_us", "100000"}, {"cpu", "cpu.cfs_quota_us", "50000"},
				{"cpu", "cpu.shares", "2048"}, {"pids", "pids.max", "64"}, {"blkio", "blkio.bfq.weight", "300"},
				{"blkio", "blkio.throttle.read_bps_device", "8:0 1048576"}, {"blkio", "blkio.throttle.write_bps_device", "8:0 0"},
			},
			{
				{"memory", "memory.limit_in_bytes", "-1"}, {"cpu", "cpu.cfs_quota_us", "-1"}, {"cpu", "cpu.shares", "1024"}, {"pids", "pids.max", "max"},
				{"blkio", "blkio.bfq.weight", "100"}, {"blkio", "blkio.throttle.read_bps_device", "8:0 0"},
			},
		},
		"2": {
			{
				{"", "memory.max", "1073741824"}, {"", "cpu.max", "50000 100000"}, {"", "cpu.weight", "200"}, {"", "pids.max", "64"},
				{"", "io.weight", "300"}, {"", "io.bfq.weight", "300"},
			},
			{{"", "memory.max", "max"}, {"", "cpu.max", "max 100000"}, {"", "cpu.weight", "100"}, {"", "pids.max", "max"}, {"", "io.weight", "100"}},
		},
	}
	for name, open := range both(t) {
		r, read := open()
		for i, l := range []lxc.Limits{limits, {IO: []lxc.IOLimit{{Major: 8}}}} {
			if err := r.Limit("app", l); err != nil {
				t.Fatalf("generation %s: %v", name, err)
			}
			for _, w := range wants[name][i] {
				if got := read(w.controller, group+"/"+w.file); got != w.text {
					t.Errorf("generation %s: %s is %q, want %q", name, w.file, got, w.text)
				}
			}
			if name == "2" {
				// A kernel takes one setting after the other; what is played shows the last over the first.
				if got := read("", group+"/io.max"); !strings.HasPrefix(got, "8:0 wbps=max") {
					t.Errorf("generation 2: io.max is %q", got)
				}
				for _, dir := range []string{"", "hearth", "hearth/1234", "hearth/1234/payload"} {
					if got := read("", filepath.Join(dir, "cgroup.subtree_control")); !strings.HasPrefix(got, "+") {
						t.Errorf("generation 2: %q hands no controllers down: %q", dir, got)
					}
				}
			}
		}
		if err := r.Limit("other", limits); !errors.Is(err, lxc.ErrNotRunning) {
			t.Errorf("generation %s, what does not run: %v", name, err)
		}
		if err := r.Limit("app", lxc.Limits{IOWeight: 5000}); !errors.Is(err, lxc.ErrInvalid) {
			t.Errorf("generation %s, what is no limit: %v", name, err)
		}
	}
}

func TestContainersAreFrozenInBothGenerations(t *testing.T) {
	t.Parallel()
	if err := lxc.Recorded(map[string]string{"pids": t.TempDir()}, "").Thaw("app"); err != nil {
		t.Errorf("where nothing can be frozen nothing is: %v", err)
	}
	words := map[string][3]string{"1": {"freezer.state", "FROZEN", "THAWED"}, "2": {"cgroup.freeze", "1", "0"}}
	for name, open := range both(t) {
		r, read := open()
		w := words[name]
		if err := r.Freeze("app"); err != nil || read("freezer", group+"/"+w[0]) != w[1] {
			t.Errorf("generation %s does not freeze: %v", name, err)
		}
		if err := r.Thaw("app"); err != nil || read("freezer", group+"/"+w[0]) != w[2] {
			t.Errorf("generation %s does not thaw: %v", name, err)
		}
		if err := r.Freeze("other"); !errors.Is(err, lxc.ErrNotRunning) {
			t.Errorf("generation %s, what does not run: %v", name, err)
		}
		if err := r.Thaw("other"); err != nil {
			t.Errorf("generation %s, what does not run is thawed: %v", name, err)
		}
		if err := errors.Join(r.FreezeAll(), r.ThawAll()); err != nil {
			t.Errorf("generation %s, without a group of all: %v", name, err)
		}
	}
}

// All containers of an instance are bounded together, and have half of the disks of what the rest has.
func TestTheShareOfAllIsThatOfBothGenerations(t *testing.T) {
	t.Parallel()
	type want struct{ controller, file, text string }
	wants := map[string][]want{
		"1": {{"memory", "hearth/1234/payload/memory.limit_in_bytes", "2147483648"}, {"pids", "hearth/1234/payload/pids.max", "512"}, {"blkio", "hearth/blkio.bfq.weight", "50"}},
		"2": {{"", "hearth/1234/payload/memory.max", "2147483648"}, {"", "hearth/1234/payload/pids.max", "512"}, {"", "hearth/io.weight", "50"}, {"", "hearth/io.bfq.weight", "50"}},
	}
	for name, open := range both(t) {
		r, read := open()
		if err := r.Share(lxc.Limits{Memory: 2 << 30, PIDs: 512}); err != nil {
			t.Fatalf("generation %s: %v", name, err)
		}
		for _, w := range wants[name] {
			if got := read(w.controller, w.file); got != w.text {
				t.Errorf("generation %s: %s is %q, want %q", name, w.file, got, w.text)
			}
		}
	}
}

// What runs is bounded anew, and frozen, on the machine there is.
func TestARunningContainerIsBoundedAnew(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "bounded", 110)
	c := start(t, r, s)
	const thirty = "i=0; while [ $i -lt 30 ]; do sleep 100 & i=$((i+1)); done; echo started"
	for _, step := range []struct {
		limits lxc.Limits
		fits   bool
	}{{lxc.Limits{PIDs: 12}, false}, {lxc.Limits{}, true}, {lxc.Limits{PIDs: 12, IOWeight: 200, CPU: 500, CPUWeight: 50, Memory: 1 << 30}, false}} {
		if err := r.Limit("bounded", step.limits); err != nil {
			t.Fatal(err)
		}
		if out, _ := con.Run(t, thirty); strings.Contains(out, "started") != step.fits {
			t.Errorf("with %+v thirty processes: %s", step.limits, out)
		}
		// What has ended counts until it is reaped, and below the next limit nobody could begin anything.
		if err := r.Limit("bounded", lxc.Limits{}); err != nil {
			t.Fatal(err)
		}
		con.Must(t, "kill -9 -1; while set -- /proc/[0-9]*; [ $# -gt 2 ]; do :; done")
	}
	if err := r.Freeze("bounded"); err != nil {
		t.Fatal(err)
	}
	if err := r.Kill("bounded"); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context(), c); err != nil {
		t.Errorf("a frozen container that is killed does not end: %v", err)
	}
	start(t, r, s)
	if err := r.Freeze("bounded"); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), "bounded", time.Minute); err != nil {
		t.Errorf("a frozen container does not stop: %v", err)
	}
}

// What is read from a disk comes as slowly as is allowed, from the next moment on.
func TestReadingIsAsSlowAsIsAllowed(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "reader", 111)
	start(t, r, s)
	disk, err := lxc.DiskOf(con.Volume)
	if err != nil {
		t.Fatal(err)
	}
	if can := r.Abilities(disk); can.IORate != nil {
		t.Skipf("this machine does not bound it: %v", can.IORate)
	}
	con.Must(t, "head -c 2097152 /dev/zero > /data/file; sync")
	read := func() time.Duration {
		begun := time.Now()
		con.Must(t, "dd if=/data/file of=/dev/null bs=64k iflag=direct")
		return time.Since(begun)
	}
	rate := func(bytes int64) {
		t.Helper()
		if err := r.Limit("reader", lxc.Limits{IO: []lxc.IOLimit{{Major: disk.Major, Minor: disk.Minor, Read: bytes}}}); err != nil {
			t.Fatal(err)
		}
	}
	rate(1 << 20)
	if took := read(); took < time.Second { // two seconds, less what the kernel lets pass at first
		t.Errorf("two megabytes at one a second took %s", took)
	}
	rate(0)
	con.Must(t, "dd if=/data/file of=/dev/null bs=64k iflag=direct")
}

// Of two instances that are new one alone has a tag, until it gives it back.
func TestATagIsTakenOnce(t *testing.T) {
	testenv.Require(t, "root", "lxc")
	tag := fmt.Sprintf("t%x", os.Getpid())
	r, err := lxc.New(lxc.Config{Tag: tag, RunDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, want := range []bool{true, false} {
		if free, err := lxc.Claim(tag); err != nil || free != want {
			t.Errorf("the tag is free: %v, %v, want %v", free, err, want)
		}
	}
	if err := r.Purge(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	if free, err := lxc.Claim(tag); err != nil || !free {
		t.Errorf("after the instance has gone the tag is free: %v, %v", free, err)
	}
	if err := r.Purge(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
}
