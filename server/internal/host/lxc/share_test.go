package lxc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
)

func TestShareLeavesTheMachineItsOwn(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, c := range []struct{ memory, pids, forAll, forOne, allPIDs, onePIDs int64 }{
		{1 * gib, 32768, 768 << 20, 576 << 20, 28672, 14336},
		{8 * gib, 4194304, 7 * gib, 21 * gib / 4, 3670016, 16384},
		{64 * gib, 4194304, 62 * gib, 93 * gib / 2, 3670016, 16384},
		{256 << 20, 1000, 128 << 20, 96 << 20, 500, 250},
	} {
		all := lxc.Share(c.memory, c.pids)
		one := all.One()
		if all.Memory != c.forAll || one.Memory != c.forOne || all.PIDs != c.allPIDs || one.PIDs != c.onePIDs {
			t.Errorf("of %d bytes and %d processes all services get %+v, one %+v", c.memory, c.pids, all, one)
		}
	}
}

// Containers that are within their own limits are still bounded together.
func TestContainersShareABound(t *testing.T) {
	m := lxctest.NewMachine(t)
	m.Config.All = lxc.Limits{PIDs: 60, Memory: 96 << 20}
	r := open(t, m)
	first, s := m.Console(t, "first", 107)
	s.Limits = lxc.Limits{PIDs: 50}
	start(t, r, s)
	second, s := m.Console(t, "second", 108)
	s.Limits = lxc.Limits{PIDs: 50}
	start(t, r, s)
	const forty = "i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done; echo started"
	if out := first.Must(t, forty); !strings.Contains(out, "started") {
		t.Errorf("forty processes of one container do not run: %s", out)
	}
	if out, _ := second.Run(t, forty); strings.Contains(out, "started") {
		t.Errorf("eighty processes run where all containers may have sixty: %s", out)
	}
	// Where the machine can weigh disks, services together weigh half of what the rest of it does.
	raw, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/blkio", m.Config.CgroupParent, "blkio.bfq.weight"))
	if err == nil && strings.TrimSpace(string(raw)) != "50" {
		t.Errorf("services weigh %s of the disks", raw)
	}
	first.Must(t, "kill -9 -1; echo alive")
	if out, _ := second.Run(t, "head -c 150000000 /dev/zero | tail | wc -c"); strings.Contains(out, "150000000") {
		t.Errorf("a container without a limit of its own held more than all may have: %s", out)
	}
	first.Must(t, "echo alive")
}

// A container finds its cgroup, but cannot make others in it or change what bounds it.
func TestCgroupIsNotTheContainers(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "group", 109)
	s.Limits = lxc.Limits{PIDs: 100, Memory: 64 << 20}
	start(t, r, s)
	con.Must(t, "mkdir -p /tmp/cg; echo")
	for _, kind := range []string{"cgroup2", "cgroup -o pids", "cgroup -o memory", "cgroup -o freezer"} {
		out, _ := con.Run(t, "mount -t "+kind+" none /tmp/cg || exit 0; ls /tmp/cg | grep -q procs && echo seen; mkdir /tmp/cg/more && echo made; "+
			"for f in pids.max memory.max memory.limit_in_bytes freezer.state cgroup.freeze; do [ -e /tmp/cg/$f ] && echo 1 > /tmp/cg/$f && echo changed $f; done; umount /tmp/cg")
		if strings.Contains(out, "made") || strings.Contains(out, "changed") {
			t.Errorf("%s: %s", kind, out)
		}
	}
}

func TestThisMachineCanBeShared(t *testing.T) {
	t.Parallel()
	all, err := lxc.ShareHere()
	if err != nil {
		t.Fatal(err)
	}
	if one := all.One(); all.Memory < 64<<20 || all.PIDs < 500 || one.Memory >= all.Memory || one.PIDs >= all.PIDs {
		t.Errorf("all services get %+v, one %+v", all, one)
	}
}
