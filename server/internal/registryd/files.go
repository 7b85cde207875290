package registryd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/inbox"
	"github.com/hearthos/hearth/server/internal/registryd/blob"
)

const (
	maxIcon  = 128 << 10
	maxIcons = 32 << 20  // bytes of icons that are kept at hand
	reserve  = 256 << 20 // of the disk, for the registry itself
)

var (
	filePattern = regexp.MustCompile(`^[a-z2-7]{52}\.s9pk$`)
	iconPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// The folders of storage.
const (
	packageFolder = "packages"
	iconFolder    = "icons"
	partFolder    = "parts"
)

// Folders are the folders of storage.
func Folders() []string { return []string{packageFolder, iconFolder, partFolder, headFolder} }

// Files are the files of a registry, in its storage:
//
//	packages/<hash>.s9pk   listed, every byte verified
//	icons/<sha256>         an icon as a data URL
//
// and uploads, which arrive in a folder of the registry that writes. It is safe for concurrent use.
type Files struct {
	storage blob.Storage
	uploads *inbox.Box // nil: it takes none

	mu    sync.Mutex // guards the rest
	icons map[string]string
	room  int // bytes that may still be kept of icons
}

func newFiles(storage blob.Storage, dir string, clock func() time.Time) (*Files, error) {
	f := &Files{storage: storage, icons: map[string]string{}, room: maxIcons}
	if dir == "" {
		return f, nil
	}
	var err error
	f.uploads, err = inbox.Open(dir, reserve, clock)
	return f, err
}

// Upload begins an upload of a size and answers its ticket.
func (f *Files) Upload(size uint64) (ticket string, err error) {
	if f.uploads == nil {
		return "", fault.New(metav1.Reason_REASON_REGISTRY_REPLICA, "cannot take an upload: this registry is a replica")
	}
	return f.uploads.Create(size)
}

// OpenUpload opens an upload for its one writer.
func (f *Files) OpenUpload(ticket string) (*inbox.Upload, error) {
	if f.uploads == nil {
		return nil, fault.New(metav1.Reason_REASON_TRANSFER_NOT_FOUND, "a replica takes no uploads")
	}
	return f.uploads.Open(ticket)
}

func packageName(name string) string { return packageFolder + "/" + name + ".s9pk" }

// sweep removes the files that no version has: what a crash left between keeping and listing.
func (f *Files) sweep(ctx context.Context, listed map[string]bool) error {
	if err := f.storage.Sweep(ctx); err != nil {
		return err
	}
	var gone []string
	err := f.storage.List(ctx, packageFolder, func(name string) error {
		if !listed[strings.TrimSuffix(strings.TrimPrefix(name, packageFolder+"/"), ".s9pk")] {
			gone = append(gone, name)
		}
		return nil
	})
	for _, name := range gone {
		err = errors.Join(err, f.storage.Remove(ctx, name))
	}
	return err
}

// keep makes an upload the package file of a name. The ticket is used up.
func (f *Files) keep(ctx context.Context, u *inbox.Upload, name string) error {
	if err := f.storage.Put(ctx, packageName(name), u); err != nil {
		return err
	}
	return errors.Join(u.Drop(), atomicfile.SyncDir(f.uploads.Dir()))
}

// remove removes a package file. One that is not there is no error.
func (f *Files) remove(ctx context.Context, name string) error {
	return f.storage.Remove(ctx, packageName(name))
}

// KeepIcon keeps an icon, given as a data URL of an image, and answers its digest.
func (f *Files) KeepIcon(ctx context.Context, dataURL string) (string, error) {
	if _, _, err := parseIcon(dataURL); err != nil {
		return "", fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the icon: %w", err)
	}
	sum := sha256.Sum256([]byte(dataURL))
	digest := hex.EncodeToString(sum[:])
	if f.Icon(ctx, digest) != "" {
		return digest, nil
	}
	return digest, f.storage.Put(ctx, iconFolder+"/"+digest, strings.NewReader(dataURL))
}

// Icon is the data URL of an icon; empty when there is none, or it cannot be read: all else is there without it.
func (f *Files) Icon(ctx context.Context, digest string) string {
	if !iconPattern.MatchString(digest) {
		return ""
	}
	f.mu.Lock()
	icon, there := f.icons[digest]
	f.mu.Unlock()
	if there {
		return icon
	}
	raw, _, err := f.storage.Load(ctx, iconFolder+"/"+digest, 2*maxIcon, "")
	if sum := sha256.Sum256(raw); err != nil || hex.EncodeToString(sum[:]) != digest {
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for old, content := range f.icons { // any will do: all of them can be read again
		if f.room >= len(raw) {
			break
		}
		f.room += len(content)
		delete(f.icons, old)
	}
	if _, there := f.icons[digest]; !there {
		f.icons[digest], f.room = string(raw), f.room-len(raw)
	}
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

// ServeHTTP answers GET /files/<hash>.s9pk and GET /icons/<digest>, by ranges and conditions too. Both never change.
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
		mediaType, content, err := parseIcon(f.Icon(r.Context(), name))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox") // a picture runs nothing
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("ETag", strconv.Quote(name))
		sum := sha256.Sum256(content)
		w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	default:
		http.NotFound(w, r)
	}
}

func (f *Files) servePackage(w http.ResponseWriter, r *http.Request, name string) {
	file, err := f.storage.Open(r.Context(), packageName(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
		return
	case err != nil:
		w.Header().Set("Retry-After", "30")
		http.Error(w, "the storage of the registry does not answer", http.StatusServiceUnavailable)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", strconv.Quote(name))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, file)
}
