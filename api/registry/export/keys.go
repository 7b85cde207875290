package export

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/hearthos/hearth/api/sign"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Keys are the keys of exports, in a folder of files for their owner alone: each is named by its role and by itself, so
// that which one counts is said by the root and a key that was replaced is in nobody's way.
type Keys struct{ Dir string }

// Roles are what keys sign as, and what can be replaced.
func Roles() []string { return metadata.TOP_LEVEL_ROLE_NAMES[:] }

// key is a key that signs.
type key struct {
	sign.PrivateKey
	public *metadata.Key
	id     string
}

func newKey(private sign.PrivateKey) (key, error) {
	raw := private.Public()
	public, err := metadata.KeyFromPublicKey(ed25519.PublicKey(raw[:]))
	if err != nil {
		return key{}, err
	}
	id, err := public.ID()
	return key{private, public, id}, err
}

// PublicKey implements signature.Signer.
func (k key) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	raw := k.Public()
	return ed25519.PublicKey(raw[:]), nil
}

// SignMessage implements signature.Signer.
func (k key) SignMessage(message io.Reader, _ ...signature.SignOption) ([]byte, error) {
	raw, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	s, err := k.SignPlain(raw)
	return s[:], err
}

func (k Keys) path(role, id string) string {
	return filepath.Join(k.Dir, fmt.Sprintf("%s-%.16s.key.pem", role, id))
}

// make makes a key for a role.
func (k Keys) make(role string) (key, error) {
	private, err := sign.Generate(rand.Reader)
	if err != nil {
		return key{}, err
	}
	made, err := newKey(private)
	if err != nil {
		return key{}, err
	}
	return made, private.Save(k.path(role, made.id))
}

// ErrKeyMissing tells that the folder has not the key that an export is signed with.
var ErrKeyMissing = errors.New("the key is not there")

// load reads the key of a role that has an id.
func (k Keys) load(role, id string) (key, error) {
	private, err := sign.LoadKey(k.path(role, id))
	if errors.Is(err, fs.ErrNotExist) {
		return key{}, fmt.Errorf("cannot sign as %s: %w: %s", role, ErrKeyMissing, k.path(role, id))
	}
	if err != nil {
		return key{}, err
	}
	made, err := newKey(private)
	if err == nil && made.id != id {
		err = fmt.Errorf("cannot sign as %s: the key in %s is another one", role, k.path(role, id))
	}
	return made, err
}
