// Package transfer moves bytes by plain HTTP, where a call would be the wrong size: PUT /transfer/<ticket> sends the
// file a ticket was made for, in one piece or in several.
//
//	HEAD  answers how many bytes have arrived (Upload-Offset) and how many there will be (Upload-Length)
//	PUT   without Content-Range sends the whole file and begins it anew
//	PUT   with "Content-Range: bytes A-B/SIZE" goes on; A is at most the offset, what has arrived already is skipped
//	      "Content-Digest: sha-256=:…:" has the bytes of this request checked; if they differ none of them are kept
//	DELETE gives it up, with what has arrived
//
// They answer 204, the first two with Upload-Offset, or the fault as JSON. What arrived before a connection broke stays.
//
// The ticket is the credential: whoever has it may send this one file and nothing else. A new PUT with a ticket ends
// the one under way, because a client that lost its connection knows of it before the server does. The package knows
// neither files nor what becomes of them: uploads belong to the area that made the ticket.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// Prefix is the path behind which tickets stand.
const Prefix = "/transfer/"

// Headers that tell how far an upload is.
const (
	OffsetHeader = "Upload-Offset"
	LengthHeader = "Upload-Length"
)

const (
	maxTicket = 64
	// idleTimeout is how long a sender may be silent.
	idleTimeout = time.Minute
)

// Uploads opens uploads by their ticket. An unknown one is a fault with REASON_TRANSFER_NOT_FOUND.
type Uploads interface {
	Open(ticket string) (Upload, error)
}

// Upload is one file that is being received, for one writer at a time.
type Upload interface {
	// Size is how many bytes were announced.
	Size() int64
	// Received is how many have arrived.
	Received() (int64, error)
	// Append keeps what r yields behind what has arrived, up to Size, and what it could read also when r fails.
	Append(r io.Reader) (int64, error)
	// Truncate forgets all but the first bytes that have arrived.
	Truncate(size int64) error
	// Drop removes the upload, which uses up the ticket.
	Drop() error
	Close() error
}

// Handler serves the routes under Prefix. It is safe for concurrent use.
type Handler struct {
	uploads Uploads
	log     *slog.Logger

	mu     sync.Mutex // guards active
	active map[string]*sending
}

// sending is a PUT under way.
type sending struct {
	conn    *http.ResponseController
	stopped atomic.Bool
	done    chan struct{}
	offset  atomic.Int64
	size    atomic.Int64 // 0 until it is known
}

// stop makes its reads fail, the one that waits and all that follow.
func (s *sending) stop() {
	s.stopped.Store(true)
	s.conn.SetReadDeadline(time.Unix(1, 0)) // where it is not supported, the read ends with the connection
}

// patience gives the next read until then, unless the sending was stopped.
func (s *sending) patience(until time.Time) error {
	if !s.stopped.Load() {
		s.conn.SetReadDeadline(until)
	}
	if s.stopped.Load() { // between the two lines: our deadline has replaced that of stop
		return errBroken
	}
	return nil
}

// New returns the handler of these uploads.
func New(uploads Uploads, log *slog.Logger) *Handler {
	return &Handler{uploads: uploads, log: log, active: map[string]*sending{}}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch origin.FromRequest(r.Context()).Listener {
	case origin.None, origin.Container, origin.Internal:
		codec.WriteFault(w, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot tell where the request comes from"))
		return
	}
	ticket, ok := strings.CutPrefix(r.URL.Path, Prefix)
	if !ok || !validTicket(ticket) {
		codec.WriteFault(w, fault.New(metav1.Reason_REASON_TRANSFER_NOT_FOUND, "there is no transfer at this path"))
		return
	}
	var err error
	switch r.Method {
	case http.MethodHead:
		err = h.head(w, ticket)
	case http.MethodPut:
		err = h.put(w, r, ticket)
	case http.MethodDelete:
		err = h.drop(w, r, ticket)
	default:
		w.Header().Set("Allow", "HEAD, PUT, DELETE")
		codec.WriteFaultStatus(w, http.StatusMethodNotAllowed, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no %s of a transfer, only HEAD, PUT and DELETE", r.Method))
		return
	}
	if err != nil {
		codec.WriteFault(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func validTicket(ticket string) bool {
	if ticket == "" || len(ticket) > maxTicket {
		return false
	}
	for _, c := range []byte(ticket) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func (h *Handler) head(w http.ResponseWriter, ticket string) error {
	h.mu.Lock()
	s := h.active[ticket]
	h.mu.Unlock()
	if s != nil && s.size.Load() > 0 {
		tell(w, s.offset.Load(), s.size.Load())
		return nil
	}
	up, err := h.uploads.Open(ticket)
	if err != nil {
		return err
	}
	defer up.Close()
	have, err := up.Received()
	if err != nil {
		return fmt.Errorf("cannot tell how far the upload is: %w", err)
	}
	tell(w, have, up.Size())
	return nil
}

func tell(w http.ResponseWriter, offset, size int64) {
	w.Header().Set(OffsetHeader, strconv.FormatInt(offset, 10))
	w.Header().Set(LengthHeader, strconv.FormatInt(size, 10))
}

func (h *Handler) put(w http.ResponseWriter, r *http.Request, ticket string) error {
	part, err := parsePart(r.Header, r.ContentLength)
	if err != nil {
		return err
	}
	s, release, err := h.enter(r.Context(), ticket, http.NewResponseController(w))
	if err != nil {
		return err
	}
	defer release()
	up, err := h.uploads.Open(ticket)
	if err != nil {
		return err
	}
	defer up.Close()
	s.size.Store(up.Size())
	start := time.Now()
	n, err := receive(r.Body, up, part, s)
	have, haveErr := up.Received()
	if haveErr == nil {
		tell(w, have, up.Size())
	}
	log := h.log.With("received", n, "offset", have, "size", up.Size(), "took", time.Since(start))
	if err != nil {
		log = log.With("error", err)
	}
	log.Info("transfer")
	return errors.Join(err, haveErr)
}

// drop ends whoever sends, and gives up the upload.
func (h *Handler) drop(w http.ResponseWriter, r *http.Request, ticket string) error {
	_, release, err := h.enter(r.Context(), ticket, http.NewResponseController(w))
	if err != nil {
		return err
	}
	defer release()
	up, err := h.uploads.Open(ticket)
	if err != nil {
		return err
	}
	defer up.Close()
	return up.Drop()
}

// enter makes this request the one sender for the ticket, ending the one before.
func (h *Handler) enter(ctx context.Context, ticket string, conn *http.ResponseController) (s *sending, release func(), err error) {
	for {
		h.mu.Lock()
		before := h.active[ticket]
		if before == nil {
			s = &sending{conn: conn, done: make(chan struct{})}
			h.active[ticket] = s
			h.mu.Unlock()
			return s, func() {
				h.mu.Lock()
				delete(h.active, ticket)
				h.mu.Unlock()
				close(s.done)
			}, nil
		}
		h.mu.Unlock()
		before.stop()
		select {
		case <-before.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// receive puts the bytes of one request where they belong.
func receive(from io.Reader, up Upload, p part, s *sending) (int64, error) {
	have, err := up.Received()
	if err != nil {
		return 0, fmt.Errorf("cannot tell how far the upload is: %w", err)
	}
	if err := p.fit(up.Size(), have); err != nil {
		return 0, err
	}
	if p.whole && have > 0 {
		if err := up.Truncate(0); err != nil {
			return 0, fmt.Errorf("cannot begin the upload anew: %w", err)
		}
		have = 0
	}
	s.offset.Store(have)
	body := &patient{body: from, sending: s, left: p.length(up.Size()), digest: p.digest.new()}
	if _, err := io.CopyN(io.Discard, body, have-p.first); err != nil {
		return 0, broken(err)
	}
	n, err := up.Append(&counted{body, s})
	if err == nil {
		err = body.end(p.whole)
	}
	if derr := p.digest.check(body.digest); err == nil && derr != nil {
		// The bytes are wrong, and nobody can tell which: keep none of them.
		return 0, errors.Join(derr, up.Truncate(have))
	}
	return n, broken(err)
}

// broken names what ends a transfer from outside.
func broken(err error) error {
	if errors.Is(err, errBroken) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fault.New(metav1.Reason_REASON_TRANSFER_INCOMPLETE, "the transfer ended before all its bytes had arrived: %w", err)
	}
	return err
}

// errBroken tells that the sender has gone, was silent too long, or was replaced by another request.
var errBroken = errors.New("cannot read on")

// patient reads a body of at most left bytes, with a time limit for silence, and takes their digest.
type patient struct {
	body    io.Reader
	sending *sending
	left    int64
	digest  io.Writer
	renewed time.Time
}

func (p *patient) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, io.EOF
	}
	if now := time.Now(); now.Sub(p.renewed) > idleTimeout/10 {
		if err := p.sending.patience(now.Add(idleTimeout)); err != nil {
			return 0, err
		}
		p.renewed = now
	}
	n, err := p.body.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	p.digest.Write(b[:n]) // hashes do not fail
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	return n, err
}

// end checks that the body ended where it should.
func (p *patient) end(whole bool) error {
	if p.left > 0 {
		return io.ErrUnexpectedEOF
	}
	if n, _ := p.body.Read(make([]byte, 1)); whole && n > 0 {
		return fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "cannot take more bytes than were announced")
	}
	return nil
}

// counted tells others how far the upload is.
type counted struct {
	r io.Reader
	s *sending
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.s.offset.Add(int64(n))
	return n, err
}
