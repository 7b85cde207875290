package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// destination answers which file a name given by a person leads to, through links, and what is there; nil for nothing.
func destination(name string) (path string, there os.FileInfo, err error) {
	there, err = os.Stat(name)
	if err == nil && !there.Mode().IsRegular() {
		if there.IsDir() {
			return "", nil, wrong("usage.write-folder", "Name", name)
		}
		return name, there, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", nil, err
	}
	const links = 40
	for range links {
		info, err := os.Lstat(name)
		if errors.Is(err, os.ErrNotExist) {
			return name, nil, nil
		}
		if err != nil {
			return "", nil, err
		}
		if info.Mode()&os.ModeSymlink == 0 {
			return name, info, nil
		}
		to, err := os.Readlink(name)
		if err != nil {
			return "", nil, err
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(name))
			if err != nil {
				return "", nil, err
			}
			to = filepath.Join(dir, to)
		}
		name = to
	}
	return "", nil, unable("failed.links", nil, "Name", name, "Count", links)
}

// scratchFor makes a folder for what lies between, on the disk where out shall be. It is as large as the package, and
// memory is where temporary folders are on some machines.
func scratchFor(out string) (*scratch, error) {
	if out == "-" {
		return newScratch("")
	}
	if out == "" {
		return newScratch(".")
	}
	path, there, err := destination(out)
	if err != nil {
		return nil, err
	}
	if there != nil && !there.Mode().IsRegular() {
		return newScratch("")
	}
	return newScratch(filepath.Dir(path))
}

// write makes a file whole or not at all, in place of the one it replaces: with its mode and owner, and where links to it
// lead. What is no file, as "-" for standard output, a pipe or a device, is written into. fn's bytes are counted against
// total.
func (a *app) write(out, step string, total int64, fn func(w io.Writer) error) error {
	show := a.newRate(step)
	defer show.end()
	progress := func(n int64) { show.set(n, max(n, total)) }
	if out == "-" {
		return fn(&counted{w: a.Out, progress: progress})
	}
	path, there, err := destination(out)
	if err != nil {
		return err
	}
	if there != nil && !there.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(fn(&counted{w: f, progress: progress}), f.Close())
	}
	s, err := newScratch(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer s.remove()
	f, err := os.OpenFile(s.path("package"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) // nobody else gets into its folder
	if err != nil {
		return err
	}
	if err := fn(&counted{w: f, progress: progress}); err != nil {
		return errors.Join(err, f.Close())
	}
	if there != nil {
		err = errors.Join(keepOwner(f, there), f.Chmod(there.Mode().Perm()))
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
