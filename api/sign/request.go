package sign

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/blake3"
)

// RequestHeader is the header that carries the signature of a request to a registry or a StartOS server.
const RequestHeader = "X-StartOS-Auth-Sig"

// RequestWindow is how far the clocks of both sides may be apart; it is also how long a request can be replayed where
// nobody remembers it.
const RequestWindow = 30 * time.Second

const (
	maxRequestHeader = 4096
	// What a Guard remembers of all signers and of one. Who sends faster waits until the window has passed.
	maxRequests       = 1 << 16
	maxSignerRequests = 1 << 12
)

// The ways a signed request is refused, besides those of its signature.
var (
	ErrRequestTime   = errors.New("the request was signed at another time")
	ErrRequestReplay = errors.New("the request was seen before")
	ErrRequestBody   = errors.New("the body is not the one that was signed")
	ErrRequestRate   = errors.New("there are too many requests to remember")
)

// Request is the signature of a request: of the time, a number used once, and the length and hash of its body. The context
// of the signature is the name of the server as the client addresses it, without port.
type Request struct {
	Timestamp int64 // seconds since 1970
	Nonce     uint64
	Size      uint64
	BodyHash  [32]byte
	Signer    PublicKey
	Signature Signature
}

// SignRequest signs a request with the given body for the server of that name. The nonce is random.
func SignRequest(key PrivateKey, server string, body []byte, now time.Time, nonce uint64) (Request, error) {
	r := Request{Timestamp: now.Unix(), Nonce: nonce, Size: uint64(len(body)), BodyHash: blake3.Sum256(body), Signer: key.Public()}
	var err error
	r.Signature, err = key.Sign(server, r.message())
	return r, err
}

func (r Request) message() []byte {
	m := binary.BigEndian.AppendUint64(nil, uint64(r.Timestamp))
	m = binary.BigEndian.AppendUint64(m, r.Nonce)
	m = binary.BigEndian.AppendUint64(m, r.Size)
	return append(m, r.BodyHash[:]...)
}

// Header is the value of RequestHeader.
func (r Request) Header() string {
	var b strings.Builder
	for i, field := range [...][2]string{
		{"timestamp", strconv.FormatInt(r.Timestamp, 10)},
		{"nonce", strconv.FormatUint(r.Nonce, 10)},
		{"size", strconv.FormatUint(r.Size, 10)},
		{"blake3", base64.RawStdEncoding.EncodeToString(r.BodyHash[:])},
		{"signer", r.Signer.PEM()},
		{"signature", r.Signature.PEM()},
	} {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(field[0] + "=" + url.QueryEscape(field[1]))
	}
	return b.String()
}

// ParseRequest reads the value of RequestHeader; it verifies nothing but the signer's key not being of small order.
func ParseRequest(header string) (Request, error) {
	if len(header) > maxRequestHeader {
		return Request{}, fmt.Errorf("cannot read a signature of %d bytes: %w", len(header), ErrEncoding)
	}
	fields, err := url.ParseQuery(header)
	if err != nil {
		return Request{}, fmt.Errorf("cannot read the signature of the request: %w", ErrEncoding)
	}
	for name, values := range fields {
		if len(values) != 1 {
			return Request{}, fmt.Errorf("cannot read the signature of the request: %q appears twice: %w", cutName(name), ErrEncoding)
		}
	}
	var r Request
	var errs [6]error
	r.Timestamp, errs[0] = strconv.ParseInt(fields.Get("timestamp"), 10, 64)
	r.Nonce, errs[1] = strconv.ParseUint(fields.Get("nonce"), 10, 64)
	r.Size, errs[2] = strconv.ParseUint(fields.Get("size"), 10, 64)
	hash, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(fields.Get("blake3"), "="))
	if errs[3] = err; err == nil && len(hash) != len(r.BodyHash) {
		errs[3] = ErrEncoding
	}
	copy(r.BodyHash[:], hash)
	r.Signer, errs[4] = ParsePublicKey(fields.Get("signer"))
	r.Signature, errs[5] = ParseSignature(fields.Get("signature"))
	for i, err := range errs {
		if errors.Is(err, ErrSmallOrder) {
			return Request{}, err
		}
		if err != nil {
			name := [...]string{"timestamp", "nonce", "size", "blake3", "signer", "signature"}[i]
			return Request{}, fmt.Errorf("cannot read the signature of the request, its field %s: %w", name, ErrEncoding)
		}
	}
	return r, nil
}

func cutName(s string) string {
	const enough = 40
	return strings.ToValidUTF8(s[:min(len(s), enough)], "")
}

// CheckBody compares the body that came with the one that was signed. Readers need no more than Size bytes and one.
func (r Request) CheckBody(body []byte) error {
	if uint64(len(body)) != r.Size || blake3.Sum256(body) != r.BodyHash {
		return fmt.Errorf("cannot accept the request: %w", ErrRequestBody)
	}
	return nil
}

// Guard verifies requests to a server of some names and lets each pass once. It remembers requests for as long as their
// time would be accepted and no longer. It is safe for concurrent use.
type Guard struct {
	start   time.Time
	servers []string

	mu    sync.Mutex // guards what follows
	seen  map[requestID]bool
	queue []remembered // in the order in which they came
	count map[PublicKey]int
}

type requestID struct {
	signer PublicKey
	nonce  uint64
}

type remembered struct {
	requestID
	until time.Time
}

// NewGuard makes a Guard for a server of these names that starts now. What was signed before is refused: nobody remembers whether it passed.
func NewGuard(start time.Time, servers ...string) *Guard {
	return &Guard{start: start.Truncate(time.Second), servers: servers, seen: make(map[requestID]bool), count: make(map[PublicKey]int)}
}

// Check refuses a request that is not signed for this server, at about this time and for the first time. Callers have
// decided before whether the signer counts, so that strangers fill no memory; they check the body afterwards.
func (g *Guard) Check(r Request, now time.Time) error {
	signed := time.Unix(r.Timestamp, 0)
	if d := now.Sub(signed); d > RequestWindow || d < -RequestWindow || signed.Before(g.start) {
		return fmt.Errorf("cannot accept the request: %w", ErrRequestTime)
	}
	err := fmt.Errorf("cannot verify the request: %w", ErrSignature)
	for _, server := range g.servers {
		if err = r.Signer.Verify(server, r.message(), r.Signature); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(now)
	id := requestID{r.Signer, r.Nonce}
	switch {
	case g.seen[id]:
		return fmt.Errorf("cannot accept the request: %w", ErrRequestReplay)
	case len(g.queue) == maxRequests || g.count[r.Signer] == maxSignerRequests:
		return fmt.Errorf("cannot accept the request: %w", ErrRequestRate)
	}
	g.seen[id] = true
	g.count[r.Signer]++
	// A request signed in the future is accepted until its own time plus the window.
	g.queue = append(g.queue, remembered{id, now.Add(2*RequestWindow + time.Second)})
	return nil
}

// forget drops what is too old to be accepted again.
func (g *Guard) forget(now time.Time) {
	old := 0
	for old < len(g.queue) && now.After(g.queue[old].until) {
		id := g.queue[old].requestID
		delete(g.seen, id)
		if g.count[id.signer]--; g.count[id.signer] == 0 {
			delete(g.count, id.signer)
		}
		old++
	}
	g.queue = g.queue[old:] // append makes room anew when it must, and leaves the old ones behind
}
