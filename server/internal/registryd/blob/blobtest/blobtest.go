// Package blobtest is a server of S3 for tests, in the process of the test.
package blobtest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/hearthos/hearth/server/internal/registryd/blob"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Bucket is the name of the bucket.
const Bucket = "packages"

const accessKey = "AKIDHEARTHTEST"

// SecretKey is what nobody may see.
const SecretKey = "a-secret-that-nobody-may-see"

// Server is a server of S3 with one bucket. It lets in who signs requests and bodies with the access key and its secret, as AWS checks it,
// and can be broken.
type Server struct {
	url    string
	broken atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

// New runs a server to the end of the test.
func New(t testing.TB) *Server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	s, inner := &Server{}, gofakes3.New(backend, gofakes3.WithIntegrityCheck(true)).Server()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := Check(r); err != nil {
			http.Error(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>"+err.Error()+"</Message></Error>", http.StatusForbidden)
			return
		}
		if fn := s.broken.Load(); fn != nil && (*fn)(w, r) {
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

// Answer has fn answer in the place of the server, where it says that it did.
func (s *Server) Answer(fn func(w http.ResponseWriter, r *http.Request) bool) { s.broken.Store(&fn) }

// Options say where the bucket is, by a file of credentials of the test.
func (s *Server) Options(t testing.TB, place string) blob.S3Options {
	t.Helper()
	return s.OptionsOf(t, place, SecretKey)
}

// OptionsOf are those of somebody who has another secret.
func (s *Server) OptionsOf(t testing.TB, place, secret string) blob.S3Options {
	t.Helper()
	return blob.S3Options{Place: place, Endpoint: s.url, Region: "us-east-1", Credentials: credentials(t, accessKey, secret)}
}

// credentials writes a file of credentials.
func credentials(t testing.TB, key, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(path, []byte("[default]\naws_access_key_id = "+key+"\naws_secret_access_key = "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Storage is the bucket as storage.
func (s *Server) Storage(t testing.TB, place string) *blob.S3 {
	t.Helper()
	storage, err := blob.NewS3(s.Options(t, place))
	if err != nil {
		t.Fatal(err)
	}
	return storage
}
