package account_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func newService(t *testing.T) (*account.Service, *store.Store) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return account.New(st), st
}

func create(t *testing.T, s *account.Service, req *accountsv1.CreateTokenRequest) (*accountsv1.Token, string) {
	t.Helper()
	token, secret, err := s.Create(t.Context(), noon, req)
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

func TestTokenOpensWithItsRole(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	reader, readers := create(t, s, &accountsv1.CreateTokenRequest{Name: "a", Role: optionsv1.Role_ROLE_VIEWER})
	admin, admins, err := s.Create(t.Context(), noon.Add(time.Second), &accountsv1.CreateTokenRequest{Name: "b", Role: optionsv1.Role_ROLE_ADMIN})
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]*accountsv1.Token{readers: reader, admins: admin} {
		if id, role, err := s.Check(noon, secret); id != want.GetId() || role != want.GetRole() || err != nil {
			t.Errorf("Check = %s, %v, %v", id, role, err)
		}
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || !proto.Equal(list[0], reader) {
		t.Errorf("List = %v, %v", list, err)
	}
}

func TestEveryRefusalIsTheSame(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	revoked, revokedSecret := create(t, s, &accountsv1.CreateTokenRequest{Name: "a", Role: optionsv1.Role_ROLE_ADMIN})
	_, expired := create(t, s, &accountsv1.CreateTokenRequest{Name: "b", Role: optionsv1.Role_ROLE_ADMIN, ExpireTime: timestamppb.New(noon.Add(time.Hour))})
	_, good := create(t, s, &accountsv1.CreateTokenRequest{Name: "c", Role: optionsv1.Role_ROLE_ADMIN})
	if err := s.Delete(t.Context(), noon, revoked.GetId()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Check(noon.Add(time.Hour-time.Second), expired); err != nil {
		t.Errorf("before it expires: %v", err)
	}
	words := map[string]bool{}
	for name, secret := range map[string]string{
		"revoked": revokedSecret, "expired": expired, "unknown": "hearth_" + strings.Repeat("A", 43), "empty": "", "foreign": "Bearer x",
		"cut": good[:len(good)-1], "longer": good + "A", "endless": "hearth_" + strings.Repeat("A", 1<<20), "without prefix": strings.TrimPrefix(good, "hearth_"),
	} {
		id, role, err := s.Check(noon.Add(time.Hour), secret)
		if !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) || id != "" || role != 0 {
			t.Errorf("%s: %q, %v, %v", name, id, role, err)
			continue
		}
		words[err.Error()] = true
	}
	if len(words) != 1 {
		t.Errorf("refusals can be told from each other: %v", words)
	}
}

func TestStoreHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s, st := newService(t)
	_, secret := create(t, s, &accountsv1.CreateTokenRequest{Name: "a", Role: optionsv1.Role_ROLE_ADMIN})
	err := st.View(func(tx *store.Tx) error {
		rows, err := store.List[*accountsv1.TokenRecord](tx, "")
		for _, r := range rows {
			raw, err := proto.Marshal(r)
			if err != nil {
				return err
			}
			if len(r.GetSpec().GetHash()) != 32 || bytes.Contains(raw, []byte(strings.TrimPrefix(secret, "hearth_"))) {
				t.Errorf("the row is %v", r)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTokensThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	_, _, err := s.Create(t.Context(), noon, &accountsv1.CreateTokenRequest{Name: "a", Role: optionsv1.Role_ROLE_ADMIN, ExpireTime: timestamppb.New(noon)})
	if !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
		t.Errorf("a token that has expired: %v", err)
	}
	if err := s.Delete(t.Context(), noon, "01arz3ndektsv4rrffq69g5fav"); !fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
		t.Errorf("deleting an unknown token: %v", err)
	}
}
