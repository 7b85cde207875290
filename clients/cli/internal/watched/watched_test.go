package watched_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearthos/hearth/clients/cli/internal/watched"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string, ignore ...string) *watched.Folder {
	t.Helper()
	f, err := watched.Open(dir, ignore)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// unchanged fails when something has changed since the last look.
func unchanged(t *testing.T, f *watched.Folder, after string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after %s: %v", after, err)
	}
}

func changed(t *testing.T, f *watched.Folder, after string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := f.Next(ctx); err != nil {
		t.Errorf("after %s: %v", after, err)
	}
}

func TestAChangeIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "package.ts", "1")
	f := open(t, dir)
	unchanged(t, f, "nothing")
	write(t, dir, "package.ts", "2")
	changed(t, f, "another text")
	unchanged(t, f, "it was told")
	write(t, dir, "a/b/c/deep.ts", "1")
	changed(t, f, "new folders")
	write(t, dir, "a/b/c/deep.ts", "2")
	changed(t, f, "a change in them")
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	changed(t, f, "they were removed")
	write(t, dir, "package.ts.new", "3")
	if err := os.Rename(filepath.Join(dir, "package.ts.new"), filepath.Join(dir, "package.ts")); err != nil {
		t.Fatal(err)
	}
	changed(t, f, "it was replaced by another, as editors do")
}

func TestAChangeEndsTheWait(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "assets/page.html", "1")
	f := open(t, dir)
	told := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { told <- f.Next(ctx) }()
	write(t, dir, "assets/page.html", "2")
	if err := <-told; err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoSourceIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "package.ts", "1")
	f := open(t, dir, "*.tmp", "made/*")
	for _, name := range []string{"node_modules/x/index.js", "javascript/index.js", ".git/HEAD", ".package.ts.swp", "my.s9pk", "a.tmp"} {
		write(t, dir, name, "1")
		unchanged(t, f, name)
	}
	write(t, dir, "made/by.the.build", "1")
	changed(t, f, "a new folder")
	write(t, dir, "made/by.the.build", "2")
	unchanged(t, f, "what a pattern leaves out")
	write(t, dir, "assets/javascript/index.js", "1")
	changed(t, f, "a folder with that name elsewhere")
	write(t, dir, "package.ts", "1")
	if err := os.Chtimes(filepath.Join(dir, "package.ts"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	unchanged(t, f, "the same text again")
}

func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	write(t, other, "file", "1")
	for name, to := range map[string]string{"loop": dir, "folder": other, "file": filepath.Join(other, "file"), "nowhere": filepath.Join(other, "absent")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, dir)
	unchanged(t, f, "links")
	write(t, other, "file", "2")
	changed(t, f, "what a link leads to changed")
}

func TestFoldersThatCannotBeWatched(t *testing.T) {
	t.Parallel()
	if _, err := watched.Open(filepath.Join(t.TempDir(), "absent"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := watched.Open(t.TempDir(), []string{"["}); !errors.Is(err, filepath.ErrBadPattern) {
		t.Errorf("a wrong pattern: %v", err)
	}
	dir := t.TempDir()
	for i := range watched.MaxEntries {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := watched.Open(dir, nil); !errors.Is(err, watched.ErrTooMany) {
		t.Errorf("too many files: %v", err)
	}
}
