package dnsserver

import (
	"context"
	"net/netip"

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
