package rpc

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxSocketPath is what the kernel takes, less its final zero.
const maxSocketPath = 107

// ListenUnix makes the socket at path with this mode. It appears at its name complete, by a rename, so that no client
// ever meets it with other rights. A socket that nobody answers on any more is replaced; one that is answered is left
// alone and an error, syscall.EADDRINUSE.
func ListenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	fresh := path + "~"
	if len(fresh) > maxSocketPath {
		return nil, fmt.Errorf("cannot listen on %q: the path is longer than %d bytes", path, maxSocketPath-1)
	}
	if err := checkStale(path); err != nil {
		return nil, err
	}
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	lis, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	lis.SetUnlinkOnClose(false) // by then the name may be another daemon's
	if err := errors.Join(os.Chmod(fresh, mode), os.Rename(fresh, path)); err != nil {
		lis.Close()
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		lis.Close()
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	return &unixListener{UnixListener: lis, path: path, made: info}, nil
}

// checkStale refuses a path that is something else than a socket, or a socket that is answered.
func checkStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err := os.Stat(filepath.Dir(path))
		return err
	case err != nil:
		return fmt.Errorf("cannot listen on %q: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("cannot listen on %q: it is there and no socket", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("cannot listen on %q: another process answers there: %w", path, syscall.EADDRINUSE)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("cannot listen on %q: %w", path, err)
}

// unixListener takes its name away when it closes, if the name is still its own.
type unixListener struct {
	*net.UnixListener
	path string
	made fs.FileInfo
}

func (l *unixListener) Close() error {
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.made) {
		os.Remove(l.path)
	}
	return l.UnixListener.Close()
}
