package atomicfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/atomicfile"
)

func TestWriteReplacesContentAndPermissions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	for _, want := range []struct {
		data string
		perm os.FileMode
	}{{"first", 0o644}, {"second, longer", 0o600}, {"", 0o666}} {
		if err := atomicfile.Write(path, []byte(want.data), want.perm); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want.data || st.Mode().Perm() != want.perm {
			t.Errorf("got %q %v, want %q %v", got, st.Mode(), want.data, want.perm)
		}
	}
	assertOnly(t, path)
}

func TestEnsureWritesOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	var last os.FileInfo
	for _, c := range []struct {
		data string
		perm os.FileMode
		new  bool
	}{{"a", 0o644, true}, {"a", 0o644, false}, {"b", 0o644, true}, {"b", 0o600, true}, {"b", 0o600, false}, {"bc", 0o600, true}} {
		if err := atomicfile.Ensure(path, []byte(c.data), c.perm); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != c.data || info.Mode() != c.perm {
			t.Errorf("%q %v, %v, want %q %v", got, info.Mode(), err, c.data, c.perm)
		}
		if written := last == nil || !os.SameFile(last, info); written != c.new {
			t.Errorf("%q %v: written %v", c.data, c.perm, written)
		}
		last = info
	}
}

func TestAbortKeepsTheOldContent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := atomicfile.Write(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	f.Abort()
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("got %q", got)
	}
	assertOnly(t, path)
}

func TestAbortAfterCommitDoesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	if got, _ := os.ReadFile(path); string(got) != "new" {
		t.Errorf("got %q", got)
	}
}

func TestSymbolicLinkIsReplacedNotFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "link")
	if err := os.WriteFile(victim, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(victim); string(got) != "untouched" {
		t.Errorf("victim holds %q", got)
	}
}

func TestMissingFolderIsAnError(t *testing.T) {
	t.Parallel()
	if err := atomicfile.Write(filepath.Join(t.TempDir(), "absent", "file"), nil, 0o600); err == nil {
		t.Error("no error")
	}
}

func TestReadersSeeOneContentOrTheOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	contents := [][]byte{bytes.Repeat([]byte("a"), 20_000), bytes.Repeat([]byte("b"), 50_000)}
	if err := atomicfile.Write(path, contents[0], 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var writers sync.WaitGroup
	for _, c := range contents {
		writers.Go(func() {
			for range 20 {
				if err := atomicfile.Write(path, c, 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { writers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Fatalf("read a mixture of %d bytes", len(got))
		}
	}
	assertOnly(t, path)
}

func assertOnly(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("left beside the file: %v", entries)
	}
}

func TestSweepRemovesWhatAKillLeftAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "format")
	f, err := atomicfile.Create(path, 0o600) // and never committed, as by a kill
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Fatal(left, err)
	}
	keep := []string{".format", ".format-1", ".format1a", ".other1", "format", "format1"}
	for _, name := range keep {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.Sweep(path); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	entries, err := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if err != nil || !slices.Equal(got, keep) {
		t.Errorf("there are %q (%v), want %q", got, err, keep)
	}
}

func TestSweepOfAFolderTakesWhatIsOlder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"root.key", "leaf.pem"} {
		f, err := atomicfile.Create(filepath.Join(dir, name), 0o600) // and never committed, as by a kill
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Abort)
	}
	if err := atomicfile.SweepFolder(dir, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("of what is being written %v is left, %v", left, err)
	}
	keep := []string{".12", ".hidden", "12", "root.key1"}
	for _, name := range keep {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.SweepFolder(dir, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if err != nil || !slices.Equal(got, keep) {
		t.Errorf("there are %q (%v), want %q", got, err, keep)
	}
	if err := atomicfile.SweepFolder(filepath.Join(dir, "none"), time.Now()); err != nil {
		t.Error(err)
	}
}
