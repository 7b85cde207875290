// Package cert is the server's own certificate authority: a root people trust once, an intermediate that signs, and the
// leaf certificates of the front door and of packages.
//
// It deliberately serves nothing, knows no rows and asks no outside authority; who may have a certificate for which names
// is decided by the caller. Everything lies in one folder that is the server's alone:
//
//	authority.pem        0600  root and intermediate with their keys, which are sealed; made once
//	ca.crt               0644  the root for people, made good at each start
//	leaves/<hash>.pem    0600  one leaf with its key, sealed, named by the hash of its holder, names and algorithm
//
// Invariants: the root is made once in the life of a server and never replaced, not even when its file is damaged, since
// every device that trusts it would have to be visited again; the key of a set of names stays the same through all
// renewals and restarts, so that a key and a certificate that were fetched apart fit together; a leaf that is handed out
// is valid now and for at least renewBefore; leaves are a cache and may be deleted at any time, and those that nobody uses
// any more go after some days.
package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/seal"
)

// Lifetimes. Browsers refuse leaves that are valid for more than 397 days, a day before now included.
const (
	authorityLife = 3650 * 24 * time.Hour
	leafLife      = 395 * 24 * time.Hour
	renewBefore   = 30 * 24 * time.Hour
	backdated     = 24 * time.Hour // devices' clocks are wrong
)

// Algorithm is the kind of a leaf's key.
type Algorithm string

// The algorithms. Browsers take ECDSA only.
const (
	ECDSA   Algorithm = "ecdsa"
	Ed25519 Algorithm = "ed25519"
)

// Authority signs certificates. It is safe for concurrent use.
type Authority struct {
	dir          string
	root         *x509.Certificate
	intermediate *x509.Certificate
	key          crypto.Signer // of the intermediate
	ring         *seal.Ring

	mu     sync.Mutex // guards leaves, their files, asked and latest
	leaves map[string]*leaf
	asked  map[string]time.Time // when a leaf was last asked for in this life of the server
	latest map[Holder]string    // which leaf a holder was last given
}

// Open reads the authority in dir, and makes one there when there is none; name is the server's and becomes part of the
// root's, so that people know it among others. Private keys are sealed with ring; one that lies there unsealed, because it
// was brought from elsewhere, is sealed at once. A damaged authority is an error and left as it is. Two authorities over one
// folder at the same time are a mistake of the caller.
func Open(dir, name string, ring *seal.Ring) (*Authority, error) {
	if err := os.MkdirAll(filepath.Join(dir, "leaves"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder of the certificate authority: %w", err)
	}
	path, public := filepath.Join(dir, "authority.pem"), filepath.Join(dir, "ca.crt")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, seen := os.Lstat(public); seen == nil {
			return nil, fmt.Errorf("cannot find %s, restore it from a backup: a new root would have to be trusted anew "+
				"by every device; remove %s to have one made", path, public)
		}
		if data, err = create(name, time.Now(), ring); err == nil {
			err = atomicfile.Write(path, data, 0o600)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the certificate authority: %w", err)
	}
	a, err := parseAuthority(data, ring)
	if err != nil {
		return nil, fmt.Errorf("cannot use the certificate authority in %s, restore the file from a backup: %w", path, err)
	}
	a.dir = dir
	if err := a.wrapFile(path); err != nil {
		return nil, err
	}
	if err := atomicfile.Ensure(public, a.RootPEM(), 0o644); err != nil {
		return nil, err
	}
	return a, a.loadLeaves(time.Now())
}

// RootPEM answers the root certificate, which is public.
func (a *Authority) RootPEM() []byte { return encodeCertificate(a.root) }

// Fingerprint answers the SHA-256 of the root as people compare it: upper-case pairs with colons.
func (a *Authority) Fingerprint() string { return fingerprint(a.root) }

// Root answers the root certificate.
func (a *Authority) Root() *x509.Certificate { return a.root }

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}

// create makes a root and an intermediate.
func create(name string, now time.Time, ring *seal.Ring) ([]byte, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make the root key: %w", err)
	}
	rootTemplate := authorityTemplate(strings.TrimSpace(name+" Hearth Root CA"), now)
	root, err := sign(rootTemplate, rootTemplate, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make the intermediate key: %w", err)
	}
	template := authorityTemplate(strings.TrimSpace(name+" Hearth Intermediate CA"), now)
	template.MaxPathLenZero = true
	intermediate, err := sign(template, root, key.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	upper, err := encodePair(root, rootKey, ring)
	if err != nil {
		return nil, err
	}
	lower, err := encodePair(intermediate, key, ring)
	return append(upper, lower...), err
}

// parseAuthority reads what create makes, and holds the parts against each other.
func parseAuthority(data []byte, ring *seal.Ring) (*Authority, error) {
	root, _, rest, err := nextPair(data, ring)
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	intermediate, key, _, err := nextPair(rest, ring)
	if err != nil {
		return nil, fmt.Errorf("intermediate: %w", err)
	}
	if err := root.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	if err := intermediate.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("intermediate: %w", err)
	}
	return &Authority{root: root, intermediate: intermediate, key: key, ring: ring, leaves: make(map[string]*leaf), asked: make(map[string]time.Time), latest: make(map[Holder]string)}, nil
}
