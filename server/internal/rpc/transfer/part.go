package transfer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// part is which bytes of a file a request says it holds.
type part struct {
	whole       bool  // the request is the file, not a part of it
	first, last int64 // last is -1 when only the end of the body will tell
	total       int64 // -1 when it is not told
	digest      digest
}

// parsePart reads the headers of a request whose body has this length, -1 when it is not known.
func parsePart(header http.Header, length int64) (part, error) {
	p := part{last: -1, total: -1}
	var err error
	if p.digest, err = parseDigest(header.Get("Content-Digest")); err != nil {
		return p, err
	}
	value := header.Get("Content-Range")
	if value == "" {
		p.whole = true
		if length >= 0 {
			p.last, p.total = length-1, length
		}
		return p, nil
	}
	if !p.parseRange(value) {
		return p, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, `cannot read the Content-Range %.100q: it is "bytes FIRST-LAST/SIZE"`, value)
	}
	if length >= 0 && length != p.last-p.first+1 {
		return p, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot take the bytes: the Content-Range has %d of them, the body %d", p.last-p.first+1, length)
	}
	return p, nil
}

func (p *part) parseRange(value string) bool {
	rest, ok := strings.CutPrefix(value, "bytes ")
	span, size, ok2 := strings.Cut(rest, "/")
	first, last, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return false
	}
	if p.first, ok = number(first); !ok {
		return false
	}
	if p.last, ok = number(last); !ok || p.last < p.first {
		return false
	}
	if size == "*" {
		return true
	}
	p.total, ok = number(size)
	return ok && p.last < p.total
}

// number reads digits and nothing else; signs and spaces are not digits.
func number(s string) (int64, bool) {
	if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// fit refuses a part that does not belong to a file of this size of which so much has arrived.
func (p part) fit(size, have int64) error {
	switch {
	case p.total > size || p.last >= size:
		return fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "cannot take %d bytes: %d were announced", max(p.total, p.last+1), size).With("size", size)
	case p.total >= 0 && p.total != size:
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot take a file of %d bytes: %d were announced", p.total, size).With("size", size)
	case p.first > have:
		return fault.New(metav1.Reason_REASON_CONFLICT, "cannot go on at byte %d: %d have arrived", p.first, have).With("offset", have)
	}
	return nil
}

// length is how many bytes of the body are wanted.
func (p part) length(size int64) int64 {
	if p.last < 0 {
		return size
	}
	return p.last - p.first + 1
}

// digest is the SHA-256 a sender gave for its bytes; empty when it gave none.
type digest []byte

// parseDigest reads the sha-256 out of a Content-Digest header (RFC 9530); other algorithms are left alone.
func parseDigest(value string) (digest, error) {
	if len(value) > 1024 {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read a Content-Digest of %d characters", len(value))
	}
	for member := range strings.SplitSeq(value, ",") {
		name, item, _ := strings.Cut(strings.TrimSpace(member), "=")
		if name != "sha-256" {
			continue
		}
		inner, ok := strings.CutPrefix(item, ":")
		inner, ok2 := strings.CutSuffix(inner, ":")
		sum, err := base64.StdEncoding.DecodeString(inner)
		if !ok || !ok2 || err != nil || len(sum) != sha256.Size {
			return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, `cannot read the Content-Digest: it is "sha-256=:BASE64:"`)
		}
		return sum, nil
	}
	return nil, nil
}

// new returns what takes the digest.
func (d digest) new() io.Writer {
	if d == nil {
		return io.Discard
	}
	return sha256.New()
}

// check compares with what new returned.
func (d digest) check(taken io.Writer) error {
	h, ok := taken.(hash.Hash)
	if !ok || subtle.ConstantTimeCompare(h.Sum(nil), d) == 1 {
		return nil
	}
	return fault.New(metav1.Reason_REASON_TRANSFER_DIGEST, "the bytes that arrived do not have the digest given for them")
}
