package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/atomicfile"
	"golang.org/x/sys/unix"
)

// Folder is storage in a folder.
type Folder struct {
	dir  string
	swap sync.Mutex // held while a file that may change does, within this process
}

var _ Storage = (*Folder)(nil)

// NewFolder returns the storage in a folder with some folders, which are made.
func NewFolder(dir string, folders ...string) (*Folder, error) {
	for _, name := range folders {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the folder of files: %w", err)
		}
	}
	return &Folder{dir: dir}, nil
}

func (f *Folder) path(name string) (string, error) {
	return filepath.Join(f.dir, filepath.FromSlash(name)), checkName(name)
}

// taken is a source that can be moved within a file system.
type taken interface {
	Source
	TakeTo(path string) error
}

// Put implements Storage.
func (f *Folder) Put(ctx context.Context, name string, from Source) error {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if t, ok := from.(taken); ok {
		if err = t.TakeTo(path); err == nil {
			return atomicfile.SyncDir(filepath.Dir(path))
		}
		if !errors.Is(err, unix.EXDEV) {
			return err
		}
	}
	if info, err := os.Stat(path); err == nil && info.Size() == from.Size() {
		return nil
	}
	to, err := atomicfile.Create(path, 0o600)
	if err != nil {
		return err
	}
	defer to.Abort()
	if _, err := io.Copy(to, within(ctx, io.NewSectionReader(from, 0, from.Size()))); err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	return to.Commit()
}

// within ends reading with a context.
func within(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Remove implements Storage.
func (f *Folder) Remove(_ context.Context, name string) error {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// List implements Storage.
func (f *Folder) List(_ context.Context, folder string, each func(name string) error) error {
	entries, err := os.ReadDir(filepath.Join(f.dir, folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // it is being written
		}
		if err := each(folder + "/" + e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// Swap implements Storage.
func (f *Folder) Swap(ctx context.Context, name string, content []byte, tag string) (string, error) {
	path, err := f.path(name)
	if err != nil {
		return "", err
	}
	f.swap.Lock()
	defer f.swap.Unlock()
	lock, err := os.OpenFile(filepath.Dir(path), os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil { // other processes; it ends with the file
		return "", fmt.Errorf("cannot lock the folder: %w", err)
	}
	have, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if tag != "" {
			return "", ErrSwapped
		}
	case err != nil:
		return "", err
	case tag != tagOf(have):
		return "", ErrSwapped
	}
	return tagOf(content), atomicfile.Write(path, content, 0o600)
}

func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Sweep implements Storage.
func (f *Folder) Sweep(context.Context) error {
	entries, err := os.ReadDir(f.dir)
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, atomicfile.SweepFolder(filepath.Join(f.dir, e.Name()), time.Now()))
		}
	}
	return err
}

type folderFile struct {
	*os.File
	size int64
}

func (f folderFile) Size() int64 { return f.size }

// Open implements Reader.
func (f *Folder) Open(_ context.Context, name string) (File, error) {
	path, err := f.path(name)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	return folderFile{file, info.Size()}, nil
}

// Load implements Reader.
func (f *Folder) Load(ctx context.Context, name string, limit int64, tag string) ([]byte, string, error) {
	file, err := f.Open(ctx, name)
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	content, err := readAll(file, name, limit)
	if err != nil {
		return nil, "", err
	}
	next := tagOf(content)
	if next == tag {
		return nil, tag, ErrSame
	}
	return content, next, nil
}
