// Package inbox takes large files that arrive in pieces, over as many connections as it takes:
//
//	<dir>/<ticket>.<size>   complete when it has its size
//
// Uploads survive a restart: their name is all there is to know of them. A ticket is a credential; whoever has it writes the
// upload, one at a time. What lies unused for an hour goes, and after a minute where there are too many: what nothing has arrived
// of first. The package knows nothing of what is in a file: whoever uses one
// takes it away.
package inbox

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"golang.org/x/sys/unix"
)

const (
	maxSize    = 1 << 40
	maxUploads = 64
	life       = time.Hour
	idle       = time.Minute
)

var ticketPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Box is a folder of uploads. It is safe for concurrent use.
type Box struct {
	dir     string
	reserve uint64
	clock   func() time.Time

	mu      sync.Mutex // guards writing
	writing map[string]bool
}

// Open opens the box in a folder, which is made when it is absent, and removes what lies there unused. No upload may take the
// disk to less than reserve.
func Open(dir string, reserve uint64, clock func() time.Time) (*Box, error) {
	b := &Box{dir: dir, reserve: reserve, clock: clock, writing: map[string]bool{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder of uploads: %w", err)
	}
	_, err := b.expire()
	return b, err
}

// Dir is the folder.
func (b *Box) Dir() string { return b.dir }

// Path is where an upload of this ticket and size is.
func (b *Box) Path(ticket string, size int64) string {
	return filepath.Join(b.dir, ticket+"."+strconv.FormatInt(size, 10))
}

// Create begins an upload of a size and answers its ticket. It is refused where the disk has no room.
func (b *Box) Create(size uint64) (string, error) {
	if size > maxSize {
		return "", fault.New(metav1.Reason_REASON_PACKAGE_FILE_LIMIT, "cannot take a file of %s: at most %s are allowed", fault.Bytes(size), fault.Bytes(maxSize))
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(b.dir, &disk); err != nil {
		return "", err
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < size+b.reserve {
		return "", fault.New(metav1.Reason_REASON_DISK_FULL, "cannot take a file of %s: %s are free and %s stay reserved", fault.Bytes(size), fault.Bytes(free), fault.Bytes(b.reserve)).
			With("needed", size+b.reserve).With("free", free)
	}
	if err := b.makeRoom(); err != nil {
		return "", err
	}
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	ticket := hex.EncodeToString(raw[:])
	f, err := os.OpenFile(b.Path(ticket, int64(size)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	return ticket, f.Close()
}

// makeRoom has fewer uploads there than there may be.
func (b *Box) makeRoom() error {
	left, err := b.expire()
	if err != nil || len(left) < maxUploads {
		return err
	}
	slices.SortFunc(left, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(min(a.bytes, 1), min(b.bytes, 1)), a.used.Compare(b.used))
	})
	for _, w := range left {
		if b.clock().Sub(w.used) < idle || b.isWriting(w.ticket) {
			continue
		}
		if err := os.Remove(w.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return fault.New(metav1.Reason_REASON_RATE_LIMITED, "cannot begin an upload: %d are under way", len(left)).RetryAfter(idle)
}

// Kept is an upload that is there.
type Kept struct {
	Bytes int64 // that have arrived
	Used  time.Time
	Live  bool // it is not to be removed yet
}

// List lists the uploads, without their tickets.
func (b *Box) List() ([]Kept, error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, err
	}
	var list []Kept
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ticket, _, _ := strings.Cut(e.Name(), ".")
		list = append(list, Kept{Bytes: info.Size(), Used: info.ModTime(), Live: b.clock().Sub(info.ModTime()) < life || b.isWriting(ticket)})
	}
	return list, nil
}

// Expire removes uploads that have lain unused.
func (b *Box) Expire() error {
	_, err := b.expire()
	return err
}

// waiting is an upload that is there.
type waiting struct {
	ticket, path string
	bytes        int64
	used         time.Time
}

// expire removes uploads that have lain unused and answers the others.
func (b *Box) expire() (left []waiting, err error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ticket, _, _ := strings.Cut(e.Name(), ".")
		w := waiting{ticket: ticket, path: filepath.Join(b.dir, e.Name()), bytes: info.Size(), used: info.ModTime()}
		if b.clock().Sub(w.used) < life || b.isWriting(ticket) {
			left = append(left, w)
			continue
		}
		if err := os.Remove(w.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return left, nil
}

func (b *Box) isWriting(ticket string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writing[ticket]
}

// Find tells where an upload is, and its announced size.
func (b *Box) Find(ticket string) (path string, size int64, err error) {
	if ticketPattern.MatchString(ticket) {
		path, size, err = Lookup(b.dir, ticket)
	}
	if path == "" || err != nil {
		return "", 0, fault.New(metav1.Reason_REASON_TRANSFER_NOT_FOUND, "the upload is unknown, used up or expired")
	}
	return path, size, nil
}

// Lookup finds the file <name>.<size> in a folder; "" where there is none. The name must be without wild cards.
func Lookup(dir, name string) (path string, size int64, err error) {
	matches, err := filepath.Glob(filepath.Join(dir, name+".*"))
	if err != nil || len(matches) != 1 {
		return "", 0, err
	}
	size, err = strconv.ParseInt(strings.TrimPrefix(filepath.Ext(matches[0]), "."), 10, 64)
	return matches[0], size, err
}

// Upload is an upload with its one writer.
type Upload struct {
	box    *Box
	ticket string
	file   *os.File
	size   int64
}

// Open opens an upload for its one writer, or for whoever takes it away.
func (b *Box) Open(ticket string) (*Upload, error) {
	path, size, err := b.Find(ticket)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing[ticket] {
		return nil, fault.New(metav1.Reason_REASON_CONFLICT, "another transfer writes to this upload")
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	b.writing[ticket] = true
	return &Upload{box: b, ticket: ticket, file: f, size: size}, nil
}

// Size is the announced size.
func (u *Upload) Size() int64 { return u.size }

// Received is how many bytes have arrived.
func (u *Upload) Received() (int64, error) {
	info, err := u.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Whole refuses an upload of which not all bytes have arrived.
func (u *Upload) Whole() error {
	have, err := u.Received()
	if err == nil && have != u.size {
		err = fault.New(metav1.Reason_REASON_TRANSFER_INCOMPLETE, "cannot use the upload: %s of %s have arrived", fault.Bytes(have), fault.Bytes(u.size)).
			With("received", have).With("size", u.size)
	}
	return err
}

// ReadAt implements io.ReaderAt.
func (u *Upload) ReadAt(p []byte, off int64) (int, error) { return u.file.ReadAt(p, off) }

// Append writes what r yields behind the bytes that have arrived, up to the announced size, and makes it durable.
func (u *Upload) Append(r io.Reader) (int64, error) {
	have, err := u.Received()
	if err != nil {
		return 0, err
	}
	if _, err := u.file.Seek(have, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.Copy(u.file, io.LimitReader(r, u.size-have))
	if errors.Is(err, unix.ENOSPC) {
		err = fault.New(metav1.Reason_REASON_DISK_FULL, "cannot take the file: the disk is full: %w", err)
	}
	return n, errors.Join(err, u.file.Sync())
}

// Truncate forgets all but the first bytes that have arrived.
func (u *Upload) Truncate(size int64) error { return u.file.Truncate(size) }

// TakeTo takes the upload away, to a path on the same file system, and uses up the ticket. It is lasting when the folder of the
// path has been synced, and the box's.
func (u *Upload) TakeTo(path string) error {
	now := u.box.clock()
	if err := errors.Join(u.file.Sync(), os.Chtimes(u.file.Name(), now, now), os.Rename(u.file.Name(), path)); err != nil {
		return fmt.Errorf("cannot take the upload: %w", err)
	}
	return nil
}

// Drop removes the upload, which uses up the ticket. One that was taken away is no error.
func (u *Upload) Drop() error {
	if err := os.Remove(u.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Close gives the upload free for the next writer.
func (u *Upload) Close() error {
	u.box.mu.Lock()
	delete(u.box.writing, u.ticket)
	u.box.mu.Unlock()
	return u.file.Close()
}
