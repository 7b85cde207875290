package tree

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The ioctls of inode attributes that xfs, ext4 and others have; their numbers are _IOR and _IOW('X', n, attributes).
const (
	getAttributes = 0x801c581f
	setAttributes = 0x401c5820
	// inherits says that what is made in a folder is of its project.
	inherits = 0x200
)

// attributes is struct fsxattr.
type attributes struct {
	flags, extent, extents, project, shared uint32
	_                                       [8]byte
}

// Project answers of which project of the file system a folder is, with what is made in it; 0: of none.
func Project(path string) (uint32, error) {
	fd, err := openRoot(path)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var a attributes
	if err := ioctl(fd, getAttributes, &a); err != nil {
		return 0, fmt.Errorf("cannot see the project of a folder: %w", err)
	}
	if a.flags&inherits == 0 {
		return 0, nil
	}
	return a.project, nil
}

// SetProject makes a folder, all that is in it and what will be made in it of a project; 0 takes it out of any. The folder
// itself comes last, so one that is of a project is so with all that was in it. Links and special files, which take no
// room, are left out.
func SetProject(ctx context.Context, path string, project uint32) error {
	if err := walkPath(ctx, path, projectSetter(project)); err != nil {
		return fmt.Errorf("cannot set the project of a folder: %w", err)
	}
	return nil
}

type projectSetter uint32

func (p projectSetter) enter(string, int) error { return nil }

func (p projectSetter) leave(fd int) error { return p.set(fd, p != 0) }

func (p projectSetter) leaf(dir int, name string, kind byte) error {
	if kind != unix.DT_REG {
		return nil
	}
	fd, err := openBelow(dir, name, unix.O_RDONLY)
	if errors.Is(err, errChanged) {
		return nil // it went meanwhile
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return p.set(fd, false)
}

func (p projectSetter) set(fd int, inherit bool) error {
	var a attributes
	if err := ioctl(fd, getAttributes, &a); err != nil {
		return err
	}
	before := a
	a.project = uint32(p)
	if a.flags &^= inherits; inherit {
		a.flags |= inherits
	}
	if a == before {
		return nil
	}
	return ioctl(fd, setAttributes, &a)
}
