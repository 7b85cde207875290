package store_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/testenv"
	"golang.org/x/sys/unix"
)

func TestReserveServesStartsAndUrgentCommitsOnAFullDisk(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	p, out := start(t, "reserve", t.TempDir(), &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS})
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Errorf("%v, %v: %s", state, err, said)
	}
}

// childReserve lives on a disk of its own that somebody else fills.
func childReserve(t *testing.T, dir string) {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("small", dir, "tmpfs", 0, "size=400m"); err != nil {
		t.Fatal(err)
	}
	path, ballast := filepath.Join(dir, "store"), filepath.Join(dir, "ballast")
	opt := store.Options{Reserve: 80 << 20}
	there := func() bool { _, err := os.Stat(filepath.Join(path, "reserve")); return err == nil }
	update := func(s *store.Store, id string, urgent bool) error {
		ctx := t.Context()
		if urgent {
			ctx = store.WithUrgency(ctx)
		}
		_, err := s.Update(ctx, noon, func(tx *store.Tx) error { return store.Put(tx, row(id, "")) })
		return err
	}
	s := openStore(t, path, opt)
	put(t, s, row("a", "before"))
	if !there() {
		t.Fatal("there is no reserve")
	}
	fill(t, ballast)
	if err := update(s, "lost", false); !fault.Is(err, metav1.Reason_REASON_DISK_FULL) || !there() {
		t.Errorf("with a full disk: %v, the reserve is there: %t", err, there())
	}
	if err := update(s, "urgent", true); err != nil || !there() {
		t.Errorf("an urgent commit: %v, the reserve is there: %t", err, there())
	}
	n := 0
	urgently := func(until func() bool) (err error) {
		for begun := n; err == nil && !until(); n++ {
			if n > begun+1000 {
				t.Fatal("urgent commits are written without end")
			}
			_, err = s.Update(store.WithUrgency(t.Context()), noon, func(tx *store.Tx) error {
				return store.Put(tx, row("urgent", fmt.Sprint(n)+strings.Repeat("x", 100<<10)))
			})
		}
		return err
	}
	if err := urgently(func() bool { return !there() }); err != nil {
		t.Errorf("urgent commits that need the reserve: %v", err)
	}
	fill(t, filepath.Join(dir, "more"))
	if err := urgently(func() bool { return false }); !fault.Is(err, metav1.Reason_REASON_DISK_FULL) {
		t.Errorf("an urgent commit without a reserve: %v", err)
	}
	closeStore(t, s)
	if _, err := store.Open(path, opt); !fault.Is(err, metav1.Reason_REASON_DISK_FULL) {
		t.Errorf("opened on a full disk without a reserve: %v", err)
	}
	for _, name := range []string{"ballast", "more"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, path, opt)
	if !there() {
		t.Error("the reserve was not made again")
	}
	closeStore(t, s)
	fill(t, ballast)
	s = openStore(t, path, opt)
	defer closeStore(t, s)
	if there() || len(listIDs(t, s, "")) != 2 {
		t.Errorf("opened on a full disk: the reserve is there: %t, rows %v", there(), listIDs(t, s, ""))
	}
	put(t, s, row("b", "after"))
}

func TestNoReserveIsMadeWhereThereIsLittleRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{Reserve: 1 << 60})
	defer closeStore(t, s)
	if _, err := os.Stat(filepath.Join(dir, "reserve")); err == nil {
		t.Error("it was made")
	}
}
