package lxc_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
)

// resident is how much of a process's memory is pages of files, in KiB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if n := 0; strings.HasPrefix(line, "RssFile:") {
			fmt.Sscanf(line, "RssFile: %d kB", &n)
			return n
		}
	}
	t.Fatal("no RssFile")
	return 0
}

// runs finds the process that runs a program which nobody else does.
func runs(t *testing.T, program string) int {
	t.Helper()
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if line, _ := os.ReadFile(path); strings.HasPrefix(string(line), program+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	t.Fatalf("nobody runs %s", program)
	return 0
}

// A process that rests holds less of its program, and goes on.
func TestRestGivesBackProgram(t *testing.T) {
	m := lxctest.NewMachine(t)
	r := open(t, m)
	con, s := m.Console(t, "rest", 110)
	start(t, r, s)
	program := "/tmp/" + filepath.Base(m.Config.RunDir)
	con.Must(t, "cp /usr/bin/perl "+program+"; sync; "+program+" -e '$| = 1; while (1) { open F, q(>/tmp/beat); close F; sleep 1 }' & sleep 1; echo")
	pid := runs(t, program)
	before := resident(t, pid)
	theirs := func(argv []string) bool { return argv[0] == program }
	if err := r.Rest("rest", func([]string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if err := r.Rest("rest", theirs); err != nil {
		t.Fatal(err)
	}
	after := resident(t, pid)
	t.Logf("pages of files: %d KiB, then %d KiB", before, after)
	if after > before-500 {
		t.Errorf("there were %d KiB in memory, and are %d", before, after)
	}
	if out := con.Must(t, "rm -f /tmp/beat; for i in $(seq 50); do [ -e /tmp/beat ] && break; sleep 0.2; done; ls /tmp/beat"); !strings.Contains(out, "beat") {
		t.Errorf("the process does not go on: %s", out)
	}
	if err := r.Rest("nobody", theirs); !errors.Is(err, lxc.ErrNotRunning) {
		t.Errorf("of no container: %v", err)
	}
}
