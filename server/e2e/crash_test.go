package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// The daemon may die at any moment of an installation or a removal: when it is back the work goes on or back by itself,
// and in the end the package is there as a whole or gone as a whole.
func TestCrash(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root", "lxc", "netns")
	seeds := 5
	if soak() {
		seeds = 50
	}
	m := newMachine(t)
	m.start()
	hits := map[string]int{} // what the daemon was killed in
	for seed := range seeds {
		crashLife(m, rand.New(rand.NewPCG(uint64(seed), 2)), hits, seed)
		if t.Failed() {
			return
		}
	}
	t.Logf("the daemon was killed in %v", hits)
	if len(hits) == 0 {
		t.Error("no kill met an operation: nothing was tried")
	}
}

// crashLife takes the sample through one life, in which the daemon dies in the middle of every part.
func crashLife(m *machine, chance *rand.Rand, hits map[string]int, seed int) {
	m.t.Helper()
	file := filepath.Join(m.bin, sample+".s9pk")
	m.crashDuring(chance, hits, 1400*time.Millisecond, "package", "install", file)
	if !m.whole(seed, "install") {
		m.hearth("package", "install", file)
		m.healthy(sample)
	}
	keepsake := filepath.Join(m.state, "volumes", sample, "main", "keepsake")
	if err := os.WriteFile(keepsake, fmt.Appendf(nil, "of life %d", seed), 0o644); err != nil {
		m.t.Fatal(err)
	}
	m.crashDuring(chance, hits, 1800*time.Millisecond, "package", "install", file)
	if !m.whole(seed, "install again") {
		m.t.Fatalf("seed %d: installing again removed the package", seed)
	}
	if raw, err := os.ReadFile(keepsake); err != nil || string(raw) != fmt.Sprintf("of life %d", seed) {
		m.t.Fatalf("seed %d: the data are lost: %q, %v", seed, raw, err)
	}
	m.crashDuring(chance, hits, 600*time.Millisecond, "package", "uninstall", sample, "--yes")
	if m.whole(seed, "uninstall") {
		m.hearth("package", "uninstall", sample, "--yes")
		m.leftNothing(m.t)
	}
}

// crashDuring runs a command, kills the daemon up to limit later, sometimes twice, and starts it again. It counts in hits
// what the daemon was at.
func (m *machine) crashDuring(chance *rand.Rand, hits map[string]int, limit time.Duration, args ...string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 120*time.Second)
	defer cancel()
	cmd := m.commandContext(ctx, m.cli, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	for range 1 + chance.IntN(2) {
		pause := time.NewTimer(time.Duration(chance.Int64N(int64(limit))))
		<-pause.C
		for _, op := range m.unfinished() {
			hits[op]++
		}
		m.kill(syscall.SIGKILL)
		m.start()
	}
	// It may have lost a server that was not there yet, or wait for an end that was undone; it does not hang.
	if err := cmd.Wait(); ctx.Err() != nil {
		m.t.Fatalf("%v hangs: %s", args, said.String())
	} else if err != nil {
		m.t.Logf("%s %s: %v: %s", args[0], args[1], err, said.String())
		m.expireUploads()
	}
	m.eventually(90*time.Second, "all operations have ended", func() error {
		if left := m.unfinished(); len(left) > 0 {
			return fmt.Errorf("%v", left)
		}
		return nil
	})
}

// unfinished names the operations that have not ended, each with the step it is at.
func (m *machine) unfinished() []string {
	m.t.Helper()
	var list []string
	for _, op := range m.rows("operations", "list") {
		if slices.Contains([]any{"succeeded", "failed", "cancelled"}, op["state"]) {
			continue
		}
		step := "?"
		steps, _ := op["steps"].([]any)
		current, _ := op["current"].(float64)
		if int(current) < len(steps) {
			step = fmt.Sprint(steps[int(current)].(map[string]any)["name"])
		}
		list = append(list, fmt.Sprintf("%v at %s", op["kind"], step))
	}
	return list
}

// expireUploads makes the uploads that a client lost sight of old, and starts the daemon again, which removes them.
func (m *machine) expireUploads() {
	m.t.Helper()
	incoming := m.ofState("artifacts", "incoming")
	entries, err := os.ReadDir(incoming)
	if err != nil {
		m.t.Fatal(err)
	}
	long := time.Now().Add(-2 * time.Hour)
	for _, e := range entries {
		if err := os.Chtimes(filepath.Join(incoming, e.Name()), long, long); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.t.Fatal(err)
		}
	}
	m.kill(syscall.SIGTERM)
	m.start()
}

// whole checks that the sample is there as a whole, or gone as a whole, and tells which.
func (m *machine) whole(seed int, after string) bool {
	m.t.Helper()
	rows := m.rows("package", "list")
	if containers := m.containers(); len(rows) == 0 {
		if len(containers) > 0 {
			m.eventually(30*time.Second, "the container is gone", func() error {
				if left := m.containers(); len(left) > 0 {
					return fmt.Errorf("left: %v", left)
				}
				return nil
			})
		}
		m.leftNothing(m.t)
		m.t.Logf("seed %d: after a crash during %s nothing is left", seed, after)
		return false
	}
	if rows[0]["operation"] != nil && rows[0]["operation"] != "" {
		m.t.Fatalf("seed %d: an operation that has ended holds the package: %v", seed, rows[0])
	}
	if rows[0]["desired"] != "running" {
		m.t.Fatalf("seed %d: the package is there and not wanted running: %v", seed, rows[0])
	}
	m.healthy(sample)
	m.eventually(60*time.Second, "one container runs", func() error {
		row := m.pkg(sample)
		if c := m.containers(); len(c) != 1 || c[0] != fmt.Sprint(row["container"]) {
			return fmt.Errorf("containers %v, the row says %v, which is %v: %v", c, row["container"], row["state"], row["fault"])
		}
		return nil
	})
	m.t.Logf("seed %d: after a crash during %s the package is whole", seed, after)
	return true
}

// containers lists the ids of the containers of this machine that have a process: their roots lie in its state.
func (m *machine) containers() []string {
	m.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		m.t.Fatal(err)
	}
	var ids []string
	for _, e := range entries {
		environ, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		for _, v := range strings.Split(string(environ), "\x00") {
			id, ok := strings.CutPrefix(v, "HEARTH_CONTAINER=")
			if !ok || slices.Contains(ids, id) {
				continue
			}
			if mounts, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "mountinfo")); strings.Contains(string(mounts), m.state+"/upper/") {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// Two daemons on one state would each start its services: the second is refused, and the first notices nothing.
func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := m.commandContext(ctx, filepath.Join(m.bin, "hearthd"), "--state", m.state, "--bin", m.bin).CombinedOutput()
	if err == nil || ctx.Err() != nil || !strings.Contains(string(out), "another process") {
		t.Errorf("the second daemon: %v\n%s", err, out)
	}
	out, err = m.commandContext(ctx, filepath.Join(m.bin, "hearthd"), "--clean-host", "--state", m.state, "--bin", m.bin).CombinedOutput()
	if err == nil || ctx.Err() != nil || !strings.Contains(string(out), "another process") {
		t.Errorf("cleaning under a running daemon: %v\n%s", err, out)
	}
	m.hearth("status")
	m.hearth("package", "list")
}

// edit changes the row of a package while no daemon is there.
func (m *machine) edit(fn func(tx *store.Tx, row *packagesv1.Package) error) {
	m.t.Helper()
	st, err := store.Open(filepath.Join(m.state, "store"), store.Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = st.Update(m.t.Context(), time.Now(), func(tx *store.Tx) error {
		row, err := store.Get[*packagesv1.Package](tx, sample)
		if err != nil {
			return err
		}
		return fn(tx, row)
	})
	if err := errors.Join(err, st.Close()); err != nil {
		m.t.Fatal(err)
	}
}

// What a daemon finds when it comes back is held against what is wanted now, not against what it left.
func TestWhatChangedWhileTheDaemonWasAway(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	first := fmt.Sprint(m.pkg(sample)["container"])
	one := func(is func(id string) bool) {
		t.Helper()
		m.eventually(60*time.Second, "one container, as wanted", func() error {
			row, c := m.pkg(sample), m.containers()
			if len(c) != 1 || c[0] != fmt.Sprint(row["container"]) || !is(c[0]) {
				return fmt.Errorf("containers %v, first %s, row %v", c, first, row)
			}
			return nil
		})
	}

	m.kill(syscall.SIGKILL)
	m.edit(func(tx *store.Tx, row *packagesv1.Package) error {
		row.Spec.Desired = packagesv1.PackageSpec_DESIRED_STOPPED
		return store.Put(tx, row)
	})
	m.start()
	m.eventually(30*time.Second, "the service is stopped", func() error {
		if row := m.pkg(sample); row["state"] != "stopped" || len(m.rows("package", "health", sample)) > 0 {
			return fmt.Errorf("%v", row)
		}
		return nil
	})
	one(func(id string) bool { return id == first })
	m.hearth("package", "start", sample)
	m.healthy(sample)

	t.Log("a new container is wanted")
	m.kill(syscall.SIGKILL)
	m.edit(func(tx *store.Tx, row *packagesv1.Package) error {
		row.Spec.Rebuilds++
		return store.Put(tx, row)
	})
	m.start()
	one(func(id string) bool { return id != first })
	m.healthy(sample)

	t.Log("the container died with the daemon")
	m.kill(syscall.SIGKILL)
	first = fmt.Sprint(m.containers())
	m.endContainers()
	m.start()
	one(func(id string) bool { return "["+id+"]" != first })
	m.healthy(sample)

	t.Log("the container dies alone")
	first = fmt.Sprint(m.containers())
	m.endContainers()
	one(func(id string) bool { return "["+id+"]" != first })
	m.healthy(sample)

	t.Log("the package is gone")
	m.kill(syscall.SIGKILL)
	m.edit(func(tx *store.Tx, row *packagesv1.Package) error {
		return errors.Join(store.Delete[*packagesv1.Package](tx, sample), store.Delete[*packagesv1.Container](tx, sample))
	})
	m.start()
	m.eventually(30*time.Second, "its container is gone", func() error {
		if left := m.containers(); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
}

// endContainers kills every process of the containers of this machine.
func (m *machine) endContainers() {
	m.t.Helper()
	for range 3 { // the children of a process that ends may be new
		entries, err := os.ReadDir("/proc")
		if err != nil {
			m.t.Fatal(err)
		}
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if mounts, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "mountinfo")); err != nil || !strings.Contains(string(mounts), m.state+"/upper/") {
				continue
			}
			if environ, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ")); strings.Contains(string(environ), "HEARTH_CONTAINER=") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}
