package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/hearthos/hearth/api/s9pk/fetch"
)

// isPackageFile tells whether what a person wants to install is meant as a file, a URL or standard input; else it is the id
// of a package.
func isPackageFile(arg string) bool {
	return arg == "-" || strings.Contains(arg, "/") || strings.HasSuffix(arg, ".s9pk")
}

// openPackage opens a package file by its path, its URL, or from standard input, and tells its size. Where nobody says how
// long it is, it is read to its end first.
func (a *app) openPackage(ctx context.Context, arg string) (fetch.File, int64, error) {
	if !isPackageFile(arg) {
		return nil, 0, wrong("usage.not-a-file", "ID", arg)
	}
	f, err := a.openBytes(ctx, arg)
	if err != nil {
		return nil, 0, err
	}
	n := f.Size()
	if !f.Known() {
		n, err = lengthOf(ctx, f)
	}
	if err == nil && n == 0 {
		err = unable("failed.no-content", nil, "Name", arg)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, n, nil
}

// lengthOf reads a file to its end and tells where that is.
func lengthOf(ctx context.Context, f fetch.File) (int64, error) {
	buf := make([]byte, 256<<10)
	for n := int64(0); ; {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		m, err := f.ReadAt(buf, n)
		n += int64(m)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
