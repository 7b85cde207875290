// Package blob is the storage of a registry: files that never change once they are there, and a few that do. It is a folder, or a
// bucket of S3-compatible storage; both hold the same conformance test. Several registries may have the same storage.
//
//	blob.go    what storage can do
//	folder.go  a folder
//	s3.go      a bucket
//
// It knows nothing of what is in files, and does not trust what it reads: whoever reads a file knows its digest.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

var (
	// ErrSame tells that a file is still the one that has been read before.
	ErrSame = errors.New("the file has not changed")
	// ErrSwapped tells that somebody else has changed a file.
	ErrSwapped = errors.New("somebody else has changed the file")
)

// Source is what a file is written from. One that can be moved (TakeTo) may be.
type Source interface {
	io.ReaderAt
	Size() int64
}

// File is a file that is being read.
type File interface {
	io.ReadSeekCloser
	Size() int64
}

// Storage keeps files by name, as in "packages/name". It is safe for concurrent use, also by several processes. What is not there is
// fs.ErrNotExist; where storage does not answer, it is a fault with REASON_REGISTRY_STORAGE.
type Storage interface {
	Reader
	// Put writes a file, which is durable and whole when it returns. The content of a name is always the same: where the file is
	// there, it may stay.
	Put(ctx context.Context, name string, from Source) error
	// Remove removes a file. One that is not there is no error.
	Remove(ctx context.Context, name string) error
	// List tells each the names of the files in a folder.
	List(ctx context.Context, folder string, each func(name string) error) error
	// Swap changes a file that may change: from the one that has the tag, or from none where it is empty. ErrSwapped: another is there.
	Swap(ctx context.Context, name string, content []byte, tag string) (next string, err error)
	// Sweep removes what a kill has left of files that were being written. Nobody may be writing meanwhile.
	Sweep(ctx context.Context) error
}

// Reader is the half of Storage that reads.
type Reader interface {
	// Open opens a file. What it yields ends with ctx.
	Open(ctx context.Context, name string) (File, error)
	// Load reads a file of at most limit bytes with its tag, by which it can be told from another. ErrSame: it still has the given tag.
	Load(ctx context.Context, name string, limit int64, tag string) (content []byte, next string, err error)
}

var namePattern = regexp.MustCompile(`^[a-z]+/[a-z0-9]+(\.[a-z0-9]+)?$`)

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("cannot use %q as the name of a file", name)
	}
	return nil
}

func missing(name string) error { return fmt.Errorf("%s: %w", name, fs.ErrNotExist) }

// unavailable tells that storage does not do what it is asked for. What it says is for the log alone.
func unavailable(what string, err error) error {
	return fault.New(metav1.Reason_REASON_REGISTRY_STORAGE, "cannot %s: the storage of the registry does not answer as it should: %w", what, err)
}

func readAll(r io.Reader, name string, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return content, err
}
