package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/registryd/blob"
	"github.com/hearthos/hearth/server/internal/registryd/blob/blobtest"
)

// storages are all kinds of storage, empty.
func storages(t *testing.T, fn func(t *testing.T, s blob.Storage)) {
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		s, err := blob.NewFolder(t.TempDir(), "packages", "head")
		if err != nil {
			t.Fatal(err)
		}
		fn(t, s)
	})
	t.Run("s3", func(t *testing.T) {
		t.Parallel()
		fn(t, blobtest.New(t).Storage(t, "s3://packages/some/prefix"))
	})
	if o, ok := blobtest.Provider(t); ok {
		t.Run("provider", func(t *testing.T) {
			t.Parallel()
			s, err := blob.NewS3(o)
			if err != nil {
				t.Fatal(err)
			}
			fn(t, s)
		})
	}
}

func content(size int) []byte {
	out := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(out)
	return out
}

func TestFilesAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	storages(t, func(t *testing.T, s blob.Storage) {
		for _, size := range []int{1, 1 << 16, 40<<20 + 3} { // the last one in parts
			name, want := fmt.Sprintf("packages/f%d.s9pk", size), content(size)
			for range 2 { // again is no error
				if err := s.Put(t.Context(), name, bytes.NewReader(want)); err != nil {
					t.Fatal(size, err)
				}
			}
			f, err := s.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(f)
			if err != nil || !bytes.Equal(got, want) || f.Size() != int64(size) {
				t.Fatalf("read %d of %d bytes, size %d: %v", len(got), size, f.Size(), err)
			}
			if size > 100 {
				if _, err := f.Seek(-50, io.SeekEnd); err != nil {
					t.Fatal(err)
				}
				tail, err := io.ReadAll(f)
				if err != nil || !bytes.Equal(tail, want[size-50:]) {
					t.Fatalf("read %d bytes of the end: %v", len(tail), err)
				}
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestFilesAreListedAndRemoved(t *testing.T) {
	t.Parallel()
	storages(t, func(t *testing.T, s blob.Storage) {
		for _, name := range []string{"packages/a.s9pk", "packages/b.s9pk", "head/current"} {
			if err := s.Put(t.Context(), name, strings.NewReader(name)); err != nil {
				t.Fatal(err)
			}
		}
		list := func() (names []string) {
			t.Helper()
			if err := s.List(t.Context(), "packages", func(name string) error { names = append(names, name); return nil }); err != nil {
				t.Fatal(err)
			}
			slices.Sort(names)
			return names
		}
		if got := list(); !slices.Equal(got, []string{"packages/a.s9pk", "packages/b.s9pk"}) {
			t.Fatal(got)
		}
		enough := errors.New("enough")
		if err := s.List(t.Context(), "packages", func(string) error { return enough }); !errors.Is(err, enough) {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Remove(t.Context(), "packages/a.s9pk"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Open(t.Context(), "packages/a.s9pk"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if _, _, err := s.Load(t.Context(), "packages/a.s9pk", 10, ""); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if got := list(); !slices.Equal(got, []string{"packages/b.s9pk"}) {
			t.Fatal(got)
		}
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOneOfTwoSwapsWins(t *testing.T) {
	t.Parallel()
	storages(t, func(t *testing.T, s blob.Storage) {
		const name = "head/current"
		if _, err := s.Swap(t.Context(), name, []byte("x"), "no-such-tag"); !errors.Is(err, blob.ErrSwapped) {
			t.Fatal(err)
		}
		tag, err := s.Swap(t.Context(), name, []byte("first"), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Swap(t.Context(), name, []byte("other"), ""); !errors.Is(err, blob.ErrSwapped) {
			t.Fatal(err)
		}
		if _, _, err := s.Load(t.Context(), name, 10, tag); !errors.Is(err, blob.ErrSame) {
			t.Fatal(err)
		}
		var won atomic.Int32
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				switch _, err := s.Swap(t.Context(), name, fmt.Appendf(nil, "next %d", i), tag); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, blob.ErrSwapped):
					t.Error(err)
				}
			})
		}
		wait.Wait()
		got, next, err := s.Load(t.Context(), name, 10, tag)
		if err != nil || won.Load() != 1 || !strings.HasPrefix(string(got), "next ") || next == tag {
			t.Fatalf("%d swaps won, %q is there: %v", won.Load(), got, err)
		}
		if _, _, err := s.Load(t.Context(), name, 3, ""); err == nil {
			t.Fatal("more was read than is allowed")
		}
	})
}

func TestNamesLeadNowhereElse(t *testing.T) {
	t.Parallel()
	storages(t, func(t *testing.T, s blob.Storage) {
		for _, name := range []string{"", "a", "../a", "a/../b", "/a/b", "a/b/c", "A/b", "a/.b", "a/b?c"} {
			if err := s.Put(t.Context(), name, strings.NewReader("x")); err == nil {
				t.Errorf("%q was written", name)
			}
			if _, err := s.Open(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q is a name: %v", name, err)
			}
			if err := s.Remove(t.Context(), name); err == nil {
				t.Errorf("%q was removed", name)
			}
		}
	})
}

// Storage believes nobody who has not the secret, or whose request was changed on its way.
func TestRequestsToStorageAreSigned(t *testing.T) {
	t.Parallel()
	b := blobtest.New(t)
	other, err := blob.NewS3(b.OptionsOf(t, "s3://packages", "another-secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Put(t.Context(), "packages/a.s9pk", strings.NewReader("abc")); !fault.Is(err, metav1.Reason_REASON_REGISTRY_STORAGE) {
		t.Errorf("with another secret: %v", err)
	}
	signed := make(chan *http.Request, 1)
	b.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case signed <- r.Clone(context.WithoutCancel(r.Context())):
		default:
		}
		return false
	})
	if err := b.Storage(t, "s3://packages").Put(t.Context(), "packages/a.s9pk", strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	seen := <-signed
	for what, change := range map[string]func(r *http.Request){
		"as it was signed":    func(*http.Request) {},
		"another file":        func(r *http.Request) { r.URL.Path += "x" },
		"another query":       func(r *http.Request) { r.URL.RawQuery = "acl" },
		"another method":      func(r *http.Request) { r.Method = http.MethodDelete },
		"another checksum":    func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64)) },
		"another time":        func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") },
		"another signature":   func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")[1:]) },
		"without a signature": func(r *http.Request) { r.Header.Del("Authorization") },
	} {
		r := seen.Clone(t.Context())
		r.Body = io.NopCloser(strings.NewReader("abc"))
		change(r)
		if err := blobtest.Check(r); (err == nil) != (what == "as it was signed") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestStorageThatFailsIsToldApartFromAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	b := blobtest.New(t)
	s := b.Storage(t, "s3://packages")
	if err := s.Put(t.Context(), "packages/a.s9pk", strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		t.Helper()
		if !fault.Is(err, metav1.Reason_REASON_REGISTRY_STORAGE) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && strings.Contains(err.Error()+fault.Proto(err).String(), blobtest.SecretKey) {
			t.Errorf("%s: the error tells the secret", what)
		}
	}
	for what, fn := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"denied": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
			return true
		},
		"no XML": func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "teapot", http.StatusTeapot)
			return true
		},
		"no bucket": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, "<Error><Code>NoSuchBucket</Code></Error>")
			return true
		},
	} {
		b.Answer(fn)
		check(what, s.Put(t.Context(), "packages/b.s9pk", strings.NewReader("x")))
		_, _, err := s.Load(t.Context(), "packages/a.s9pk", 10, "")
		check(what, err)
		_, err = s.Swap(t.Context(), "head/current", []byte("x"), "")
		check(what, err)
		check(what, s.List(t.Context(), "packages", func(string) error { return nil }))
	}
	// An answer that ends early, and one of another length than announced.
	b.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		w.Header().Set("Content-Length", "100")
		w.Header().Set("Last-Modified", "Fri, 27 Nov 2026 10:00:00 GMT")
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, "ab")
		return true
	})
	_, _, err := s.Load(t.Context(), "packages/a.s9pk", 1000, "")
	check("cut", err)
	f, err := s.Open(t.Context(), "packages/a.s9pk")
	if err == nil {
		if _, err = io.ReadAll(f); err == nil {
			t.Error("a file that was cut was read")
		}
	}
	b.Answer(func(http.ResponseWriter, *http.Request) bool { return false })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ctx, "packages/a.s9pk"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWhatAKillLeftOfLargeFilesIsRemoved(t *testing.T) {
	t.Parallel()
	b := blobtest.New(t)
	s := b.Storage(t, "s3://packages/p")
	b.Answer(func(w http.ResponseWriter, r *http.Request) bool { // all parts arrive, and then nothing more is done
		last := r.URL.Query().Has("uploadId") && r.Method != http.MethodPut
		if last {
			http.Error(w, "", http.StatusTeapot)
		}
		return last
	})
	if err := s.Put(t.Context(), "packages/a.s9pk", bytes.NewReader(content(40<<20))); !fault.Is(err, metav1.Reason_REASON_REGISTRY_STORAGE) {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), "packages/a.s9pk"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("half a file is there:", err)
	}
	var removed atomic.Int32
	b.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && r.URL.Query().Has("uploadId") {
			removed.Add(1)
		}
		return false
	})
	for range 2 {
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if removed.Load() != 1 {
		t.Fatalf("%d unfinished files were removed", removed.Load())
	}
}

func TestWhatIsNoPlaceOfS3IsRefused(t *testing.T) {
	t.Parallel()
	b := blobtest.New(t)
	good := b.Options(t, "s3://packages/a/b")
	if _, err := blob.NewS3(good); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(o *blob.S3Options){
		"no bucket":       func(o *blob.S3Options) { o.Place = "s3://" },
		"a bad bucket":    func(o *blob.S3Options) { o.Place = "s3://UPPER" },
		"a way up":        func(o *blob.S3Options) { o.Place = "s3://packages/../other" },
		"no endpoint":     func(o *blob.S3Options) { o.Endpoint = "" },
		"another scheme":  func(o *blob.S3Options) { o.Endpoint = "ftp://host" },
		"keys in the URL": func(o *blob.S3Options) { o.Endpoint = "https://a:b@host" },
		"no credentials":  func(o *blob.S3Options) { o.Credentials = filepath.Join(t.TempDir(), "none") },
		"open credentials": func(o *blob.S3Options) {
			raw, _ := os.ReadFile(o.Credentials)
			o.Credentials = filepath.Join(t.TempDir(), "open")
			os.WriteFile(o.Credentials, raw, 0o600)
			os.Chmod(o.Credentials, 0o644)
		},
		"empty credentials": func(o *blob.S3Options) {
			o.Credentials = filepath.Join(t.TempDir(), "empty")
			os.WriteFile(o.Credentials, []byte("[default]\naws_access_key_id = a\n"), 0o600)
		},
	} {
		o := good
		change(&o)
		if _, err := blob.NewS3(o); err == nil || strings.Contains(err.Error(), blobtest.SecretKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
