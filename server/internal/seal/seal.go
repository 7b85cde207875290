// Package seal encrypts the secrets that are stored: each with a key of its own, and that key with the server's root key.
//
//	seal.go    what is sealed: Seal, Open, Rewrap
//	ring.go    the root key on disk, and how it is changed
//	escrow.go  further copies of the root key, each opened by a secret that a person has
//
// It deliberately keeps no secrets but the root key, and knows neither who may see them nor where they are. What is sealed
// is bound to the kind and id of what it belongs to: moved elsewhere, it does not open. Without the root key nothing opens
// ever again, so its file is never overwritten by another key, and a key that was lost is not silently made anew.
//
// The layout of what Seal answers:
//
//	1 byte    version = 1
//	8 bytes   which root key: the beginning of its SHA-256
//	24 + 48   nonce, the secret's own key sealed with the root key, with 16 bytes of tag
//	24 + n    nonce, the secret sealed with its own key, with 16 bytes of tag
//
// Both are XChaCha20-Poly1305 with random nonces, which at 24 bytes may be drawn without counting, and the same
// associated data: the layout's version, the kind and the id, each with its length.
package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	version  = 1
	keySize  = chacha20poly1305.KeySize
	nonce    = chacha20poly1305.NonceSizeX
	tag      = chacha20poly1305.Overhead
	markSize = 8
	headSize = 1 + markSize + nonce + keySize + tag
	// Overhead is how much longer than the secret its sealed form is.
	Overhead = headSize + nonce + tag
)

// Errors that say why something does not open.
var (
	ErrOtherKey = errors.New("it was sealed with another key")
	ErrDamaged  = errors.New("it is damaged, or belongs to something else")
)

// mark tells keys apart without telling anything of them.
type mark [markSize]byte

func (m mark) String() string { return fmt.Sprintf("%x", m[:]) }

// key is a root key.
type key struct {
	raw  [keySize]byte
	mark mark
	aead cipher.AEAD
}

func newKey(raw []byte) (*key, error) {
	if len(raw) != keySize {
		return nil, fmt.Errorf("a root key has %d bytes, not %d", keySize, len(raw))
	}
	aead, err := chacha20poly1305.NewX(raw)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	k := &key{aead: aead}
	copy(k.raw[:], raw)
	copy(k.mark[:], sum[:])
	return k, nil
}

func drawKey() (*key, error) {
	var raw [keySize]byte
	rand.Read(raw[:]) // never fails
	return newKey(raw[:])
}

func (k *key) text() string { return base64.StdEncoding.EncodeToString(k.raw[:]) }

// Seal encrypts a secret of what has this kind and id, with the newest root key. Two calls never answer the same.
func (r *Ring) Seal(kind, id string, secret []byte) ([]byte, error) {
	var own [keySize]byte
	var drawn [nonce]byte
	rand.Read(own[:]) // never fails
	rand.Read(drawn[:])
	inner, err := chacha20poly1305.NewX(own[:])
	if err != nil {
		return nil, fmt.Errorf("cannot seal a secret of %s %q: %w", kind, id, err)
	}
	bound := boundTo(kind, id)
	out := append(make([]byte, 0, len(secret)+Overhead), r.newest().head(own[:], bound)...)
	out = append(out, drawn[:]...)
	return inner.Seal(out, drawn[:], secret, bound), nil
}

// head is what comes before the secret: its own key, sealed.
func (k *key) head(own, bound []byte) []byte {
	var drawn [nonce]byte
	rand.Read(drawn[:]) // never fails
	out := append(make([]byte, 0, headSize), version)
	out = append(out, k.mark[:]...)
	out = append(out, drawn[:]...)
	return k.aead.Seal(out, drawn[:], own, bound)
}

// Open decrypts what Seal answered for the same kind and id. It fails with ErrOtherKey or ErrDamaged.
func (r *Ring) Open(kind, id string, sealed []byte) ([]byte, error) {
	bound := boundTo(kind, id)
	own, err := r.own(bound, sealed)
	if err != nil {
		return nil, fmt.Errorf("cannot open a secret of %s %q: %w", kind, id, err)
	}
	inner, err := chacha20poly1305.NewX(own)
	if err != nil {
		return nil, fmt.Errorf("cannot open a secret of %s %q: %w", kind, id, err)
	}
	body := sealed[headSize:]
	secret, err := inner.Open([]byte{}, body[:nonce], body[nonce:], bound)
	if err != nil {
		return nil, fmt.Errorf("cannot open a secret of %s %q: %w", kind, id, ErrDamaged)
	}
	return secret, nil
}

// Rewrap answers the same secret under the newest root key, and whether that is anything new. The secret's own key stays
// what it is, only its wrapping changes.
func (r *Ring) Rewrap(kind, id string, sealed []byte) (again []byte, changed bool, err error) {
	newest := r.newest()
	if len(sealed) >= Overhead && bytes.Equal(sealed[1:1+markSize], newest.mark[:]) {
		return sealed, false, nil
	}
	bound := boundTo(kind, id)
	own, err := r.own(bound, sealed)
	if err != nil {
		return nil, false, fmt.Errorf("cannot wrap a secret of %s %q anew: %w", kind, id, err)
	}
	return append(newest.head(own, bound), sealed[headSize:]...), true, nil
}

// own opens the own key of a secret.
func (r *Ring) own(bound, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, ErrDamaged
	}
	k := r.marked(mark(sealed[1 : 1+markSize]))
	if k == nil {
		return nil, ErrOtherKey
	}
	return k.openHead(sealed[:headSize], bound)
}

// openHead opens what head made.
func (k *key) openHead(head, bound []byte) ([]byte, error) {
	if len(head) != headSize || head[0] != version {
		return nil, ErrDamaged
	}
	if mark(head[1:1+markSize]) != k.mark {
		return nil, ErrOtherKey
	}
	head = head[1+markSize:]
	own, err := k.aead.Open(nil, head[:nonce], head[nonce:], bound)
	if err != nil {
		return nil, ErrDamaged
	}
	return own, nil
}

// boundTo is the associated data: no two pairs of kind and id give the same.
func boundTo(kind, id string) []byte {
	b := append([]byte("hearth seal"), version)
	b = append(binary.AppendUvarint(b, uint64(len(kind))), kind...)
	return append(binary.AppendUvarint(b, uint64(len(id))), id...)
}
