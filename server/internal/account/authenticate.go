package account

import (
	"context"
	"strings"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	adminRole = optionsv1.Role_ROLE_ADMIN
	maxBearer = 128
)

// Identity is whose a secret is.
type Identity struct {
	Credential accountsv1.GetCallerResponse_Credential
	// ID is that of the token or session.
	ID string
	// Account is empty for tokens made on the local socket.
	Account string
	// Role is what may be done with it now.
	Role optionsv1.Role
	// Scope narrows it; nil does not.
	Scope *accountsv1.Scope
	// Proven is when the password was proven last, in a session.
	Proven time.Time
}

// AuthenticateBearer tells whose a bearer secret is, of a token or of a program's session. An unknown, revoked or expired
// one is UNAUTHENTICATED with the same words for each, so that nothing is learnt by guessing. A session is used by that,
// from the address given; with none it is only looked at.
func (s *Service) AuthenticateBearer(now time.Time, secret, from string) (Identity, error) {
	denied := fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept the token: it is unknown, revoked or expired")
	if len(secret) > maxBearer {
		return Identity{}, denied
	}
	if id, _, ok := splitBearer(sessionPrefix, secret); ok {
		return s.session(now, id, "", secret, from)
	}
	id, _, ok := splitBearer(tokenPrefix, secret)
	if !ok {
		return Identity{}, denied
	}
	var found Identity
	err := s.store.View(func(tx *store.Tx) error {
		r, ok, err := store.Lookup[*accountsv1.TokenRecord](tx, id)
		if err != nil {
			return err
		}
		if !ok || !matches(r.GetSpec().GetHash(), secret) || tokenExpired(r, now) {
			return denied
		}
		role := r.GetSpec().GetRole()
		if account := r.GetSpec().GetAccount(); account != "" {
			a, ok, err := store.Lookup[*accountsv1.Account](tx, account)
			if err != nil {
				return err
			}
			if !ok {
				return denied
			}
			role = min(role, a.GetSpec().GetRole())
		}
		found = Identity{
			Credential: accountsv1.GetCallerResponse_CREDENTIAL_TOKEN, ID: id, Account: r.GetSpec().GetAccount(), Role: role, Scope: r.GetSpec().GetScope(),
		}
		return nil
	})
	return found, err
}

// AuthenticateBrowser tells whose session the two halves belong to, of which one alone is worth nothing.
func (s *Service) AuthenticateBrowser(now time.Time, cookie, half, from string) (Identity, error) {
	id, _, ok := strings.Cut(cookie, ".")
	if !ok || len(id) != idLength || len(cookie) > maxBearer || len(half) > maxBearer {
		return Identity{}, errSession()
	}
	return s.session(now, id, cookie, half, from)
}

func errSession() error {
	return fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept the session: it is unknown or has ended")
}

// session checks the secrets of a session and records its use.
func (s *Service) session(now time.Time, id, cookie, secret, from string) (Identity, error) {
	var found Identity
	err := s.store.View(func(tx *store.Tx) error {
		r, ok, err := store.Lookup[*accountsv1.SessionRecord](tx, id)
		if err != nil {
			return err
		}
		if !ok || !good(r.GetSpec(), now, cookie, secret) {
			return errSession()
		}
		s.fresh(r)
		if !sessionEnd(r).After(now) {
			return errSession()
		}
		a, ok, err := store.Lookup[*accountsv1.Account](tx, r.GetSpec().GetAccount())
		if err != nil {
			return err
		}
		if !ok {
			return errSession()
		}
		found = Identity{
			Credential: accountsv1.GetCallerResponse_CREDENTIAL_SESSION, ID: id, Account: r.GetSpec().GetAccount(),
			Role: a.GetSpec().GetRole(), Proven: r.GetSpec().GetProveTime().AsTime(),
		}
		return nil
	})
	if err == nil && from != "" {
		s.mu.Lock()
		s.used[id] = use{now, from}
		s.mu.Unlock()
	}
	return found, err
}

// FollowRights calls changed after what could have changed the rights of somebody: an account, a session, a token or a
// key. It returns when ctx ends, or with what went wrong.
func (s *Service) FollowRights(ctx context.Context, changed func(context.Context)) error {
	watcher, err := s.store.Watch(store.WatchOptions{
		Selectors: []store.Selector{{Kind: "token"}, {Kind: "session"}, {Kind: "account"}, {Kind: "key"}}, From: s.store.Revision(), OwnKinds: true,
	})
	if err != nil {
		return err
	}
	for {
		batch, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		if len(batch.Changes) > 0 {
			changed(ctx)
		}
	}
}

// good tells whether secrets are those of the session: of now, or of before the last rotation, for a moment. A browser
// gets its cookie and the page its half a little apart, so each may be of either.
func good(spec *accountsv1.SessionRecordSpec, now time.Time, cookie, secret string) bool {
	sets := []*accountsv1.SessionSecrets{spec.GetSecrets()}
	if spec.GetPrevious() != nil && now.Before(spec.GetRotateTime().AsTime().Add(grace)) {
		sets = append(sets, spec.GetPrevious())
	}
	browser := spec.GetClient() == accountsv1.Session_CLIENT_BROWSER
	cookieGood, secretGood := !browser && cookie == "", false
	for _, set := range sets {
		cookieGood = cookieGood || browser && matches(set.GetCookieHash(), cookie)
		secretGood = secretGood || matches(set.GetSecretHash(), secret)
	}
	return cookieGood && secretGood
}

// use is when and from where a session was used last.
type use struct {
	time    time.Time
	address string
}

// fresh brings a record up to what is not yet written down of its use.
func (s *Service) fresh(r *accountsv1.SessionRecord) {
	s.mu.Lock()
	u, ok := s.used[r.GetMeta().GetId()]
	s.mu.Unlock()
	if ok && !u.time.Before(r.GetStatus().GetUseTime().AsTime()) {
		r.Status = u.status()
	}
}

// sessionEnd is when a session ends if it is not used again.
func sessionEnd(r *accountsv1.SessionRecord) time.Time {
	end := r.GetSpec().GetExpireTime().AsTime()
	idle := r.GetStatus().GetUseTime().AsTime().Add(time.Duration(r.GetSpec().GetIdleSeconds()) * time.Second)
	if idle.Before(end) {
		return idle
	}
	return end
}

func tokenExpired(r *accountsv1.TokenRecord, now time.Time) bool {
	t := r.GetSpec().GetExpireTime()
	return t != nil && !now.Before(t.AsTime())
}

func (u use) status() *accountsv1.SessionRecordStatus {
	return &accountsv1.SessionRecordStatus{UseTime: timestamppb.New(u.time), Address: u.address}
}
