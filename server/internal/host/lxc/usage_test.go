package lxc_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// Both generations of cgroups tell the same of the same container. The files were recorded; the machine of the tests has
// one of the two.
func TestUsageIsTheSameInBothGenerations(t *testing.T) {
	t.Parallel()
	const dir = "testdata/cgroups/"
	first := map[string]string{}
	for _, c := range []string{"memory", "cpuacct", "pids", "blkio"} {
		first[c] = dir + "v1/" + c
	}
	want := lxc.Usage{Memory: 80 << 20, MemoryLimit: 300 << 20, Kills: 3, CPU: 2500 * time.Millisecond, PIDs: 17, Read: 1<<20 + 4096, Written: 2 << 20}
	for name, r := range map[string]*lxc.Runtime{"1": lxc.Recorded(first, ""), "2": lxc.Recorded(nil, dir+"v2")} {
		if got, err := r.Usage("app"); err != nil || got != want {
			t.Errorf("generation %s: %+v, %v; want %+v", name, got, err, want)
		}
		if _, err := r.Usage("other"); !errors.Is(err, lxc.ErrNotRunning) {
			t.Errorf("generation %s, what does not run: %v", name, err)
		}
		if _, err := r.Usage("../app"); err == nil || errors.Is(err, lxc.ErrNotRunning) {
			t.Errorf("generation %s, what is no name: %v", name, err)
		}
	}
	if u, err := lxc.Recorded(nil, t.TempDir()).UsageOfAll(); err != nil || u != (lxc.Usage{}) {
		t.Errorf("a server that has started nothing uses %+v, %v", u, err)
	}
}
