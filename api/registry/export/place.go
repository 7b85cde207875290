package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/s9pk/fetch"
	"golang.org/x/sys/unix"
)

const (
	// A place that sends less than slow bytes in patience is given up.
	patience = 30 * time.Second
	slow     = 64 << 10
)

// ErrSlow is in the chain of the error when next to nothing arrives. It may be the cause of a context, too.
var ErrSlow = errors.New("next to nothing arrives")

// Place is where an export lies. It is safe for concurrent use.
type Place struct {
	base, shown string
	client      *http.Client
}

// At is the place at an address of the web, or with the transport of InFolder in a folder. The transport decides which
// addresses are connected to.
func At(base string, transport http.RoundTripper) *Place {
	base = strings.TrimSuffix(base, "/")
	return &Place{base: base, shown: base, client: &http.Client{Transport: transport, CheckRedirect: fetch.CheckRedirect}}
}

// Shown is the same place, which is called by another address where it is told of: a folder has none of the web.
func (p *Place) Shown(base string) *Place {
	return &Place{base: p.base, shown: strings.TrimSuffix(base, "/"), client: p.client}
}

// URL is where a file of the place lies, as it is told.
func (p *Place) URL(name string) string { return p.shown + escaped(name) }

func escaped(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/" + strings.Join(parts, "/")
}

// read reads a file of at most limit bytes.
func (p *Place) read(ctx context.Context, name string, limit int64) (raw []byte, err error) {
	err = p.stream(ctx, name, limit, func(r io.Reader) error {
		raw, err = io.ReadAll(r)
		return err
	})
	return raw, err
}

// stream has use read a file of at most limit bytes. What the place does wrong is the error, whatever use makes of it.
func (p *Place) stream(ctx context.Context, name string, limit int64, use func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(patience, func() { cancel(ErrSlow) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+escaped(name), nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return broken(ctx, name, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusGone, resp.StatusCode == http.StatusForbidden: // a store of objects says the last
		return &Error{Incomplete, name, fmt.Errorf("it is not there: %w", fs.ErrNotExist)}
	case resp.StatusCode != http.StatusOK:
		return wrong(Unreachable, name, "the server answers %.60s", resp.Status)
	case resp.ContentLength > limit:
		return endless(name, limit)
	}
	b := &body{ctx: ctx, name: name, from: resp.Body, left: limit, limit: limit, watch: watch}
	if err := use(b); b.failed != nil {
		return b.failed
	} else if err != nil {
		return err
	}
	return nil
}

func endless(name string, limit int64) error {
	return wrong(Endless, name, "it has more than the %d bytes that it may have", limit)
}

// broken is an error of the way to a place.
func broken(ctx context.Context, name string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the address is known, and may hold what is nobody's business
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrSlow):
		return &Error{Slow, name, ErrSlow}
	case cause != nil && ctx.Err() != nil:
		return cause
	}
	return &Error{Unreachable, name, err}
}

// body is what arrives of a file.
type body struct {
	ctx         context.Context // of the request, for why it ended
	name        string
	from        io.Reader
	left, limit int64
	watch       *time.Timer
	since       int
	failed      error
}

func (b *body) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		b.failed = endless(b.name, b.limit)
		return 0, b.failed
	}
	if b.since += n; b.since >= slow {
		b.since = 0
		b.watch.Reset(patience)
	}
	if err != nil && err != io.EOF {
		b.failed = broken(b.ctx, b.name, err)
		err = b.failed
	}
	return n, err
}

// FolderBase is the base of a Place whose transport is that of InFolder.
const FolderBase = "http://folder"

// InFolder makes a transport that answers from the files of a folder, without any network. Nothing leads out of the folder,
// and what is no plain file is not there.
func InFolder(dir string) http.RoundTripper {
	return sized{http.NewFileTransportFS(beneath(dir))}
}

// sized tells how long an answer is, which the transport of net/http leaves to the headers.
type sized struct{ next http.RoundTripper }

func (s sized) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err == nil {
		if n, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64); err == nil {
			resp.ContentLength = n
		}
	}
	return resp, err
}

// beneath is a folder of plain files.
type beneath string

// Open implements fs.FS.
func (b beneath) Open(name string) (fs.File, error) {
	root, err := os.OpenRoot(string(b))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe would wait for somebody who writes
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f, nil
}
