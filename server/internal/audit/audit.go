// Package audit keeps what was done on the server: who asked for what, from where, and what came of it.
//
//	audit.go     entries: how they are written with what they tell of
//	refusals.go  refused calls, which anybody can make in any number
//	keep.go      what is listed, and what is kept for how long
//
// It deliberately sees no calls itself, decides nothing and holds no secrets: the wires tell it of a call, without what is
// marked as secret in the contract.
//
// Invariants: a change of rows and its entry are one commit, so neither is without the other and the entry costs no sync
// of its own; a call that writes no rows has its entry before it is answered, and where its effects are outside of the
// store, before it is carried out; refused calls are written later and together, and a crash may lose those of the last
// second. The number of entries is bounded; those of refusals cannot push out the others, nor those of one caller another's
// share.
package audit

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// Limits bound what is kept.
type Limits struct {
	// Entries is how many are kept in all, Refusals how many of them for refused calls.
	Entries, Refusals int
	// Age is how long an entry is kept at most.
	Age time.Duration
}

// DefaultLimits are a few megabytes, and a year.
func DefaultLimits() Limits {
	return Limits{Entries: 10_000, Refusals: 2_000, Age: 365 * 24 * time.Hour}
}

// Log is safe for concurrent use. Its background work is Run.
type Log struct {
	store  *store.Store
	log    *slog.Logger
	clock  func() time.Time
	limits Limits

	refusals refusals
	written  atomic.Int64  // since the last trim
	newest   atomic.Int64  // milliseconds in the newest id
	kick     chan struct{} // has a token when there is work for Run
}

// New returns the log over a store.
func New(st *store.Store, log *slog.Logger, clock func() time.Time, limits Limits) *Log {
	return &Log{store: st, log: log, clock: clock, limits: limits, kick: make(chan struct{}, 1)}
}

// Pending is the entry of a call under way.
type Pending struct {
	log  *Log
	id   string
	tell func() *auditv1.EntrySpec

	mu     sync.Mutex // guards the rest
	rode   bool       // a commit of the call carried the entry, or it was written ahead
	closed bool       // the call has ended: what it left behind carries nothing
	omit   bool       // the call is no change of the server: it has an entry only when it fails
	trial  bool       // the call is to change nothing: it has an entry only when it fails, or changed something
	spec   *auditv1.EntrySpec
	status *auditv1.EntryStatus
}

// Begin prepares the entry of a call. Nothing is written yet; tell describes the call, and is called when it is.
func (l *Log) Begin(tell func() *auditv1.EntrySpec) *Pending {
	id, err := ids.NewULID(l.distinct(l.clock()), rand.Reader)
	if err != nil {
		l.log.Error("cannot name an audit entry", "error", err)
	}
	done := &auditv1.EntryStatus{Outcome: auditv1.EntryStatus_OUTCOME_DONE, Count: 1}
	return &Pending{log: l, id: string(id), tell: tell, status: done}
}

// distinct answers a time later than that of all entries before, to the millisecond: so ids are in the order of calls.
func (l *Log) distinct(now time.Time) time.Time {
	ms := now.UnixMilli()
	for {
		last := l.newest.Load()
		next := max(ms, last+1)
		if l.newest.CompareAndSwap(last, next) {
			return time.UnixMilli(next)
		}
	}
}

// Context answers ctx such that every commit made with it carries the entry.
func (p *Pending) Context(ctx context.Context) context.Context { return store.WithRider(ctx, p.ride) }

func (p *Pending) ride(tx *store.Tx) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.omit {
		return nil
	}
	if !p.rode {
		p.log.count()
	}
	p.rode = true
	return p.put(tx)
}

// put writes the entry, with the description it was first written with. The caller holds mu.
func (p *Pending) put(tx *store.Tx) error {
	if p.spec == nil {
		p.spec = p.tell()
	}
	return store.Put(tx, &auditv1.Entry{Meta: &metav1.Meta{Id: p.id}, Spec: p.spec, Status: p.status})
}

// Write writes the entry of a call before it is carried out.
func (p *Pending) Write(ctx context.Context) error {
	p.set(auditv1.EntryStatus_OUTCOME_BEGUN, 0)
	_, err := p.log.store.Update(ctx, p.log.clock(), p.ride)
	return err
}

// LeaveOut says that the call changes nothing but what its caller sees: it has no entry, unless it fails.
func (p *Pending) LeaveOut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.omit = true
}

// Trial says that the call asks only what would be done: it has no entry, unless it fails or a commit was made for it all the same.
func (p *Pending) Trial() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trial = true
}

func (p *Pending) set(outcome auditv1.EntryStatus_Outcome, reason metav1.Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = &auditv1.EntryStatus{Outcome: outcome, Reason: reason, Count: 1}
}

// End completes the entry; reason is why the call failed, REASON_UNSPECIFIED when it did not. It waits only where the
// entry is not yet what it must be. What cannot be written is in the daemon's log.
func (p *Pending) End(ctx context.Context, reason metav1.Reason) {
	p.mu.Lock()
	rode, begun, omit := p.rode, p.status.GetOutcome() == auditv1.EntryStatus_OUTCOME_BEGUN, p.omit || p.trial
	p.closed = true
	switch {
	case reason == metav1.Reason_REASON_UNSPECIFIED:
		p.status = &auditv1.EntryStatus{Outcome: auditv1.EntryStatus_OUTCOME_DONE, Count: 1}
	case rode:
		p.status = &auditv1.EntryStatus{Outcome: auditv1.EntryStatus_OUTCOME_FAILED, Reason: reason, Count: 1}
	default:
		p.status = &auditv1.EntryStatus{Outcome: auditv1.EntryStatus_OUTCOME_REFUSED, Reason: reason, Count: 1}
	}
	p.mu.Unlock()
	switch {
	case reason != metav1.Reason_REASON_UNSPECIFIED && !rode:
		p.log.refuse(&auditv1.Entry{Meta: &metav1.Meta{Id: p.id}, Spec: p.tell(), Status: p.status})
	case omit && !rode:
	case rode && !begun && reason == metav1.Reason_REASON_UNSPECIFIED: // the commit has said it all
	default:
		// The caller may have gone; that it was done is true nevertheless.
		_, err := p.log.store.Update(context.WithoutCancel(ctx), p.log.clock(), func(tx *store.Tx) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.put(tx)
		})
		if err != nil {
			p.log.log.ErrorContext(ctx, "cannot record a call in the audit log", "method", p.tell().GetMethod(),
				"caller", p.tell().GetCaller(), "reason", reason.String(), "error", err)
		}
		if !rode {
			p.log.count()
		}
	}
}

// trimEvery is how many entries are written before those beyond the limits are looked for.
const trimEvery = 250

// count counts an entry.
func (l *Log) count() {
	if l.written.Add(1)%trimEvery == 0 {
		l.wake()
	}
}

func (l *Log) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}
