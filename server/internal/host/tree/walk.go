package tree

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// window is how many folders on the way to where a walk is are held open.
const window = 32

// descent is a way down a tree, as open folders. Those far up are closed; the way back to one goes by "..", and where
// that does not lead to the folder it came from, somebody moved things about.
type descent struct {
	levels []level
}

type level struct {
	fd       int // -1: closed, too far up
	dev, ino uint64
}

func (d *descent) push(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	d.levels = append(d.levels, level{fd: fd, dev: st.Dev, ino: st.Ino})
	if far := len(d.levels) - 1 - window; far >= 0 && d.levels[far].fd >= 0 {
		err := unix.Close(d.levels[far].fd)
		d.levels[far].fd = -1
		return err
	}
	return nil
}

// top is the folder where the walk is.
func (d *descent) top() int { return d.levels[len(d.levels)-1].fd }

// pop goes up by one.
func (d *descent) pop() error {
	last := len(d.levels) - 1
	fd := d.levels[last].fd
	defer unix.Close(fd)
	d.levels = d.levels[:last]
	if last == 0 || d.levels[last-1].fd >= 0 {
		return nil
	}
	up, err := unix.Openat(fd, "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot go back up: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(up, &st); err != nil || st.Dev != d.levels[last-1].dev || st.Ino != d.levels[last-1].ino {
		return errors.Join(errChanged, err, unix.Close(up))
	}
	d.levels[last-1].fd = up
	return nil
}

func (d *descent) close() {
	for _, l := range d.levels {
		if l.fd >= 0 {
			_ = unix.Close(l.fd)
		}
	}
	d.levels = nil
}

// visitor is told what a walk meets. Every folder is entered before, and left after, all that is in it; leaf is told of
// the rest, with the folder it is in and its type as the folder tells it (DT_UNKNOWN where it does not).
type visitor interface {
	enter(name string, fd int) error
	leaf(dir int, name string, kind byte) error
	leave(fd int) error
}

// A lenient visitor is not told of what has gone, or become something else, since its folder was read; others fail.
type lenient interface {
	visitor
	lenient()
}

// overlooks reports whether an error ends no walk of this visitor.
func overlooks(v visitor, err error) bool {
	_, is := v.(lenient)
	return is && errors.Is(err, errChanged)
}

// openRoot opens a folder that is ours by name.
func openRoot(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// openBelow opens a name that was found in a folder, only there, through no link and onto no other mount.
func openBelow(dir int, name string, flags uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   flags | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	for {
		fd, err := unix.Openat2(dir, name, &how)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case errors.Is(err, unix.EXDEV):
			return -1, fmt.Errorf("%w: %q", ErrMount, name)
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
			return -1, fmt.Errorf("%w: %q: %w", errChanged, name, err)
		}
		return fd, err
	}
}

// pending are the folders in a folder that are still to be walked.
type pending struct {
	names []string
}

// walk goes through the tree below root, which it closes.
func walk(ctx context.Context, root int, v visitor) error {
	var down descent
	defer down.close()
	if err := down.push(root); err != nil {
		return err
	}
	stack := []pending{{}}
	var err error
	if stack[0].names, err = visit(ctx, root, v); err != nil {
		return err
	}
	for len(stack) > 0 {
		here := &stack[len(stack)-1]
		if len(here.names) == 0 {
			if err := v.leave(down.top()); err != nil {
				return err
			}
			if err := down.pop(); err != nil {
				return err
			}
			stack = stack[:len(stack)-1]
			continue
		}
		name := here.names[len(here.names)-1]
		here.names = here.names[:len(here.names)-1]
		fd, err := openBelow(down.top(), name, unix.O_RDONLY|unix.O_DIRECTORY)
		if overlooks(v, err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := down.push(fd); err != nil {
			return err
		}
		if err := v.enter(name, fd); err != nil {
			return err
		}
		names, err := visit(ctx, fd, v)
		if err != nil {
			return err
		}
		stack = append(stack, pending{names})
	}
	return nil
}

// visit tells of all that is in a folder but the folders, and answers those.
func visit(ctx context.Context, dir int, v visitor) (folders []string, err error) {
	buf := make([]byte, 32<<10)
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, err := unix.Getdents(dir, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read a folder: %w", err)
		}
		if n == 0 {
			return folders, nil
		}
		for rest := buf[:n]; len(rest) > 0; {
			name, kind, size := direntry(rest)
			rest = rest[size:]
			if name == "." || name == ".." {
				continue
			}
			if kind == unix.DT_UNKNOWN {
				kind, err = kindOf(dir, name)
			}
			if kind == unix.DT_DIR {
				folders = append(folders, name)
				continue
			}
			if err == nil {
				err = v.leaf(dir, name, kind)
			}
			if err != nil && !overlooks(v, err) {
				return nil, err
			}
		}
	}
}

// direntry reads one entry of what the kernel answers: inode, offset, length, type, name, a zero byte.
func direntry(raw []byte) (name string, kind byte, size int) {
	size = int(binary.NativeEndian.Uint16(raw[16:]))
	text := raw[19:size]
	for i, c := range text {
		if c == 0 {
			text = text[:i]
			break
		}
	}
	return string(text), raw[18], size
}

func kindOf(dir int, name string) (byte, error) {
	st, err := statBelow(dir, name)
	return byte(st.Mode >> 12 & 0xf), err
}

func statBelow(dir int, name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		err = fmt.Errorf("%w: %q: %w", errChanged, name, err)
	}
	return st, err
}
