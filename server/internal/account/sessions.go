package account

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// maxSessions is how many sessions an account has; a further one ends the one unused for longest.
	maxSessions = 100
	// rotateEvery is when the secrets of a session are best replaced; grace is how long those before are good then.
	rotateEvery = 24 * time.Hour
	grace       = time.Minute
	maxAgent    = 200
)

// life is how long a session lasts.
type life struct{ whole, idle time.Duration }

// The lives of sessions: of a browser until it is closed, of a browser that is trusted, of a program.
func lifeOf(client accountsv1.Session_Client, lasting bool) life {
	const day = 24 * time.Hour
	switch {
	case client == accountsv1.Session_CLIENT_PROGRAM:
		return life{365 * day, 90 * day}
	case lasting:
		return life{180 * day, 30 * day}
	}
	return life{7 * day, day}
}

// Opened is a session with its secrets, which cannot be read again.
type Opened struct {
	Session *accountsv1.Session
	// Cookie is what a browser keeps as a cookie; empty for programs.
	Cookie string
	// Secret is the other half, or the whole bearer secret of a program.
	Secret string
	// RotateTime is when the secrets are best replaced.
	RotateTime time.Time
}

// LoginOptions say who logs in from where.
type LoginOptions struct {
	// Source is the key under which attempts are counted, Address what people are shown.
	Source, Address, UserAgent string
}

// Login opens a session with a password.
func (s *Service) Login(ctx context.Context, now time.Time, opt LoginOptions, req *accountsv1.LoginRequest) (*Opened, error) {
	account := ""
	err := s.store.View(func(tx *store.Tx) (err error) {
		account, err = sole(tx, req.GetAccount())
		return err
	})
	if err != nil {
		return nil, err
	}
	if claimed, err := s.Claimed(); err != nil || !claimed {
		return nil, cmp.Or(err, errUnclaimed())
	}
	proven, err := s.prove(ctx, now, opt.Source, account, req.GetPassword())
	if err != nil {
		return nil, err
	}
	s.mendCopy(ctx, now, proven, req.GetPassword())
	client := cmp.Or(req.GetClient(), accountsv1.Session_CLIENT_PROGRAM)
	id, err := newID(now)
	if err != nil {
		return nil, err
	}
	opened := newSecrets(id, client)
	life := lifeOf(client, req.GetLasting())
	row := &accountsv1.SessionRecord{
		Meta: &metav1.Meta{Id: id},
		Spec: &accountsv1.SessionRecordSpec{
			Account: account, Client: client, Lasting: req.GetLasting() || client == accountsv1.Session_CLIENT_PROGRAM,
			UserAgent: cut(opt.UserAgent, maxAgent), ExpireTime: timestamppb.New(now.Add(life.whole)), IdleSeconds: uint32(life.idle / time.Second),
			Secrets: opened.hashes(), RotateTime: timestamppb.New(now), ProveTime: timestamppb.New(now),
		},
		Status: &accountsv1.SessionRecordStatus{UseTime: timestamppb.New(now), Address: opt.Address},
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		if err := same(tx, proven); err != nil {
			return err
		}
		if err := s.makeRoom(tx, account); err != nil {
			return err
		}
		return store.Put(tx, row)
	})
	row.Meta.CreateTime = timestamppb.New(now)
	opened.Session, opened.RotateTime = publicSession(row, id), now.Add(rotateEvery)
	return opened, err
}

// cut keeps text short and valid.
func cut(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.ToValidUTF8(text, "")
}

// makeRoom ends the session unused for longest when an account has as many as it may.
func (s *Service) makeRoom(tx *store.Tx, account string) error {
	all, err := sessionsOf(tx, account)
	if err != nil || len(all) < maxSessions {
		return err
	}
	for _, r := range all {
		s.fresh(r)
	}
	oldest := slices.MinFunc(all, func(a, b *accountsv1.SessionRecord) int {
		return a.GetStatus().GetUseTime().AsTime().Compare(b.GetStatus().GetUseTime().AsTime())
	})
	return store.Delete[*accountsv1.SessionRecord](tx, oldest.GetMeta().GetId())
}

// newSecrets makes the secrets of a session.
func newSecrets(id string, client accountsv1.Session_Client) *Opened {
	if client == accountsv1.Session_CLIENT_BROWSER {
		return &Opened{Cookie: id + "." + newSecret(), Secret: newSecret()}
	}
	return &Opened{Secret: bearer(sessionPrefix, id, newSecret())}
}

func (o *Opened) hashes() *accountsv1.SessionSecrets {
	h := &accountsv1.SessionSecrets{SecretHash: hashOf(o.Secret)}
	if o.Cookie != "" {
		h.CookieHash = hashOf(o.Cookie)
	}
	return h
}

// Rotate gives a session new secrets. Those before are good for a moment, for calls under way and for the other windows
// of a browser.
func (s *Service) Rotate(ctx context.Context, now time.Time, id string) (*Opened, error) {
	var opened *Opened
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, err := store.Get[*accountsv1.SessionRecord](tx, id)
		if err != nil {
			return err
		}
		opened = newSecrets(id, row.GetSpec().GetClient())
		row.Spec.Previous, row.Spec.Secrets, row.Spec.RotateTime = row.GetSpec().GetSecrets(), opened.hashes(), timestamppb.New(now)
		opened.Session, opened.RotateTime = publicSession(row, id), now.Add(rotateEvery)
		return store.Put(tx, row)
	})
	return opened, err
}

// Sessions lists the sessions of an account, or all with all, if the actor may see them: those of his account with no
// smaller a role than it has, all as an administrator.
func (s *Service) Sessions(by Actor, account string, all bool) ([]*accountsv1.Session, error) {
	if account == "" {
		account, all = by.Account, all || by.Account == "" && by.Local
	}
	var list []*accountsv1.Session
	err := s.store.View(func(tx *store.Tx) error {
		if by.Role < adminRole {
			if all {
				return by.may(adminRole)
			}
			if err := by.mayActFor(tx, account); err != nil {
				return err
			}
		}
		rows, err := store.List[*accountsv1.SessionRecord](tx, "")
		for _, r := range rows {
			if all || r.GetSpec().GetAccount() == account {
				s.fresh(r)
				list = append(list, publicSession(r, by.Session))
			}
		}
		return err
	})
	return list, err
}

// EndSession ends the session that calls, or one of an account that is not greater than the actor.
func (s *Service) EndSession(ctx context.Context, now time.Time, by Actor, id string) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, found, err := store.Lookup[*accountsv1.SessionRecord](tx, id)
		if err != nil {
			return err
		}
		// To those who may not end it, a session of others is not there.
		if !found || row.GetSpec().GetAccount() != by.Account && by.Role < adminRole {
			return fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no session %q", id).With("kind", "session").With("id", id)
		}
		if id != by.Session {
			if err := by.mayActFor(tx, row.GetSpec().GetAccount()); err != nil {
				return err
			}
		}
		return store.Delete[*accountsv1.SessionRecord](tx, id)
	})
	return err
}

// EndSessions ends all sessions of an account but the one that calls, and answers how many.
func (s *Service) EndSessions(ctx context.Context, now time.Time, by Actor, account string) (ended int, err error) {
	account = cmp.Or(account, by.Account)
	if account == "" {
		return 0, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot tell whose sessions are meant").Violation("account", "must be given by a caller without an account")
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		if err := by.mayActFor(tx, account); err != nil {
			return err
		}
		ended, err = endSessions(tx, account, by.Session)
		return err
	})
	return ended, err
}

// mayActFor refuses an actor who may not say what belongs to an account: one's own is, and that of others for an
// administrator, each with no smaller a role than the account's. What counts is the role of the credential: a token of an
// owner may be a viewer's.
func (a Actor) mayActFor(tx *store.Tx, account string) error {
	if account != a.Account || account == "" {
		if err := a.may(adminRole); err != nil {
			return err
		}
	}
	row, err := store.Get[*accountsv1.Account](tx, account)
	if err != nil {
		return err
	}
	return a.may(row.GetSpec().GetRole())
}

func sessionsOf(tx *store.Tx, account string) ([]*accountsv1.SessionRecord, error) {
	rows, err := store.List[*accountsv1.SessionRecord](tx, "")
	return slices.DeleteFunc(rows, func(r *accountsv1.SessionRecord) bool { return r.GetSpec().GetAccount() != account }), err
}

// endSessions deletes the sessions of an account but one, and answers how many.
func endSessions(tx *store.Tx, account, except string) (int, error) {
	rows, err := sessionsOf(tx, account)
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, r := range rows {
		if id := r.GetMeta().GetId(); id != except {
			if err := store.Delete[*accountsv1.SessionRecord](tx, id); err != nil {
				return 0, err
			}
			ended++
		}
	}
	return ended, nil
}

func publicSession(r *accountsv1.SessionRecord, current string) *accountsv1.Session {
	return &accountsv1.Session{
		Id: r.GetMeta().GetId(), Account: r.GetSpec().GetAccount(), Client: r.GetSpec().GetClient(), Lasting: r.GetSpec().GetLasting(),
		UserAgent: r.GetSpec().GetUserAgent(), CreateTime: r.GetMeta().GetCreateTime(), UseTime: r.GetStatus().GetUseTime(),
		ExpireTime: r.GetSpec().GetExpireTime(), Address: r.GetStatus().GetAddress(), Current: r.GetMeta().GetId() == current,
	}
}
