// Package dnsserver answers the names of services and asks other resolvers for all else.
//
// It is deliberately no recursor and no authority for anybody outside the machine and its networks: a question
// from a source that is not allowed is refused with an answer no longer than the question, so the server is of no use
// to whoever forges sources. Zone transfers and updates are refused. What others answered is kept for as long as they said, within
// bounds.
//
// Invariants: a name inside a zone never leaves the machine; the configuration is replaced as a whole and a question is
// answered from one configuration; questions under way at others are bounded, in all and for each source; a question of one
// whom we would ask is not passed on; who reaches what a name leads to reaches it before he is told.
package dnsserver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"
)

const (
	// MaxRecords and MaxZones bound a configuration.
	MaxRecords = 16384
	MaxZones   = 64
	// MaxAddresses bounds the addresses of one record, so that an answer always fits one packet.
	MaxAddresses = 16
	// MaxUpstreams bounds the resolvers that are asked.
	MaxUpstreams = 8
	// MaxSources bounds each list of allowed sources.
	MaxSources = 1024
	// MaxLocal bounds the sources for whom nobody else is asked.
	MaxLocal = 8192
	// MaxNamed bounds the services that reach names, MaxNames the names of one.
	MaxNamed, MaxNames = 4096, 128
)

// ErrInvalid says that a configuration cannot be used.
var ErrInvalid = errors.New("invalid resolver configuration")

// Config is all the server answers by.
type Config struct {
	Records []Record
	// Zones are domains answered from Records alone: what is not there does not exist.
	Zones []string
	// Upstreams are asked for all other names; none means those of the machine.
	Upstreams []netip.AddrPort
	// Sources may ask; none means loopback, private and link-local addresses.
	Sources []netip.Prefix
	// Local are sources for whom nobody else is asked: what is not known here is refused to them.
	Local []netip.Addr
	// Named are sources that are let reach what others answer them for some names; for those names others are asked even for Local ones.
	Named []Named
}

// Record gives a name addresses. Several records may have the same name; a caller gets the addresses of all it may see.
type Record struct {
	// Name is lower case and has no dot at the end.
	Name string
	IPv4 []netip.Addr
	IPv6 []netip.Addr
	// Subdomains says that all names below it have the same addresses.
	Subdomains bool
	// Sources get an answer; for others the record is not there. None means all.
	Sources []netip.Prefix
}

// privateSources are those that may ask when the configuration names none.
var privateSources = [...]netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// Server answers questions. Make it with New; it is safe for concurrent use.
type Server struct {
	table   atomic.Pointer[table]
	system  systemResolvers
	pending pending
	kept    cache
	circle  circle
	open    Open
}

// New makes a server that knows no names until SetConfig and refuses nobody's private question before. Resolvers of the
// machine are read from its usual files. Open is asked for the sources of Config.Named; nil is for a server that has none.
func New(open Open) *Server {
	s := &Server{open: open, system: systemResolvers{paths: []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}}}
	s.pending.sources = map[netip.Addr]int{}
	s.table.Store(compile(Config{}))
	return s
}

// SetConfig replaces the configuration; questions under way are answered by the old one. After an error, which wraps
// ErrInvalid, the old one stands.
func (s *Server) SetConfig(c Config) error {
	if err := Check(c); err != nil {
		return err
	}
	if before := s.table.Swap(compile(c)); !slices.Equal(before.upstreams, c.Upstreams) {
		s.kept.clear()
	}
	return nil
}

// Check tells why a configuration cannot be used.
func Check(c Config) error {
	if len(c.Records) > MaxRecords || len(c.Zones) > MaxZones || len(c.Upstreams) > MaxUpstreams || len(c.Sources) > MaxSources || len(c.Local) > MaxLocal {
		return fmt.Errorf("%w: more than %d records, %d zones, %d upstreams, %d sources or %d local ones", ErrInvalid, MaxRecords, MaxZones, MaxUpstreams, MaxSources, MaxLocal)
	}
	for _, z := range c.Zones {
		if !validName(z) {
			return fmt.Errorf("%w: zone %q", ErrInvalid, z)
		}
	}
	for _, u := range c.Upstreams {
		if !u.IsValid() || u.Port() == 0 || u.Addr().IsUnspecified() {
			return fmt.Errorf("%w: upstream %s", ErrInvalid, u)
		}
	}
	for _, r := range c.Records {
		if err := checkRecord(r); err != nil {
			return err
		}
	}
	if err := checkNamed(c.Named); err != nil {
		return err
	}
	return checkSources("the resolver", c.Sources)
}

func checkRecord(r Record) error {
	if !validName(r.Name) {
		return fmt.Errorf("%w: name %q", ErrInvalid, r.Name)
	}
	if n := len(r.IPv4) + len(r.IPv6); n > MaxAddresses {
		return fmt.Errorf("%w: %q has %d addresses, at most %d", ErrInvalid, r.Name, n, MaxAddresses)
	}
	for _, a := range r.IPv4 {
		if !a.Is4() {
			return fmt.Errorf("%w: %q has address %s, which is not IPv4", ErrInvalid, r.Name, a)
		}
	}
	for _, a := range r.IPv6 {
		if !a.Is6() || a.Is4In6() || a.Zone() != "" {
			return fmt.Errorf("%w: %q has address %s, which is not IPv6", ErrInvalid, r.Name, a)
		}
	}
	return checkSources(r.Name, r.Sources)
}

func checkSources(of string, sources []netip.Prefix) error {
	if len(sources) > MaxSources {
		return fmt.Errorf("%w: %s has %d sources, at most %d", ErrInvalid, of, len(sources), MaxSources)
	}
	for _, p := range sources {
		if !p.IsValid() || p.Addr().Is4In6() {
			return fmt.Errorf("%w: source %s of %s", ErrInvalid, p, of)
		}
	}
	return nil
}

// validName takes the names of hosts, and those with underscores in use.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// table is a configuration made ready to be asked. It is immutable.
type table struct {
	names     map[string][]*Record
	reverse   map[string][]*Record
	zones     map[string]bool
	upstreams []netip.AddrPort
	sources   []netip.Prefix
	local     map[netip.Addr]bool
	named     map[netip.Addr]*Named
}

func compile(c Config) *table {
	t := &table{
		names: make(map[string][]*Record, len(c.Records)), reverse: map[string][]*Record{}, zones: map[string]bool{},
		upstreams: slices.Clone(c.Upstreams), sources: slices.Clone(c.Sources), local: make(map[netip.Addr]bool, len(c.Local)),
		named: make(map[netip.Addr]*Named),
	}
	for i := range c.Named {
		for _, a := range c.Named[i].Sources {
			t.named[a] = &c.Named[i]
		}
	}
	for _, a := range c.Local {
		t.local[a] = true
	}
	if len(t.sources) == 0 {
		t.sources = privateSources[:]
	}
	for _, z := range c.Zones {
		t.zones[z] = true
	}
	for i := range c.Records {
		r := c.Records[i]
		t.names[r.Name] = append(t.names[r.Name], &r)
		for _, a := range slices.Concat(r.IPv4, r.IPv6) {
			if arpa, err := dns.ReverseAddr(a.String()); err == nil {
				arpa = strings.TrimSuffix(arpa, ".")
				t.reverse[arpa] = append(t.reverse[arpa], &r)
			}
		}
	}
	return t
}

// allowed tells whether the source may ask at all.
func (t *table) allowed(source netip.Addr) bool { return contains(t.sources, source) }

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// find returns the records of a name that the source may see, and whether the name is answered here at all.
func (t *table) find(name string, source netip.Addr) (records []*Record, local bool) {
	below := false
	for suffix := name; suffix != ""; below = true {
		if len(records) == 0 {
			for _, r := range t.names[suffix] {
				if (!below || r.Subdomains) && (len(r.Sources) == 0 || contains(r.Sources, source)) {
					records = append(records, r)
				}
			}
		}
		local = local || t.zones[suffix]
		dot := strings.IndexByte(suffix, '.')
		if dot < 0 {
			break
		}
		suffix = suffix[dot+1:]
	}
	return records, local || len(records) > 0
}
