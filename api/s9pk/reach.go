package s9pk

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Words of Declared.Network, which is made of them, of networks in CIDR form and of names. Words it does not know let nothing through.
const (
	NetworkInternet = "internet" // all addresses that are not of a local network
	NetworkLAN      = "lan"      // LocalNetworks and those that the server itself is in
)

// maxRanges and maxNames bound the networks and the names that one package declares: networks are rules of the firewall, names are compared
// with each question.
const maxRanges, maxNames = 32, 64

// Reach is what a service opens connections to beyond its server. The packages that it depends on are reached besides.
type Reach struct {
	Internet, LAN bool
	// Ranges are reached whichever network they are of, without bits behind their prefix.
	Ranges []netip.Prefix
	// Names are reached at those of their addresses that are of the Internet.
	Names []ReachedName
}

// ReachedName is a name of the Internet as a package declares it: "api.example.org", or "*.example.org" for all names below one, and behind a
// colon the one port that is reached.
type ReachedName struct {
	// Name is in lower case and has no dot at its end.
	Name string
	// Port is 0 for all.
	Port uint16
}

// String is the name as it is declared.
func (n ReachedName) String() string {
	if n.Port == 0 {
		return n.Name
	}
	return n.Name + ":" + strconv.Itoa(int(n.Port))
}

// Is tells whether a name in lower case, without a dot at its end, is one of those that are meant.
func (n ReachedName) Is(name string) bool {
	if below, all := strings.CutPrefix(n.Name, "*"); all {
		return len(name) > len(below) && strings.HasSuffix(name, below)
	}
	return name == n.Name
}

// covers tells whether all that another stands for is meant.
func (n ReachedName) covers(other ReachedName) bool {
	return (n.Port == 0 || n.Port == other.Port) && (n.Name == other.Name || n.Is(other.Name))
}

// ParseReachedName reads a name as it is declared.
func ParseReachedName(word string) (ReachedName, error) {
	var n ReachedName
	name, port, bounded := strings.Cut(strings.ToLower(word), ":")
	if bounded {
		value, err := strconv.ParseUint(port, 10, 16)
		if err != nil || value == 0 || strconv.FormatUint(value, 10) != port {
			return n, fmt.Errorf("%.64q has no port behind its colon", word)
		}
		n.Port = uint16(value)
	}
	n.Name = name
	labels := strings.Split(strings.TrimPrefix(name, "*."), ".")
	if last := labels[len(labels)-1]; len(name) > 253 || len(labels) < 2 || strings.Trim(last, "0123456789") == "" || slices.ContainsFunc(labels, badLabel) {
		return n, fmt.Errorf("%.64q is not a name such as api.example.org, *.example.org or api.example.org:443", word)
	}
	return n, nil
}

// badLabel tells whether something cannot stand between the dots of a name; names in other letters are written as DNS has them.
func badLabel(l string) bool {
	return l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != ""
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
		} else if n, err := ParseReachedName(word); err == nil {
			r.Names = append(r.Names, n)
		}
	}
	return r
}

// All tells whether nothing is out of reach.
func (r Reach) All() bool { return r.Internet && r.LAN }

// Nothing tells whether all is out of reach.
func (r Reach) Nothing() bool { return !r.ByAddress() && len(r.Names) == 0 }

// ByAddress tells whether anything is reached without its name. Who reaches nothing so is told of no names but those that it declares.
func (r Reach) ByAddress() bool { return r.Internet || r.LAN || len(r.Ranges) > 0 }

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
	return append(list, r.NamesDeclared()...)
}

// NamesDeclared are the names as they are declared.
func (r Reach) NamesDeclared() (list []string) {
	for _, n := range r.Names {
		list = append(list, n.String())
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
	if n, err := ParseReachedName(target); err == nil {
		return r.Internet || slices.ContainsFunc(r.Names, func(own ReachedName) bool { return own.covers(n) })
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
	ranges, names := 0, 0
	for i, word := range words {
		switch {
		case strings.Contains(word, "/"):
			p, err := netip.ParsePrefix(word)
			words[i] = p.String()
			if err != nil || p.Masked() != p || p.Addr().Is4In6() {
				return nil, fmt.Errorf("network has %.64q, which is not a network such as 192.0.2.0/24 or 2001:db8::/32", word)
			}
			ranges++
		case strings.ContainsAny(word, ".:"):
			n, err := ParseReachedName(word)
			if err != nil {
				return nil, fmt.Errorf("network: %w", err)
			}
			words[i] = n.String()
			names++
		}
	}
	if ranges > maxRanges || names > maxNames || len(words) > maxListed {
		return nil, fmt.Errorf("network has more than %d networks, %d names or %d entries", maxRanges, maxNames, maxListed)
	}
	return set(words), nil
}
