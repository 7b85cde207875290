package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"strings"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// newCode makes the code with which a server is claimed: 80 random bits, in groups people can type.
func newCode() string {
	var raw [10]byte
	rand.Read(raw[:]) // never fails
	text := strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
	return strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
}

// Claimed tells whether the server has an owner.
func (s *Service) Claimed() bool {
	claimed := false
	_ = s.store.View(func(tx *store.Tx) error {
		all, err := store.List[*accountsv1.Account](tx, "")
		claimed = len(all) > 0
		return err
	})
	return claimed
}

// ClaimCode is the code that claims the server, another one after each start; empty once the server is claimed.
func (s *Service) ClaimCode() string {
	if s.Claimed() {
		return ""
	}
	return s.code
}

// Claim makes the first account, an owner. It works once, for the server's own user or with the code.
func (s *Service) Claim(ctx context.Context, now time.Time, by Actor, req *accountsv1.ClaimServerRequest) (*accountsv1.Account, error) {
	if s.Claimed() {
		return nil, errClaimed()
	}
	if !by.Local {
		done, err := s.attempts.begin(now, by.Source, "")
		if err != nil {
			return nil, err
		}
		given := strings.ToLower(strings.TrimSpace(req.GetCode()))
		if subtle.ConstantTimeCompare([]byte(given), []byte(s.code)) != 1 {
			return nil, fault.New(metav1.Reason_REASON_CLAIM_CODE_WRONG, "cannot claim the server: the code is not the one it printed")
		}
		done()
	}
	record, err := s.newPassword(ctx, now, req.GetAccount(), req.GetPassword())
	if err != nil {
		return nil, err
	}
	var owner *accountsv1.Account
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		all, err := store.List[*accountsv1.Account](tx, "")
		if err != nil {
			return err
		}
		if len(all) > 0 {
			return errClaimed()
		}
		owner, err = insert(tx, req.GetAccount(), req.GetTitle(), optionsv1.Role_ROLE_OWNER, record)
		return err
	})
	return owner, err
}

func errClaimed() error {
	return fault.New(metav1.Reason_REASON_SERVER_CLAIMED, "cannot claim the server: it has an owner")
}

func errUnclaimed() error {
	return fault.New(metav1.Reason_REASON_SERVER_UNCLAIMED, "cannot do this before the server has an owner")
}
