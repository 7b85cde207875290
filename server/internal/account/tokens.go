package account

import (
	"context"
	"slices"
	"strings"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// maxTokens bounds the tokens of one server.
const maxTokens = 10000

// CreateToken makes a token of the actor's account and answers it with its secret, which cannot be read again.
func (s *Service) CreateToken(ctx context.Context, now time.Time, by Actor, req *accountsv1.CreateTokenRequest) (*accountsv1.Token, string, error) {
	if t := req.GetExpireTime(); t != nil && !t.AsTime().After(now) {
		return nil, "", fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot make a token that has already expired").
			Violation("expire_time", "must be in the future")
	}
	if err := by.may(req.GetRole()); err != nil {
		return nil, "", err
	}
	id, err := newID(now)
	if err != nil {
		return nil, "", err
	}
	by.about("token", id)
	by.about("name", req.GetName())
	by.about("role", strings.ToLower(strings.TrimPrefix(req.GetRole().String(), "ROLE_")))
	secret := bearer(tokenPrefix, id, newSecret())
	record := &accountsv1.TokenRecord{
		Meta: &metav1.Meta{Id: id},
		Spec: &accountsv1.TokenRecordSpec{
			Name: req.GetName(), Role: req.GetRole(), ExpireTime: req.GetExpireTime(), Hash: hashOf(secret), Account: by.Account, Scope: req.GetScope(),
			RequestId: req.GetRequestId(),
		},
	}
	var made *accountsv1.TokenRecord
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		all, err := store.List[*accountsv1.TokenRecord](tx, "")
		if err != nil {
			return err
		}
		if err := tokenRepeated(all, record); err != nil {
			return err
		}
		if len(all) >= maxTokens {
			return fault.New(metav1.Reason_REASON_TOO_MANY, "cannot have more than %d tokens", maxTokens)
		}
		if by.Account != "" {
			if _, err := store.Get[*accountsv1.Account](tx, by.Account); err != nil {
				return err
			}
		}
		if err := store.Put(tx, record); err != nil {
			return err
		}
		made, err = store.Get[*accountsv1.TokenRecord](tx, id)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return publicToken(made), secret, nil
}

// tokenRepeated refuses a token that a request with the same id of the same account has made.
func tokenRepeated(all []*accountsv1.TokenRecord, asked *accountsv1.TokenRecord) error {
	request := asked.GetSpec().GetRequestId()
	if request == "" {
		return nil
	}
	for _, r := range all {
		if r.GetSpec().GetRequestId() != request || r.GetSpec().GetAccount() != asked.GetSpec().GetAccount() {
			continue
		}
		same := proto.CloneOf(r.GetSpec())
		same.Hash = asked.GetSpec().GetHash()
		if !proto.Equal(same, asked.GetSpec()) {
			return errReused(request)
		}
		id := r.GetMeta().GetId()
		return fault.New(metav1.Reason_REASON_REQUEST_REPEATED, "cannot make the token again: the request made %q before, whose secret is not kept", id).
			With("kind", "token").With("id", id)
	}
	return nil
}

func errReused(request string) error {
	return fault.New(metav1.Reason_REASON_REQUEST_ID_REUSED, "cannot carry out the request: another one had the id %q", request)
}

// Tokens lists the tokens the actor may see by id, without their hashes: his account's, or all for an administrator.
func (s *Service) Tokens(by Actor) ([]*accountsv1.Token, error) {
	var tokens []*accountsv1.Token
	err := s.store.View(func(tx *store.Tx) error {
		records, err := store.List[*accountsv1.TokenRecord](tx, "")
		for _, r := range records {
			if by.owns(r) {
				tokens = append(tokens, publicToken(r))
			}
		}
		return err
	})
	return tokens, err
}

// owns tells whether the actor may see a token, and revoke it if it is not greater than he.
func (a Actor) owns(r *accountsv1.TokenRecord) bool {
	return a.Role >= adminRole || a.Account != "" && r.GetSpec().GetAccount() == a.Account
}

// DeleteToken revokes a token. Calls with it are refused from the next check on.
func (s *Service) DeleteToken(ctx context.Context, now time.Time, by Actor, id string) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		r, found, err := store.Lookup[*accountsv1.TokenRecord](tx, id)
		if err != nil {
			return err
		}
		if !found || !by.owns(r) { // to those who may not revoke it, a token of others is not there
			return fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no token %q", id).With("kind", "token").With("id", id)
		}
		role, err := roleNow(tx, r)
		if err != nil {
			return err
		}
		if err := by.may(role); err != nil {
			return err
		}
		return store.Delete[*accountsv1.TokenRecord](tx, id)
	})
	return err
}

// roleNow is what may be done with a token: never more than its account may.
func roleNow(tx *store.Tx, r *accountsv1.TokenRecord) (optionsv1.Role, error) {
	role, account := r.GetSpec().GetRole(), r.GetSpec().GetAccount()
	if account == "" {
		return role, nil
	}
	a, err := store.Get[*accountsv1.Account](tx, account)
	return min(role, a.GetSpec().GetRole()), err
}

// deleteTokens deletes the tokens of an account.
func deleteTokens(tx *store.Tx, account string) error {
	rows, err := store.List[*accountsv1.TokenRecord](tx, "")
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r *accountsv1.TokenRecord) bool { return r.GetSpec().GetAccount() != account })
	for _, r := range rows {
		if err := store.Delete[*accountsv1.TokenRecord](tx, r.GetMeta().GetId()); err != nil {
			return err
		}
	}
	return nil
}

func publicToken(r *accountsv1.TokenRecord) *accountsv1.Token {
	return &accountsv1.Token{
		Id: r.GetMeta().GetId(), Name: r.GetSpec().GetName(), Role: r.GetSpec().GetRole(), Account: r.GetSpec().GetAccount(),
		CreateTime: r.GetMeta().GetCreateTime(), ExpireTime: r.GetSpec().GetExpireTime(), Scope: r.GetSpec().GetScope(),
	}
}
