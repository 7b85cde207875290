package dnsserver

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// forwardTimeout bounds one question to others, with all attempts; callers ask again after five seconds.
	forwardTimeout = 4500 * time.Millisecond
	// attemptTimeout bounds one attempt.
	attemptTimeout = 2 * time.Second
	// hedgeAfter is how long one upstream has before the next is asked too.
	hedgeAfter = 600 * time.Millisecond
	// attempts bounds how often upstreams are asked for one question.
	attempts = 6
	// maxPending and maxPendingSource bound the questions that are under way, in all and for one source.
	maxPending, maxPendingSource = 1024, 128
	// systemCheck is how old the knowledge of the machine's resolvers may be.
	systemCheck = 2 * time.Second
)

var errNoAnswer = errors.New("no answer from any resolver")

// forward answers what others have answered lately, or asks the upstreams one after the other, the next as soon as one fails or
// is slow, and takes the first answer.
func (s *Server) forward(t *table, req *dns.Msg, source netip.Addr, tcp bool) (*dns.Msg, later) {
	now := time.Now()
	upstreams := s.upstreams(t, now)
	if s.circular(upstreams, source, now) {
		return failed(req, dns.RcodeRefused), nil
	}
	q := question(req)
	key := keyOf(q)
	if got := s.kept.get(key, now); got != nil {
		return passed(req, got), nil
	}
	if len(upstreams) == 0 || !s.pending.begin(source) {
		return failed(req, dns.RcodeServerFailure), nil
	}
	return nil, func(ctx context.Context) *dns.Msg {
		defer s.pending.end(source)
		ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
		defer cancel()
		got, err := ask(ctx, upstreams, q, tcp)
		if err != nil {
			return failed(req, dns.RcodeServerFailure)
		}
		s.kept.put(key, got, time.Now())
		return passed(req, got)
	}
}

// passed makes the answer to a caller of what others answered.
func passed(req, got *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(req)
	m.Rcode, m.RecursionAvailable, m.AuthenticatedData, m.Truncated = got.Rcode, true, got.AuthenticatedData, got.Truncated
	m.Answer, m.Ns = got.Answer, got.Ns
	for _, rr := range got.Extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			m.Extra = append(m.Extra, rr)
		}
	}
	return m
}

// question is what upstreams are asked: the caller's question under our own number, without the caller's options.
func question(req *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(req.Question[0].Name, req.Question[0].Qtype)
	m.RecursionDesired, m.CheckingDisabled, m.AuthenticatedData = req.RecursionDesired, req.CheckingDisabled, req.AuthenticatedData
	do := req.IsEdns0() != nil && req.IsEdns0().Do()
	m.SetEdns0(udpSize, do)
	return m
}

func ask(ctx context.Context, upstreams []netip.AddrPort, q *dns.Msg, tcp bool) (*dns.Msg, error) {
	answers := make(chan *dns.Msg, attempts)
	next := time.NewTimer(0)
	defer next.Stop()
	asked, open := 0, 0
	var poor *dns.Msg // an answer that only says that the upstream could not
	for {
		select {
		case <-ctx.Done():
			return orPoor(poor)
		case <-next.C:
			if asked < min(attempts, 2*len(upstreams)) {
				go func(to netip.AddrPort) { answers <- exchange(ctx, to, q, tcp) }(upstreams[asked%len(upstreams)])
				asked, open = asked+1, open+1
				next.Reset(hedgeAfter)
			} else if open == 0 {
				return orPoor(poor)
			}
		case m := <-answers:
			open--
			if m != nil && m.Rcode != dns.RcodeServerFailure && m.Rcode != dns.RcodeRefused {
				return m, nil
			}
			if m != nil {
				poor = m
			}
			next.Reset(0)
		}
	}
}

func orPoor(m *dns.Msg) (*dns.Msg, error) {
	if m == nil {
		return nil, errNoAnswer
	}
	return m, nil
}

// exchange asks one upstream once; nil means no usable answer.
func exchange(ctx context.Context, to netip.AddrPort, q *dns.Msg, tcp bool) *dns.Msg {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	c := dns.Client{Net: "udp", Timeout: attemptTimeout}
	if tcp {
		c.Net = "tcp"
	}
	q = q.Copy()
	q.Id = dns.Id()
	m, _, err := c.ExchangeContext(ctx, q, to.String())
	if err != nil || m == nil || !m.Response || m.Id != q.Id || len(m.Question) != 1 {
		return nil
	}
	asked, got := q.Question[0], m.Question[0]
	if !strings.EqualFold(asked.Name, got.Name) || asked.Qtype != got.Qtype || asked.Qclass != got.Qclass {
		return nil
	}
	return m
}

// pending counts the questions under way.
type pending struct {
	mu      sync.Mutex // guards all below
	all     int
	sources map[netip.Addr]int
}

func (p *pending) begin(source netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= maxPending || p.sources[source] >= maxPendingSource {
		return false
	}
	p.all++
	p.sources[source]++
	return true
}

func (p *pending) end(source netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.sources[source]--; p.sources[source] == 0 {
		delete(p.sources, source)
	}
}

// systemResolvers are the resolvers the machine itself asks.
type systemResolvers struct {
	paths []string

	mu      sync.Mutex // guards all below
	own     []netip.AddrPort
	checked time.Time
	servers []netip.AddrPort
}

// exclude keeps an address this process answers on from being asked.
func (r *systemResolvers) exclude(a netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.own, a) {
		r.own, r.checked = append(r.own, a), time.Time{}
	}
}

// include takes an exclusion back.
func (r *systemResolvers) include(a netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own, r.checked = slices.DeleteFunc(r.own, func(o netip.AddrPort) bool { return o == a }), time.Time{}
}

// get returns the resolvers of the first file that names any besides the local stub and ourselves, and whether they are
// others than the last time.
func (r *systemResolvers) get(now time.Time) (servers []netip.AddrPort, changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.checked) < systemCheck {
		return r.servers, false
	}
	before := r.servers
	r.checked, r.servers = now, nil
	for _, path := range r.paths {
		if r.servers = r.read(path); len(r.servers) > 0 {
			break
		}
	}
	return r.servers, !slices.Equal(before, r.servers)
}

func (r *systemResolvers) read(path string) []netip.AddrPort {
	if st, err := os.Stat(path); err != nil || st.Size() > 64<<10 {
		return nil
	}
	c, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil
	}
	var out []netip.AddrPort
	for _, server := range c.Servers {
		a, err := netip.ParseAddr(server)
		to := netip.AddrPortFrom(a.Unmap(), 53)
		if err != nil || a.IsUnspecified() || a.String() == "127.0.0.53" || r.isOwn(to) || len(out) == MaxUpstreams {
			continue
		}
		out = append(out, to)
	}
	return out
}

func (r *systemResolvers) isOwn(to netip.AddrPort) bool {
	return slices.ContainsFunc(r.own, func(o netip.AddrPort) bool {
		return o == to || o.Port() == to.Port() && o.Addr().IsUnspecified() && to.Addr().IsLoopback()
	})
}
