package main

import (
	"os"
	"path/filepath"
	"strings"
)

const (
	scratchPrefix = ".hearth-"
	scratchMark   = "hearth-scratch"
)

// scratch is a folder for what is not finished yet, beside the place where it shall be. Its mark is locked for as long as
// somebody works in it, so that one which a killed command left is known for what it is: the next that makes a folder in
// the same place removes it.
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
		if _, err := os.Lstat(mark); err == nil {
			return &scratch{dir, unlock}, nil
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
		if unlock, ok := tryLock(filepath.Join(dir, scratchMark)); ok {
			_ = os.RemoveAll(dir)
			unlock()
		}
	}
}
