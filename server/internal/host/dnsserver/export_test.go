package dnsserver

import (
	"context"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Reply is what a packet is answered with; nil for silence.
func (s *Server) Reply(ctx context.Context, packet []byte, source netip.Addr, tcp bool) []byte {
	req := new(dns.Msg)
	if len(packet) < 12 || req.Unpack(packet) != nil {
		return nil
	}
	m := s.reply(ctx, req, source, tcp)
	if m == nil {
		return nil
	}
	out, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return out
}

// SetSystemFiles replaces the files the machine's resolvers are read from.
func (s *Server) SetSystemFiles(paths ...string) { s.system.paths = paths }

// MaxPendingSource is the bound on questions under way for one source.
const MaxPendingSource = maxPendingSource

// MaxConnsSource is the bound on open connections of one source.
const MaxConnsSource = maxConnsSource

// Cache is the answers of others that are kept.
type Cache struct{ c cache }

// NewCache makes an empty one.
func NewCache() *Cache { return &Cache{} }

// Put keeps the answer to a question, Get answers what is kept.
func (c *Cache) Put(q, m *dns.Msg)          { c.c.put(keyOf(q), m, time.Now()) }
func (c *Cache) Get(q *dns.Msg) *dns.Msg    { return c.c.get(keyOf(q), time.Now()) }
func (c *Cache) Size() (answers, bytes int) { return len(c.c.entries), c.c.bytes }
