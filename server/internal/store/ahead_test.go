package store_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// btrfs writes what is written again somewhere else, for which a disk that was taken has no room: a log that has its own is written to
// all the same.
func TestALogIsWrittenWhereItLies(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root", "btrfs")
	p, out := start(t, "inplace", t.TempDir(), &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS})
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Errorf("%v, %v: %.3000s", state, err, said)
	}
}

// childInPlace commits on a full disk of btrfs, as if room were not looked for. Each page takes btrfs some time then.
func childInPlace(t *testing.T, dir string) {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) error { return exec.CommandContext(t.Context(), args[0], args[1:]...).Run() }
	image, disk := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	if err := errors.Join(os.Mkdir(disk, 0o755), run("truncate", "-s", "400M", image), run("mkfs.btrfs", "-q", image), run("mount", "-o", "loop", image, disk)); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, filepath.Join(disk, "store"), store.Options{MinFree: 1, Reserve: 1 << 20, MemTable: 1 << 20})
	put(t, s, row("before", ""))
	fill(t, filepath.Join(disk, "ballast"))
	s.NeedFree(0)
	for n := range 4 {
		put(t, s, row(fmt.Sprintf("r%02d", n), ""))
	}
	if there := listIDs(t, s, ""); len(there) != 5 {
		t.Errorf("%d rows are there", len(there))
	}
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	for n := range 60 { // more than two logs hold
		put(t, s, row(fmt.Sprintf("r%02d", n), strings.Repeat("x", 50<<10)))
	}
	for pattern, want := range map[string]bool{"*.mem": true, "*.sst": false} {
		files, err := filepath.Glob(filepath.Join(disk, "store/db", pattern))
		if err != nil || len(files) == 0 {
			t.Errorf("there are no files %s, %v", pattern, err)
		}
		for _, file := range files {
			out, err := exec.CommandContext(t.Context(), "lsattr", file).Output()
			attributes, _, _ := strings.Cut(string(out), " ")
			if err != nil || strings.Contains(attributes, "C") != want {
				t.Errorf("%s has the attributes %s, %v", file, attributes, err)
			}
		}
	}
	closeStore(t, s)
}

// What ext4 keeps for root, a service cannot take: on a disk of which it took all there is to it, tables are written, too.
func TestTablesAreWrittenToWhatADiskKeepsForRoot(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	p, out := start(t, "kept", t.TempDir(), &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS})
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Errorf("%v, %v: %.3000s", state, err, said)
	}
}

// childKept commits more than the logs of memory hold on a disk as mkfs.ext4 makes it, of which somebody took all.
func childKept(t *testing.T, dir string) {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) error { return exec.CommandContext(t.Context(), args[0], args[1:]...).Run() }
	image, disk := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	theirs := filepath.Join(disk, "theirs")
	if err := errors.Join(os.Mkdir(disk, 0o755), run("truncate", "-s", "512M", image), run("mkfs.ext4", "-q", image),
		run("mount", "-o", "loop", image, disk), os.Mkdir(theirs, 0o700), os.Chown(theirs, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, filepath.Join(disk, "store"), store.Options{MinFree: 1, Reserve: 1 << 20, MemTable: 1 << 20})
	there, err := os.Open(theirs)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []string{"64M", "1M", "64k", "4k"} {
		for n, full := 0, false; !full; n++ {
			take := exec.CommandContext(t.Context(), "fallocate", "-l", size, fmt.Sprint("/proc/self/fd/3/", size, n))
			take.ExtraFiles = []*os.File{there}
			take.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			full = take.Run() != nil
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil || st.Bavail > 0 {
		t.Fatalf("%d blocks are free, %v", st.Bavail, err)
	}
	before := tables(t, disk)
	for n := range 100 {
		put(t, s, row(fmt.Sprintf("r%d", n%10), strings.Repeat("x", 50<<10)))
	}
	closeStore(t, s)
	if after := tables(t, disk); len(after) == 0 || slices.Equal(after, before) {
		t.Errorf("before there were %v, and no other was written", before)
	}
}

// tables are the files of Badger's tables below a folder.
func tables(t *testing.T, dir string) []string {
	found, err := filepath.Glob(filepath.Join(dir, "store", "db", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	return found
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
