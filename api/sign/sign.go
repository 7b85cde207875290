// Package sign holds the one kind of key packages and registries know: Ed25519, used pre-hashed (Ed25519ph, RFC 8032)
// with a context string that says what a signature is for. Plain Ed25519 is there for what others sign that way.
//
// It deliberately has no trust: which keys count for what is decided by its callers. It keeps private keys in one file
// and nowhere else. Invariants: a PublicKey that came from a Parse function, and the point a signature that verified
// begins with, are never of small order (such a key has signatures that verify for many messages); signing the same
// message twice gives the same bytes; a PrivateKey never appears in logs or in formatted text.
package sign

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Contexts in use. A signature made under one never verifies under another.
const (
	ContextPackage = "s9pk"
	ContextOS      = "startos"
)

// The ways a key or signature is refused.
var (
	ErrSmallOrder = errors.New("the key is of small order")
	ErrSignature  = errors.New("the signature does not match")
	ErrEncoding   = errors.New("the encoding is not valid")
)

// PublicKey is the raw public key.
type PublicKey [ed25519.PublicKeySize]byte

// Signature is the raw signature, R followed by S.
type Signature [ed25519.SignatureSize]byte

// Digest is the SHA-512 of a message, for messages that are streamed.
type Digest [sha512.Size]byte

// Verify checks a signature over message under context; the error is ErrSmallOrder or ErrSignature.
func (k PublicKey) Verify(context string, message []byte, s Signature) error {
	return k.VerifyDigest(context, sha512.Sum512(message), s)
}

// VerifyDigest is Verify for a message whose SHA-512 is known.
func (k PublicKey) VerifyDigest(context string, d Digest, s Signature) error {
	if k.SmallOrder() {
		return fmt.Errorf("cannot verify: %w", ErrSmallOrder)
	}
	options := &ed25519.Options{Hash: crypto.SHA512, Context: context}
	if smallOrder(s[:32]) || ed25519.VerifyWithOptions(k[:], d[:], s[:], options) != nil {
		return fmt.Errorf("cannot verify: %w", ErrSignature)
	}
	return nil
}

// VerifyPlain checks a signature of plain Ed25519, which has no context.
func (k PublicKey) VerifyPlain(message []byte, s Signature) error {
	if k.SmallOrder() {
		return fmt.Errorf("cannot verify: %w", ErrSmallOrder)
	}
	if smallOrder(s[:32]) || !ed25519.Verify(k[:], message, s[:]) {
		return fmt.Errorf("cannot verify: %w", ErrSignature)
	}
	return nil
}

// SmallOrder tells whether the key is one of the few points under which a signature proves nothing.
func (k PublicKey) SmallOrder() bool { return smallOrder(k[:]) }

// smallOrderY are all encodings, sign bit aside, of the y coordinates of the eight points of small order: 0, 1, p-1 and
// two of order eight, and the spellings p and p+1 of 0 and 1.
var smallOrderY = [...][32]byte{
	{},
	{1},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
	nearPrime(0xec),
	nearPrime(0xed),
	nearPrime(0xee),
}

func nearPrime(low byte) (y [32]byte) {
	for i := range y {
		y[i] = 0xff
	}
	y[0], y[31] = low, 0x7f
	return y
}

func smallOrder(point []byte) bool {
	y := [32]byte(point)
	y[31] &= 0x7f
	for i := range smallOrderY {
		if bytes.Equal(y[:], smallOrderY[i][:]) {
			return true
		}
	}
	return false
}

// PrivateKey signs. The zero value holds no key and refuses to.
type PrivateKey struct{ key ed25519.PrivateKey }

// Generate makes a key from 32 bytes of entropy (crypto/rand.Reader outside tests).
func Generate(entropy io.Reader) (PrivateKey, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(entropy, seed[:]); err != nil {
		return PrivateKey{}, fmt.Errorf("cannot generate a key: %w", err)
	}
	return FromSeed(seed), nil
}

// FromSeed makes the key that belongs to a seed.
func FromSeed(seed [ed25519.SeedSize]byte) PrivateKey {
	return PrivateKey{ed25519.NewKeyFromSeed(seed[:])}
}

// Public is the key others verify with.
func (k PrivateKey) Public() (p PublicKey) {
	if len(k.key) == ed25519.PrivateKeySize {
		copy(p[:], k.key[ed25519.SeedSize:])
	}
	return p
}

// Sign signs message under context, which is at most 255 bytes.
func (k PrivateKey) Sign(context string, message []byte) (Signature, error) {
	return k.SignDigest(context, sha512.Sum512(message))
}

// SignDigest is Sign for a message whose SHA-512 is known.
func (k PrivateKey) SignDigest(context string, d Digest) (s Signature, err error) {
	if len(k.key) != ed25519.PrivateKeySize {
		return s, errors.New("cannot sign without a key")
	}
	raw, err := k.key.Sign(nil, d[:], &ed25519.Options{Hash: crypto.SHA512, Context: context})
	if err != nil {
		return s, fmt.Errorf("cannot sign: %w", err)
	}
	copy(s[:], raw)
	return s, nil
}

// SignPlain signs message with plain Ed25519. No signature of that kind verifies under a context, nor the other way round.
func (k PrivateKey) SignPlain(message []byte) (s Signature, err error) {
	if len(k.key) != ed25519.PrivateKeySize {
		return s, errors.New("cannot sign without a key")
	}
	copy(s[:], ed25519.Sign(k.key, message))
	return s, nil
}

// LogValue hides the key.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue("private key") }

// Format hides the key from every verb of fmt.
func (k PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "private key") }
