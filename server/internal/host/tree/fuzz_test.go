package tree_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/tree"
	"golang.org/x/sys/unix"
)

// FuzzSnapshot grows a tree by what the bytes say, with any names there can be, and holds its snapshot against it.
func FuzzSnapshot(f *testing.F) {
	f.Add([]byte("\x00\x03abc\x01\x04file\x02\x01l\x03\x02up"))
	f.Add([]byte("\x01\x03\xff\xfe\n\x02\x04same\x04\x05holes\x00\x01d\x01\x01x\x05\x02..\x02\x03two"))
	f.Add([]byte("\x03\x01-\x01\x02 \t\x04\x01*\x05\x01p\x00\xff"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 512 {
			t.Skip("long scripts try nothing that short ones do not")
		}
		// In memory where there is some: each snapshot waits until its file system is durable.
		dir, err := os.MkdirTemp("/dev/shm", "tree")
		if err != nil {
			dir = t.TempDir()
		}
		t.Cleanup(func() { must(t, tree.Remove(context.WithoutCancel(t.Context()), dir)) })
		src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
		must(t, os.Mkdir(src, 0o755))
		sprout(t, src, script)
		want := describe(t, src)
		_, _, err = tree.Snapshot(t.Context(), src, dst, tree.Options{AtMost: tree.Copy})
		must(t, err)
		if got := describe(t, dst); got != want {
			t.Errorf("the snapshot is\n%s\nand not\n%s", got, want)
		}
		must(t, tree.Remove(t.Context(), dst))
		if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after the removal: %v", err)
		}
	})
}

// sprout reads steps, each a verb, the length of a name and the name, and takes those that can be taken.
func sprout(t *testing.T, root string, script []byte) {
	at, last := root, ""
	for len(script) > 2 {
		verb, size := script[0]%6, min(int(script[1]), len(script)-2)
		name := filepath.Join(at, string(script[2:2+size]))
		script = script[2+size:]
		if filepath.Dir(name) != at || name == root {
			continue // a slash, or a way up
		}
		var err error
		switch verb {
		case 0:
			if err = os.Mkdir(name, 0o700|os.FileMode(size)); err == nil {
				at = name
			}
		case 1:
			if err = os.WriteFile(name, []byte(name), 0o600|os.FileMode(size&0o177)); err == nil {
				last = name
			}
		case 2:
			err = os.Link(last, name)
		case 3:
			err = os.Symlink("../"+string(script), name)
		case 4:
			if err = os.WriteFile(name, []byte("data"), 0o640); err == nil {
				err = os.Truncate(name, int64(size)<<14)
			}
		case 5:
			err = unix.Mkfifo(name, 0o600)
		}
		var why *fs.PathError
		var link *os.LinkError
		if err != nil && !errors.As(err, &why) && !errors.As(err, &link) && !errors.As(err, new(unix.Errno)) {
			t.Fatal(err)
		}
	}
}
