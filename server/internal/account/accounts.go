package account

import (
	"cmp"
	"context"
	"errors"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// maxAccounts bounds the accounts of one server.
const maxAccounts = 1000

// reserved are no names of accounts, for they name other callers in records.
var reserved = [...]string{"local", "hearth", "server", "startos", "root"}

// Create makes an account with a password.
func (s *Service) Create(ctx context.Context, now time.Time, by Actor, req *accountsv1.CreateAccountRequest) (*accountsv1.Account, error) {
	if err := by.may(req.GetRole()); err != nil {
		return nil, err
	}
	if claimed, err := s.Claimed(); err != nil || !claimed {
		return nil, cmp.Or(err, errUnclaimed())
	}
	record, err := s.newPassword(ctx, now, req.GetId(), req.GetPassword())
	if err != nil {
		return nil, err
	}
	var made *accountsv1.Account
	err = s.withCopy(ctx, now, req.GetRole(), req.GetId(), req.GetPassword(), func(name string) error {
		record.Spec.RootKeyCopy = name
		_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
			made, err = insert(tx, req.GetId(), req.GetTitle(), req.GetRole(), record)
			return err
		})
		return err
	})
	return made, err
}

// roleOf is what an account may do.
func (s *Service) roleOf(id string) (role optionsv1.Role, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		row, err := store.Get[*accountsv1.Account](tx, id)
		role = row.GetSpec().GetRole()
		return err
	})
	return role, err
}

// insert writes a new account and its password.
func insert(tx *store.Tx, id, title string, role optionsv1.Role, password *accountsv1.PasswordRecord) (*accountsv1.Account, error) {
	for _, name := range reserved {
		if id == name {
			return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot call an account %q: the name is reserved", id).Violation("id", "is reserved")
		}
	}
	_, taken, err := store.Lookup[*accountsv1.Account](tx, id)
	if err != nil {
		return nil, err
	}
	if taken {
		return nil, fault.New(metav1.Reason_REASON_ALREADY_EXISTS, "there is an account %q already", id).With("id", id)
	}
	all, err := store.List[*accountsv1.Account](tx, "")
	if err != nil {
		return nil, err
	}
	if len(all) >= maxAccounts {
		return nil, fault.New(metav1.Reason_REASON_TOO_MANY, "cannot have more than %d accounts", maxAccounts)
	}
	row := &accountsv1.Account{Meta: &metav1.Meta{Id: id}, Spec: &accountsv1.AccountSpec{Title: title, Role: role}}
	if err := store.Put(tx, row); err != nil {
		return nil, err
	}
	if err := store.Put(tx, password); err != nil {
		return nil, err
	}
	return store.Get[*accountsv1.Account](tx, id)
}

// Accounts lists all accounts by id.
func (s *Service) Accounts() (rows []*accountsv1.Account, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		rows, err = store.List[*accountsv1.Account](tx, "")
		return err
	})
	return rows, err
}

// Update changes title or role. What the account's sessions and tokens may do follows at once.
func (s *Service) Update(ctx context.Context, now time.Time, by Actor, req *accountsv1.UpdateAccountRequest) (*accountsv1.Account, error) {
	var changed *accountsv1.Account
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, err := store.Get[*accountsv1.Account](tx, req.GetId())
		if err != nil {
			return err
		}
		if err := by.may(max(row.GetSpec().GetRole(), req.GetRole())); err != nil {
			return err
		}
		if req.Title != nil {
			row.Spec.Title = req.GetTitle()
		}
		if req.Role != nil {
			row.Spec.Role = req.GetRole()
			if err := keepOwner(tx, row); err != nil {
				return err
			}
		}
		if err := store.Put(tx, row); err != nil {
			return err
		}
		changed, err = store.Get[*accountsv1.Account](tx, req.GetId())
		return err
	})
	return changed, err
}

// Delete removes an account with its password, sessions and tokens.
func (s *Service) Delete(ctx context.Context, now time.Time, by Actor, id string) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, err := store.Get[*accountsv1.Account](tx, id)
		if err != nil {
			return err
		}
		if err := by.may(row.GetSpec().GetRole()); err != nil {
			return err
		}
		row.Spec.Role = optionsv1.Role_ROLE_UNSPECIFIED
		if err := keepOwner(tx, row); err != nil {
			return err
		}
		if _, err := endSessions(tx, id, ""); err != nil {
			return err
		}
		if err := errors.Join(deleteTokens(tx, id), deleteKeys(tx, id)); err != nil {
			return err
		}
		if err := NewPreferences(s.store).Forget(tx, id); err != nil {
			return err
		}
		if err := store.Delete[*accountsv1.PasswordRecord](tx, id); err != nil {
			return err
		}
		return store.Delete[*accountsv1.Account](tx, id)
	})
	return err
}

// keepOwner refuses a change after which no account would be an owner.
func keepOwner(tx *store.Tx, changed *accountsv1.Account) error {
	if changed.GetSpec().GetRole() == optionsv1.Role_ROLE_OWNER {
		return nil
	}
	all, err := store.List[*accountsv1.Account](tx, "")
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.GetSpec().GetRole() == optionsv1.Role_ROLE_OWNER && a.GetMeta().GetId() != changed.GetMeta().GetId() {
			return nil
		}
	}
	id := changed.GetMeta().GetId()
	return fault.New(metav1.Reason_REASON_LAST_OWNER, "cannot take the role of owner from %q: no other account has it", id).With("account", id)
}

// sole answers the account that is meant: the one named, else the only one there is.
func sole(tx *store.Tx, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	all, err := store.List[*accountsv1.Account](tx, "")
	switch {
	case err != nil:
		return "", err
	case len(all) == 0:
		return "", errUnclaimed()
	case len(all) > 1:
		return "", fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot tell which account is meant: there are several").
			Violation("account", "must be given while there are several accounts")
	}
	return all[0].GetMeta().GetId(), nil
}
