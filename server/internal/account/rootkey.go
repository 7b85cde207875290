package account

import (
	"context"
	"slices"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// Custody keeps copies of the server's root key, each opened by one secret.
type Custody interface {
	// CopyFor makes a copy that a password opens, beside those there are, and answers its name.
	CopyFor(account, password string, now time.Time) (name string, err error)
	// PasswordCopies answers the names of all copies that CopyFor made.
	PasswordCopies() ([]string, error)
	// WithdrawCopy removes a copy. One that is not there is no error.
	WithdrawCopy(name string) error
	// NewRecoveryCode makes a code that alone opens another copy once commit has succeeded; until then, and where anything
	// fails, the code before does. kept is what failed after commit.
	NewRecoveryCode(now time.Time, commit func() error) (code string, kept, err error)
}

// The password of an owner opens a copy of the root key. Copies are files and the password is a row, so the row names its
// copy, and the order is
//
//	a copy beside those there are ──▶ the row, with the new hash and the name of the copy ──▶ copies that no row names go
//
// At each point the password that counts opens a copy. The last is the controller's, so it is done after a crash too.

// copyKey is the one key of that controller.
const copyKey = "copies"

// withCopy carries out commit with the name of a copy of the root key that a password opens; with none for those who are
// no owners. Until it returns no copy is taken for one that nobody names.
func (s *Service) withCopy(ctx context.Context, now time.Time, role optionsv1.Role, account, password string, commit func(name string) error) error {
	if role < optionsv1.Role_ROLE_OWNER {
		return commit("")
	}
	s.copying.Lock()
	defer s.copying.Unlock()
	name := ""
	err := s.hasher.turn(ctx, func() (err error) {
		name, err = s.custody.CopyFor(account, password, now)
		return err
	})
	if err != nil {
		return err
	}
	if err := commit(name); err != nil {
		_ = s.custody.WithdrawCopy(name) // else the controller does
		return err
	}
	return nil
}

// mendCopy makes the copy that the password of an owner, just proven, opens, where there is none: he became one after it
// was set, or the copy was lost. Nobody is kept out where that fails.
func (s *Service) mendCopy(ctx context.Context, now time.Time, proven *accountsv1.PasswordRecord, password string) {
	account := proven.GetMeta().GetId()
	role, err := s.roleOf(account)
	if err != nil || role < optionsv1.Role_ROLE_OWNER {
		return
	}
	there, err := s.custody.PasswordCopies()
	if err == nil && slices.Contains(there, proven.GetSpec().GetRootKeyCopy()) {
		return
	}
	err = s.withCopy(ctx, now, role, account, password, func(name string) error {
		_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
			if err := same(tx, proven); err != nil {
				return err
			}
			record, err := store.Get[*accountsv1.PasswordRecord](tx, account)
			if err != nil {
				return err
			}
			record.Spec.RootKeyCopy = name
			return store.Put(tx, record)
		})
		return err
	})
	if err != nil {
		s.log.WarnContext(ctx, "cannot copy the root key for the password of an owner", "account", account, "error", err)
	}
}

// RootKeyController removes copies of the root key that open with what is no owner's password any more.
func (s *Service) RootKeyController() reconcile.Controller {
	keys := []string{copyKey}
	c := reconcile.Controller{
		Name: "root-key-copies", Area: "account", Drives: []string{"copies of the root key"},
		List:      func() ([]string, error) { return keys, nil },
		Reconcile: func(context.Context, string) (time.Duration, error) { return 0, s.sweepCopies() },
	}
	for _, kind := range []string{"account", "password"} {
		c.Sources = append(c.Sources, reconcile.Source{
			Selector: store.Selector{Kind: kind}, Keys: func(store.Change) []string { return keys },
		})
	}
	return c
}

func (s *Service) sweepCopies() error {
	s.copying.Lock()
	defer s.copying.Unlock()
	there, err := s.custody.PasswordCopies()
	if err != nil || len(there) == 0 {
		return err
	}
	named := map[string]bool{}
	err = s.store.View(func(tx *store.Tx) error {
		all, err := store.List[*accountsv1.Account](tx, "")
		for _, a := range all {
			if a.GetSpec().GetRole() != optionsv1.Role_ROLE_OWNER {
				continue
			}
			record, _, err := store.Lookup[*accountsv1.PasswordRecord](tx, a.GetMeta().GetId())
			if err != nil {
				return err
			}
			named[record.GetSpec().GetRootKeyCopy()] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range there {
		if named[name] {
			continue
		}
		if err := s.custody.WithdrawCopy(name); err != nil {
			return err
		}
	}
	return nil
}
