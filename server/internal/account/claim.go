package account

import (
	"cmp"
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
func (s *Service) Claimed() (claimed bool, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		all, err := store.List[*accountsv1.Account](tx, "")
		claimed = len(all) > 0
		return err
	})
	return claimed, err
}

// ClaimCode is the code that claims the server, another one after each start; empty once the server is claimed.
func (s *Service) ClaimCode() (string, error) {
	claimed, err := s.Claimed()
	if err != nil || claimed {
		return "", err
	}
	return s.code, nil
}

// Claim makes the first account, an owner, and a recovery code. It works once, for the server's own user or with the code.
func (s *Service) Claim(ctx context.Context, now time.Time, by Actor, req *accountsv1.ClaimServerRequest) (owner *accountsv1.Account, recovery string, err error) {
	if err := s.mayClaim(now, by, req.GetCode()); err != nil {
		return nil, "", err
	}
	record, err := s.newPassword(ctx, now, req.GetAccount(), req.GetPassword())
	if err != nil {
		return nil, "", err
	}
	var kept error
	err = s.withCopy(ctx, now, optionsv1.Role_ROLE_OWNER, req.GetAccount(), req.GetPassword(), func(name string) error {
		record.Spec.RootKeyCopy = name
		// Others who claim wait meanwhile, and replace no code that somebody was shown.
		if claimed, err := s.Claimed(); err != nil || claimed {
			return cmp.Or(err, errClaimed())
		}
		recovery, kept, err = s.custody.NewRecoveryCode(now, func() error {
			_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
				owner, err = insert(tx, req.GetAccount(), req.GetTitle(), optionsv1.Role_ROLE_OWNER, record)
				return err
			})
			return err
		})
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if kept != nil { // there is an owner, who can make a code once the disk lets him
		return nil, "", fault.New(metav1.Reason_REASON_INTERNAL, "the server is claimed, but its recovery code could not be kept; log in and make another: %w", kept)
	}
	return owner, recovery, nil
}

// mayClaim refuses who may not claim the server.
func (s *Service) mayClaim(now time.Time, by Actor, code string) error {
	if claimed, err := s.Claimed(); err != nil || claimed {
		return cmp.Or(err, errClaimed())
	}
	if by.Local {
		return nil
	}
	given := strings.ToLower(strings.TrimSpace(code))
	if given == "" {
		return fault.New(metav1.Reason_REASON_CLAIM_CODE_WRONG, "cannot claim the server from elsewhere without the code that it prints when it starts: 'hearth claim' takes it by --code")
	}
	done, err := s.attempts.begin(now, by.Source, "")
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(s.code)) != 1 {
		return fault.New(metav1.Reason_REASON_CLAIM_CODE_WRONG, "cannot claim the server: the code is not the one it printed")
	}
	done()
	return nil
}

func errClaimed() error {
	return fault.New(metav1.Reason_REASON_SERVER_CLAIMED, "cannot claim the server: it has an owner")
}

func errUnclaimed() error {
	return fault.New(metav1.Reason_REASON_SERVER_UNCLAIMED, "cannot do this before the server has an owner")
}
