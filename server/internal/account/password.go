package account

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
	"golang.org/x/crypto/argon2"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The cost of a password: 19 MiB, two passes, one thread.
const (
	memoryKiB  = 19 << 10
	passes     = 2
	threads    = 1
	saltLength = 16
	keyLength  = 32
)

// At most hashers passwords are hashed at once and queued wait for that; beyond them a call is refused.
const (
	hashers = 2
	queued  = 16
)

// hasher bounds what passwords cost the machine.
type hasher struct {
	running chan struct{}
	waiting chan struct{}
}

func newHasher() *hasher {
	return &hasher{running: make(chan struct{}, hashers), waiting: make(chan struct{}, hashers+queued)}
}

// hash computes the hash that belongs to a record.
func (h *hasher) hash(ctx context.Context, password string, like *accountsv1.PasswordRecordSpec) (hash []byte, err error) {
	err = h.turn(ctx, func() error {
		hash = argon2.IDKey([]byte(password), like.GetSalt(), like.GetPasses(), like.GetMemoryKib(), uint8(like.GetThreads()), keyLength)
		return nil
	})
	return hash, err
}

// turn has work done that costs as much as a password. It waits for its turn, and is refused where too many wait.
func (h *hasher) turn(ctx context.Context, work func() error) error {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return fault.New(metav1.Reason_REASON_RATE_LIMITED, "cannot check a password now: too many are being checked").RetryAfter(time.Second)
	}
	select {
	case h.running <- struct{}{}:
		defer func() { <-h.running }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return work()
}

// nobody's password is checked where there is no account of the name given, so that time does not tell which names exist.
func nobody() *accountsv1.PasswordRecordSpec {
	return &accountsv1.PasswordRecordSpec{Salt: make([]byte, saltLength), MemoryKib: memoryKiB, Passes: passes, Threads: threads}
}

// newPassword makes the record of a password.
func (s *Service) newPassword(ctx context.Context, now time.Time, account, password string) (*accountsv1.PasswordRecord, error) {
	spec := nobody()
	rand.Read(spec.Salt) // never fails
	spec.SetTime = timestamppb.New(now)
	var err error
	spec.Hash, err = s.hasher.hash(ctx, password, spec)
	return &accountsv1.PasswordRecord{Meta: &metav1.Meta{Id: account}, Spec: spec}, err
}

// prove checks the password of an account, counting the attempt against the source. An account that does not exist
// answers like a wrong password. The record is what was checked: a change in between is noticed by same.
func (s *Service) prove(ctx context.Context, now time.Time, source, account, password string) (*accountsv1.PasswordRecord, error) {
	var record *accountsv1.PasswordRecord
	found := false
	err := s.store.View(func(tx *store.Tx) (err error) {
		record, found, err = store.Lookup[*accountsv1.PasswordRecord](tx, account)
		return err
	})
	if err != nil {
		return nil, err
	}
	known := account
	if !found {
		known = "" // names nobody has share one count
	}
	done, err := s.attempts.begin(now, source, known)
	if err != nil {
		return nil, err
	}
	spec := record.GetSpec()
	if !found {
		spec = nobody()
	}
	hash, err := s.hasher.hash(ctx, password, spec)
	if err != nil {
		return nil, err
	}
	if !found || subtle.ConstantTimeCompare(hash, spec.GetHash()) != 1 {
		return nil, fault.New(metav1.Reason_REASON_LOGIN_FAILED, "cannot accept the account and password: one of them is wrong")
	}
	done()
	return record, nil
}

// same refuses what was proven with a password that has been replaced since.
func same(tx *store.Tx, proven *accountsv1.PasswordRecord) error {
	now, found, err := store.Lookup[*accountsv1.PasswordRecord](tx, proven.GetMeta().GetId())
	if err == nil && (!found || !bytes.Equal(now.GetSpec().GetSalt(), proven.GetSpec().GetSalt()) || !bytes.Equal(now.GetSpec().GetHash(), proven.GetSpec().GetHash())) {
		err = fault.New(metav1.Reason_REASON_LOGIN_FAILED, "cannot accept the account and password: one of them has just changed")
	}
	return err
}

// ChangePassword replaces the password of the actor's account, who proves the old one, and answers how many other sessions
// ended. A credential of a smaller role than the account's is refused before that: it is nothing to guess with. Attempts are counted apart from those to log in, so that a stolen session cannot shut the account out.
func (s *Service) ChangePassword(ctx context.Context, now time.Time, by Actor, req *accountsv1.ChangePasswordRequest) (ended int, err error) {
	if by.Account == "" {
		return 0, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot change a password: the caller has no account; ResetPassword is for the local socket")
	}
	if err := s.store.View(func(tx *store.Tx) error { return by.mayActFor(tx, by.Account) }); err != nil {
		return 0, err
	}
	proven, err := s.prove(ctx, now, "account:"+by.Account, by.Account, req.GetOldPassword())
	if err != nil {
		return 0, err
	}
	fresh, err := s.newPassword(ctx, now, by.Account, req.GetNewPassword())
	if err != nil {
		return 0, err
	}
	role, err := s.roleOf(by.Account)
	if err != nil {
		return 0, err
	}
	err = s.withCopy(ctx, now, role, by.Account, req.GetNewPassword(), func(name string) error {
		fresh.Spec.RootKeyCopy = name
		_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
			if err := same(tx, proven); err != nil {
				return err
			}
			if err := store.Put(tx, fresh); err != nil {
				return err
			}
			ended, err = s.afterPassword(tx, by.Account, by.Session, req.GetKeepSessions(), now)
			return err
		})
		return err
	})
	return ended, err
}

// ResetPassword replaces the password of an account without the old one. It answers the account and how many sessions
// ended.
func (s *Service) ResetPassword(ctx context.Context, now time.Time, req *accountsv1.ResetPasswordRequest) (account string, ended int, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		account, err = sole(tx, req.GetAccount())
		return err
	})
	if err != nil {
		return "", 0, err
	}
	role, err := s.roleOf(account)
	if err != nil {
		return "", 0, err
	}
	fresh, err := s.newPassword(ctx, now, account, req.GetNewPassword())
	if err != nil {
		return "", 0, err
	}
	err = s.withCopy(ctx, now, role, account, req.GetNewPassword(), func(name string) error {
		fresh.Spec.RootKeyCopy = name
		_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
			if _, err := store.Get[*accountsv1.Account](tx, account); err != nil {
				return err
			}
			if err := store.Put(tx, fresh); err != nil {
				return err
			}
			ended, err = s.afterPassword(tx, account, "", req.GetKeepSessions(), now)
			return err
		})
		return err
	})
	return account, ended, err
}

// afterPassword ends the sessions that were opened with the password before, but the one named.
func (s *Service) afterPassword(tx *store.Tx, account, except string, keep bool, now time.Time) (int, error) {
	if except != "" {
		session, found, err := store.Lookup[*accountsv1.SessionRecord](tx, except)
		if err != nil {
			return 0, err
		}
		if found {
			session.Spec.ProveTime = timestamppb.New(now)
			if err := store.Put(tx, session); err != nil {
				return 0, err
			}
		}
	}
	if keep {
		return 0, nil
	}
	return endSessions(tx, account, except)
}
