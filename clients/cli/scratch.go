package main

import (
	"os"
	"path/filepath"
	"strings"
)

const (
	scratchPrefix = ".hearth-scratch-"
	scratchMark   = "hearth-scratch"
)

// scratch is a folder for what is not finished yet, beside the place where it shall be. Its mark is locked for as long as
// somebody works in it, so that one which a killed command left is known for what it is: the next that makes a folder in
// the same place removes it. The mark says which folder it was made in, which nobody can who has a package put one into a
// folder of somebody else's.
type scratch struct {
	dir    string
	unlock func()
}

// newScratch makes a folder in place, "" for the system's folder of temporary files.
func newScratch(place string) (*scratch, error) {
	if place == "" {
		place = os.TempDir()
	}
	sweepScratch(place)
	for {
		dir, err := os.MkdirTemp(place, scratchPrefix)
		if err != nil {
			return nil, err
		}
		mark := filepath.Join(dir, scratchMark)
		unlock, err := lock(mark)
		if err != nil {
			// Another command may have taken it for a leftover before it was locked.
			if os.IsNotExist(err) {
				continue
			}
			_ = os.RemoveAll(dir)
			return nil, err
		}
		err = os.WriteFile(mark, []byte(identity(dir)), 0o600)
		if err == nil {
			_, err = os.Lstat(dir)
		}
		switch {
		case err == nil:
			return &scratch{dir, unlock}, nil
		case !os.IsNotExist(err):
			_ = os.RemoveAll(dir)
			unlock()
			return nil, err
		}
		unlock()
	}
}

// path is where a file in it lies.
func (s *scratch) path(name string) string { return filepath.Join(s.dir, name) }

func (s *scratch) remove() {
	_ = os.RemoveAll(s.dir)
	s.unlock()
}

// sweepScratch removes what killed commands left in a folder. What cannot be removed, as it is somebody else's, stays.
func sweepScratch(place string) {
	entries, err := os.ReadDir(place)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), scratchPrefix) {
			continue
		}
		dir := filepath.Join(place, e.Name())
		mark := filepath.Join(dir, scratchMark)
		unlock, ok := tryLock(mark)
		if !ok {
			continue
		}
		if made, err := os.ReadFile(mark); err == nil && string(made) == identity(dir) {
			_ = os.RemoveAll(dir)
		}
		unlock()
	}
}
