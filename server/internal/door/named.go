package door

import (
	"context"
	"fmt"
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
		return nil
	}
	now, last := time.Now().UnixNano(), d.unopened.Load()
	if now-last > int64(unopenedPause) && d.unopened.CompareAndSwap(last, now) {
		d.log.Warn("a service cannot reach what it has asked for by name", "set", o.Set, "addresses", len(o.Addresses), "err", err)
	}
	return err
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
