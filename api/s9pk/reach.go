package s9pk

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Words of Declared.Network, which is made of them and of networks in CIDR form. Words it does not know let nothing through.
const (
	NetworkInternet = "internet" // all addresses that are not of a local network
	NetworkLAN      = "lan"      // LocalNetworks and those that the server itself is in
)

// maxRanges bounds the networks that one package declares: each is a rule of the firewall.
const maxRanges = 32

// Reach is what a service opens connections to beyond its server. The packages that it depends on are reached besides.
type Reach struct {
	Internet, LAN bool
	// Ranges are reached whichever network they are of, without bits behind their prefix.
	Ranges []netip.Prefix
}

// LocalNetworks are the networks that are nobody's in the Internet and may be anybody's at home.
func LocalNetworks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("fec0::/10"),
	}
}

// Reach answers what a package declares that it reaches; all where it says nothing.
func (d *Declared) Reach() Reach {
	if d == nil || d.Network == nil {
		return Reach{Internet: true, LAN: true}
	}
	r := Reach{Internet: slices.Contains(*d.Network, NetworkInternet), LAN: slices.Contains(*d.Network, NetworkLAN)}
	for _, word := range *d.Network {
		if p, err := netip.ParsePrefix(word); err == nil {
			r.Ranges = append(r.Ranges, p)
		}
	}
	return r
}

// All tells whether nothing is out of reach.
func (r Reach) All() bool { return r.Internet && r.LAN }

// Nothing tells whether all is out of reach.
func (r Reach) Nothing() bool { return !r.Internet && !r.LAN && len(r.Ranges) == 0 }

// Targets are its parts as they are declared, in a lasting order.
func (r Reach) Targets() (list []string) {
	if r.Internet {
		list = append(list, NetworkInternet)
	}
	if r.LAN {
		list = append(list, NetworkLAN)
	}
	for _, p := range r.Ranges {
		list = append(list, p.String())
	}
	return list
}

// Covers tells whether all that a target stands for is reached. Of a range that the networks decide which a server is in, it is not
// sure unless both Internet and LAN are reached.
func (r Reach) Covers(target string) bool {
	switch target {
	case NetworkInternet:
		return r.Internet
	case NetworkLAN:
		return r.LAN
	}
	p, err := netip.ParsePrefix(target)
	if err != nil {
		return false
	}
	local := slices.ContainsFunc(LocalNetworks(), within(p))
	return r.All() || r.LAN && local || slices.ContainsFunc(r.Ranges, within(p))
}

// within answers whether a network holds all of p.
func within(p netip.Prefix) func(netip.Prefix) bool {
	return func(whole netip.Prefix) bool { return whole.Bits() <= p.Bits() && whole.Contains(p.Addr()) }
}

// networks returns what a package declares that it reaches in its one order, or why it cannot.
func networks(words []string) ([]string, error) {
	words = set(words)
	ranges := 0
	for i, word := range words {
		if !strings.Contains(word, "/") {
			continue
		}
		p, err := netip.ParsePrefix(word)
		words[i] = p.String()
		if err != nil || p.Masked() != p || p.Addr().Is4In6() {
			return nil, fmt.Errorf("network has %.64q, which is not a network such as 192.0.2.0/24 or 2001:db8::/32", word)
		}
		ranges++
	}
	if ranges > maxRanges || len(words) > maxListed {
		return nil, fmt.Errorf("network has more than %d networks or %d entries", maxRanges, maxListed)
	}
	return set(words), nil
}
