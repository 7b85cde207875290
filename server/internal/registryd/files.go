package registryd

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/inbox"
)

const (
	maxIcon = 128 << 10
	reserve = 256 << 20 // of the disk, for the registry itself
)

var (
	filePattern = regexp.MustCompile(`^[a-z2-7]{52}\.s9pk$`)
	iconPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Files is the folder of a registry's files:
//
//	<dir>/packages/<hash>.s9pk       listed, every byte verified
//	<dir>/icons/<sha256>             an icon as a data URL
//	<dir>/incoming/<ticket>.<size>   an upload, as package inbox has it
//
// It is safe for concurrent use.
type Files struct {
	dir     string
	uploads *inbox.Box
}

func newFiles(dir string, clock func() time.Time) (*Files, error) {
	for _, name := range []string{"packages", "icons"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the folder of files: %w", err)
		}
	}
	uploads, err := inbox.Open(filepath.Join(dir, "incoming"), reserve, clock)
	return &Files{dir: dir, uploads: uploads}, err
}

// Uploads are the files that arrive.
func (f *Files) Uploads() *inbox.Box { return f.uploads }

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

// keep makes an upload the package file of a name. The ticket is used up.
func (f *Files) keep(u *inbox.Upload, name string) error {
	if err := u.TakeTo(f.packagePath(name)); err != nil {
		return err
	}
	return errors.Join(atomicfile.SyncDir(filepath.Join(f.dir, "packages")), atomicfile.SyncDir(f.uploads.Dir()))
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
