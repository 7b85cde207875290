package account

import (
	"context"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// Limits of the preferences of one account.
const (
	maxPreferences     = 256
	maxPreferenceBytes = 64 << 10 // names and values together
)

// Preferences keeps what each account chose. It is safe for concurrent use.
type Preferences struct {
	store *store.Store
}

// NewPreferences returns the preferences in st.
func NewPreferences(st *store.Store) *Preferences { return &Preferences{store: st} }

// Get returns the preferences of an account; empty ones with its id where nothing was ever chosen.
func (p *Preferences) Get(account string) (*accountsv1.Preferences, error) {
	var row *accountsv1.Preferences
	err := p.store.View(func(tx *store.Tx) error {
		var err error
		row, err = preferencesOf(tx, account)
		return err
	})
	return row, err
}

// Update makes the changes of a request and returns what there is then.
func (p *Preferences) Update(ctx context.Context, now time.Time, account string, req *accountsv1.UpdatePreferencesRequest) (*accountsv1.Preferences, error) {
	var row *accountsv1.Preferences
	_, err := p.store.Update(ctx, now, func(tx *store.Tx) error {
		var err error
		if row, err = preferencesOf(tx, account); err != nil {
			return err
		}
		if want, have := req.GetRevision(), row.GetMeta().GetRevision(); want != 0 && want != have {
			return fault.New(metav1.Reason_REASON_PREFERENCES_CHANGED, "cannot change the preferences: they have revision %d, not %d", have, want).
				With("revision", have)
		}
		if err := change(row, req); err != nil {
			return err
		}
		if err := store.Put(tx, row); err != nil {
			return err
		}
		row, err = store.Get[*accountsv1.Preferences](tx, account)
		return err
	})
	return row, err
}

// Forget removes the preferences of an account that is deleted, in the transaction that deletes it.
func (p *Preferences) Forget(tx *store.Tx, account string) error {
	return store.Delete[*accountsv1.Preferences](tx, account)
}

func preferencesOf(tx *store.Tx, account string) (*accountsv1.Preferences, error) {
	row, there, err := store.Lookup[*accountsv1.Preferences](tx, account)
	if err == nil && !there {
		row = &accountsv1.Preferences{Meta: &metav1.Meta{Id: account}, Spec: &accountsv1.PreferencesSpec{}}
	}
	return row, err
}

func change(row *accountsv1.Preferences, req *accountsv1.UpdatePreferencesRequest) error {
	values := row.GetSpec().GetValues()
	if values == nil {
		values = map[string]string{}
		row.Spec = &accountsv1.PreferencesSpec{Values: values}
	}
	for _, name := range req.GetRemove() {
		delete(values, name)
	}
	size := 0
	for name, value := range req.GetSet() {
		values[name] = value
	}
	for name, value := range values {
		size += len(name) + len(value)
	}
	if len(values) > maxPreferences || size > maxPreferenceBytes {
		return fault.New(metav1.Reason_REASON_PREFERENCES_TOO_MANY, "cannot keep %d preferences of %d bytes: %d of %d bytes are allowed",
			len(values), size, maxPreferences, maxPreferenceBytes).With("count", len(values)).With("size", size)
	}
	return nil
}
