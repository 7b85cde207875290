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

// bySecret groups the streams that were opened with a token.
func (s *streams) bySecret() map[string][]*Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := map[string][]*Call{}
	for c := range s.open {
		if secret := c.Caller.Secret; secret != "" {
			groups[secret] = append(groups[secret], c)
		}
	}
	return groups
}

// Recheck checks the tokens of all open streams again and ends the streams of those that are no longer valid or have
// other rights than before; a client that may, opens its stream anew and gets what it may see now. The daemon calls
// it when a token was revoked or changed. The hub calls it by itself every Config.RecheckEvery, for tokens that
// expire.
//
// A stream that is blocked in sending to a peer that does not read gets no further message, and ends as soon as the
// peer reads or goes.
func (h *Hub) Recheck(ctx context.Context) {
	for secret, calls := range h.streams.bySecret() {
		now, err := h.identity(ctx, secret)
		if err != nil && fault.Reason(err) != metav1.Reason_REASON_UNAUTHENTICATED {
			continue // not known: the next check will tell
		}
		for _, c := range calls {
			switch {
			case err != nil:
				c.end(fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot go on: the token has been revoked or has expired"))
			case now != c.Caller.Identity:
				c.end(fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "cannot go on: the rights of the token have changed"))
			}
		}
	}
}

func (h *Hub) identity(ctx context.Context, secret string) (access.Identity, error) {
	if h.cfg.Authenticator == nil {
		return access.Identity{}, errors.New("no authenticator")
	}
	return h.cfg.Authenticator.Authenticate(ctx, secret)
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
