package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

// streams are the open streams, so that they end when their caller loses its rights and when the server stops.
type streams struct {
	mu     sync.Mutex // guards the rest; leaf
	open   map[*Call]struct{}
	closed error // why no new ones may begin
}

// add records a stream until forget is called.
func (s *streams) add(c *Call) (forget func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return nil, s.closed
	}
	if s.open == nil {
		s.open = map[*Call]struct{}{}
	}
	s.open[c] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c)
	}, nil
}

// close ends all streams for this reason and lets none begin.
func (s *streams) close(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = why
	for c := range s.open {
		c.end(why)
	}
}

// byCredential groups the streams that were opened with a credential.
func (s *streams) byCredential() map[access.Credential][]*Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := map[access.Credential][]*Call{}
	for c := range s.open {
		if shown := c.Caller.Credential; shown != (access.Credential{}) {
			groups[shown] = append(groups[shown], c)
		}
	}
	return groups
}

// Recheck checks the credentials of all open streams again and ends the streams of those that are no longer valid or
// have other rights than before; a client that may, opens its stream anew and gets what it may see now. The daemon calls
// it when a session, a token or an account changed. The hub calls it by itself every Config.RecheckEvery, for those that
// expire. A stream whose secrets were rotated away ends when the old ones are no longer good.
//
// A stream that is blocked in sending to a peer that does not read gets no further message, and ends as soon as the
// peer reads or goes.
func (h *Hub) Recheck(ctx context.Context) {
	for shown, calls := range h.streams.byCredential() {
		now, err := h.identity(ctx, shown)
		if err != nil && fault.Reason(err) != metav1.Reason_REASON_UNAUTHENTICATED {
			continue // not known: the next check will tell
		}
		for _, c := range calls {
			switch {
			case err != nil:
				c.end(fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot go on: the credential has been revoked or has expired"))
			case !c.Caller.SameRights(now):
				c.end(fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "cannot go on: the rights of the caller have changed"))
			}
		}
	}
}

func (h *Hub) identity(ctx context.Context, shown access.Credential) (access.Identity, error) {
	if h.cfg.Authenticator == nil {
		return access.Identity{}, errors.New("no authenticator")
	}
	return h.cfg.Authenticator.Authenticate(ctx, shown, "")
}

// recheck runs until ctx ends.
func (h *Hub) recheck(ctx context.Context) {
	tick := time.NewTicker(h.cfg.RecheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.Recheck(ctx)
		case <-ctx.Done():
			return
		}
	}
}
