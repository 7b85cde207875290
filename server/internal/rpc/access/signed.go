package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/httpsig"
)

// Signature is the signature of a request, by HTTP or by native gRPC.
type Signature struct {
	request *httpsig.Request
	err     error // why the headers cannot be read
	ours    bool
	body    *signedBody // of an HTTP request; nil on native gRPC
}

type signatureKey struct{}

// FromSignedHTTP reads the signature of an HTTP request; nil when there is none. Ours tells the server's own host names: a
// request that is signed for another was made to lead here.
func FromSignedHTTP(r *http.Request, ours func(host string) bool) *Signature {
	if !carriesSignature(r.Header.Values) {
		return nil
	}
	s := &Signature{ours: signedForUs(r.Host, ours)}
	target := httpsig.Target{Method: r.Method, Authority: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery}
	s.request, s.err = parse(target, r.Header.Values)
	return s
}

// WithSignature puts s into the context of an HTTP request.
func WithSignature(ctx context.Context, s *Signature) context.Context {
	return context.WithValue(ctx, signatureKey{}, s)
}

// Digest answers the body of an HTTP request such that it is digested while it is read, up to the limit.
func (s *Signature) Digest(body io.ReadCloser, limit int64) io.ReadCloser {
	s.body = &signedBody{from: body, sum: sha256.New(), left: limit}
	return s.body
}

// signedForUs tells whether a host is one of the server's own names. Unlike for browsers no address counts that is not
// the server's: who signs for an address means the server that has it.
func signedForUs(host string, ours func(string) bool) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return ours != nil && ours(strings.Trim(strings.TrimSuffix(strings.ToLower(host), "."), "[]"))
}

// SignatureOf returns the signature of a call: of the HTTP request behind it, or of its metadata on native gRPC; nil
// without one.
func SignatureOf(ctx context.Context, procedure string, ours func(host string) bool) *Signature {
	if client := inprocgrpc.ClientContext(ctx); client != nil {
		return SignatureOfRequest(client)
	}
	get := func(name string) []string { return metadata.ValueFromIncomingContext(ctx, name) } // all of it would be a copy
	if !carriesSignature(get) {
		return nil
	}
	authority := ""
	if a := get(":authority"); len(a) == 1 {
		authority = a[0]
	}
	s := &Signature{ours: signedForUs(authority, ours)}
	s.request, s.err = parse(httpsig.Target{Method: http.MethodPost, Authority: authority, Path: procedure}, get)
	return s
}

// SignatureOfRequest returns the signature of an HTTP request with this context; nil without one.
func SignatureOfRequest(ctx context.Context) *Signature {
	s, _ := ctx.Value(signatureKey{}).(*Signature)
	return s
}

func carriesSignature(get func(string) []string) bool {
	return len(get(httpsig.InputHeader))+len(get(httpsig.SignatureHeader)) > 0
}

func parse(t httpsig.Target, get func(string) []string) (*httpsig.Request, error) {
	one := func(name string) string {
		if values := get(name); len(values) == 1 {
			return values[0]
		}
		return ""
	}
	return httpsig.Parse(t, httpsig.Headers{Digest: one(httpsig.DigestHeader), Input: one(httpsig.InputHeader), Signature: one(httpsig.SignatureHeader)})
}

// usable refuses a signature that cannot be read or is for another server.
func (s *Signature) usable() (*httpsig.Request, error) {
	switch {
	case s.err != nil:
		return nil, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept the signature: %w", s.err)
	case !s.ours:
		return nil, fault.New(metav1.Reason_REASON_REQUEST_FOREIGN, "cannot accept a signature for a name that is not the server's")
	}
	return s.request, nil
}

// CheckBody compares what came with what was signed. Message is what the service gets; it counts on native gRPC, where
// the body is one message. It is called before the service gets it, and reads what is left of an HTTP request.
func (s *Signature) CheckBody(message proto.Message) error {
	if s.body != nil {
		digest, err := s.body.digest()
		if err == nil {
			err = s.request.CheckBody(digest)
		}
		return bodyFault(err)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return err
	}
	return bodyFault(s.request.CheckBody(httpsig.DigestOfMessage(raw)))
}

// ErrStreamed is the refusal of a signed call to which the caller streams: nobody can sign what is yet to come.
func ErrStreamed() error {
	return fault.New(metav1.Reason_REASON_SIGNATURE_BODY, "cannot accept a signature for a call to which the caller streams")
}

func bodyFault(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(metav1.Reason_REASON_SIGNATURE_BODY, "cannot accept the signature: %w", err)
}

// signedBody digests a body while it is read.
type signedBody struct {
	from io.ReadCloser

	mu   sync.Mutex // guards the rest
	sum  hash.Hash
	left int64
	end  error
}

var errBodyLarge = errors.New("the body is too large")

// Read implements io.Reader.
func (b *signedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end != nil {
		return 0, b.end
	}
	n, err := b.from.Read(p)
	b.sum.Write(p[:n])
	if b.left -= int64(n); b.left < 0 && err == nil {
		err = errBodyLarge
	}
	b.end = err
	return n, err
}

// Close implements io.Closer.
func (b *signedBody) Close() error { return b.from.Close() }

// digest reads what is left and answers the digest of the whole.
func (b *signedBody) digest() (d httpsig.Digest, err error) {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return d, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	copy(d[:], b.sum.Sum(nil))
	return d, nil
}
