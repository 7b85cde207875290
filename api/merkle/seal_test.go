package merkle_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hearthos/hearth/api/merkle"
)

// counted tells how many files are open.
type counted struct {
	*os.File
	open *atomic.Int64
}

func (c counted) Close() error {
	c.open.Add(-1)
	return c.File.Close()
}

// fileSource is a file on disk announced with a size.
func fileSource(t testing.TB, content []byte, size int, open *atomic.Int64) merkle.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return merkle.Source{Size: int64(size), Open: func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		open.Add(1)
		return counted{f, open}, err
	}}
}

// A file is hashed in parts by all cores and a stream by one, to the same tree.
func TestFilesAndStreamsSealToTheSameTree(t *testing.T) {
	t.Parallel()
	content := make([]byte, 25<<20)
	for i := range content {
		content[i] = byte(i*13>>4 ^ i>>20)
	}
	var open atomic.Int64
	files, streams := merkle.NewBuilder(), merkle.NewBuilder()
	for name, size := range map[string]int{"empty": 0, "d/byte": 1, "d/small": 5000, "group": 16 << 10, "segment": 8 << 20, "d/e/more": 8<<20 + 1, "large": len(content)} {
		if err := errors.Join(files.Add(name, fileSource(t, content[:size], size, &open)), streams.Add(name, merkle.Source{Size: int64(size), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content[:size])), nil
		}})); err != nil {
			t.Fatal(err)
		}
	}
	got, err := files.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want, err := streams.Seal(t.Context()); err != nil || got != want {
		t.Errorf("%v, want %v, %v", got, want, err)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d files are still open", n)
	}
}

func TestSealingEndsWithAllFilesClosed(t *testing.T) {
	t.Parallel()
	content := make([]byte, 9<<20)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		size int
		want string
	}{
		"more than announced":  {t.Context(), len(content) - 1, "more than"},
		"less than announced":  {t.Context(), len(content) + 5000, "fewer bytes"},
		"a segment less":       {t.Context(), 3 * len(content), "fewer bytes"},
		"nobody waits for it":  {canceled, len(content), "canceled"},
		"one cannot be opened": {t.Context(), len(content), "no such file"},
	} {
		var open atomic.Int64
		b := merkle.NewBuilder()
		for _, path := range []string{"a", "b/c", "b/d"} {
			if err := b.Add(path, fileSource(t, content, c.size, &open)); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasPrefix(name, "one") {
			if err := b.Add("z", merkle.Source{Size: 1, Open: func() (io.ReadCloser, error) { return os.Open("/nowhere") }}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Seal(c.ctx); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if n := open.Load(); n != 0 {
			t.Errorf("%s: %d files are still open", name, n)
		}
	}
}
