// Package seal encrypts the secrets that are stored: each with a key of its own, and that key with the server's.
//
// It deliberately derives nothing from passwords, keeps no secrets itself and knows no one who may see them. What is
// sealed is bound to the kind and id of the row it belongs to: moved to another row, it does not open. Without the key
// file nothing opens ever again, so the file is part of a full backup and is never overwritten.
//
// The layout of what Seal answers:
//
//	1 byte    version = 1
//	8 bytes   which server key: the beginning of its SHA-256
//	24 + 48   nonce, the secret's own key sealed with the server's, with 16 bytes of tag
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
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/hearthos/hearth/server/internal/atomicfile"
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
	ErrDamaged  = errors.New("it is damaged, or belongs to another row")
)

// Box seals and opens with one server key. It may be used concurrently, and never shows its key when it is printed.
type Box struct {
	aead cipher.AEAD
	mark [markSize]byte
}

// Format makes every way of printing a Box show the same: nothing of its key.
func (b *Box) Format(f fmt.State, _ rune) { fmt.Fprint(f, "seal.Box") }

// LogValue does the same for logs.
func (b *Box) LogValue() slog.Value { return slog.StringValue("seal.Box") }

// Load answers the Box for the key in the file, which it makes with mode 0600 if there is none. Of several processes that
// do so at once all get the same key. A file that others could read, or that is no key, is refused and left alone.
func Load(path string) (*Box, error) {
	b, err := read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cannot make the key for secrets: %w", err)
	}
	return read(path)
}

// header says what the file is, for whoever finds it.
const header = "hearth-seal-key-1 "

func read(path string) (*Box, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key for secrets: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the key for secrets: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("cannot use the key for secrets in %s: it has mode %v, others could read it", path, info.Mode())
	}
	raw := make([]byte, 256)
	n, err := f.Read(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key for secrets: %w", err)
	}
	text, isKey := strings.CutPrefix(strings.TrimSpace(string(raw[:n])), header)
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if !isKey || err != nil || len(key) != keySize {
		return nil, fmt.Errorf("cannot use the key for secrets: %s holds none", path)
	}
	return newBox(key)
}

// create writes a new key beside path and gives it the name only then, and only if nothing has it.
func create(path string) (err error) {
	var key [keySize]byte
	if _, err := rand.Read(key[:]); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, header+base64.StdEncoding.EncodeToString(key[:]))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

func newBox(key []byte) (*Box, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("cannot use the key for secrets: %w", err)
	}
	sum := sha256.Sum256(key)
	b := &Box{aead: aead}
	copy(b.mark[:], sum[:])
	return b, nil
}

// Seal encrypts a secret of the row with this kind and id. Two calls never answer the same.
func (b *Box) Seal(kind, id string, secret []byte) ([]byte, error) {
	var own [keySize]byte
	var nonces [2 * nonce]byte
	if _, err := rand.Read(own[:]); err != nil {
		return nil, fmt.Errorf("cannot seal a secret of %s %q: %w", kind, id, err)
	}
	if _, err := rand.Read(nonces[:]); err != nil {
		return nil, fmt.Errorf("cannot seal a secret of %s %q: %w", kind, id, err)
	}
	inner, err := chacha20poly1305.NewX(own[:])
	if err != nil {
		return nil, fmt.Errorf("cannot seal a secret of %s %q: %w", kind, id, err)
	}
	bound := boundTo(kind, id)
	out := append(make([]byte, 0, len(secret)+Overhead), version)
	out = append(out, b.mark[:]...)
	out = append(out, nonces[:nonce]...)
	out = b.aead.Seal(out, nonces[:nonce], own[:], bound)
	out = append(out, nonces[nonce:]...)
	return inner.Seal(out, nonces[nonce:], secret, bound), nil
}

// Open decrypts what Seal answered for the same kind and id. It fails with ErrOtherKey or ErrDamaged.
func (b *Box) Open(kind, id string, sealed []byte) ([]byte, error) {
	secret, err := b.open(boundTo(kind, id), sealed)
	if err != nil {
		return nil, fmt.Errorf("cannot open a secret of %s %q: %w", kind, id, err)
	}
	return secret, nil
}

func (b *Box) open(bound, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, ErrDamaged
	}
	head, body := sealed[1:headSize], sealed[headSize:]
	if !bytes.Equal(head[:markSize], b.mark[:]) {
		return nil, ErrOtherKey
	}
	head = head[markSize:]
	own, err := b.aead.Open(nil, head[:nonce], head[nonce:], bound)
	if err != nil {
		return nil, ErrDamaged
	}
	inner, err := chacha20poly1305.NewX(own)
	if err != nil {
		return nil, ErrDamaged
	}
	secret, err := inner.Open([]byte{}, body[:nonce], body[nonce:], bound)
	if err != nil {
		return nil, ErrDamaged
	}
	return secret, nil
}

// boundTo is the associated data: no two pairs of kind and id give the same.
func boundTo(kind, id string) []byte {
	b := append([]byte("hearth seal"), version)
	b = append(binary.AppendUvarint(b, uint64(len(kind))), kind...)
	return append(binary.AppendUvarint(b, uint64(len(id))), id...)
}
