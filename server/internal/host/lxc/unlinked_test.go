package lxc_test

import (
	"errors"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
)

// A file without a name takes room until the last process that holds it has let it go, by a descriptor or by a mapping; it counts once.
func TestFilesWithoutANameAreFoundByWhoHoldsThem(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	if _, err := r.Unlinked(t.Context(), "held"); !errors.Is(err, lxc.ErrNotRunning) {
		t.Errorf("of a container that does not run: %v", err)
	}
	con, s := m.Console(t, "held", 112)
	start(t, r, s)
	held := func(what string, least, most uint64) {
		t.Helper()
		got, err := r.Unlinked(t.Context(), "held")
		if err != nil || got < least || got > most {
			t.Errorf("%s: %d bytes are held, want %d to %d: %v", what, got, least, most, err)
		}
	}
	// hold has a process hold a file of some MiB, twice, and leaves its id in /tmp/holder.
	hold := func(file, mebibytes string) {
		t.Helper()
		con.Must(t, "(exec 6>"+file+" 7>&6; head -c "+mebibytes+"M /dev/zero >&6; exec sleep 1000) & echo $! >/tmp/holder; until [ $(stat -c %s "+file+") = $(("+mebibytes+" << 20)) ]; do sleep 0.1; done; echo")
	}
	const mib = 1 << 20
	held("at first", 0, mib)
	hold("/tmp/named", "5")
	held("with a name", 0, mib)
	con.Must(t, "rm /tmp/named; echo")
	held("without one", 5*mib, 6*mib)
	hold("/dev/shm/x", "5")
	con.Must(t, "rm /dev/shm/x; echo")
	held("and another in memory", 5*mib, 6*mib)
	hold("/data/y", "3")
	con.Must(t, "rm /data/y; echo")
	held("and one of its data", 8*mib, 9*mib)
	con.Must(t, "kill -9 $(cat /tmp/holder); while kill -0 $(cat /tmp/holder) 2>/dev/null; do sleep 0.1; done; echo")
	held("which is let go", 5*mib, 6*mib)
}
