package store

import (
	"fmt"
	"os"
	"path/filepath"
)

// makeView makes a folder of its own that Badger can open for reading as if the store had been closed: Badger reads logs
// only when they end where their last record does, and may delete what it is given. Tables and logs of large values are
// links, the rest is copied. The caller removes the folder.
func (f *files) makeView() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "hearth-store-"); err != nil {
		return "", fmt.Errorf("cannot make a copy to look at; TMPDIR names another folder: %w", err)
	}
	if err := f.fillView(dir); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("cannot make a copy to look at; TMPDIR names another folder: %w", err)
	}
	return dir, nil
}

func (f *files) fillView(dir string) error {
	db, err := filepath.Abs(f.db)
	if err != nil {
		return err
	}
	link := func(name string) error { return os.Symlink(filepath.Join(db, name), filepath.Join(dir, name)) }
	for id := range f.manifest.tables {
		if err := link(fmt.Sprintf("%06d.sst", id)); err != nil {
			return err
		}
	}
	for _, path := range f.vlogs {
		if err := link(filepath.Base(path)); err != nil {
			return err
		}
	}
	if err := copyHead(filepath.Join(db, "MANIFEST"), filepath.Join(dir, "MANIFEST"), f.manifest.end); err != nil {
		return err
	}
	for _, path := range f.mems {
		if w := f.wals[path]; w.end > walHeader {
			if err := copyHead(path, filepath.Join(dir, filepath.Base(path)), w.end); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyHead copies what a file holds up to end.
func copyHead(from, to string, end int64) error {
	data, err := readWritten(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data[:min(end, int64(len(data)))], 0o600)
}
