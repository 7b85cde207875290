package mount

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// resolveHostile is how every path is looked up that a container may have shaped: nothing leaves the root, no link is
// followed. Mounts are crossed, since roots of subcontainers and volumes are mounts.
const resolveHostile = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// components splits a path that came from a container into its names, none of them special.
func components(path string) ([]string, error) {
	if len(path) > unix.PathMax-1 || strings.ContainsRune(path, 0) {
		return nil, fmt.Errorf("%w: too long or with a zero byte", ErrUnsafePath)
	}
	var names []string
	for _, n := range strings.Split(path, "/") {
		switch {
		case n == "" || n == ".":
		case n == "..":
			return nil, fmt.Errorf("%w: %q goes up", ErrUnsafePath, path)
		case len(n) > 255:
			return nil, fmt.Errorf("%w: name of %d bytes", ErrUnsafePath, len(n))
		default:
			names = append(names, n)
		}
	}
	return names, nil
}

// openAt opens rel below the folder root without following links; rel "" is root itself.
func openAt(root int, rel string, flags uint64) (int, error) {
	if rel == "" {
		rel = "."
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolveHostile}
	for range 128 {
		fd, err := unix.Openat2(root, rel, &how)
		switch {
		// The kernel gives up on a lookup that raced with a rename; a container can force that, but not for ever.
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV):
			return -1, fmt.Errorf("%w: %q leads through a link", ErrUnsafePath, rel)
		}
		return fd, err
	}
	return -1, fmt.Errorf("%w: %q keeps changing", ErrUnsafePath, rel)
}

// OpenBeneath opens sub below dir as a handle (O_PATH) for inspection or as the source of a mount. dir is trusted; sub
// may have been shaped by a container: links in it, and "..", are refused with ErrUnsafePath.
func OpenBeneath(dir, sub string) (*os.File, error) {
	names, err := components(sub)
	if err != nil {
		return nil, err
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	if len(names) == 0 {
		return os.NewFile(uintptr(root), dir), nil
	}
	defer unix.Close(root)
	rel := strings.Join(names, "/")
	fd, err := openAt(root, rel, unix.O_PATH)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir + "/" + rel, Err: err}
	}
	return os.NewFile(uintptr(fd), dir+"/"+rel), nil
}

// MkdirBeneath makes sure that the folder sub exists below dir, under the rules of OpenBeneath. Folders it creates get
// mode and belong to uid and gid.
func MkdirBeneath(dir, sub string, mode uint32, uid, gid uint32) error {
	names, err := components(sub)
	if err != nil {
		return err
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(root)
	fd, err := walk(root, names, func(parent int, name string) error {
		if err := unix.Mkdirat(parent, name, mode); err != nil {
			return err
		}
		made, err := openAt(parent, name, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer unix.Close(made)
		return unix.Fchownat(made, "", int(uid), int(gid), unix.AT_EMPTY_PATH)
	})
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: dir + "/" + strings.Join(names, "/"), Err: err}
	}
	return unix.Close(fd)
}

// walk opens the folder names below root, calling create for each that is missing.
func walk(root int, names []string, create func(parent int, name string) error) (int, error) {
	at, err := openAt(root, "", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	for _, name := range names {
		next, err := openAt(at, name, unix.O_PATH|unix.O_DIRECTORY)
		if errors.Is(err, unix.ENOENT) {
			if err = create(at, name); err == nil || errors.Is(err, unix.EEXIST) {
				next, err = openAt(at, name, unix.O_PATH|unix.O_DIRECTORY)
			}
		}
		unix.Close(at)
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}
