package mdns

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Times of the standard.
const (
	probeEvery    = 250 * time.Millisecond
	probes        = 3
	announceEvery = time.Second
	announcements = 2
	// lost is the wait of who lost against another that claims the same name at the same time.
	lost = time.Second
	// multicastEvery is between two multicasts of a record on a link, defendEvery where somebody is about to take the name.
	multicastEvery, defendEvery = time.Second, 250 * time.Millisecond
	// manyConflicts within conflictSpan make a name wait for conflictWait before the next try.
	manyConflicts              = 15
	conflictSpan, conflictWait = 10 * time.Second, 5 * time.Second
	// reclaimEvery is how often a name that another machine had is asked for again, freed after that machine took it back.
	reclaimEvery, freed = time.Minute, 2 * time.Second
	// perMessage is how many names are told of in one message.
	perMessage = 16
)

// link is a link of the machine on which names are answered for.
type link struct {
	index    int
	name     string
	v4, v6   []netip.Addr   // of the machine, told
	networks []netip.Prefix // who is on the link
}

// packet is something to be sent: to the group on the link, or to one who asked.
type packet struct {
	link int
	to   netip.AddrPort // not valid: the group
	four bool           // over IPv4; for the group both are sent
	msg  *dns.Msg
}

// claim is a name on its way from wanted to claimed:
//
//	asking ──nobody answers──▶ sure ──▶ announced
//	  ▲ └─another has it: the next label─┘ │
//	  └────────another has it too──────────┘
//
// Who is sure of another label than the wanted one asks for a better one now and then, and answers for the label that it has
// until nobody has answered for the better one.
type claim struct {
	wanted    string
	label     string
	tries     int       // of labels
	asked     int       // how often others were asked for it
	sure      bool      // nobody else has it
	announced int       // how often it was announced
	had       string    // the label that was claimed last and not lost since
	next      time.Time // of the next step; zero when all is done
	conflicts []time.Time
	told      map[int]time.Time // last multicast by link
	better    string            // a label that is nearer to what is wanted and is being asked for; "" while none is
	tried     int               // how often others were asked for it
	retry     time.Time         // when it is asked for, next; zero where the label is the wanted one
}

// engine decides what to say. It is for one goroutine; all time comes from outside.
type engine struct {
	links  map[int]*link
	own    map[netip.Addr]bool // all addresses of the machine
	claims []*claim
	jitter func() time.Duration // up to probeEvery
	out    []packet
}

func newEngine(jitter func() time.Duration) *engine {
	return &engine{links: map[int]*link{}, own: map[netip.Addr]bool{}, jitter: jitter}
}

// setNames changes what is wanted. Names that stay keep their claims; those that go are taken back.
func (e *engine) setNames(names []string, now time.Time) {
	var kept []*claim
	for _, name := range names {
		if i := slices.IndexFunc(e.claims, func(c *claim) bool { return c.wanted == name }); i >= 0 {
			kept = append(kept, e.claims[i])
			continue
		}
		kept = append(kept, &claim{wanted: name, label: e.free(kept, name, 1), tries: 1, next: now.Add(e.jitter()), told: map[int]time.Time{}})
	}
	var gone []*claim
	for _, c := range e.claims {
		if c.sure && !slices.Contains(kept, c) {
			gone = append(gone, c)
		}
	}
	e.multicast(gone, now, func(l *link, c *claim) []dns.RR { return l.records(c.label, 0, true) })
	e.claims = kept
}

// setLinks changes where names are answered for and with what. A link that is new, or has other addresses, may have somebody
// on it who has one of the names: all are claimed anew.
func (e *engine) setLinks(links []*link, own map[netip.Addr]bool, now time.Time) {
	next, news := map[int]*link{}, false
	for _, l := range links {
		next[l.index] = l
		have := e.links[l.index]
		news = news || have == nil || !slices.Equal(have.v4, l.v4) || !slices.Equal(have.v6, l.v6)
	}
	e.links, e.own = next, own
	if !news {
		return
	}
	for _, c := range e.claims {
		c.restart(now.Add(e.jitter()))
	}
}

func (c *claim) restart(at time.Time) {
	c.asked, c.sure, c.announced, c.next = 0, false, 0, at
	c.settle(time.Time{})
}

// settle ends asking for a better label until a moment; zero for as long as the claim stands.
func (c *claim) settle(retry time.Time) { c.better, c.tried, c.retry = "", 0, retry }

// names tells what is claimed. A name that is only claimed anew is still told: it is rarely lost.
func (e *engine) names() []Name {
	out := make([]Name, 0, len(e.claims))
	for _, c := range e.claims {
		out = append(out, Name{Wanted: c.wanted, Claimed: c.had})
	}
	return out
}

// tick does what is due and answers when something is due next; zero for never. Without a link nothing is claimed: there is
// nobody to ask.
func (e *engine) tick(now time.Time) time.Time {
	e.improve(now)
	var probing, announcing []*claim
	for _, c := range e.claims {
		if len(e.links) == 0 || c.next.IsZero() || now.Before(c.next) {
			continue
		}
		if c.asked == probes && !c.sure { // the time for answers to the last question is over
			c.sure, c.had = true, c.label
			if c.label != c.wanted {
				c.settle(now.Add(reclaimEvery))
			}
		}
		if c.sure {
			announcing = append(announcing, c)
		} else {
			probing = append(probing, c)
		}
	}
	e.probe(probing, now)
	e.announce(announcing, now)
	var next time.Time
	if len(e.links) == 0 {
		return next
	}
	for _, c := range e.claims {
		for _, due := range []time.Time{c.next, c.retry} {
			if !due.IsZero() && (next.IsZero() || due.Before(next)) {
				next = due
			}
		}
	}
	return next
}

// improve asks for better labels than claims have, and changes to those that nobody has any more.
func (e *engine) improve(now time.Time) {
	if len(e.links) == 0 {
		return
	}
	for _, c := range e.claims {
		if c.retry.IsZero() || now.Before(c.retry) {
			continue
		}
		if c.better == "" {
			if c.better = e.free(e.claims, c.wanted, 1); c.better == c.label { // what is wanted is the label of another claim
				c.settle(now.Add(reclaimEvery))
				continue
			}
		}
		if c.tried < probes {
			e.ask([]*claim{c}, func(*claim) string { return c.better })
			c.tried++
			c.retry = now.Add(probeEvery)
			continue
		}
		e.multicast([]*claim{c}, now, func(l *link, c *claim) []dns.RR { return l.records(c.label, 0, true) })
		c.label, c.had, c.tries = c.better, c.better, 1
		c.announced, c.next = 0, now
		c.settle(time.Time{})
		if c.label != c.wanted {
			c.settle(now.Add(reclaimEvery))
		}
	}
}

// flush answers what is to be sent and forgets it.
func (e *engine) flush() []packet {
	out := e.out
	e.out = nil
	return out
}

// probe asks for names whether somebody has them.
func (e *engine) probe(claims []*claim, now time.Time) {
	for part := range slices.Chunk(claims, perMessage) {
		e.ask(part, func(c *claim) string { return c.label })
		for _, c := range part {
			c.asked++
			c.next = now.Add(probeEvery)
		}
	}
}

// ask asks whether somebody has labels, and says what would be answered, for others who ask at the same time.
func (e *engine) ask(claims []*claim, label func(*claim) string) {
	for _, l := range e.links {
		m := new(dns.Msg)
		for _, c := range claims {
			const unicast = 1 << 15
			m.Question = append(m.Question, dns.Question{Name: fqdn(label(c)), Qtype: dns.TypeANY, Qclass: dns.ClassINET | unicast})
			m.Ns = append(m.Ns, l.records(label(c), recordTTL, false)...)
		}
		e.out = append(e.out, packet{link: l.index, msg: m})
	}
}

func (e *engine) announce(claims []*claim, now time.Time) {
	e.multicast(claims, now, func(l *link, c *claim) []dns.RR { return l.records(c.label, recordTTL, true) })
	for _, c := range claims {
		c.announced++
		c.next = now.Add(announceEvery)
		if c.announced >= announcements {
			c.next = time.Time{}
		}
	}
}

// multicast tells everybody the records of claims.
func (e *engine) multicast(claims []*claim, now time.Time, records func(*link, *claim) []dns.RR) {
	for part := range slices.Chunk(claims, perMessage) {
		for _, l := range e.links {
			m := response()
			for _, c := range part {
				m.Answer = append(m.Answer, records(l, c)...)
				c.told[l.index] = now
			}
			if len(m.Answer) > 0 {
				e.out = append(e.out, packet{link: l.index, msg: m})
			}
		}
	}
}

// conflict is that another machine has a name. One that is being claimed is given up for the next; one that is ours is
// asked for anew, which its other owner answers.
func (e *engine) conflict(c *claim, now time.Time) {
	if c.sure {
		c.restart(now)
		return
	}
	c.tries++
	c.had = ""
	c.label = e.free(e.claims, c.wanted, c.tries)
	c.conflicts = append(c.conflicts, now)
	if len(c.conflicts) > manyConflicts {
		c.conflicts = c.conflicts[1:]
	}
	wait := e.jitter()
	if len(c.conflicts) == manyConflicts && now.Sub(c.conflicts[0]) < conflictSpan {
		wait = conflictWait
	}
	c.restart(now.Add(wait))
}

// free answers the label of a try that no other claim has.
func (e *engine) free(claims []*claim, wanted string, try int) string {
	for ; ; try++ {
		label := numbered(wanted, try)
		if !slices.ContainsFunc(claims, func(c *claim) bool { return c.wanted != wanted && (c.label == label || c.better == label) }) {
			return label
		}
	}
}

func (e *engine) claimOf(name string) *claim {
	label, ok := strings.CutSuffix(strings.ToLower(name), ".local.")
	if !ok {
		return nil
	}
	if i := slices.IndexFunc(e.claims, func(c *claim) bool { return c.label == label }); i >= 0 {
		return e.claims[i]
	}
	return nil
}

// addressOf answers the address in a record, if it is of a kind that has one.
func addressOf(rr dns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		a, ok := netip.AddrFromSlice(rr.A)
		return a.Unmap(), ok
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA)
	}
	return netip.Addr{}, false
}

// heard looks for the machine's names in what another says about them.
func (e *engine) heard(m *dns.Msg, now time.Time) {
	hurt := map[*claim]bool{}
	for _, rr := range slices.Concat(m.Answer, m.Extra) {
		e.others(rr, now)
		c := e.claimOf(rr.Header().Name)
		if c == nil || rr.Header().Ttl == 0 {
			continue
		}
		if a, ok := addressOf(rr); ok && !e.own[a] {
			hurt[c] = true
		}
	}
	for c := range hurt {
		e.conflict(c, now)
	}
}

// others looks for what another machine says of the label that a claim would rather have: that it has it, or has it no more.
func (e *engine) others(rr dns.RR, now time.Time) {
	a, ok := addressOf(rr)
	label, local := strings.CutSuffix(strings.ToLower(rr.Header().Name), ".local.")
	if !ok || e.own[a] || !local {
		return
	}
	for _, c := range e.claims {
		switch {
		case !c.sure || c.retry.IsZero() || label != c.better && label != c.wanted:
		case rr.Header().Ttl > 0:
			c.settle(now.Add(reclaimEvery))
		case c.better == "" && now.Add(freed).Before(c.retry):
			c.retry = now.Add(freed)
		}
	}
}

// contest settles who of two that ask for the same name at the same time gets it: whose records are the later ones.
func (e *engine) contest(l *link, c *claim, m *dns.Msg, now time.Time) {
	var theirs []dns.RR
	foreign := false
	for _, rr := range m.Ns {
		if strings.EqualFold(rr.Header().Name, fqdn(c.label)) {
			theirs = append(theirs, rr)
			a, ok := addressOf(rr)
			foreign = foreign || ok && !e.own[a]
		}
	}
	if foreign && compareRecords(l.records(c.label, recordTTL, false), theirs) < 0 {
		c.restart(now.Add(lost))
	}
}

// compareRecords orders two sets of records as the standard does.
func compareRecords(a, b []dns.RR) int {
	return slices.CompareFunc(keys(a), keys(b), bytes.Compare)
}

func keys(records []dns.RR) [][]byte {
	out := make([][]byte, 0, len(records))
	for _, rr := range records {
		h := rr.Header()
		class := h.Class &^ cacheFlush
		key := []byte{byte(class >> 8), byte(class), byte(h.Rrtype >> 8), byte(h.Rrtype)}
		if a, ok := addressOf(rr); ok {
			key = append(key, a.AsSlice()...)
		}
		out = append(out, key)
	}
	slices.SortFunc(out, func(a, b []byte) int { return cmp.Compare(string(a), string(b)) })
	return out
}
