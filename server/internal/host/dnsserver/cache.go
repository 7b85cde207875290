package dnsserver

import (
	"container/list"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxCached and maxCachedBytes bound the answers of others that are kept; those used longest ago give way. The bytes are
	// those on the wire, in memory they are up to eight times as many.
	maxCached, maxCachedBytes = 4096, 2 << 20
	// maxTTL and maxNegativeTTL bound how long they are kept, whatever they say; failures are not kept.
	maxTTL, maxNegativeTTL = time.Hour, 5 * time.Minute
)

// cacheKey is what an answer is good for. The two bits change what an upstream answers.
type cacheKey struct {
	name              string // lower case
	qtype             uint16
	checking, secured bool
	recursion         bool
}

// cached is an answer of others. It is not changed once it is there.
type cached struct {
	key    cacheKey
	answer *dns.Msg
	size   int
	since  time.Time
	until  time.Time
}

// cache keeps answers of others for as long as they say.
type cache struct {
	mu      sync.Mutex // guards all below
	entries map[cacheKey]*list.Element
	order   list.List // the ones used last in front
	bytes   int
}

func keyOf(q *dns.Msg) cacheKey {
	opt := q.IsEdns0()
	return cacheKey{
		name: dns.CanonicalName(q.Question[0].Name), qtype: q.Question[0].Qtype,
		checking: q.CheckingDisabled, secured: opt != nil && opt.Do() || q.AuthenticatedData, recursion: q.RecursionDesired,
	}
}

// get answers a copy of what is kept, with the time that it is still good for.
func (c *cache) get(key cacheKey, now time.Time) *dns.Msg {
	c.mu.Lock()
	e := c.entries[key]
	if e == nil {
		c.mu.Unlock()
		return nil
	}
	kept, _ := e.Value.(*cached)
	if !now.Before(kept.until) {
		c.drop(e)
		c.mu.Unlock()
		return nil
	}
	c.order.MoveToFront(e)
	c.mu.Unlock()
	m := kept.answer.Copy()
	age := uint32(now.Sub(kept.since) / time.Second)
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if h := rr.Header(); h.Rrtype != dns.TypeOPT {
				h.Ttl -= min(age, h.Ttl)
			}
		}
	}
	return m
}

// put keeps an answer if it says for how long.
func (c *cache) put(key cacheKey, m *dns.Msg, now time.Time) {
	life := lifetime(m)
	if life <= 0 || m.Truncated {
		return
	}
	kept := &cached{key: key, answer: m.Copy(), size: m.Len(), since: now, until: now.Add(life)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[cacheKey]*list.Element{}
	}
	if e := c.entries[key]; e != nil {
		c.drop(e)
	}
	c.entries[key] = c.order.PushFront(kept)
	c.bytes += kept.size
	for len(c.entries) > maxCached || c.bytes > maxCachedBytes {
		c.drop(c.order.Back())
	}
}

// clear forgets all: other resolvers may answer otherwise.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries, c.bytes = nil, 0
	c.order.Init()
}

// drop needs the lock.
func (c *cache) drop(e *list.Element) {
	kept, _ := c.order.Remove(e).(*cached)
	delete(c.entries, kept.key)
	c.bytes -= kept.size
}

// lifetime is how long an answer may be kept: what its records say, and for a name or a record that is not there what the
// zone says of that (RFC 2308).
func lifetime(m *dns.Msg) time.Duration {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return 0
	}
	if len(m.Answer) == 0 || m.Rcode == dns.RcodeNameError {
		for _, rr := range m.Ns {
			if soa, ok := rr.(*dns.SOA); ok {
				return min(time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second, maxNegativeTTL)
			}
		}
		return 0
	}
	life := maxTTL
	for _, rr := range m.Answer {
		life = min(life, time.Duration(rr.Header().Ttl)*time.Second)
	}
	return life
}
