// Package httpsig is the one way in which calls are signed: HTTP Message Signatures (RFC 9421) by Ed25519, over method,
// host, path, query and the digest of the body (RFC 9530), with the time and a number used once.
//
//	Content-Digest: sha-256=:<base64>:
//	Signature-Input: hearth=("@method" "@authority" "@path" "@query" "content-digest");created=<seconds>;keyid="<id>";nonce="<text>";alg="ed25519"
//	Signature: hearth=:<base64>:
//
// It deliberately is a narrow profile: exactly these components, in any order, all of the parameters and one signature.
// What covers less proves less and is refused. The package verifies signatures and knows no keys, no time and no memory:
// who signs, whether it is late and whether it was seen before is for the server to say.
//
// On native gRPC the same headers are metadata, the path is the procedure, the query is empty and the body is that of a
// unary call: one message without compression, its fields in the order of their numbers (deterministic encoding).
package httpsig

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/hearthos/hearth/api/sign"
)

// Names of the headers.
const (
	DigestHeader    = "Content-Digest"
	InputHeader     = "Signature-Input"
	SignatureHeader = "Signature"
)

// Bounds of what is read.
const (
	maxHeader    = 2048
	minNonce     = 16
	maxNonce     = 64
	label        = "hearth"
	algorithm    = "ed25519"
	digestMethod = "sha-256"
)

// components are what a signature covers, in the order in which Sign writes them.
var components = [...]string{"@method", "@authority", "@path", "@query", "content-digest"}

// The ways a signature is refused here.
var (
	ErrEncoding = errors.New("the signature cannot be read")
	ErrCoverage = errors.New("the signature does not cover method, host, path, query and body, once each")
	ErrBody     = errors.New("the body is not the one that was signed")
)

// Target is what a request is about.
type Target struct {
	// Method is that of HTTP, Authority the host as the client names it, with the port unless it is the scheme's own.
	Method, Authority string
	// Path is the path as it is sent, Query what follows the question mark.
	Path, Query string
}

// KeyID names a public key: half of its SHA-256.
func KeyID(key sign.PublicKey) string {
	sum := sha256.Sum256(key[:])
	return hex.EncodeToString(sum[:16])
}

// Digest is the digest of a body.
type Digest [sha256.Size]byte

// DigestOf computes it.
func DigestOf(body []byte) Digest { return sha256.Sum256(body) }

// DigestOfMessage is the digest of the body of a gRPC call with one message.
func DigestOfMessage(message []byte) Digest {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))))
	h.Write(message)
	return Digest(h.Sum(nil))
}

// Headers are what is sent with a signed request.
type Headers struct{ Digest, Input, Signature string }

// Sign signs a request. The nonce must never be used again with the key.
func Sign(key sign.PrivateKey, t Target, body Digest, now time.Time, nonce string) (Headers, error) {
	h := Headers{Digest: digestMethod + "=:" + base64.StdEncoding.EncodeToString(body[:]) + ":"}
	quoted := make([]string, len(components))
	for i, c := range components {
		quoted[i] = strconv.Quote(c)
	}
	params := fmt.Sprintf(`(%s);created=%d;keyid="%s";nonce="%s";alg="%s"`, strings.Join(quoted, " "), now.Unix(), KeyID(key.Public()), nonce, algorithm)
	s, err := key.SignPlain([]byte(base(t, h.Digest, components[:], params)))
	if err != nil {
		return Headers{}, err
	}
	h.Input = label + "=" + params
	h.Signature = label + "=:" + base64.StdEncoding.EncodeToString(s[:]) + ":"
	return h, nil
}

// base is what is signed (RFC 9421, section 2.5).
func base(t Target, digest string, order []string, params string) string {
	values := map[string]string{
		"@method": t.Method, "@authority": strings.ToLower(t.Authority), "@path": t.Path, "@query": "?" + t.Query, "content-digest": digest,
	}
	var b strings.Builder
	for _, c := range order {
		b.WriteString(strconv.Quote(c) + ": " + values[c] + "\n")
	}
	b.WriteString(`"@signature-params": ` + params)
	return b.String()
}

// Request is a signed request that was read and not yet verified.
type Request struct {
	Target  Target
	KeyID   string
	Created time.Time
	Nonce   string
	Body    Digest

	signature sign.Signature
	base      string
}

// Parse reads the headers of a request to t. It verifies nothing; the error is ErrEncoding or ErrCoverage.
func Parse(t Target, h Headers) (*Request, error) {
	if len(h.Digest) > maxHeader || len(h.Input) > maxHeader || len(h.Signature) > maxHeader {
		return nil, ErrEncoding
	}
	r := &Request{Target: t}
	list, params, err := input(h.Input)
	if err != nil {
		return nil, err
	}
	order, err := covered(list)
	if err != nil {
		return nil, err
	}
	if err := r.parameters(list.Params); err != nil {
		return nil, err
	}
	if err := bytesOf(h.Digest, digestMethod, r.Body[:]); err != nil {
		return nil, err
	}
	if err := bytesOf(h.Signature, label, r.signature[:]); err != nil {
		return nil, err
	}
	r.base = base(t, strings.TrimSpace(h.Digest), order, params)
	return r, nil
}

// dictionary reads a header. The library panics at texts that end within a date, such as "a=@": they are as unreadable as
// others.
func dictionary(header string) (dict *httpsfv.Dictionary, err error) {
	defer func() {
		if recover() != nil {
			err = ErrEncoding
		}
	}()
	return httpsfv.UnmarshalDictionary([]string{header})
}

// input reads the one member of Signature-Input and answers it also as it is written in the base.
func input(header string) (httpsfv.InnerList, string, error) {
	dict, err := dictionary(header)
	if err != nil || len(dict.Names()) != 1 || dict.Names()[0] != label {
		return httpsfv.InnerList{}, "", ErrEncoding
	}
	member, _ := dict.Get(label)
	list, ok := member.(httpsfv.InnerList)
	if !ok {
		return httpsfv.InnerList{}, "", ErrEncoding
	}
	text, err := httpsfv.Marshal(httpsfv.List{list})
	if err != nil {
		return httpsfv.InnerList{}, "", ErrEncoding
	}
	return list, text, nil
}

// covered answers the components in the order of the signature.
func covered(list httpsfv.InnerList) ([]string, error) {
	var order []string
	for _, item := range list.Items {
		name, ok := item.Value.(string)
		if !ok || len(item.Params.Names()) > 0 {
			return nil, ErrCoverage
		}
		order = append(order, name)
	}
	sorted, want := slices.Sorted(slices.Values(order)), slices.Sorted(slices.Values(components[:]))
	if !slices.Equal(sorted, want) {
		return nil, ErrCoverage
	}
	return order, nil
}

func (r *Request) parameters(p *httpsfv.Params) error {
	if !slices.Equal(slices.Sorted(slices.Values(p.Names())), []string{"alg", "created", "keyid", "nonce"}) {
		return ErrCoverage
	}
	get := func(name string) any { v, _ := p.Get(name); return v }
	created, isInt := get("created").(int64)
	keyID, isText := get("keyid").(string)
	nonce, isNonce := get("nonce").(string)
	if !isInt || !isText || !isNonce || get("alg") != algorithm || len(nonce) < minNonce || len(nonce) > maxNonce || created < 0 {
		return ErrEncoding
	}
	r.Created, r.KeyID, r.Nonce = time.Unix(created, 0), keyID, nonce
	return nil
}

// bytesOf reads the bytes of the one member of a dictionary, which has that name and length.
func bytesOf(header, name string, into []byte) error {
	dict, err := dictionary(header)
	if err != nil || len(dict.Names()) != 1 {
		return ErrEncoding
	}
	member, _ := dict.Get(name)
	item, ok := member.(httpsfv.Item)
	if !ok || len(item.Params.Names()) > 0 {
		return ErrEncoding
	}
	raw, ok := item.Value.([]byte)
	if !ok || len(raw) != len(into) {
		return ErrEncoding
	}
	copy(into, raw)
	return nil
}

// Verify checks that key signed the request; the error is one of package sign. The body is checked apart, by CheckBody.
func (r *Request) Verify(key sign.PublicKey) error {
	return key.VerifyPlain([]byte(r.base), r.signature)
}

// CheckBody compares the digest of the body that came with the one that was signed.
func (r *Request) CheckBody(d Digest) error {
	if d != r.Body {
		return ErrBody
	}
	return nil
}
