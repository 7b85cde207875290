package registryd

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"golang.org/x/sys/unix"
)

const (
	maxUpload  = 1 << 40
	maxUploads = 64
	maxIcon    = 128 << 10
	uploadLife = time.Hour
	reserve    = 256 << 20 // of the disk, for the registry itself
)

var (
	ticketPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
	filePattern   = regexp.MustCompile(`^[a-z2-7]{52}\.s9pk$`)
	iconPattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Files is the folder of a registry's files:
//
//	<dir>/packages/<hash>.s9pk       listed, every byte verified
//	<dir>/icons/<sha256>             an icon as a data URL
//	<dir>/incoming/<ticket>.<size>   an upload, complete when it has its size
//
// It is safe for concurrent use.
type Files struct {
	dir   string
	clock func() time.Time

	mu      sync.Mutex // guards writing
	writing map[string]bool
}

func newFiles(dir string, clock func() time.Time) (*Files, error) {
	f := &Files{dir: dir, clock: clock, writing: map[string]bool{}}
	for _, name := range []string{"packages", "icons", "incoming"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the folder of files: %w", err)
		}
	}
	return f, nil
}

func (f *Files) packagePath(name string) string {
	return filepath.Join(f.dir, "packages", name+".s9pk")
}

// sweep removes the files that no version has: what a crash left between keeping and listing.
func (f *Files) sweep(listed func(name string) bool) error {
	entries, err := os.ReadDir(filepath.Join(f.dir, "packages"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".s9pk"); !listed(name) {
			if err := os.Remove(filepath.Join(f.dir, "packages", e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// CreateUpload opens an upload of the given size and returns its ticket.
func (f *Files) CreateUpload(size uint64) (string, error) {
	if size > maxUpload {
		return "", fault.New(metav1.Reason_REASON_PACKAGE_FILE_LIMIT, "cannot take a file of %d bytes: at most %d are allowed", size, uint64(maxUpload))
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(f.dir, &disk); err != nil {
		return "", err
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < size+reserve {
		return "", fault.New(metav1.Reason_REASON_DISK_FULL, "cannot take a file of %d bytes: %d bytes are free", size, free)
	}
	count, err := f.expire()
	if err != nil {
		return "", err
	}
	if count >= maxUploads {
		return "", fault.New(metav1.Reason_REASON_RATE_LIMITED, "cannot begin an upload: %d are under way", count).RetryAfter(time.Minute)
	}
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	ticket := hex.EncodeToString(raw[:])
	file, err := os.OpenFile(filepath.Join(f.dir, "incoming", ticket+"."+strconv.FormatUint(size, 10)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	return ticket, file.Close()
}

// expire removes uploads that have lain unused and counts the others.
func (f *Files) expire() (count int, err error) {
	entries, err := os.ReadDir(filepath.Join(f.dir, "incoming"))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		ticket, _, _ := strings.Cut(e.Name(), ".")
		if f.clock().Sub(info.ModTime()) < uploadLife || f.isWriting(ticket) {
			count++
			continue
		}
		if err := os.Remove(filepath.Join(f.dir, "incoming", e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return count, err
}

func (f *Files) isWriting(ticket string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writing[ticket]
}

func (f *Files) find(ticket string) (path string, size int64, err error) {
	unknown := fault.New(metav1.Reason_REASON_TRANSFER_NOT_FOUND, "the upload is unknown, used up or expired")
	if !ticketPattern.MatchString(ticket) {
		return "", 0, unknown
	}
	matches, err := filepath.Glob(filepath.Join(f.dir, "incoming", ticket+".*"))
	if err != nil || len(matches) != 1 {
		return "", 0, unknown
	}
	size, err = strconv.ParseInt(strings.TrimPrefix(filepath.Ext(matches[0]), "."), 10, 64)
	return matches[0], size, err
}

// Upload is an upload with its one writer.
type Upload struct {
	files  *Files
	ticket string
	file   *os.File
	size   int64
}

// OpenUpload opens an upload for its one writer, or for AddPackage, which then is it.
func (f *Files) OpenUpload(ticket string) (*Upload, error) {
	path, size, err := f.find(ticket)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writing[ticket] {
		return nil, fault.New(metav1.Reason_REASON_CONFLICT, "another transfer writes to this upload")
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	f.writing[ticket] = true
	return &Upload{files: f, ticket: ticket, file: file, size: size}, nil
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

// Close gives the upload free for the next writer.
func (u *Upload) Close() error {
	u.files.mu.Lock()
	delete(u.files.writing, u.ticket)
	u.files.mu.Unlock()
	return u.file.Close()
}

// keep makes an upload the package file of a name. The ticket is used up.
func (u *Upload) keep(name string) error {
	if err := errors.Join(u.file.Sync(), os.Rename(u.file.Name(), u.files.packagePath(name))); err != nil {
		return fmt.Errorf("cannot keep the file: %w", err)
	}
	return atomicfile.SyncDir(filepath.Join(u.files.dir, "packages"))
}

// remove removes a package file. One that is not there is no error.
func (f *Files) remove(name string) error {
	if err := os.Remove(f.packagePath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// KeepIcon keeps an icon, given as a data URL of an image, and answers its digest.
func (f *Files) KeepIcon(dataURL string) (string, error) {
	if _, _, err := parseIcon(dataURL); err != nil {
		return "", fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the icon: %w", err)
	}
	sum := sha256.Sum256([]byte(dataURL))
	digest := hex.EncodeToString(sum[:])
	path := filepath.Join(f.dir, "icons", digest)
	if _, err := os.Stat(path); err == nil {
		return digest, nil
	}
	return digest, atomicfile.Write(path, []byte(dataURL), 0o600)
}

// Icon is the data URL of an icon; empty when there is none.
func (f *Files) Icon(digest string) string {
	if !iconPattern.MatchString(digest) {
		return ""
	}
	raw, _ := os.ReadFile(filepath.Join(f.dir, "icons", digest)) // without it there is no icon, and all else is there
	return string(raw)
}

func parseIcon(dataURL string) (mediaType string, content []byte, err error) {
	rest, ok := strings.CutPrefix(dataURL, "data:")
	mediaType, encoded, split := strings.Cut(rest, ";base64,")
	switch {
	case len(dataURL) > maxIcon+maxIcon/2:
		return "", nil, fmt.Errorf("it has more than %d bytes", maxIcon)
	case !ok || !split || !strings.HasPrefix(mediaType, "image/"):
		return "", nil, errors.New("it is no data URL of an image")
	}
	if mediaType, _, err = mime.ParseMediaType(mediaType); err != nil {
		return "", nil, err
	}
	content, err = base64.StdEncoding.DecodeString(encoded)
	return mediaType, content, err
}

// DataURL is an image as a data URL.
func DataURL(mediaType string, content []byte) string {
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(content)
}

// ServeHTTP answers GET /files/<hash>.s9pk, by ranges too, and GET /icons/<digest>. Both never change.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	dir, name := filepath.Split(r.URL.Path)
	switch {
	case dir == "/files/" && filePattern.MatchString(name):
		f.servePackage(w, r, strings.TrimSuffix(name, ".s9pk"))
	case dir == "/icons/" && iconPattern.MatchString(name):
		mediaType, content, err := parseIcon(f.Icon(name))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox") // a picture runs nothing
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Write(content)
	default:
		http.NotFound(w, r)
	}
}

func (f *Files) servePackage(w http.ResponseWriter, r *http.Request, name string) {
	file, err := os.Open(f.packagePath(name))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", strconv.Quote(name))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, file)
}
