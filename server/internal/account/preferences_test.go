package account_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/store"
)

func TestPreferencesOfAccountsAreApart(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	p := account.NewPreferences(st)
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	none, err := p.Get("alice")
	if err != nil || none.GetMeta().GetId() != "alice" || none.GetMeta().GetRevision() != 0 {
		t.Errorf("before anything was chosen: %v, %v", none, err)
	}
	update := func(account string, req *accountsv1.UpdatePreferencesRequest) (*accountsv1.Preferences, error) {
		return p.Update(t.Context(), now, account, req)
	}
	first, err := update("alice", &accountsv1.UpdatePreferencesRequest{Set: map[string]string{"language": "de", "theme": "dark"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := update("bob", &accountsv1.UpdatePreferencesRequest{Set: map[string]string{"language": "fr"}}); err != nil {
		t.Fatal(err)
	}
	second, err := update("alice", &accountsv1.UpdatePreferencesRequest{
		Set: map[string]string{"zoom": "2"}, Remove: []string{"theme", "unknown"}, Revision: first.GetMeta().GetRevision(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"language": "de", "zoom": "2"}, second.GetSpec().GetValues()); diff != "" {
		t.Error(diff)
	}
	_, err = update("alice", &accountsv1.UpdatePreferencesRequest{Set: map[string]string{"zoom": "3"}, Revision: first.GetMeta().GetRevision()})
	if f := fault.Proto(err); f.GetReason() != metav1.Reason_REASON_PREFERENCES_CHANGED || f.GetMetadata()["revision"] != fmt.Sprint(second.GetMeta().GetRevision()) {
		t.Errorf("a change of what was changed meanwhile: %v", err)
	}
	large := map[string]string{}
	for i := range 20 {
		large[fmt.Sprint("v", i)] = strings.Repeat("x", 4000)
	}
	if _, err := update("alice", &accountsv1.UpdatePreferencesRequest{Set: large}); !fault.Is(err, metav1.Reason_REASON_PREFERENCES_TOO_MANY) {
		t.Errorf("too much: %v", err)
	}
	_, err = st.Update(t.Context(), now, func(tx *store.Tx) error { return p.Forget(tx, "alice") })
	got, gerr := p.Get("alice")
	if err != nil || gerr != nil || len(got.GetSpec().GetValues()) != 0 {
		t.Errorf("forgotten: %v, %v, %v", got, err, gerr)
	}
	if got, err := p.Get("bob"); err != nil || got.GetSpec().GetValues()["language"] != "fr" {
		t.Errorf("the other account: %v, %v", got, err)
	}
}
