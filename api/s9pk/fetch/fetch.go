// Package fetch gives random access to package files that do not lie on disk: behind a URL, by range requests, or in a
// stream while it still arrives.
//
//	remote.go  a URL: ranges where the server has them, one stream where it has not
//	stream.go  bytes that arrive in order, kept in a spool file
//
// It trusts nothing it gets: what it gives is to be verified by package s9pk, and only what is read is asked for. It
// deliberately keeps nothing between runs and retries no more than a broken connection needs; a download that survives a
// restart is the business of others. Invariants: no redirect leads to another scheme than https, or from https to http;
// no answer makes it read more than was asked for, nor wait longer than its timeouts for a byte; a file that changes
// between two requests is noticed and refused.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hearthos/hearth/api/merkle"
)

// File is a package file behind a URL or in a stream. ReadAt is safe for concurrent use.
type File interface {
	io.ReaderAt
	io.Closer
	// Size is the length of the file, or the most it may have where that is not known yet; a file that turns out to be
	// shorter ends with io.EOF.
	Size() int64
	// Known tells whether Size is the true length.
	Known() bool
}

// Limits of what is fetched.
const (
	// MaxSize bounds a file behind a URL and a stream.
	MaxSize = 1 << 40

	maxURL       = 2048
	maxRedirects = 5
	maxFailures  = 3 // of the same place in the file, one after the other

	headerTimeout = 30 * time.Second
	stallTimeout  = 60 * time.Second
	retryDelay    = 250 * time.Millisecond
)

// URLError is a URL that nothing can be fetched from.
type URLError struct{ why string }

func (e URLError) Error() string { return "cannot fetch: the URL " + e.why }

// Error is a failure to fetch. Why is for people; it holds nothing of the URL but its host.
type Error struct {
	Host string
	Why  string
	// Status is what the server answered with in place of the file; 0 where it did not answer, or the answer broke off.
	Status int
	Err    error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("cannot fetch from %s: %s", e.Host, e.Why)
	}
	return fmt.Sprintf("cannot fetch from %s: %s: %s", e.Host, e.Why, e.Err)
}

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrChanged is in the chain of the error when the file behind the URL became another one while it was read.
var ErrChanged = errors.New("the file changed while it was read")

// broken answers the error of a connection with the end of the connection told as such: it is not the end of the file.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return merkle.ErrBroken
	}
	return fmt.Errorf("%w: %w", merkle.ErrBroken, err)
}

// isBroken tells of an error of the transport whether the server was there and the connection to it broke.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Options are optional.
type Options struct {
	// Transport makes the requests; nil is one with timeouts.
	Transport http.RoundTripper
	// SpoolDir is where a stream is kept that cannot be read by ranges; "" is the system's folder for temporary files.
	SpoolDir string
}

// IsURL tells whether a name given by a person is meant as a URL.
func IsURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/.\\")
}

// Open asks for the beginning of the file behind a URL. ctx ends all requests of the file, also those of later reads.
func Open(ctx context.Context, address string, o Options) (File, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	transport := o.Transport
	if transport == nil {
		transport = newTransport()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r := &remote{
		ctx: ctx, cancel: cancel, url: u,
		client: &http.Client{Transport: transport, CheckRedirect: CheckRedirect},
	}
	stream, err := r.begin()
	for failures := 1; errors.Is(err, merkle.ErrBroken) && failures < maxFailures && r.rest(failures); failures++ {
		stream, err = r.begin()
	}
	switch {
	case errors.Is(err, merkle.ErrBroken):
		_ = r.Close()
		return nil, merkle.ReadError("", err)
	case err != nil:
		_ = r.Close()
		return nil, err
	case stream != nil:
		return newRemoteStream(r, stream, o.SpoolDir)
	}
	return r, nil
}

// Patient makes a transport for addresses that a person names, for libraries that read answers themselves. It has the limits
// of this package: a server that does not answer, or of whose answer nothing comes any more, is given up.
func Patient() http.RoundTripper { return patient{newTransport()} }

type patient struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p patient) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := p.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &unstalledBody{ReadCloser: resp.Body, ctx: ctx, watched: watched{resp.Body, cancel}}
	return resp, nil
}

// unstalledBody is an answer that ends when a read gets nothing for too long.
type unstalledBody struct {
	io.ReadCloser
	ctx     context.Context
	watched watched
}

func (b *unstalledBody) Read(p []byte) (int, error) {
	n, err := b.watched.Read(p)
	if err != nil && err != io.EOF && context.Cause(b.ctx) != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *unstalledBody) Close() error {
	defer b.watched.cancel(nil)
	return b.ReadCloser.Close()
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        30 * time.Second,
	}
}

func parseURL(address string) (*url.URL, error) {
	if len(address) > maxURL {
		return nil, URLError{fmt.Sprintf("is longer than %d bytes", maxURL)}
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, URLError{"is malformed"}
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, URLError{fmt.Sprintf("has the scheme %q, which is none of http and https", u.Scheme)}
	}
	if u.Host == "" {
		return nil, URLError{"has no host"}
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, URLError{fmt.Sprintf("has the port %s, which is none", port)}
		}
	}
	return u, nil
}

// redirectError is a redirect that is not followed.
type redirectError string

func (e redirectError) Error() string { return string(e) }

// CheckRedirect follows a few redirects, none to another scheme but from http to https.
func CheckRedirect(next *http.Request, before []*http.Request) error {
	from, to := before[len(before)-1].URL.Scheme, next.URL.Scheme
	switch {
	case len(before) > maxRedirects:
		return redirectError(fmt.Sprintf("it redirects more than %d times", maxRedirects))
	case to != from && to != "https":
		return redirectError(fmt.Sprintf("it redirects from %s to %s", from, to))
	}
	// The ranges asked for travel along; credentials of the URL do not reach another host, since net/http keeps them.
	return nil
}

// contentRange reads "bytes first-last/total".
func contentRange(header string) (first, last, total int64, ok bool) {
	rest, ok := strings.CutPrefix(header, "bytes ")
	if !ok {
		return 0, 0, 0, false
	}
	span, size, ok := strings.Cut(rest, "/")
	if !ok {
		return 0, 0, 0, false
	}
	a, b, ok := strings.Cut(span, "-")
	if !ok {
		return 0, 0, 0, false
	}
	var errs [3]error
	first, errs[0] = strconv.ParseInt(a, 10, 64)
	last, errs[1] = strconv.ParseInt(b, 10, 64)
	total, errs[2] = strconv.ParseInt(size, 10, 64)
	ok = errors.Join(errs[:]...) == nil && first >= 0 && first <= last && last < total
	return first, last, total, ok
}
