package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// readAhead is the least that is asked for: header, tables and manifest of a package often lie in one such piece.
	readAhead = 64 << 10
	// keptBlocks is how many such pieces are remembered, and keptBlock the largest that is.
	keptBlocks = 16
	keptBlock  = 1 << 20
	// maxSkip is how much of a stream is thrown away rather than asked for anew behind the gap.
	maxSkip = 256 << 10
)

// remote reads by ranges. Small reads become requests of at least readAhead bytes, which are remembered; who reads on
// where the last request ended gets one long answer instead of many short ones.
type remote struct {
	// ReadAt has no context of its own; this one is Open's and ends with Close.
	ctx    context.Context
	cancel context.CancelCauseFunc
	client *http.Client
	url    *url.URL
	size   int64
	tag    string // ETag or Last-Modified of the first answer

	mu       sync.Mutex // guards what follows
	blocks   []block    // the oldest first
	body     io.ReadCloser
	position int64 // of body, and where the last request ended
}

type block struct {
	offset int64
	data   []byte
}

// Sequential tells readers that this file is quick only when it is read in order.
func (r *remote) Sequential() {}

// Size is the length the server told.
func (r *remote) Size() int64 { return r.size }

// Known is true: a server that answers ranges says how long the file is.
func (r *remote) Known() bool { return true }

// Close ends what is under way.
func (r *remote) Close() error {
	r.cancel(errors.New("the file was closed"))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endBody()
	r.client.CloseIdleConnections()
	return nil
}

// begin asks for the first bytes. A server without ranges answers with the whole file, which is returned as a stream.
func (r *remote) begin() (*http.Response, error) {
	resp, err := r.get(0, readAhead-1)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp, nil
	case http.StatusPartialContent:
	case http.StatusRequestedRangeNotSatisfiable:
		_ = resp.Body.Close()
		return nil, r.fail("the file is empty", nil)
	default:
		_ = resp.Body.Close()
		return nil, r.refused(resp)
	}
	defer resp.Body.Close()
	first, last, total, ok := contentRange(resp.Header.Get("Content-Range"))
	if !ok || first != 0 || last >= readAhead {
		return nil, r.fail("the server answers with another range than was asked for", nil)
	}
	if total > MaxSize {
		return nil, r.fail(fmt.Sprintf("the file has %d bytes, more than is allowed", total), nil)
	}
	r.size, r.tag = total, validator(resp)
	data := make([]byte, last+1)
	if _, err := io.ReadFull(r.unstalled(resp.Body), data); err != nil {
		return nil, r.fail("the answer breaks off", broken(err))
	}
	r.remember(block{0, data})
	r.position = int64(len(data))
	return nil, nil
}

func validator(resp *http.Response) string {
	if tag := resp.Header.Get("ETag"); tag != "" {
		return tag
	}
	return resp.Header.Get("Last-Modified")
}

func (r *remote) fail(why string, err error) error {
	if cause := context.Cause(r.ctx); cause != nil {
		return cause
	}
	return &Error{Host: r.url.Host, Why: why, Err: err}
}

// refused is an answer that is not the file.
func (r *remote) refused(resp *http.Response) error {
	err := r.fail("the server answers "+resp.Status, nil)
	if told, ok := errors.AsType[*Error](err); ok {
		told.Status = resp.StatusCode
	}
	return err
}

// get asks for the bytes from first to last, both included; last < 0 means to the end.
func (r *remote) get(first, last int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.url.String(), nil)
	if err != nil {
		return nil, r.fail("the request cannot be made", err)
	}
	span := fmt.Sprintf("bytes=%d-", first)
	if last >= 0 {
		span += fmt.Sprint(last)
	}
	req.Header.Set("Range", span)
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := r.client.Do(req)
	if err != nil {
		// The client's own error repeats the URL, which may hold a secret.
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		if isBroken(err) {
			return nil, r.fail("the server does not answer", broken(err))
		}
		if errors.As(err, new(redirectError)) {
			return nil, r.fail("it leads where nothing is fetched from", err)
		}
		return nil, r.fail("the server cannot be reached", err)
	}
	return resp, nil
}

// ask makes a range request of an open file and checks that the answer is of the same file and range.
func (r *remote) ask(first, last int64) (io.ReadCloser, error) {
	resp, err := r.get(first, last)
	if err != nil {
		return nil, err
	}
	a, b, total, ok := contentRange(resp.Header.Get("Content-Range"))
	end := last
	if last < 0 {
		end = r.size - 1
	}
	switch {
	case resp.StatusCode != http.StatusPartialContent && resp.StatusCode != http.StatusOK:
		err = r.refused(resp)
	case validator(resp) != r.tag || ok && total != r.size:
		err = r.fail("it cannot be read on", ErrChanged)
	case !ok || a != first || b != end:
		err = r.fail("the server answers with another range than was asked for", nil)
	default:
		return resp.Body, nil
	}
	_ = resp.Body.Close()
	return nil, err
}

// ReadAt reads from what is remembered, from the answer under way, or asks anew.
func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	short := false
	if int64(len(p)) > r.size-off {
		p, short = p[:r.size-off], true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.read(p, off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

func (r *remote) read(p []byte, off int64) (int, error) {
	for failures, done := 0, 0; ; {
		n, err := r.readOnce(p[done:], off+int64(done))
		done += n
		if err == nil || done == len(p) {
			return done, nil
		}
		if n > 0 {
			failures = 0
		}
		failures++
		if failures == maxFailures || errors.Is(err, ErrChanged) || r.ctx.Err() != nil {
			return done, err
		}
		if !r.rest(failures) {
			return done, context.Cause(r.ctx)
		}
	}
}

// rest waits before the next attempt, the longer the more have failed, and answers whether there is to be one.
func (r *remote) rest(failures int) bool {
	select {
	case <-time.After(retryDelay << failures):
		return true
	case <-r.ctx.Done():
		return false
	}
}

func (r *remote) readOnce(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	for _, b := range r.blocks {
		if off >= b.offset && end <= b.offset+int64(len(b.data)) {
			return copy(p, b.data[off-b.offset:]), nil
		}
	}
	if r.body != nil && off >= r.position && off-r.position <= maxSkip {
		return r.readOn(p, off)
	}
	if r.body == nil && off == r.position && int64(len(p)) >= readAhead && end < r.size {
		body, err := r.ask(off, -1)
		if err != nil {
			return 0, err
		}
		r.body = body
		return r.readOn(p, off)
	}
	return r.readBlock(p, off)
}

// readOn reads from the long answer under way.
func (r *remote) readOn(p []byte, off int64) (int, error) {
	in := r.unstalled(r.body)
	if skip := off - r.position; skip > 0 {
		n, err := io.CopyN(io.Discard, in, skip)
		r.position += n
		if err != nil {
			r.endBody()
			return 0, r.fail("the answer breaks off", broken(err))
		}
	}
	n, err := io.ReadFull(in, p)
	r.position += int64(n)
	if err != nil {
		r.endBody()
		return n, r.fail("the answer breaks off", broken(err))
	}
	return n, nil
}

// readBlock asks for one piece and remembers it.
func (r *remote) readBlock(p []byte, off int64) (int, error) {
	r.endBody()
	want := min(max(int64(len(p)), readAhead), r.size-off)
	body, err := r.ask(off, off+want-1)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	data := p
	if want > int64(len(p)) {
		data = make([]byte, want)
	}
	n, err := io.ReadFull(r.unstalled(body), data)
	r.position = off + int64(n)
	if err != nil {
		return min(n, copy(p, data[:n])), r.fail("the answer breaks off", broken(err))
	}
	if want > int64(len(p)) {
		copy(p, data)
		r.remember(block{off, data})
	} else if want <= keptBlock {
		r.remember(block{off, slices.Clone(data)})
	}
	return len(p), nil
}

func (r *remote) remember(b block) {
	if len(r.blocks) == keptBlocks {
		r.blocks = slices.Delete(r.blocks, 0, 1)
	}
	r.blocks = append(r.blocks, b)
}

func (r *remote) endBody() {
	if r.body != nil {
		_ = r.body.Close()
		r.body = nil
	}
}

// unstalled ends the file when a read gets nothing for too long.
func (r *remote) unstalled(in io.Reader) io.Reader { return &watched{in, r.cancel} }

type watched struct {
	in     io.Reader
	cancel context.CancelCauseFunc
}

func (w *watched) Read(p []byte) (int, error) {
	timer := time.AfterFunc(stallTimeout, func() {
		w.cancel(fmt.Errorf("cannot fetch: nothing came for %s", stallTimeout))
	})
	defer timer.Stop()
	return w.in.Read(p)
}
