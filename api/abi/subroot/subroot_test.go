package subroot_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/api/abi/subroot"
)

func expect(t *testing.T, dir string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := subroot.Expect(root, os.Geteuid()); err != nil {
		t.Fatal(err)
	}
}

// The sign is there from the beginning until it is taken away, whatever the image has there.
func TestTheFirstProcessIsExpectedUntilItHasCome(t *testing.T) {
	t.Parallel()
	for name, image := range map[string]func(dir string) error{
		"an empty root":          func(string) error { return nil },
		"a root with proc":       func(dir string) error { return os.Mkdir(filepath.Join(dir, "proc"), 0o755) },
		"something of that name": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "proc/1/kept"), 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := image(dir); err != nil {
				t.Fatal(err)
			}
			expect(t, dir)
			proc, err := unix.Open(filepath.Join(dir, "proc"), unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(proc)
			if !subroot.Expected(proc) {
				t.Error("nothing is expected")
			}
			subroot.Come(proc)
			if subroot.Expected(proc) {
				t.Error("it is expected though it has come")
			}
			var want, left []string
			if name == "something of that name" {
				want = []string{"1", "1/kept"}
			}
			for _, path := range []string{"1", "1/.awaited", "1/kept"} {
				if _, err := os.Stat(filepath.Join(dir, "proc", path)); err == nil {
					left = append(left, path)
				}
			}
			if !slices.Equal(left, want) {
				t.Errorf("there is %v, and should be %v", left, want)
			}
		})
	}
}

// A link in the place of proc is not followed.
func TestNothingIsWrittenThroughALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("etc", filepath.Join(dir, "proc")); err != nil {
		t.Fatal(err)
	}
	expect(t, dir)
	if left, err := os.ReadDir(filepath.Join(dir, "etc")); err != nil || len(left) > 0 {
		t.Errorf("behind the link there is %v, %v", left, err)
	}
}
