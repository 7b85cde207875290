package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Chunks in which files are copied, so that an end is heeded and progress is told.
const (
	chunk       = 32 << 20
	tellEntries = 256
)

// maxAttribute is the most the kernel answers as the names, or the value, of extended attributes.
const maxAttribute = 64 << 10

// copier copies what a walk meets. A file with many names is copied under the first; the others are linked to it by way
// of a folder of its own, which is where the walk finds it again without remembering anything.
type copier struct {
	ctx      context.Context // of the one walk it is made for
	how      Mechanism
	out      descent
	links    int // the folder, -1: not needed yet
	linkPath string
	done     Size
	told     Size
	tell     func(done Size)
	names    []byte // buffers for extended attributes
	value    []byte
	uid, gid uint32 // what new files have
}

// copyTree copies all that is in src, and what src itself has of attributes, into dst, an empty folder.
func copyTree(ctx context.Context, src, dst string, how Mechanism, tell func(done Size)) (err error) {
	c := &copier{
		ctx: ctx, how: how, tell: tell, links: -1, linkPath: dst + ".links", names: make([]byte, maxAttribute), value: make([]byte, maxAttribute),
		uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()),
	}
	defer func() { err = errors.Join(err, c.closeLinks()) }()
	defer c.out.close()
	fd, err := openRoot(dst)
	if err != nil {
		return err
	}
	if err := c.out.push(fd); err != nil {
		return err
	}
	return walkPath(ctx, src, c)
}

func (c *copier) closeLinks() error {
	if c.links < 0 {
		return nil
	}
	return errors.Join(unix.Close(c.links), Remove(context.WithoutCancel(c.ctx), c.linkPath))
}

func (c *copier) enter(name string, _ int) error {
	if err := unix.Mkdirat(c.out.top(), name, 0o700); err != nil {
		return explain("make folder", name, err)
	}
	fd, err := openBelow(c.out.top(), name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	c.count(0)
	return c.out.push(fd)
}

// leave gives a folder its attributes when all is in it, and its times last.
func (c *copier) leave(src int) error {
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return err
	}
	dst := c.out.top()
	if err := c.attributes(src, dst, &st); err != nil {
		return explain("keep the attributes of a folder", "", err)
	}
	if err := unix.UtimesNanoAt(dst, "", []unix.Timespec{st.Atim, st.Mtim}, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	return c.out.pop()
}

func (c *copier) leaf(dir int, name string, kind byte) error {
	var err error
	if kind == unix.DT_REG {
		err = c.file(dir, name)
	} else {
		err = c.special(dir, name)
	}
	c.count(0)
	return explain("copy", name, err)
}

// count tells how far the copy is, now and then.
func (c *copier) count(bytes uint64) {
	if bytes == 0 {
		c.done.Files++
	}
	c.done.Bytes += bytes
	if c.done.Files-c.told.Files >= tellEntries || c.done.Bytes-c.told.Bytes >= chunk {
		c.told = c.done
		c.tell(c.done)
	}
}

func (c *copier) file(dir int, name string) error {
	src, err := openBelow(dir, name, unix.O_RDONLY|unix.O_NOATIME)
	if err != nil {
		return err
	}
	defer unix.Close(src)
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errChanged
	}
	if linked, err := c.link(&st, name); linked || err != nil {
		return err
	}
	dst, err := unix.Openat(c.out.top(), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(dst)
	if err := c.content(src, dst, &st); err != nil {
		return err
	}
	if err := c.attributes(src, dst, &st); err != nil {
		return err
	}
	return c.finish(&st, name)
}

// finish gives a new name its times, and records it where there are more names of the same file.
func (c *copier) finish(st *unix.Stat_t, name string) error {
	if err := unix.UtimesNanoAt(c.out.top(), name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Nlink < 2 {
		return nil
	}
	if c.links < 0 {
		err := os.Mkdir(c.linkPath, 0o700)
		if err == nil {
			c.links, err = openRoot(c.linkPath)
		}
		if err != nil {
			return err
		}
	}
	return unix.Linkat(c.out.top(), name, c.links, linkName(st), 0)
}

// linkName is the name under which a file is found again that has more than one.
func linkName(st *unix.Stat_t) string {
	return strconv.FormatUint(st.Dev, 16) + "-" + strconv.FormatUint(st.Ino, 16)
}

// link gives a file another name that was copied under one before.
func (c *copier) link(st *unix.Stat_t, name string) (linked bool, err error) {
	if st.Nlink < 2 || c.links < 0 {
		return false, nil
	}
	err = unix.Linkat(c.links, linkName(st), c.out.top(), name, 0)
	if errors.Is(err, unix.EMLINK) {
		// The file has as many names as it can: this is the last, and the one it was found by is not needed any more.
		err = unix.Renameat(c.links, linkName(st), c.out.top(), name)
	}
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// content copies what is in a file, and where there is nothing leaves a hole.
func (c *copier) content(src, dst int, st *unix.Stat_t) error {
	if st.Size == 0 {
		return nil
	}
	if c.how == Reflink {
		// Some files cannot share blocks even where others can: those kept from copy on write.
		if err := unix.IoctlFileClone(dst, src); err == nil {
			c.count(uint64(st.Blocks) * 512)
			return nil
		} else if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EXDEV) {
			return err
		}
	}
	if st.Blocks*512 >= st.Size {
		return c.copyRange(src, dst, 0, st.Size)
	}
	if err := unix.Ftruncate(dst, st.Size); err != nil {
		return err
	}
	for at := int64(0); at < st.Size; {
		from, err := unix.Seek(src, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // a hole up to the end
		}
		if err != nil {
			return err
		}
		to, err := unix.Seek(src, from, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if to = min(to, st.Size); from >= to {
			return nil
		}
		if err := c.copyRange(src, dst, from, to); err != nil {
			return err
		}
		at = to
	}
	return nil
}

func (c *copier) copyRange(src, dst int, from, to int64) error {
	for from < to {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		in, out := from, from
		n, err := unix.CopyFileRange(src, &in, dst, &out, int(min(to-from, chunk)), 0)
		if err == nil && n == 0 {
			return errChanged // it became shorter
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOSYS) {
			n, err = copyBytes(src, dst, from, min(to-from, int64(len(c.value))), c.value)
		}
		if err != nil {
			return err
		}
		from += int64(n)
		c.count(uint64(n))
	}
	return nil
}

// copyBytes copies through memory, where the kernel does not copy by itself.
func copyBytes(src, dst int, at, size int64, buf []byte) (int, error) {
	n, err := unix.Pread(src, buf[:size], at)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, errChanged
	}
	for wrote := 0; wrote < n; {
		w, err := unix.Pwrite(dst, buf[wrote:n], at+int64(wrote))
		if err != nil {
			return 0, err
		}
		wrote += w
	}
	return n, nil
}

// special copies what is neither file nor folder.
func (c *copier) special(dir int, name string) error {
	st, err := statBelow(dir, name)
	if err != nil {
		return err
	}
	if linked, err := c.link(&st, name); linked || err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		n, err := unix.Readlinkat(dir, name, c.value)
		if err != nil {
			return err
		}
		if err := unix.Symlinkat(string(c.value[:n]), c.out.top(), name); err != nil {
			return err
		}
	case unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR, unix.S_IFBLK:
		if err := unix.Mknodat(c.out.top(), name, st.Mode, int(st.Rdev)); err != nil {
			return err
		}
	default:
		return errChanged
	}
	if err := unix.Fchownat(c.out.top(), name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	from, to := entry(dir, name), entry(c.out.top(), name)
	err = c.extended(
		func(buf []byte) (int, error) { return unix.Llistxattr(from, buf) },
		func(attr string, buf []byte) (int, error) { return unix.Lgetxattr(from, attr, buf) },
		func(attr string, value []byte) error { return unix.Lsetxattr(to, attr, value, 0) })
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(c.out.top(), name, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	return c.finish(&st, name)
}

// entry is a path to a name in an open folder, for calls that take nothing else. Such calls do not follow its last part.
func entry(dir int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name
}

// attributes gives a copy its owners, extended attributes and mode, in this order: new owners take away set-user-id bits
// and capabilities.
func (c *copier) attributes(src, dst int, st *unix.Stat_t) error {
	if st.Uid != c.uid || st.Gid != c.gid {
		if err := unix.Fchown(dst, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	err := c.extended(
		func(buf []byte) (int, error) { return unix.Flistxattr(src, buf) },
		func(attr string, buf []byte) (int, error) { return unix.Fgetxattr(src, attr, buf) },
		func(attr string, value []byte) error { return unix.Fsetxattr(dst, attr, value, 0) })
	if err != nil {
		return err
	}
	return unix.Fchmod(dst, st.Mode&0o7777)
}

// extended copies extended attributes, among which are ACLs and capabilities.
func (c *copier) extended(list func([]byte) (int, error), get func(string, []byte) (int, error), set func(string, []byte) error) error {
	n, err := list(c.names)
	if errors.Is(err, unix.EOPNOTSUPP) || n == 0 && err == nil {
		return nil
	}
	if err != nil {
		return err
	}
	for attr := range strings.SplitSeq(strings.TrimSuffix(string(c.names[:n]), "\x00"), "\x00") {
		size, err := get(attr, c.value)
		if errors.Is(err, unix.ENODATA) {
			return errChanged
		}
		if err == nil {
			err = set(attr, c.value[:size])
		}
		if err != nil {
			return fmt.Errorf("extended attribute %q: %w", attr, err)
		}
	}
	return nil
}

func explain(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot %s %q: %w", verb, name, err)
}
