package tree_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/testenv"
	"golang.org/x/sys/unix"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// place is a folder on a file system of some kind.
type place struct {
	name string
	make func(t *testing.T) string
}

// places are the file systems snapshots are tried on: the one of the machine, and those with more mechanisms where their
// tools are.
func places() []place {
	list := []place{{"here", func(t *testing.T) string { return t.TempDir() }}}
	for _, kind := range []string{"xfs", "btrfs"} {
		list = append(list, place{kind, func(t *testing.T) string { return formatted(t, kind) }})
	}
	return list
}

// formatted mounts a fresh file system from a file.
func formatted(t *testing.T, kind string) string {
	t.Helper()
	testenv.Require(t, "root", kind)
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "mounted")
	f, err := os.Create(image)
	must(t, err, f.Truncate(400<<20), f.Close(), os.Mkdir(at, 0o755))
	for _, command := range [][]string{{"mkfs." + kind, "-q", image}, {"mount", "-o", "loop", image, at}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return at
}

// grow makes a tree with all that a container can make, and a device node besides.
func grow(t *testing.T, root string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(root, name) }
	old := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	must(t,
		os.MkdirAll(at("main/empty"), 0o755), os.MkdirAll(at("main/private"), 0o700),
		os.WriteFile(at("main/words"), []byte("words"), 0o640), os.WriteFile(at("main/big"), big, 0o600), os.WriteFile(at("main/nothing"), nil, 0o000),
		os.WriteFile(at("main/program"), []byte("#!/bin/sh"), 0o755), os.Lchown(at("main/program"), 1000, 1001), os.Chmod(at("main/program"), 0o755|fs.ModeSetuid|fs.ModeSetgid),
		os.WriteFile(at("main/private/secret"), []byte("secret"), 0o600), os.Lchown(at("main/private"), 70, 70),
		os.Link(at("main/words"), at("main/private/same words")), os.Link(at("main/words"), at("main/again")),
		os.Symlink("../../../../etc/passwd", at("main/out")), os.Symlink("/nowhere", at("main/dangling")), os.Lchown(at("main/out"), 5, 6),
		os.WriteFile(at("main/\xff\xfe odd\n\t\"name"), []byte("odd"), 0o644), os.WriteFile(at("main/"+strings.Repeat("n", 255)), []byte("long"), 0o644),
		unix.Mkfifo(at("main/pipe"), 0o620), unix.Mknod(at("main/socket"), unix.S_IFSOCK|0o755, 0), unix.Mknod(at("main/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		os.Chmod(at("main/empty"), 0o777|fs.ModeSticky), os.Link(at("main/pipe"), at("main/pipe too")), os.Link(at("main/out"), at("main/out too")),
		unix.Setxattr(at("main/words"), "user.mood", []byte("good\x00bad"), 0), unix.Setxattr(at("main/empty"), "user.empty", nil, 0),
	)
	// Capabilities of a namespace with its own root, as a container sets them, and an ACL with a mask.
	capability := []byte{1, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0x86, 1, 0}
	must(t, unix.Setxattr(at("main/program"), "security.capability", capability, 0))
	acl := []byte{2, 0, 0, 0,
		1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 7, 0, 0x31, 0, 0, 0, 4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
		16, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, 32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}
	must(t, unix.Setxattr(at("main/big"), "system.posix_acl_access", acl, 0), unix.Setxattr(at("main/private"), "system.posix_acl_default", acl, 0))
	sparse, err := os.Create(at("main/sparse"))
	must(t, err, sparse.Truncate(64<<20))
	_, first := sparse.WriteAt([]byte("first"), 8<<20)
	_, second := sparse.WriteAt([]byte("second"), 40<<20)
	must(t, first, second, sparse.Close())
	must(t, os.Chtimes(at("main/words"), old, old), os.Chtimes(at("main/private"), old, old), os.Chtimes(at("main"), old, old.Add(time.Hour)))
}

// describe spells all of a tree: what each name is, whose, since when, with which attributes, what it holds, where its
// holes are, and which names are of the same file.
func describe(t testing.TB, root string) string {
	t.Helper()
	var b strings.Builder
	first := map[uint64]string{}
	must(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		var st unix.Stat_t
		must(t, unix.Lstat(path, &st))
		fmt.Fprintf(&b, "%q mode %o owner %d:%d modified %d.%d", rel, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
		names := make([]byte, 4096)
		n, err := unix.Llistxattr(path, names)
		must(t, err)
		attrs := strings.Split(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00")
		slices.Sort(attrs)
		for _, attr := range attrs {
			if attr == "" {
				continue
			}
			value := make([]byte, 4096)
			n, err := unix.Lgetxattr(path, attr, value)
			must(t, err)
			fmt.Fprintf(&b, " %s=%x", attr, value[:n])
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
		case unix.S_IFREG:
			raw, err := os.ReadFile(path)
			must(t, err)
			fmt.Fprintf(&b, " links %d size %d sum %.6x data %v", st.Nlink, st.Size, sha256.Sum256(raw), data(t, path))
		case unix.S_IFLNK:
			to, err := os.Readlink(path)
			must(t, err)
			fmt.Fprintf(&b, " links %d to %q", st.Nlink, to)
		default:
			fmt.Fprintf(&b, " links %d device %x", st.Nlink, st.Rdev)
		}
		if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if first[st.Ino] == "" {
				first[st.Ino] = rel
			}
			fmt.Fprintf(&b, " same as %q", first[st.Ino])
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

// data lists where a file has data.
func data(t testing.TB, path string) (ranges [][2]int64) {
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	for at := int64(0); ; {
		from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return ranges
		}
		must(t, err)
		to, err := unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
		must(t, err)
		ranges, at = append(ranges, [2]int64{from, to}), to
	}
}

func TestSnapshotKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, p := range places() {
		for name, most := range map[string]tree.Mechanism{"best": 0, "reflink": tree.Reflink, "copy": tree.Copy} {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				testenv.Require(t, "root")
				dir := p.make(t)
				src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
				must(t, tree.Make(src, 0o755))
				grow(t, src)
				want := describe(t, src)
				var done, total uint64
				how, size, err := tree.Snapshot(t.Context(), src, dst, tree.Options{AtMost: most, Progress: func(d, n uint64) { done, total = d, n }})
				must(t, err)
				if got := describe(t, dst); got != want {
					t.Errorf("the snapshot is\n%s\nand not\n%s", got, want)
				}
				if best := expected(p.name, most); best != how && best != 0 {
					t.Errorf("made by mechanism %d, want %d", how, best)
				}
				if size.Files < 20 || size.Bytes < 1<<20 || size.Bytes > 20<<20 || done > total {
					t.Errorf("size %+v, progress %d of %d", size, done, total)
				}
				// What is written afterwards, in place, is in one of them alone.
				f, err := os.OpenFile(filepath.Join(src, "main/big"), os.O_WRONLY, 0)
				must(t, err)
				_, err = f.WriteAt([]byte("overwritten"), 100)
				must(t, err, f.Close(), os.Remove(filepath.Join(src, "main/words")))
				if got := describe(t, dst); got != want {
					t.Error("the snapshot changes with the tree")
				}
				if names, err := os.ReadDir(dir); err != nil || len(names) > 3 {
					t.Errorf("beside the snapshot: %v, %v", names, err)
				}
				must(t, tree.Remove(t.Context(), dst), tree.Remove(t.Context(), dst))
				if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("after the removal: %v", err)
				}
			})
		}
	}
}

// expected is the mechanism of a file system, 0 where it is not known.
func expected(place string, most tree.Mechanism) tree.Mechanism {
	best := map[string]tree.Mechanism{"xfs": tree.Reflink, "btrfs": tree.Subvolume}[place]
	if best == 0 && most != tree.Copy {
		return 0
	}
	return max(best, most)
}

// A moment is as a snapshot is, where files can share their blocks; elsewhere nothing is copied.
func TestAMomentSharesBlocksOrIsNotMade(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			dir := p.make(t)
			src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
			must(t, tree.Make(src, 0o755), os.WriteFile(filepath.Join(src, "words"), []byte("before"), 0o600))
			err := tree.Moment(t.Context(), src, dst, 0)
			if errors.Is(err, tree.ErrUnshared) && p.name == "here" {
				if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("something was made all the same: %v", err)
				}
				return
			}
			must(t, err, os.WriteFile(filepath.Join(src, "words"), []byte("after"), 0o600))
			if raw, err := os.ReadFile(filepath.Join(dst, "words")); err != nil || string(raw) != "before" {
				t.Errorf("the moment holds %q, %v", raw, err)
			}
			must(t, tree.Remove(t.Context(), dst), tree.Remove(t.Context(), src))
		})
	}
}

// A container can make subvolumes inside of its volume; a snapshot of the outer one would have empty folders instead.
func TestSubvolumesInsideAreKept(t *testing.T) {
	t.Parallel()
	dir := formatted(t, "btrfs")
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	must(t, tree.Make(src, 0o755), tree.Make(filepath.Join(src, "inner"), 0o700), os.WriteFile(filepath.Join(src, "inner/words"), []byte("words"), 0o600))
	how, _, err := tree.Snapshot(t.Context(), src, dst, tree.Options{})
	must(t, err)
	if raw, err := os.ReadFile(filepath.Join(dst, "inner/words")); err != nil || string(raw) != "words" || how != tree.Reflink {
		t.Errorf("inside the snapshot made by %d: %q, %v", how, raw, err)
	}
	must(t, tree.Remove(t.Context(), src), tree.Remove(t.Context(), dst))
}

func TestDepthCostsNothing(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	const depth = 3000
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	must(t, os.Mkdir(src, 0o755))
	fd, err := unix.Open(src, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for range depth {
		must(t, unix.Mkdirat(fd, "d", 0o700))
		next, err := unix.Openat(fd, "d", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err, unix.Close(fd))
		fd = next
	}
	must(t, unix.Mknodat(fd, "bottom", unix.S_IFREG|0o600, 0), unix.Close(fd))
	_, want, err := tree.Snapshot(t.Context(), src, dst, tree.Options{})
	must(t, err)
	got, err := tree.Measure(t.Context(), dst)
	must(t, err)
	if got != want || got.Files != depth+1 {
		t.Errorf("the snapshot has %+v, want %+v with %d files", got, want, depth+1)
	}
	must(t, tree.Remove(t.Context(), src), tree.Remove(t.Context(), dst))
}

// A service that moves its files about all the time cannot keep from being known how large they are.
func TestATreeThatKeepsChangingIsMeasured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := filepath.Join(dir, "stays", "big")
	must(t, os.Mkdir(filepath.Dir(big), 0o755), os.WriteFile(big, make([]byte, 1<<20), 0o600))
	for i := range 300 {
		must(t, os.MkdirAll(filepath.Join(dir, fmt.Sprint(i), "in"), 0o755))
	}
	ctx, cancel := context.WithCancel(t.Context())
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		for i := 0; ctx.Err() == nil; i++ {
			from := filepath.Join(dir, fmt.Sprint(i%300))
			_ = os.Rename(from, from+"a")
			_ = os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
			_ = os.Rename(from+"a", from)
			_ = os.Remove(filepath.Join(dir, "file"))
		}
	}()
	defer func() { cancel(); <-moved }()
	for range 50 {
		size, err := tree.Measure(t.Context(), dir)
		if err != nil || size.Bytes < 1<<20 {
			t.Fatalf("%+v, %v", size, err)
		}
	}
}

func TestTreeThatKeepsChangingIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	must(t, os.Mkdir(src, 0o755), os.WriteFile(filepath.Join(src, "file"), []byte("a"), 0o600))
	for i := range 300 {
		must(t, os.WriteFile(filepath.Join(src, fmt.Sprint(i)), nil, 0o600))
	}
	write := func(done, _ uint64) { must(t, os.WriteFile(filepath.Join(src, "file"), fmt.Append(nil, done), 0o600)) }
	_, _, err := tree.Snapshot(t.Context(), src, dst, tree.Options{AtMost: tree.Copy, Progress: write})
	if !errors.Is(err, tree.ErrBusy) {
		t.Errorf("a snapshot of a tree that is written to: %v", err)
	}
	if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is left: %v", err)
	}
	_, _, err = tree.Snapshot(t.Context(), src, dst, tree.Options{})
	must(t, err)
}

func TestSnapshotIsRefusedBeforeTheDiskIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	must(t, os.Mkdir(src, 0o755), os.WriteFile(filepath.Join(src, "file"), make([]byte, 1<<20), 0o600))
	var full *tree.NoRoom
	_, _, err := tree.Snapshot(t.Context(), src, dst, tree.Options{Reserve: 1 << 60, AtMost: tree.Copy})
	if !errors.As(err, &full) || full.Needed < 1<<60+1<<20 || full.Free == 0 {
		t.Errorf("without room: %v", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("what is left: %v, %v", names, err)
	}
}

// A disk that becomes full in the middle gives its space back.
func TestFullDiskLeavesNothing(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	must(t, os.Mkdir(src, 0o755))
	for i := range 8 {
		must(t, os.WriteFile(filepath.Join(src, fmt.Sprint("large", i)), bytes.Repeat([]byte{'x'}, 1<<20), 0o600))
	}
	for i := range 300 {
		must(t, os.WriteFile(filepath.Join(src, fmt.Sprint("small", i)), []byte("x"), 0o600))
	}
	ballast := func(uint64, uint64) { _ = os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 32<<20), 0o600) }
	free := func() uint64 {
		n, err := tree.Free(dir)
		must(t, err)
		return n
	}
	before := free()
	_, _, err := tree.Snapshot(t.Context(), src, dst, tree.Options{Progress: ballast})
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	must(t, os.Remove(filepath.Join(dir, "ballast")))
	if after := free(); after != before {
		t.Errorf("%d bytes are free, %d were", after, before)
	}
}

func TestMountInsideIsRefused(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	inside := filepath.Join(src, "inside")
	must(t, os.MkdirAll(inside, 0o755), unix.Mount("tmpfs", inside, "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(inside, unix.MNT_DETACH) })
	if _, _, err := tree.Snapshot(t.Context(), src, filepath.Join(dir, "dst"), tree.Options{}); !errors.Is(err, tree.ErrMount) {
		t.Errorf("over a mount: %v", err)
	}
}

func TestCancelledSnapshotLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	must(t, os.Mkdir(src, 0o755))
	for i := range 1000 {
		must(t, os.WriteFile(filepath.Join(src, fmt.Sprint(i)), []byte("x"), 0o600))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, _, err := tree.Snapshot(ctx, src, dst, tree.Options{Progress: func(uint64, uint64) { cancel() }, AtMost: tree.Copy})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("what is left: %v, %v", names, err)
	}
}

func TestExchange(t *testing.T) {
	t.Parallel()
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			dir := p.make(t)
			a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			must(t, tree.Make(a, 0o755), tree.Make(b, 0o755), os.WriteFile(filepath.Join(a, "of a"), nil, 0o600), tree.Exchange(a, b))
			if _, err := os.Lstat(filepath.Join(b, "of a")); err != nil {
				t.Error(err)
			}
			if err := tree.Exchange(a, filepath.Join(dir, "c")); err == nil {
				t.Error("exchanged with nothing")
			}
		})
	}
}
