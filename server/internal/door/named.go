package door

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/dnsserver"
	"github.com/hearthos/hearth/server/internal/host/nft"
)

// unopenedPause is how often it is logged at most that the firewall cannot be opened: services ask as often as they like.
const unopenedPause = time.Minute

// openNamed has the firewall let a service reach what its question has found.
func (d *Door) openNamed(ctx context.Context, o dnsserver.Opening) error {
	err := d.sockets.Open(ctx, nft.Opening{Tag: d.current.Load().resolver.tag, Set: o.Set, Addresses: o.Addresses, Ports: o.Ports, For: o.For})
	if err == nil {
		d.opened.keep(o, time.Now())
		return nil
	}
	now, last := time.Now().UnixNano(), d.unopened.Load()
	if now-last > int64(unopenedPause) && d.unopened.CompareAndSwap(last, now) {
		d.log.Warn("a service cannot reach what it has asked for by name", "set", o.Set, "addresses", len(o.Addresses), "err", err)
	}
	return err
}

const (
	// maxKept bounds what is remembered of what services were told; beyond it they have to ask again after the firewall was made anew.
	maxKept = 1 << 16
	// together is how exact it is remembered until when: what ends within the same time is opened again in one go.
	together = 5 * time.Minute
	// atOnce is how many addresses are opened in one go.
	atOnce = 1024
)

// kept is what services reach by names, and until when. It is safe for concurrent use.
type kept struct {
	mu    sync.Mutex // guards until
	until map[way]time.Time
}

// way is what a service reaches: an address, at one port or, where that is 0, at all.
type way struct {
	set     string
	address netip.Addr
	port    uint16
}

func (k *kept) keep(o dnsserver.Opening, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.until == nil {
		k.until = make(map[way]time.Time)
	}
	if len(k.until) >= maxKept {
		maps.DeleteFunc(k.until, func(_ way, until time.Time) bool { return !until.After(now) })
	}
	ports := o.Ports
	if len(ports) == 0 {
		ports = []uint16{0}
	}
	for _, a := range o.Addresses {
		for _, p := range ports {
			w, until := way{o.Set, a, p}, now.Add(o.For)
			if _, there := k.until[w]; there || len(k.until) < maxKept {
				k.until[w] = until
			}
		}
	}
}

// openings answers what the services of some sets may still reach, and forgets all else.
func (k *kept) openings(sets map[string]bool, now time.Time) (out []dnsserver.Opening) {
	k.mu.Lock()
	defer k.mu.Unlock()
	type group struct {
		set   string
		port  uint16
		until time.Time
	}
	groups := make(map[group][]netip.Addr)
	for w, until := range k.until {
		if !until.After(now) || !sets[w.set] {
			delete(k.until, w)
			continue
		}
		g := group{w.set, w.port, until.Truncate(together)}
		groups[g] = append(groups[g], w.address)
	}
	for g, addresses := range groups {
		if g.until.Sub(now) < time.Second {
			continue
		}
		for part := range slices.Chunk(addresses, atOnce) {
			o := dnsserver.Opening{Set: g.set, Addresses: part, For: g.until.Sub(now)}
			if g.port != 0 {
				o.Ports = []uint16{g.port}
			}
			out = append(out, o)
		}
	}
	return out
}

// Reopen lets services reach again what they were told of names and may still reach, though the firewall has forgotten it.
func (d *Door) Reopen(ctx context.Context) error {
	plan := d.current.Load()
	sets := make(map[string]bool)
	for _, n := range plan.resolver.config.Named {
		sets[n.Set] = true
	}
	var failed error
	for _, o := range d.opened.openings(sets, time.Now()) {
		err := d.sockets.Open(ctx, nft.Opening{Tag: plan.resolver.tag, Set: o.Set, Addresses: o.Addresses, Ports: o.Ports, For: o.For})
		failed = errors.Join(failed, err)
	}
	return failed
}

// named reads the services that reach others by names.
func (c *compiler) named(list []*doorv1.Named) (out []dnsserver.Named) {
	c.limit("resolver.named", "services", len(list), dnsserver.MaxNamed)
	for i, m := range list[:min(len(list), dnsserver.MaxNamed)] {
		field := fmt.Sprintf("resolver.named[%d]", i)
		n := dnsserver.Named{Set: m.GetSet(), Sources: c.addresses(field+".sources", m.GetSources(), dnsserver.MaxSources)}
		c.limit(field+".names", "names", len(m.GetNames()), dnsserver.MaxNames)
		for j, word := range m.GetNames()[:min(len(m.GetNames()), dnsserver.MaxNames)] {
			name, err := s9pk.ParseReachedName(word)
			if err != nil {
				c.wrong(fmt.Sprintf("%s.names[%d]", field, j), "%v", err)
				continue
			}
			n.Names = append(n.Names, name)
		}
		out = append(out, n)
	}
	return out
}
