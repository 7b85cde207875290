package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Remove removes a folder with all that is in it, however deep; it is a no-op where there is none. The folder must be
// nobody else's by now.
func Remove(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if removeSubvolume(path) == nil {
		return nil
	}
	// A file system may leave out entries of a folder while others of it are removed, so it is looked at again.
	for try := 0; ; try++ {
		err := walkPath(ctx, path, &remover{})
		if err == nil {
			err = unix.Rmdir(path)
		}
		if err == nil {
			return nil
		}
		if try == 8 || !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("cannot remove %s: %w", filepath.Base(path), err)
		}
	}
}

// remover removes what a walk meets, on the way back up.
type remover struct {
	names []string
}

func (r *remover) enter(name string, _ int) error {
	r.names = append(r.names, name)
	return nil
}

func (r *remover) leaf(dir int, name string, _ byte) error {
	return ignoreGone(unix.Unlinkat(dir, name, 0))
}

func (r *remover) leave(fd int) error {
	if len(r.names) == 0 {
		return nil // the root is removed by its path
	}
	name := r.names[len(r.names)-1]
	r.names = r.names[:len(r.names)-1]
	up, err := unix.Openat(fd, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(up)
	return ignoreGone(unix.Unlinkat(up, name, unix.AT_REMOVEDIR))
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
