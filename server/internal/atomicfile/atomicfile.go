// Package atomicfile replaces files so that a reader, or the machine after a power cut, finds the old content or the new
// and never a mixture: a temporary file beside the target is written, synced, renamed over it, and the folder is synced.
//
// It is deliberately not a transaction over several files and takes no locks; two writers of one path both succeed and
// the later one wins.
package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// Write replaces the file at path with data. When it returns nil the content survives a crash; when it returns an error
// the old content is still there. perm is applied as given, whatever the umask. A symbolic link at path is replaced, not
// followed.
func Write(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return f.Commit()
}

// Ensure is Write, but writes nothing where the file has this content and these permissions, so that it works on a full
// disk.
func Ensure(path string, data []byte, perm fs.FileMode) error {
	info, err := os.Lstat(path)
	if err == nil && info.Mode() == perm && info.Size() == int64(len(data)) {
		if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, data) {
			return nil
		}
	}
	return Write(path, data, perm)
}

// File is the next content of a path while it is being written. It is not safe for concurrent use.
type File struct {
	pending *renameio.PendingFile
	path    string
}

var _ io.Writer = (*File)(nil)

// Create begins to replace the file at path. The caller ends with Commit, or Abort; Abort after Commit does nothing, so
// it can be deferred. After a crash between the two a hidden temporary file remains beside path.
func Create(path string, perm fs.FileMode) (*File, error) {
	p, err := renameio.NewPendingFile(path, renameio.WithStaticPermissions(perm), renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return nil, fmt.Errorf("cannot begin to replace %s: %w", path, err)
	}
	return &File{pending: p, path: path}, nil
}

// Write appends to the next content.
func (f *File) Write(p []byte) (int, error) { return f.pending.Write(p) }

// Commit makes the new content durable and visible at once. After an error the old content stands.
func (f *File) Commit() error {
	if err := f.pending.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("cannot replace %s: %w", f.path, err)
	}
	return SyncDir(filepath.Dir(f.path))
}

// Sweep removes the temporary files that kills left beside path. Nobody may be writing it meanwhile.
func Sweep(path string) error {
	return sweep(filepath.Dir(path), func(e fs.DirEntry) bool {
		number, ours := strings.CutPrefix(e.Name(), "."+filepath.Base(path))
		return ours && number != "" && strings.Trim(number, "0123456789") == ""
	})
}

// SweepFolder removes the temporary files that kills left before a time, in a folder in which nothing else has a hidden name
// with a number at its end. One that is not there holds none.
func SweepFolder(dir string, before time.Time) error {
	return sweep(dir, func(e fs.DirEntry) bool {
		name := strings.TrimRight(e.Name(), "0123456789")
		if len(name) < 2 || name[0] != '.' || name == e.Name() {
			return false
		}
		info, err := e.Info()
		return err == nil && info.ModTime().Before(before)
	})
}

func sweep(dir string, left func(fs.DirEntry) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look for what a kill left over: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !left(e) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("cannot remove what a kill left over: %w", err)
		}
	}
	return nil
}

// Abort throws the new content away.
func (f *File) Abort() { _ = f.pending.Cleanup() }

// SyncDir makes the names in a folder durable: creations, renames and removals that happened before.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cannot sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("cannot sync folder %s: %w", dir, err)
	}
	return nil
}
