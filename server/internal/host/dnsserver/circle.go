package dnsserver

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// circleKept is how long it is remembered that a resolver we ask asked us.
const circleKept = 10 * time.Minute

// circle knows which of those we ask have asked us in turn. A name that neither of two resolvers knows would go to and fro
// between them until both are at their limits.
type circle struct {
	mu    sync.Mutex // guards asked
	asked map[netip.Addr]time.Time
}

// note remembers that an upstream asked.
func (c *circle) note(upstream netip.Addr, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[netip.Addr]time.Time{}
	}
	maps.DeleteFunc(c.asked, func(_ netip.Addr, last time.Time) bool { return now.Sub(last) > circleKept })
	if len(c.asked) < MaxUpstreams {
		c.asked[upstream] = now
	} else if _, known := c.asked[upstream]; known {
		c.asked[upstream] = now
	}
}

// has tells whether an upstream has asked of late.
func (c *circle) has(upstream netip.Addr, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, ok := c.asked[upstream]
	return ok && now.Sub(last) <= circleKept
}

// Upstreams answers who is asked now, and which of them have asked this server in turn of late.
func (s *Server) Upstreams() (all, circular []netip.AddrPort) {
	now := time.Now()
	for _, u := range s.upstreams(s.table.Load(), now) {
		all = append(all, u)
		if s.circle.has(u.Addr(), now) {
			circular = append(circular, u)
		}
	}
	return all, circular
}

func (s *Server) upstreams(t *table, now time.Time) []netip.AddrPort {
	if len(t.upstreams) > 0 {
		return t.upstreams
	}
	servers, changed := s.system.get(now)
	if changed {
		s.kept.clear() // another network may answer otherwise
	}
	return servers
}

// circular tells whether a question that would be passed on comes from one of those it would be passed on to. Programs of
// this machine are no such circle: they ask by its own addresses.
func (s *Server) circular(upstreams []netip.AddrPort, source netip.Addr, now time.Time) bool {
	if source.IsLoopback() || !slices.ContainsFunc(upstreams, func(u netip.AddrPort) bool { return u.Addr() == source }) {
		return false
	}
	s.circle.note(source, now)
	return true
}
