package export

import (
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/hearthos/hearth/api/sign"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Keys are the keys of exports, in folders of files for their owner alone: each is named by its role and by itself, so
// that which one counts is said by the root and a key that was replaced is in nobody's way. Several keys of a role are made in one folder
// after the other, so that folders may be kept apart.
type Keys struct{ Dirs []string }

// Signers are how many keys a role has, and how many of them it takes to sign.
type Signers struct{ Need, Keys int }

// MaxSigners bounds the keys of a role.
const MaxSigners = maxKeys / 4

// Check refuses numbers that cannot be.
func (s Signers) Check() error {
	if s.Need < 1 || s.Need > s.Keys || s.Keys > MaxSigners {
		return fmt.Errorf("cannot have %d of %d keys sign: there may be up to %d, and no fewer than have to sign", s.Need, s.Keys, MaxSigners)
	}
	return nil
}

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

func nameOf(role, id string) string { return fmt.Sprintf("%s-%.16s.key.pem", role, id) }

// make makes a key for a role, the one of this number.
func (k Keys) make(role string, number int) (key, error) {
	private, err := sign.Generate(rand.Reader)
	if err != nil {
		return key{}, err
	}
	made, err := newKey(private)
	if err != nil {
		return key{}, err
	}
	return made, private.Save(filepath.Join(k.Dirs[number%len(k.Dirs)], nameOf(role, made.id)))
}

// ErrKeyMissing tells that the folders have not the keys that an export is signed with.
var ErrKeyMissing = errors.New("the key is not there")

// load reads those keys of a role that are at hand, at least as many as have to sign.
func (k Keys) load(role string, of *metadata.Role) ([]key, error) {
	var found []key
	missing := ""
	for _, id := range of.KeyIDs {
		one, err := k.find(role, id)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = cmp.Or(missing, nameOf(role, id))
		case err != nil:
			return nil, err
		default:
			found = append(found, one)
		}
	}
	if len(found) < of.Threshold {
		return nil, fmt.Errorf("cannot sign as %s: %w: %s is not in %s; %d of %d keys are needed", role, ErrKeyMissing, missing, strings.Join(k.Dirs, ", "), of.Threshold, len(of.KeyIDs))
	}
	return found, nil
}

// find reads the key of a role that has an id.
func (k Keys) find(role, id string) (key, error) {
	for _, dir := range k.Dirs {
		path := filepath.Join(dir, nameOf(role, id))
		private, err := sign.LoadKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return key{}, err
		}
		made, err := newKey(private)
		if err == nil && made.id != id {
			err = fmt.Errorf("cannot sign as %s: the key in %s is another one", role, path)
		}
		return made, err
	}
	return key{}, fs.ErrNotExist
}
