// Package account keeps who may call: bearer tokens with a role. It knows nothing of wires and sessions.
//
// A token's secret is shown once, when the token is made; the store holds its SHA-256 only. A secret is 256 random
// bits, so a plain hash is enough.
package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// secretPrefix marks a Hearth token, so that a leaked one can be recognised.
const secretPrefix = "hearth_"

// Service makes, checks and revokes tokens. It is safe for concurrent use.
type Service struct {
	store *store.Store
}

// New returns the service over st.
func New(st *store.Store) *Service { return &Service{store: st} }

// Create makes a token and returns it with its secret, which cannot be read again.
func (s *Service) Create(ctx context.Context, now time.Time, req *accountsv1.CreateTokenRequest) (*accountsv1.Token, string, error) {
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return nil, "", err
	}
	if t := req.GetExpireTime(); t != nil && !t.AsTime().After(now) {
		return nil, "", fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot make a token that has already expired").
			Violation("expire_time", "must be in the future")
	}
	secret := secretPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
	id, err := ids.NewULID(now, rand.Reader)
	if err != nil {
		return nil, "", err
	}
	hash := sha256.Sum256([]byte(secret))
	record := &accountsv1.TokenRecord{
		Meta: &metav1.Meta{Id: string(id)},
		Spec: &accountsv1.TokenRecordSpec{
			Name: req.GetName(), Role: req.GetRole(), ExpireTime: req.GetExpireTime(), Hash: hash[:],
		},
	}
	var made *accountsv1.TokenRecord
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		if err := store.Put(tx, record); err != nil {
			return err
		}
		var err error
		made, err = store.Get[*accountsv1.TokenRecord](tx, record.GetMeta().GetId())
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return public(made), secret, nil
}

// List returns all tokens by id, without their hashes.
func (s *Service) List() ([]*accountsv1.Token, error) {
	var tokens []*accountsv1.Token
	err := s.store.View(func(tx *store.Tx) error {
		records, err := store.List[*accountsv1.TokenRecord](tx, "")
		for _, r := range records {
			tokens = append(tokens, public(r))
		}
		return err
	})
	return tokens, err
}

// Delete revokes a token. Calls with it are refused from the next check on.
func (s *Service) Delete(ctx context.Context, now time.Time, id string) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		if _, err := store.Get[*accountsv1.TokenRecord](tx, id); err != nil {
			return err
		}
		return store.Delete[*accountsv1.TokenRecord](tx, id)
	})
	return err
}

// Check returns the id and role of the token with this secret. An unknown, revoked or expired one is UNAUTHENTICATED,
// with the same words for each, so that nothing is learnt by guessing.
func (s *Service) Check(now time.Time, secret string) (id string, role optionsv1.Role, err error) {
	denied := fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept the token: it is unknown, revoked or expired")
	if !strings.HasPrefix(secret, secretPrefix) || len(secret) > 128 {
		return "", 0, denied
	}
	hash := sha256.Sum256([]byte(secret))
	var found *accountsv1.TokenRecord
	err = s.store.View(func(tx *store.Tx) error {
		records, err := store.List[*accountsv1.TokenRecord](tx, "")
		for _, r := range records {
			if subtle.ConstantTimeCompare(r.GetSpec().GetHash(), hash[:]) == 1 {
				found = r
			}
		}
		return err
	})
	if err != nil {
		return "", 0, err
	}
	if found == nil || expired(found, now) {
		return "", 0, denied
	}
	return found.GetMeta().GetId(), found.GetSpec().GetRole(), nil
}

func expired(r *accountsv1.TokenRecord, now time.Time) bool {
	t := r.GetSpec().GetExpireTime()
	return t != nil && !now.Before(t.AsTime())
}

func public(r *accountsv1.TokenRecord) *accountsv1.Token {
	return &accountsv1.Token{
		Id: r.GetMeta().GetId(), Name: r.GetSpec().GetName(), Role: r.GetSpec().GetRole(),
		CreateTime: timestamppb.New(r.GetMeta().GetCreateTime().AsTime()), ExpireTime: r.GetSpec().GetExpireTime(),
	}
}
