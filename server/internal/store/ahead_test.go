package store_test

import (
	"errors"
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

// Another program may take all of the disk between a look at what is free and the write that follows. The commit is then
// written or refused; the process goes on, and what was acknowledged is there.
func TestADiskThatIsTakenAtOnceEndsNoProcess(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	p, out := start(t, "taken", t.TempDir(), &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS})
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Errorf("%v, %v: %.3000s", state, err, said)
	}
}

// childTaken commits on a disk with less room than the store looks for: two pages are free, and it is content with a byte.
func childTaken(t *testing.T, dir string) {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("small", dir, "tmpfs", 0, "size=200m"); err != nil {
		t.Fatal(err)
	}
	path, ballast := filepath.Join(dir, "store"), filepath.Join(dir, "ballast")
	opt := store.Options{MinFree: 1, Reserve: 1 << 20}
	s := openStore(t, path, opt)
	fill(t, ballast)
	info, err := os.Stat(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(ballast, info.Size()-2*4096); err != nil {
		t.Fatal(err)
	}
	var acknowledged, refused int
	for n := range 200 {
		text := strings.Repeat("x", 10<<10)
		if n%20 == 0 {
			text = strings.Repeat("x", 150<<10)
		}
		_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error {
			return errors.Join(store.Put(tx, row(fmt.Sprintf("r%03d", n), text)), store.Put(tx, row(fmt.Sprintf("r%03d-twin", n), text)))
		})
		switch {
		case err == nil:
			acknowledged += 2
		case fault.Is(err, metav1.Reason_REASON_DISK_FULL):
			refused++
		default:
			t.Fatalf("%d: %v", n, err)
		}
		if acknowledged >= 160 {
			break // more begins the next log, and writes a table
		}
	}
	if acknowledged < 160 {
		t.Errorf("%d rows are acknowledged, %d commits refused", acknowledged, refused)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	s = openStore(t, path, opt)
	defer closeStore(t, s)
	if there := listIDs(t, s, ""); len(there) != acknowledged {
		t.Errorf("%d rows of %d are there", len(there), acknowledged)
	}
}

// Of each log of memory all that it may come to hold is allocated, also of those that are begun later.
func TestLogsHaveTheirRoomAhead(t *testing.T) {
	t.Parallel()
	const memTable = 1 << 20
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{MinFree: 1, MemTable: memTable, Reserve: 1})
	defer closeStore(t, s)
	begun := map[string]bool{}
	for n := 0; len(begun) < 4; n++ {
		if n > 1000 {
			t.Fatalf("only %v were begun", begun)
		}
		put(t, s, row(fmt.Sprintf("r%d", n), strings.Repeat("x", 50<<10)))
		mems, err := filepath.Glob(filepath.Join(dir, "db", "*.mem"))
		if err != nil {
			t.Fatal(err)
		}
		for _, mem := range mems {
			var st unix.Stat_t
			if err := unix.Stat(mem, &st); err != nil || st.Size == 0 {
				continue // not begun, or just deleted
			}
			begun[filepath.Base(mem)] = true
			if have := st.Blocks * 512; have < memTable && st.Nlink > 0 {
				t.Errorf("%s has %d bytes of room", filepath.Base(mem), have)
			}
		}
	}
}
