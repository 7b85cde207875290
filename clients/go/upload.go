package hearth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hearthos/hearth/api/fault"
)

// maxIdleAttempts is how often an upload is taken up again without a byte more having arrived.
const maxIdleAttempts = 8

// dropTimeout is how long a server may take to give up an upload.
const dropTimeout = 5 * time.Second

// Upload sends size bytes of r as a package file and returns the ticket InstallPackage takes. It goes on by itself
// where a connection broke. progress, where given, is told how many bytes have been sent, never twice at a time; after a
// broken connection the number may be smaller than before.
func (c *Client) Upload(ctx context.Context, r io.ReaderAt, size int64, progress func(done, total int64)) (ticket string, err error) {
	if size <= 0 {
		return "", fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot upload an empty file")
	}
	made, err := c.Packages.CreateUpload(ctx, &packagesv1.CreateUploadRequest{Size: uint64(size)})
	if err != nil {
		return "", err
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	u := &upload{client: c, url: c.base + made.GetPath(), r: r, size: size, progress: progress}
	if err := u.run(ctx); err != nil {
		c.DropUpload(ctx, made.GetTicket())
		return "", err
	}
	return made.GetTicket(), nil
}

// DropUpload gives up an upload that is not used, as far as the server is there to hear of it: what it has of it goes by itself
// after an hour. It is done for a context that has ended, too.
func (c *Client) DropUpload(ctx context.Context, ticket string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.base+"/transfer/"+url.PathEscape(ticket), nil)
	if err != nil {
		return
	}
	resp, err := c.http.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
}

type upload struct {
	client   *Client
	url      string
	r        io.ReaderAt
	size     int64
	progress func(done, total int64)
}

// run sends until the server has everything.
func (u *upload) run(ctx context.Context) error {
	var offset, best int64
	var p pause
	for idle := 0; ; {
		err := u.put(ctx, offset)
		if err == nil {
			return nil
		}
		if !again(err) || ctx.Err() != nil {
			return err
		}
		if werr := p.wait(ctx); werr != nil {
			return werr
		}
		have, herr := u.head(ctx)
		switch {
		case herr == nil && have == u.size:
			u.progress(u.size, u.size)
			return nil
		case herr == nil:
			offset = have
		case !again(herr):
			return herr
		}
		if idle++; offset > best {
			best, idle = offset, 0
			p.reset()
		}
		if idle >= maxIdleAttempts {
			return fmt.Errorf("cannot finish the upload after %d attempts: %w", idle, err)
		}
	}
}

// again tells whether another attempt may succeed.
func again(err error) bool {
	var broken *transportError
	if errors.As(err, &broken) {
		return true
	}
	switch fault.Reason(err) {
	case metav1.Reason_REASON_UNAVAILABLE, metav1.Reason_REASON_SERVER_STARTING, metav1.Reason_REASON_CONFLICT,
		metav1.Reason_REASON_TRANSFER_INCOMPLETE:
		return true
	}
	return false
}

// transportError is what went wrong on the way, not at the server.
type transportError struct{ err error }

func (e *transportError) Error() string { return "cannot reach the server: " + e.err.Error() }

func (e *transportError) Unwrap() error { return e.err }

// put sends the bytes from offset on.
func (u *upload) put(ctx context.Context, offset int64) error {
	body := &counted{r: io.NewSectionReader(u.r, offset, u.size-offset), u: u, done: offset}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, u.url, body)
	if err != nil {
		return fmt.Errorf("cannot use the address of the upload: %w", err)
	}
	req.ContentLength = u.size - offset
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, u.size-1, u.size))
	resp, err := u.do(req)
	if failed := body.stop(); failed != nil {
		return fmt.Errorf("cannot read the file: %w", failed)
	}
	if err != nil {
		return err
	}
	if have := resp.Header.Get("Upload-Offset"); have != strconv.FormatInt(u.size, 10) {
		return fault.New(metav1.Reason_REASON_TRANSFER_INCOMPLETE, "the server has %.20s of %d bytes", have, u.size)
	}
	return nil
}

// head asks how many bytes have arrived.
func (u *upload) head(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := u.do(req)
	if err != nil {
		return 0, err
	}
	offset, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 || offset > u.size {
		return 0, errors.New("cannot go on with the upload: the server does not tell how much it has")
	}
	return offset, nil
}

// do returns the answer of a request that succeeded; its body has been read.
func (u *upload) do(req *http.Request) (*http.Response, error) {
	resp, err := u.client.http.Do(req)
	if err != nil {
		return nil, &transportError{err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, &transportError{err}
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	f := &metav1.Fault{}
	// The body of HEAD is empty, and what stands before a server answers in its own words.
	if len(bytes.TrimSpace(data)) == 0 || (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, f) != nil || f.GetReason() == 0 {
		f.Reason, f.Message = reasonOf(resp.StatusCode), "the server answered "+resp.Status
	}
	return nil, fault.FromProto(f)
}

func reasonOf(status int) metav1.Reason {
	switch status {
	case http.StatusNotFound:
		return metav1.Reason_REASON_TRANSFER_NOT_FOUND
	case http.StatusConflict:
		return metav1.Reason_REASON_CONFLICT
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return metav1.Reason_REASON_UNAVAILABLE
	}
	return metav1.Reason_REASON_INTERNAL
}

// counted tells how much of a file has been read, and keeps why it could not be. The transport may go on reading after
// it has answered; stop ends that.
type counted struct {
	r io.Reader
	u *upload

	mu      sync.Mutex // guards the rest
	done    int64
	failed  error
	stopped bool
}

func (c *counted) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return 0, io.ErrClosedPipe
	}
	n, err := c.r.Read(b)
	if n > 0 {
		c.done += int64(n)
		c.u.progress(c.done, c.u.size)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.failed = err
	}
	return n, err
}

func (c *counted) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	return c.failed
}
