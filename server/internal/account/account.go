// Package account keeps who may call: accounts with a role and a password, the sessions people open with it, and bearer
// tokens. It knows nothing of wires, cookies and headers: package access brings what was shown, this package tells whose
// it is.
//
//	accounts.go           accounts and their roles
//	claim.go              the first owner
//	password.go           passwords and the cost of checking them
//	rootkey.go            the copies of the server's root key that passwords of owners open
//	attempts.go           how often somebody may guess
//	sessions.go           sessions of browsers and programs
//	tokens.go             bearer tokens
//	preferences.go        what a person chose, on whichever browser
//	keys.go               public keys whose signed requests are let in
//	signatures.go         each signed request once
//	authenticate.go       from a secret to who shows it
//	controller_expiry.go  what has ended is deleted
//
// Invariants: the store holds hashes of secrets, never a secret; once the server is claimed there is an account with
// ROLE_OWNER; nobody gives, changes or takes away a role greater than his own; what belongs to an account goes with it in
// the same commit; a token and a session may never do more than their account may now.
//
// Secrets of tokens and sessions are 256 random bits, so a plain hash is enough for them; passwords are hashed with
// Argon2id. A secret carries the id of its row, so that checking it is one look-up.
package account

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// Service is the area. It is safe for concurrent use.
type Service struct {
	store    *store.Store
	custody  Custody
	log      *slog.Logger
	hasher   *hasher
	attempts *attempts
	// signatures are the signed requests that were let in.
	signatures *signatures
	code       string // lets the first owner be claimed from elsewhere than the local socket

	copying sync.Mutex // held from the making of a copy of the root key until the row names it

	mu   sync.Mutex     // guards used; a leaf
	used map[string]use // sessions used since they were last written down
}

// New returns the area over st; custody keeps the copies of the root key.
func New(st *store.Store, custody Custody, log *slog.Logger) *Service {
	return &Service{
		store: st, custody: custody, log: log, hasher: newHasher(), attempts: newAttempts(), signatures: newSignatures(), code: newCode(), used: map[string]use{},
	}
}

// Actor is who asks for a change: what he may do bounds what he may give.
type Actor struct {
	// Account is empty for the local socket and for tokens made there.
	Account string
	// Session is the id of the session that calls, empty for other callers.
	Session string
	Role    optionsv1.Role
	// Local tells that it is the server's own user on the local socket.
	Local bool
	// Source is where the call comes from, the key under which attempts to guess are counted.
	Source string
	// About is told what a change is about that the request does not say, before it is committed; nil when nobody asks.
	About func(name, value string)
}

// about tells what a change is about.
func (a Actor) about(name, value string) {
	if a.About != nil {
		a.About(name, value)
	}
}

// may refuses an actor whose role is smaller than the one concerned.
func (a Actor) may(concerned optionsv1.Role) error {
	if a.Role >= concerned {
		return nil
	}
	return fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "cannot do this with the role of the credential: it concerns a greater one").
		With("needed", concerned.String()).With("role", a.Role.String())
}

// Prefixes of bearer secrets, so that a leaked one can be recognised. The id of the row follows, and the random part.
const (
	tokenPrefix   = "hearth_tok_"
	sessionPrefix = "hearth_ses_"
	idLength      = 26
)

// newSecret makes 256 random bits and answers them as text.
func newSecret() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func newID(now time.Time) (string, error) {
	id, err := ids.NewULID(now, rand.Reader)
	return string(id), err
}

// bearer joins the parts of a bearer secret, splitBearer takes them apart.
func bearer(prefix, id, secret string) string { return prefix + id + "_" + secret }

func splitBearer(prefix, s string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) < idLength+2 || rest[idLength] != '_' {
		return "", "", false
	}
	return rest[:idLength], rest[idLength+1:], true
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// matches compares a secret with its hash without telling by time how much of it is right.
func matches(hash []byte, secret string) bool {
	return len(hash) == sha256.Size && subtle.ConstantTimeCompare(hash, hashOf(secret)) == 1
}
