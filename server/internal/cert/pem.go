package cert

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/seal"
)

// Kinds of blocks in the files. A sealed key is bound to the id of the certificate before it.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
	blockSealed      = "SEALED PRIVATE KEY"
	sealedKind       = "certificate"
)

func sealedID(c *x509.Certificate) string { return hex.EncodeToString(c.SubjectKeyId) }

func encodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: c.Raw})
}

// encodeKey writes a key in the open, for those it is made for.
func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// encodePair writes a certificate and its key, sealed, for a file.
func encodePair(c *x509.Certificate, key crypto.Signer, ring *seal.Ring) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot encode a key: %w", err)
	}
	sealed, err := ring.Seal(sealedKind, sealedID(c), der)
	if err != nil {
		return nil, err
	}
	return append(encodeCertificate(c), pem.EncodeToMemory(&pem.Block{Type: blockSealed, Bytes: sealed})...), nil
}

// nextPair reads a certificate and its key from the beginning of data and answers what follows.
func nextPair(data []byte, ring *seal.Ring) (*x509.Certificate, crypto.Signer, []byte, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != blockCertificate {
		return nil, nil, nil, errors.New("there is no certificate where one must be")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, nil, err
	}
	key, rest, err := nextKey(rest, c, ring)
	if err != nil {
		return nil, nil, nil, err
	}
	public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return nil, nil, nil, errors.New("the key is not that of the certificate")
	}
	return c, key, rest, nil
}

func nextKey(data []byte, c *x509.Certificate, ring *seal.Ring) (crypto.Signer, []byte, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, nil, errors.New("there is no key where one must be")
	}
	der := block.Bytes
	switch block.Type {
	case blockKey:
	case blockSealed:
		var err error
		if der, err = ring.Open(sealedKind, sealedID(c), der); err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, errors.New("there is no key where one must be")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, err
	}
	switch key := parsed.(type) {
	case *ecdsa.PrivateKey:
		return key, rest, nil
	case ed25519.PrivateKey:
		return key, rest, nil
	}
	return nil, nil, fmt.Errorf("a key is of the foreign kind %T", parsed)
}

// Rewrap wraps every private key with the newest root key. It may be repeated at any time and ends early with ctx; what is
// wrapped by then stays wrapped.
func (a *Authority) Rewrap(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	leaves, err := filepath.Glob(filepath.Join(a.dir, "leaves", "*.pem"))
	if err != nil {
		return fmt.Errorf("cannot list certificates: %w", err)
	}
	for _, path := range append(leaves, filepath.Join(a.dir, "authority.pem")) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := a.wrapFile(path); err != nil {
			return err
		}
	}
	return nil
}

// wrapFile wraps the keys in a file with the newest root key, also those that lie in it unsealed.
func (a *Authority) wrapFile(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read a certificate: %w", err)
	}
	again, err := wrap(data, a.ring)
	if err != nil {
		return fmt.Errorf("cannot wrap the keys in %s anew: %w", path, err)
	}
	if bytes.Equal(again, data) {
		return nil
	}
	return atomicfile.Write(path, again, 0o600)
}

func wrap(data []byte, ring *seal.Ring) ([]byte, error) {
	var out []byte
	id := ""
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case blockCertificate:
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			id = sealedID(c)
		case blockKey:
			sealed, err := ring.Seal(sealedKind, id, block.Bytes)
			if err != nil {
				return nil, err
			}
			block = &pem.Block{Type: blockSealed, Bytes: sealed}
		case blockSealed:
			sealed, _, err := ring.Rewrap(sealedKind, id, block.Bytes)
			if err != nil {
				return nil, err
			}
			block.Bytes = sealed
		}
		out = append(out, pem.EncodeToMemory(block)...)
	}
	return out, nil
}
