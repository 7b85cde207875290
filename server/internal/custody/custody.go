// Package custody cares for the server's root key while the server runs: who could bring it back if its file were lost,
// and its change, which is an operation that wraps every secret anew.
//
// It deliberately seals nothing itself and knows no secrets: areas that keep some are holders and wrap their own. Which
// people may ask for what is decided by the wires.
package custody

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/seal"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// KindRotate is the kind of the operation that changes the root key.
const KindRotate = "rotate-root-key"

// target is what operations of that kind are about.
const target = "root-key"

// Holder keeps secrets that are sealed with the root key. Rewrap wraps all of them with the newest; it may be called again
// and again, and heeds ctx. Secrets that are sealed while it runs are sealed with the newest anyway.
type Holder interface {
	Rewrap(ctx context.Context) error
}

// Service is safe for concurrent use.
type Service struct {
	ring    *seal.Ring
	holders []Holder

	recovery sync.Mutex // serialises the making of recovery codes
}

// New returns the service for a ring and all holders of what is sealed with it.
func New(ring *seal.Ring, holders ...Holder) *Service { return &Service{ring: ring, holders: holders} }

// Describe tells which root key there is and which copies.
func (s *Service) Describe() (*systemv1.GetRootKeyResponse, error) {
	slots, err := s.ring.Slots()
	if err != nil {
		return nil, err
	}
	resp := &systemv1.GetRootKeyResponse{Id: s.ring.ID(), Rotating: s.ring.Changing()}
	for _, slot := range slots {
		resp.Copies = append(resp.Copies, &systemv1.RootKeyCopy{
			Name: slot.Name, CreateTime: timestamppb.New(slot.CreateTime), Account: accountOf(slot.Name),
		})
	}
	return resp, nil
}

// NewRecoveryCode makes a recovery code. Once commit has succeeded, it alone opens the copy of the root key; where commit
// or anything before it fails, or the server stops, the code before does. kept is the error of what comes after commit.
func (s *Service) NewRecoveryCode(now time.Time, commit func() error) (code string, kept, err error) {
	s.recovery.Lock()
	defer s.recovery.Unlock()
	code = seal.NewRecoveryCode()
	if err := s.ring.Prepare(seal.RecoverySlot, code, now); err != nil {
		return "", nil, err
	}
	if err := commit(); err != nil {
		_ = s.ring.Abandon(seal.RecoverySlot) // it opens nothing, and the next start removes it
		return "", nil, err
	}
	return code, s.ring.Commit(seal.RecoverySlot), nil
}

// passwordPrefix begins the names of copies that passwords open. The account follows, and what tells copies apart that
// different passwords of one account open.
const passwordPrefix = "password-"

// CopyFor makes a copy of the root key that this password of an owner's account opens, beside those there are, and answers
// its name. Which copies are to stay, the caller knows: he withdraws the others.
func (s *Service) CopyFor(account, password string, now time.Time) (string, error) {
	var apart [4]byte
	rand.Read(apart[:]) // never fails
	name := passwordPrefix + account + "-" + hex.EncodeToString(apart[:])
	return name, s.ring.Deposit(name, password, now)
}

// PasswordCopies answers the names of the copies that passwords open.
func (s *Service) PasswordCopies() ([]string, error) {
	slots, err := s.ring.Slots()
	var names []string
	for _, slot := range slots {
		if accountOf(slot.Name) != "" {
			names = append(names, slot.Name)
		}
	}
	return names, err
}

// WithdrawCopy removes a copy. One that is not there is no error.
func (s *Service) WithdrawCopy(name string) error { return s.ring.Withdraw(name) }

// accountOf is the account whose password opens a copy; empty for others.
func accountOf(copied string) string {
	rest, ok := strings.CutPrefix(copied, passwordPrefix)
	at := strings.LastIndexByte(rest, '-')
	if !ok || at < 0 {
		return ""
	}
	return rest[:at]
}

// Rotate begins the change of the root key.
func (s *Service) Rotate(ctx context.Context, now time.Time, engine *operation.Engine, asked operation.Asked) (*operationsv1.Operation, error) {
	return engine.Begin(ctx, now, operation.Request{Asked: asked, Kind: KindRotate, Target: target})
}

// Definitions are the operations of this area.
//
//	begin ──▶ wrap ──▶ finish
//
// From the first step on there is no way back, and need not be: what was sealed with either key opens until the end.
func (s *Service) Definitions() []operation.Definition {
	step := func(name string, weight uint32, do func(context.Context) error) operation.Step {
		return operation.Step{Name: name, Weight: weight, Final: true, Do: func(ctx context.Context, _ *operation.Run) error { return do(ctx) }}
	}
	return []operation.Definition{{
		Kind:  KindRotate,
		Locks: func(*operationsv1.Operation) []string { return []string{target} },
		Steps: []operation.Step{
			step("begin", 1, s.ring.Begin),
			step("wrap", 8, s.wrap),
			step("finish", 1, s.ring.Finish),
		},
	}}
}

func (s *Service) wrap(ctx context.Context) error {
	for _, h := range s.holders {
		if err := h.Rewrap(ctx); err != nil {
			return err
		}
	}
	return nil
}
