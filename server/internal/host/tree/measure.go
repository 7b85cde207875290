package tree

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// Measure tells how large the tree below a folder is, without the folder itself. What has many names counts once, and what comes
// and goes meanwhile may be left out. With an error it tells how much had been seen until then.
func Measure(ctx context.Context, path string) (Size, error) {
	m := measure{}
	err := walkPath(ctx, path, &m)
	return Size{Files: m.files, Bytes: m.blocks * 512}, err
}

func walkPath(ctx context.Context, path string, v visitor) error {
	root, err := openRoot(path)
	if err != nil {
		return err
	}
	return walk(ctx, root, v)
}

type measure struct {
	files, blocks uint64
}

func (m *measure) enter(string, int) error { m.files++; return nil }
func (m *measure) leave(int) error         { return nil }
func (m *measure) lenient()                {}

func (m *measure) leaf(dir int, name string, _ byte) error {
	st, err := statBelow(dir, name)
	if err != nil {
		return err
	}
	m.files++
	m.blocks += uint64(st.Blocks) / max(uint64(st.Nlink), 1)
	return nil
}

// changeTime is when the inode of a path changed last, by the clock of its file system.
func changeTime(path string) (unix.Timespec, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return st.Ctim, err
}

// unchangedSince finds out whether anything in a tree was written to since a time, its folders included. Nobody but the
// kernel sets the time this goes by.
func unchangedSince(ctx context.Context, path string, since unix.Timespec) error {
	root, err := openRoot(path)
	if err != nil {
		return err
	}
	c := compare{since: since}
	if err := c.leave(root); err != nil {
		return errors.Join(err, unix.Close(root))
	}
	return walk(ctx, root, &c)
}

type compare struct {
	since unix.Timespec
}

func (c *compare) enter(string, int) error { return nil }

func (c *compare) leave(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	return c.check(&st)
}

func (c *compare) leaf(dir int, name string, _ byte) error {
	st, err := statBelow(dir, name)
	if err != nil {
		return err
	}
	return c.check(&st)
}

func (c *compare) check(st *unix.Stat_t) error {
	if st.Ctim.Sec > c.since.Sec || st.Ctim.Sec == c.since.Sec && st.Ctim.Nsec >= c.since.Nsec {
		return errChanged
	}
	return nil
}

// SnapshotRoom is how many bytes must be free, besides a reserve, for a snapshot of src to be made next to dir. It is told
// by what src holds now.
func SnapshotRoom(ctx context.Context, src, dir string) (uint64, error) {
	fd, err := openRoot(src)
	if err != nil {
		return 0, err
	}
	whole := isSubvolume(fd)
	if err := unix.Close(fd); err != nil || whole {
		return 0, err
	}
	size, err := Measure(ctx, src)
	if err == nil && sharesBlocks(dir) {
		return size.Files * entryCost, nil
	}
	return size.work(), err
}
