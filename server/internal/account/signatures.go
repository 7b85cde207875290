package account

import (
	"context"
	"sync"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// signatureAge is how old a signature may be, signatureAhead how far the signer's clock may be ahead.
	signatureAge   = 5 * time.Minute
	signatureAhead = 5 * time.Second
	// leaseStep is for how long ahead the time of accepted signatures is written down.
	leaseStep = 5 * time.Second
	leaseID   = "lease"
	// What is remembered of all keys and of one. Who signs faster waits.
	maxSignatures    = 1 << 16
	maxKeySignatures = 1 << 13
)

// signatures lets each signed request in once.
//
// A signature is accepted for signatureAge after its time and remembered as long, in memory. So that it is not accepted
// again after a restart, when the memory is gone, no signature is accepted whose time is later than the lease, a time that
// is on disk before; and after a start none whose time is not later than the lease that was found. That holds whatever the
// machine's clock says meanwhile, and costs one commit in leaseStep.
type signatures struct {
	mu    sync.Mutex // guards seen, queue and count; a leaf
	seen  map[signatureID]*httpsig.Request
	queue []remembered // in the order in which they came
	count map[string]int

	extend sync.Mutex // held while the lease is written; guards the rest
	loaded bool
	floor  time.Time // found at the start
	lease  time.Time // on disk
}

type signatureID struct{ key, nonce string }

type remembered struct {
	signatureID
	until time.Time
}

func newSignatures() *signatures {
	return &signatures{seen: map[signatureID]*httpsig.Request{}, count: map[string]int{}}
}

// AuthenticateKey tells whose a signed request is and accepts it, once; the same *Request may be shown again, for one
// request may carry several calls. With no address it is only looked at: whether its key still counts. An unknown key and a
// signature that does not verify are refused with the same words.
func (s *Service) AuthenticateKey(ctx context.Context, now time.Time, r *httpsig.Request, from string) (Identity, error) {
	denied := fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept the signature: its key is unknown, or it does not verify")
	var found Identity
	var public sign.PublicKey
	err := s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*accountsv1.KeyRecord](tx, r.KeyID)
		if err != nil {
			return err
		}
		if !ok {
			return denied
		}
		a, ok, err := store.Lookup[*accountsv1.Account](tx, row.GetSpec().GetAccount())
		if err != nil {
			return err
		}
		if !ok {
			return denied
		}
		copy(public[:], row.GetSpec().GetPublicKey())
		found = Identity{
			Credential: accountsv1.GetCallerResponse_CREDENTIAL_KEY, ID: r.KeyID, Account: row.GetSpec().GetAccount(), Role: a.GetSpec().GetRole(),
			Proven: r.Created,
		}
		return nil
	})
	if err != nil || from == "" {
		return found, err
	}
	if r.Verify(public) != nil {
		return Identity{}, denied
	}
	if err := s.accept(ctx, now, r); err != nil {
		return Identity{}, err
	}
	return found, nil
}

// accept lets a request in whose signature is that of a known key.
func (s *Service) accept(ctx context.Context, now time.Time, r *httpsig.Request) error {
	if r.Created.After(now.Add(signatureAhead)) || r.Created.Before(now.Add(-signatureAge)) {
		return errSignatureTime(now, "it was made at another time than now")
	}
	if err := s.beyondFloor(now, r); err != nil {
		return err
	}
	if err := s.signatures.remember(now, r); err != nil {
		return err
	}
	return s.extendLease(ctx, now, r.Created)
}

func errSignatureTime(now time.Time, why string) *fault.Error {
	return fault.New(metav1.Reason_REASON_SIGNATURE_TIME, "cannot accept the signature: %s", why).With("server_time", now.UTC().Format(time.RFC3339Nano))
}

// beyondFloor refuses what may have been accepted before the start.
func (s *Service) beyondFloor(now time.Time, r *httpsig.Request) error {
	m := s.signatures
	m.extend.Lock()
	defer m.extend.Unlock()
	if !m.loaded {
		err := s.store.View(func(tx *store.Tx) error {
			row, ok, err := store.Lookup[*accountsv1.SignatureLease](tx, leaseID)
			if ok {
				m.floor = row.GetSpec().GetUntilTime().AsTime()
			}
			return err
		})
		if err != nil {
			return err
		}
		m.lease, m.loaded = m.floor, true
	}
	if r.Created.After(m.floor) {
		return nil
	}
	wait := m.floor.Sub(now) + time.Second
	return errSignatureTime(now, "the server started after it was made").RetryAfter(min(max(wait, time.Second), time.Minute))
}

// extendLease has the time of a signature on disk before the request is let in.
func (s *Service) extendLease(ctx context.Context, now, created time.Time) error {
	m := s.signatures
	m.extend.Lock()
	defer m.extend.Unlock()
	if !created.After(m.lease) {
		return nil
	}
	until := created.Add(leaseStep)
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		return store.Put(tx, &accountsv1.SignatureLease{
			Meta: &metav1.Meta{Id: leaseID}, Spec: &accountsv1.SignatureLeaseSpec{UntilTime: timestamppb.New(until)},
		})
	})
	if err == nil {
		m.lease = until
	}
	return err
}

// remember refuses a request that was seen before.
func (m *signatures) remember(now time.Time, r *httpsig.Request) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	id := signatureID{r.KeyID, r.Nonce}
	switch before := m.seen[id]; {
	case before == r:
		return nil
	case before != nil:
		return fault.New(metav1.Reason_REASON_SIGNATURE_REPLAYED, "cannot accept the signature: the request was made before")
	case len(m.queue) >= maxSignatures || m.count[r.KeyID] >= maxKeySignatures:
		return fault.New(metav1.Reason_REASON_RATE_LIMITED, "cannot accept more signed requests now").RetryAfter(time.Minute)
	}
	m.seen[id] = r
	m.count[r.KeyID]++
	m.queue = append(m.queue, remembered{id, now.Add(signatureAge + signatureAhead + time.Second)})
	return nil
}

// forget drops what is too old to be accepted again.
func (m *signatures) forget(now time.Time) {
	old := 0
	for old < len(m.queue) && now.After(m.queue[old].until) {
		id := m.queue[old].signatureID
		delete(m.seen, id)
		if m.count[id.key]--; m.count[id.key] == 0 {
			delete(m.count, id.key)
		}
		old++
	}
	m.queue = m.queue[old:]
}
