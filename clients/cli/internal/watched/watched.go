// Package watched tells when the sources of a package project are no longer what they were. It is deliberately not about
// what makes something of them, and knows nothing of packages.
//
// What is asked is the content: a file that is written anew with the same words, or whose time alone changed, is what it
// was. So what a build writes twice the same way ends by itself. Links are not followed but for the file they lead to.
package watched

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long nothing may change before something is looked at, and patience how long that is waited for at most.
	quiet    = 150 * time.Millisecond
	patience = 2 * time.Second

	// maxRead bounds what is read of a file; larger ones are told apart by size and time.
	maxRead = 1 << 20
	// MaxEntries bounds how many files and folders there may be.
	MaxEntries = 20_000
)

// ErrTooMany is for a folder with more than MaxEntries.
var ErrTooMany = fmt.Errorf("there are more than %d files", MaxEntries)

// ErrWatches is for a folder with more folders in it than the system lets a person watch.
var ErrWatches = errors.New("the system watches no more folders (fs.inotify.max_user_watches)")

// Folder is a folder that is watched. Its methods are for one goroutine.
type Folder struct {
	dir    string
	ignore []string
	events *fsnotify.Watcher
	last   [sha256.Size]byte
}

// Open begins to watch a folder. Left out is what a build makes or does not read: hidden files, node_modules, javascript,
// package files, and what matches a pattern of ignore, of a name or of a path in the folder.
func Open(dir string, ignore []string) (*Folder, error) {
	for _, pattern := range ignore {
		if _, err := filepath.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%q: %w", pattern, err)
		}
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, ignore: ignore, events: events}
	if f.last, err = f.look(); err != nil {
		return nil, errors.Join(err, events.Close())
	}
	return f, nil
}

// Close ends the watch.
func (f *Folder) Close() error { return f.events.Close() }

// Next returns when the sources are not what they were when it returned last, or at Open: at once when that is so already.
func (f *Folder) Next(ctx context.Context) error {
	for {
		now, err := f.look()
		if err != nil {
			return err
		}
		if now != f.last {
			f.last = now
			return nil
		}
		if err := f.settled(ctx); err != nil {
			return err
		}
	}
}

// settled returns when something happened, and then nothing for a moment.
func (f *Folder) settled(ctx context.Context) error {
	var calm, enough <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e := <-f.events.Events:
			if rel, err := filepath.Rel(f.dir, e.Name); err != nil || f.left(rel) {
				continue
			}
		case <-f.events.Errors: // events were lost: all is looked at anyway
		case <-calm:
			return nil
		case <-enough:
			return nil
		}
		calm = time.After(quiet)
		if enough == nil {
			enough = time.After(patience)
		}
	}
}

// left tells whether a path in the folder is left out, because of its own name or one above it.
func (f *Folder) left(rel string) bool {
	for at := rel; at != "." && at != string(filepath.Separator); at = filepath.Dir(at) {
		name := filepath.Base(at)
		if strings.HasPrefix(name, ".") || name == "node_modules" || at == "javascript" || strings.HasSuffix(name, ".s9pk") {
			return true
		}
		for _, pattern := range f.ignore {
			if ok, _ := filepath.Match(pattern, name); ok {
				return true
			}
			if ok, _ := filepath.Match(pattern, at); ok {
				return true
			}
		}
	}
	return false
}

// look answers what the sources are, and watches every folder of them.
func (f *Folder) look() (sum [sha256.Size]byte, err error) {
	digest, count := sha256.New(), 0
	err = filepath.WalkDir(f.dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != f.dir {
			return nil // it went meanwhile
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(f.dir, path)
		if err != nil {
			return err
		}
		if rel != "." && f.left(rel) {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if count++; count > MaxEntries {
			return ErrTooMany
		}
		if e.IsDir() {
			fmt.Fprintf(digest, "folder %q\n", rel)
			return f.watch(path)
		}
		return addFile(digest, rel, path)
	})
	return [sha256.Size]byte(digest.Sum(nil)), err
}

// watch is called again for what is watched already, which does nothing.
func (f *Folder) watch(path string) error {
	err := f.events.Add(path)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return ErrWatches
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// addFile adds what a file is to a digest. One that went, or that nobody may read, counts by its name.
func addFile(digest hash.Hash, rel, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		_, err = fmt.Fprintf(digest, "file %q\n", rel)
		return err
	}
	fmt.Fprintf(digest, "file %q %s %d\n", rel, info.Mode(), info.Size())
	if !info.Mode().IsRegular() {
		return nil
	}
	if info.Size() > maxRead {
		_, err := fmt.Fprintln(digest, info.ModTime().UnixNano())
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	_, _ = io.Copy(digest, io.LimitReader(file, maxRead))
	return file.Close()
}
