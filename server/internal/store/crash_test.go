package store_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/testenv"
	"golang.org/x/sys/unix"
)

// childEnv tells a copy of the test program which of its lives to lead, as "<life> <folder>".
const childEnv = "HEARTH_STORE_CHILD"

// TestChild is what copies of this program run; by itself it does nothing.
func TestChild(t *testing.T) {
	life, dir, ok := strings.Cut(os.Getenv(childEnv), " ")
	if !ok {
		t.Skip("runs only as a child")
	}
	switch life {
	case "writes":
		childWrites(t, dir)
	case "grows":
		childGrows(t, dir)
	case "full":
		childFull(t, dir)
	case "reserve":
		childReserve(t, dir)
	case "taken":
		childTaken(t, dir)
	case "inplace":
		childInPlace(t, dir)
	case "kept":
		childKept(t, dir)
	case "readonly":
		childReadOnly(t, dir)
	case "migrates":
		childMigrates(t, dir)
	}
}

// start runs this program as a child that leads a life, and answers it with what it prints.
func start(t *testing.T, life, dir string, attr *syscall.SysProcAttr) (*os.Process, io.ReadCloser) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p, err := os.StartProcess(self, []string{self, "-test.run=^TestChild$", "-test.count=1", "-test.timeout=2m"}, &os.ProcAttr{
		Env: append(os.Environ(), childEnv+"="+life+" "+dir), Files: []*os.File{nil, w, os.Stderr}, Sys: attr,
	})
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return p, r
}

const childWriters = 8

// childWrites counts up one row per writer for ever and prints each acknowledged count.
func childWrites(t *testing.T, dir string) {
	s, err := store.Open(dir, store.Options{RingSize: 16, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	var out sync.Mutex
	var all sync.WaitGroup
	for w := range childWriters {
		all.Go(func() {
			for {
				var n uint64
				rev, err := s.Update(t.Context(), noon, func(tx *store.Tx) error {
					var err error
					n, err = countUp(tx, fmt.Sprintf("w%d", w))
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				out.Lock()
				fmt.Printf("ack %d %d %d\n", w, n, rev)
				out.Unlock()
			}
		})
	}
	all.Wait()
}

// countUp counts in one row, and in a second one that must never be seen apart from it.
func countUp(tx *store.Tx, id string) (uint64, error) {
	row, there, err := store.Lookup[*packagesv1.Artifact](tx, id)
	if err != nil {
		return 0, err
	}
	if !there {
		row = &packagesv1.Artifact{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.ArtifactSpec{Title: strings.Repeat("x", rand.IntN(3000))}}
	}
	row.Spec.Size++
	twin := &packagesv1.Artifact{Meta: &metav1.Meta{Id: id + "/twin"}, Spec: &packagesv1.ArtifactSpec{Size: row.Spec.Size}}
	return row.Spec.Size, errors.Join(store.Put(tx, row), store.Put(tx, twin))
}

func TestKilledStoreLosesNothingItAcknowledged(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	newest := uint64(0)
	counts := make([]uint64, childWriters)
	for round := range rounds {
		p, out := start(t, "writes", dir, nil)
		lines := bufio.NewScanner(out)
		for enough := 100 + rand.IntN(400); lines.Scan(); enough-- {
			var w int
			var n, rev uint64
			if _, err := fmt.Sscanf(lines.Text(), "ack %d %d %d", &w, &n, &rev); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
			counts[w], newest = n, max(newest, rev)
			if enough == 0 {
				if err := p.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if state, err := p.Wait(); err != nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended by itself: %v, %v", state, err)
		}
		verify(t, dir, round, newest, counts)
	}
}

// verify opens what a killed process left: all that was acknowledged is there, and the log tells each revision from the
// first on, ending with what is.
func verify(t *testing.T, dir string, round int, newest uint64, counts []uint64) {
	t.Helper()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	if s.Revision() < newest {
		t.Errorf("round %d: revision %d was acknowledged, %d is the newest left", round, newest, s.Revision())
	}
	replay := map[string]uint64{}
	w := watch(t, s, store.WatchOptions{From: 1})
	for seen := uint64(1); seen < s.Revision(); {
		per := map[uint64]int{}
		for _, c := range next(t, w).Changes {
			if c.Revision != seen && c.Revision != seen+1 {
				t.Fatalf("round %d: revision %d follows %d", round, c.Revision, seen)
			}
			seen = c.Revision
			per[seen]++
			replay[c.ID] = c.Row.(*packagesv1.Artifact).GetSpec().GetSize()
		}
		for rev, n := range per {
			if n != 2 {
				t.Errorf("round %d: revision %d has %d changes", round, rev, n)
			}
		}
	}
	err = s.View(func(tx *store.Tx) error {
		for i := range counts {
			id := fmt.Sprintf("w%d", i)
			row, err := store.Get[*packagesv1.Artifact](tx, id)
			if err != nil {
				return err
			}
			twin, err := store.Get[*packagesv1.Artifact](tx, id+"/twin")
			if err != nil {
				return err
			}
			n := row.GetSpec().GetSize()
			if n < counts[i] || n != twin.GetSpec().GetSize() || n != replay[id] || n != replay[id+"/twin"] {
				t.Errorf("round %d: %s is %d, its twin %d, by the log %d; %d was acknowledged", round, id, n, twin.GetSpec().GetSize(), replay[id], counts[i])
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("round %d: %v", round, err)
	}
}

// A kill can hit Badger while it makes or deletes a file.
func TestFilesWithoutContentAreNoHindrance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	put(t, s, row("a", "kept"))
	closeStore(t, s)
	for _, name := range []string{"00000.mem", "00099.mem", "000000.vlog", "000099.vlog"} {
		f, err := os.OpenFile(filepath.Join(dir, "db", name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, dir, store.Options{})
	defer closeStore(t, s)
	if get(t, s, "a").GetSpec().GetTarget() != "kept" {
		t.Error("the row is gone")
	}
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	// A mount namespace of its own: whatever happens to the child, the machine has no mount left over.
	p, out := start(t, "full", t.TempDir(), &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS})
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Errorf("%v, %v: %s", state, err, said)
	}
}

func childFull(t *testing.T, dir string) {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("small", dir, "tmpfs", 0, "size=128m"); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, filepath.Join(dir, "store"), store.Options{})
	put(t, s, row("a", "before"))
	w := watch(t, s, store.WatchOptions{From: s.Revision()})
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)

	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, row(fmt.Sprint(i), "")) })
			if f := fault.Proto(err); f.GetReason() != metav1.Reason_REASON_DISK_FULL || f.GetMetadata()["path"] == "" {
				t.Errorf("with a full disk: %v", err)
			}
		})
	}
	all.Wait()
	if s.Revision() != 2 || get(t, s, "a").GetSpec().GetTarget() != "before" || len(listIDs(t, s, "")) != 1 {
		t.Errorf("revision %d, rows %v", s.Revision(), listIDs(t, s, ""))
	}
	expectNothing(t, w)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	put(t, s, row("b", "after"))
	expect(t, w, "3:b @3")
	closeStore(t, s)
	fill(t, ballast)
	if _, err := store.Open(filepath.Join(dir, "store"), store.Options{}); !fault.Is(err, metav1.Reason_REASON_DISK_FULL) {
		t.Errorf("opened with a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, filepath.Join(dir, "store"), store.Options{})
	if s.Revision() != 3 || get(t, s, "b") == nil {
		t.Errorf("revision %d after reopening", s.Revision())
	}
}

func TestReadOnlyDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	p, out := start(t, "readonly", t.TempDir(), &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS})
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Errorf("%v, %v: %s", state, err, said)
	}
}

func childReadOnly(t *testing.T, dir string) {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "store")
	s := openStore(t, dir, store.Options{})
	put(t, s, row("a", "before"))
	w := watch(t, s, store.WatchOptions{From: s.Revision()})
	// What the kernel does to a failing disk: files that are open stay so, nothing new is written.
	err := errors.Join(
		unix.Mount(dir, dir, "", unix.MS_BIND, ""),
		unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Update(t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, row("lost", "")) })
	if f := fault.Proto(err); f.GetReason() != metav1.Reason_REASON_STORE_READ_ONLY || f.GetMetadata()["path"] != dir {
		t.Errorf("with a read-only disk: %v", err)
	}
	expectNothing(t, w)
	closeStore(t, s)
	if _, err := store.Open(dir, store.Options{}); !fault.Is(err, metav1.Reason_REASON_STORE_READ_ONLY) {
		t.Errorf("opened read-only: %v", err)
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, store.Options{})
	if s.Revision() != 2 || get(t, s, "a").GetSpec().GetTarget() != "before" || len(listIDs(t, s, "")) != 1 {
		t.Errorf("revision %d, rows %v", s.Revision(), listIDs(t, s, ""))
	}
	put(t, s, row("b", "after"))
}

// fill leaves nothing of the disk.
func fill(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(chunk)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// All that were built on a commit that could not be written fail with it, and the revisions are used again.
func TestCommitsBehindAFailedOneFailToo(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put(t, s, row("a", ""))
	s.NeedFree(1 << 62)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, row(fmt.Sprintf("x%d", i), "")) })
			if !fault.Is(err, metav1.Reason_REASON_DISK_FULL) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.NeedFree(1)
	if rev := put(t, s, row("b", "")); rev != 3 || len(listIDs(t, s, "")) != 2 {
		t.Errorf("revision %d, rows %v", rev, listIDs(t, s, ""))
	}
	expect(t, watch(t, s, store.WatchOptions{From: 1}), "2:a 3:b @3")
}

// Watchers that come and go while many write: each holds in the end what is, having checked the order on the way.
func TestWatchersFollowConcurrentWriters(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{RingSize: 8})
	const writers, each, watchers = 6, 40, 12
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				_, err := s.Update(ctx, noon, func(tx *store.Tx) error {
					if i%5 == 4 {
						return store.Delete[*packagesv1.Artifact](tx, fmt.Sprintf("w%d/twin", w))
					}
					_, err := countUp(tx, fmt.Sprintf("w%d", w))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	last := uint64(1 + writers*each)
	held := make([]map[string]uint64, watchers)
	for i := range watchers {
		all.Go(func() {
			var err error
			if held[i], err = hold(ctx, s, last, i); err != nil {
				t.Errorf("watcher %d: %v", i, err)
			}
		})
	}
	all.Wait()
	want, err := hold(ctx, s, last, 0)
	if err != nil || len(want) == 0 {
		t.Fatal(err)
	}
	for i, got := range held {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("watcher %d holds %v, want %v", i, got, want)
		}
	}
}

// hold follows the feed up to a revision, in small pages and reconnecting by bookmark now and then, and answers the sizes
// of the rows it ends with.
func hold(ctx context.Context, s *store.Store, upto uint64, salt int) (map[string]uint64, error) {
	rows := map[string]uint64{}
	seen := uint64(0)
	opt := store.WatchOptions{PageSize: 1 + salt%5}
	w, err := s.Watch(opt)
	for n := 0; err == nil && seen < upto; n++ {
		var b store.Batch
		if b, err = w.Next(ctx); err != nil {
			break
		}
		for _, c := range b.Changes {
			if !b.Snapshot && (c.Revision <= seen || c.Revision > b.Revision) {
				return nil, fmt.Errorf("revision %d between bookmarks %d and %d", c.Revision, seen, b.Revision)
			}
			if c.Row == nil {
				delete(rows, c.ID)
				continue
			}
			rows[c.ID] = c.Row.(*packagesv1.Artifact).GetSpec().GetSize()
		}
		if b.Bookmark {
			seen = b.Revision
		}
		if n%7 == salt%7 && !b.Snapshot && b.Bookmark {
			opt.From = seen
			w, err = s.Watch(opt)
		}
	}
	return rows, err
}

// TestMain draws thousands of schedules where time is no matter.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("HEARTH_SOAK") == "full" {
		if err := flag.Set("rapid.checks", "5000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
