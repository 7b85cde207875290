package sign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

// DER in front of the raw bytes. A private key is written in the second form of PKCS#8, which repeats the public key;
// the original reads no other from its own key file.
var (
	derPublic    = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}
	derSignature = []byte{0x30, 0x49, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x40}
	derPrivate   = []byte{0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20}
	derAppended  = []byte{0x81, 0x21, 0x00}
)

const (
	labelPublic    = "PUBLIC KEY"
	labelSignature = "SIGNATURE"
	labelPrivate   = "PRIVATE KEY"

	maxPEM = 4096
)

// PEM is the text form used in JSON and as a map key everywhere: an SPKI block that ends with a newline.
func (k PublicKey) PEM() string { return encode(labelPublic, derPublic, k[:]) }

// PEM is the text form of a signature.
func (s Signature) PEM() string { return encode(labelSignature, derSignature, s[:]) }

// PEM is the content of a key file. It is a secret.
func (k PrivateKey) PEM() (string, error) {
	if len(k.key) != ed25519.PrivateKeySize {
		return "", fmt.Errorf("cannot encode a missing key: %w", ErrEncoding)
	}
	pub := k.Public()
	return encode(labelPrivate, derPrivate, k.key.Seed(), derAppended, pub[:]), nil
}

// encode writes PEM without headers, as encoding/pem does. A registry writes tens of thousands when it starts, for which that one takes too long.
func encode(label string, parts ...[]byte) string {
	const line = 64
	raw := base64.StdEncoding.EncodeToString(bytes.Join(parts, nil))
	var out strings.Builder
	out.Grow(len(raw) + len(raw)/line + 2*len(label) + 34)
	out.WriteString("-----BEGIN " + label + "-----\n")
	for rest := raw; rest != ""; {
		n := min(line, len(rest))
		out.WriteString(rest[:n])
		out.WriteByte('\n')
		rest = rest[n:]
	}
	out.WriteString("-----END " + label + "-----\n")
	return out.String()
}

// ParsePublicKey reads PublicKey.PEM, with or without the last newline, and refuses keys of small order.
func ParsePublicKey(text string) (PublicKey, error) {
	raw, err := decode(labelPublic, text)
	if err != nil {
		return PublicKey{}, err
	}
	point, ok := bytes.CutPrefix(raw, derPublic)
	if !ok || len(point) != ed25519.PublicKeySize {
		return PublicKey{}, fmt.Errorf("cannot read the public key, it is not Ed25519: %w", ErrEncoding)
	}
	k := PublicKey(point)
	if k.SmallOrder() {
		return PublicKey{}, fmt.Errorf("cannot use the public key: %w", ErrSmallOrder)
	}
	return k, nil
}

// ParseSignature reads Signature.PEM, with or without the last newline.
func ParseSignature(text string) (Signature, error) {
	raw, err := decode(labelSignature, text)
	if err != nil {
		return Signature{}, err
	}
	value, ok := bytes.CutPrefix(raw, derSignature)
	if !ok || len(value) != ed25519.SignatureSize {
		return Signature{}, fmt.Errorf("cannot read the signature, it is not Ed25519: %w", ErrEncoding)
	}
	return Signature(value), nil
}

// ParsePrivateKey reads both forms of PKCS#8. Where the public key is repeated it must be the right one.
func ParsePrivateKey(text string) (PrivateKey, error) {
	raw, err := decode(labelPrivate, text)
	if err != nil {
		return PrivateKey{}, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("cannot read the private key: %w", ErrEncoding)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return PrivateKey{}, fmt.Errorf("cannot read the private key, it is not Ed25519: %w", ErrEncoding)
	}
	k := PrivateKey{key}
	if rest, ok := bytes.CutPrefix(raw, derPrivate); ok {
		pub := k.Public()
		if !bytes.Equal(rest[ed25519.SeedSize:], append(bytes.Clone(derAppended), pub[:]...)) {
			return PrivateKey{}, fmt.Errorf("cannot use the private key, its public half is another's: %w", ErrEncoding)
		}
	}
	return k, nil
}

func decode(label, text string) ([]byte, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("cannot read %d bytes as PEM: %w", len(text), ErrEncoding)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != label || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("cannot find a single PEM block %q, %s: %w", label, instead(block), ErrEncoding)
	}
	return block.Bytes, nil
}

// instead says what a text is that was to be a key.
func instead(block *pem.Block) string {
	switch {
	case block == nil:
		return "the text is not PEM"
	case strings.Contains(block.Type, "ENCRYPTED"), block.Headers["Proc-Type"] != "":
		return "the key is encrypted and must be decrypted first, as 'openssl pkey -in FILE' does"
	case block.Type == "OPENSSH PRIVATE KEY":
		return "the key is in the form of OpenSSH and must be one of PKCS#8"
	}
	return fmt.Sprintf("it holds %.40q or more than one", block.Type)
}
