package runner

import (
	"context"
	"fmt"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// How an agent that does not answer is noticed. It has answerLimit for each question; after the first that it owes people
// are told, after silentLimit in a row its container is ended.
const (
	askEvery    = 20 * time.Second
	answerLimit = 15 * time.Second
	silentLimit = 4
	// tellEvery bounds how often what a container says of itself is written down.
	tellEvery = time.Second
)

// watchman looks whether an agent answers, and passes on what it says of the package's code.
//
//	answers ──owes one──▶ told ──owes four in a row──▶ given up
//	   ▲                   │
//	   └─────answers───────┘
//
// It begins when the agent has told its first state: one that is still starting has longer. Time in which the daemon does not
// run counts as one answer owed at most.
type watchman struct {
	ask     func(context.Context) error
	current func() (*agentv1.State, <-chan struct{})
	known   <-chan struct{}  // closed when the agent has told a state
	tell    func(why string) // why the service does not answer; "": it does
	give    func(why string) // gives the agent up
}

// run watches until ctx ends, or it has given the agent up.
func (w watchman) run(ctx context.Context) {
	select {
	case <-w.known:
	case <-ctx.Done():
		return
	}
	told, owed := "", 0
	next := time.Now().Add(askEvery)
	for {
		state, changed := w.current()
		why := ""
		switch {
		case owed > 0:
			why = "the agent in its container does not answer"
		case state.GetStalled() != "":
			why = stalledCode(state.GetStalled())
		}
		if why != told {
			w.tell(why)
			told = why
			if !rest(ctx, tellEvery) {
				return
			}
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
			timer.Stop()
			if !rest(ctx, tellEvery) {
				return
			}
			continue
		case <-timer.C:
		}
		if w.answers(ctx) {
			owed, next = 0, time.Now().Add(askEvery)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if owed++; owed >= silentLimit {
			w.give(fmt.Sprintf("the agent in its container did not answer for %v", silentLimit*answerLimit))
			return
		}
	}
}

// stalledCode says that package code does not answer, for the reason that its agent gives.
func stalledCode(why string) string { return "the package's code does not answer: " + plain(why) }

// answers asks; no answer takes all its time, so that those that are owed count time.
func (w watchman) answers(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	if w.ask(bounded) == nil {
		return true
	}
	<-bounded.Done()
	return false
}

// rest waits; false: ctx has ended.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// guard is the watchman of one container.
func (s *Service) guard(ctx context.Context, h *handle) {
	watchman{
		ask: func(ctx context.Context) error {
			_, err := h.agent.fresh(ctx)
			return err
		},
		current: h.agent.current, known: h.agent.known,
		tell: func(why string) {
			if err := s.tellStall(ctx, h.pkg, why); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "cannot tell whether a service answers", "pkg", h.pkg, "error", err)
			}
		},
		give: func(why string) {
			s.log.WarnContext(ctx, "an agent is given up", "pkg", h.pkg, "reason", why)
			h.silent.Store(true)
			h.agent.close() // whatever waits for an answer has waited long enough
			s.wake(h.pkg)
		},
	}.run(ctx)
}

// tellStall records that a service does not answer, and why, or that it does again. What its checks found last is not
// believed until they find it again.
func (s *Service) tellStall(ctx context.Context, pkg, why string) error {
	s.log.WarnContext(ctx, "a service turns silent or speaks again", "pkg", pkg, "reason", why)
	return s.change(ctx, pkg, func(tx *store.Tx, now *packagesv1.Package) error { return s.stall(tx, pkg, now.GetStatus(), why) })
}

func (s *Service) stall(tx *store.Tx, pkg string, st *packagesv1.PackageStatus, why string) error {
	if st.GetState() == packagesv1.PackageStatus_STATE_FAILED {
		return nil // it has a fault of its own
	}
	if why == "" {
		if st.GetFault().GetReason() == metav1.Reason_REASON_SERVICE_STALLED {
			st.Fault = nil
		}
		return nil
	}
	st.Fault = fault.Proto(fault.New(metav1.Reason_REASON_SERVICE_STALLED, "%s", why).With("package", pkg))
	return s.hooks.Stalled(tx, pkg, why)
}
