package account

import (
	"context"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// maxKeys bounds the keys of one server.
const maxKeys = 1000

// AddKey lets requests in that are signed with a key. A key is of one account only.
func (s *Service) AddKey(ctx context.Context, now time.Time, by Actor, req *accountsv1.AddKeyRequest) (*accountsv1.Key, error) {
	var public sign.PublicKey
	copy(public[:], req.GetPublicKey())
	if public.SmallOrder() || len(req.GetPublicKey()) != len(public) {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot accept the key: its signatures would prove nothing").
			Violation("public_key", "must be an Ed25519 key that is not of small order")
	}
	id := httpsig.KeyID(public)
	var made *accountsv1.Key
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		account := req.GetAccount()
		if account == "" {
			account = by.Account
		}
		if account == "" {
			return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot tell whose the key is").Violation("account", "must be given")
		}
		if err := by.mayActFor(tx, account); err != nil {
			return err
		}
		all, err := store.List[*accountsv1.KeyRecord](tx, "")
		if err != nil {
			return err
		}
		row := &accountsv1.KeyRecord{
			Meta: &metav1.Meta{Id: id},
			Spec: &accountsv1.KeyRecordSpec{
				Account: account, Name: req.GetName(), PublicKey: req.GetPublicKey(), RequestId: req.GetRequestId(),
			},
		}
		if made, err = keyRepeated(all, row); err != nil || made != nil {
			return err
		}
		if len(all) >= maxKeys {
			return fault.New(metav1.Reason_REASON_TOO_MANY, "cannot have more than %d keys", maxKeys)
		}
		if err := store.Put(tx, row); err != nil {
			return err
		}
		row, err = store.Get[*accountsv1.KeyRecord](tx, id)
		made = publicKey(row)
		return err
	})
	return made, err
}

// keyRepeated answers the key that the same request has added, nil when none has, and refuses one that is there otherwise.
func keyRepeated(all []*accountsv1.KeyRecord, asked *accountsv1.KeyRecord) (*accountsv1.Key, error) {
	request, id := asked.GetSpec().GetRequestId(), asked.GetMeta().GetId()
	for _, r := range all {
		if request != "" && r.GetSpec().GetRequestId() == request && r.GetSpec().GetAccount() == asked.GetSpec().GetAccount() {
			if !proto.Equal(r.GetSpec(), asked.GetSpec()) {
				return nil, errReused(request)
			}
			return publicKey(r), nil
		}
	}
	for _, r := range all {
		if r.GetMeta().GetId() == id {
			return nil, fault.New(metav1.Reason_REASON_ALREADY_EXISTS, "there is the key %q already", id).With("id", id)
		}
	}
	return nil, nil
}

// Keys lists the keys the actor may see by id: his account's, or all for an administrator.
func (s *Service) Keys(by Actor) ([]*accountsv1.Key, error) {
	var keys []*accountsv1.Key
	err := s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*accountsv1.KeyRecord](tx, "")
		for _, r := range rows {
			if by.Role >= adminRole || by.Account != "" && r.GetSpec().GetAccount() == by.Account {
				keys = append(keys, publicKey(r))
			}
		}
		return err
	})
	return keys, err
}

// DeleteKey removes a key of an account that is not greater than the actor.
func (s *Service) DeleteKey(ctx context.Context, now time.Time, by Actor, id string) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, found, err := store.Lookup[*accountsv1.KeyRecord](tx, id)
		if err != nil {
			return err
		}
		// To those who may not remove it, a key of others is not there.
		if !found || row.GetSpec().GetAccount() != by.Account && by.Role < adminRole {
			return fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no key %q", id).With("kind", "key").With("id", id)
		}
		if err := by.mayActFor(tx, row.GetSpec().GetAccount()); err != nil {
			return err
		}
		return store.Delete[*accountsv1.KeyRecord](tx, id)
	})
	return err
}

// deleteKeys deletes the keys of an account.
func deleteKeys(tx *store.Tx, account string) error {
	rows, err := store.List[*accountsv1.KeyRecord](tx, "")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.GetSpec().GetAccount() != account {
			continue
		}
		if err := store.Delete[*accountsv1.KeyRecord](tx, r.GetMeta().GetId()); err != nil {
			return err
		}
	}
	return nil
}

func publicKey(r *accountsv1.KeyRecord) *accountsv1.Key {
	return &accountsv1.Key{
		Id: r.GetMeta().GetId(), Account: r.GetSpec().GetAccount(), Name: r.GetSpec().GetName(), PublicKey: r.GetSpec().GetPublicKey(),
		CreateTime: r.GetMeta().GetCreateTime(),
	}
}
