package nft

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

const (
	// MaxNamed is how many addresses one service reaches by names at the same time, for each protocol, and with ports as many again.
	MaxNamed = 4096
	// maxOpened bounds one Open.
	maxOpened = 2048
	// namedPrefix begins the names of sets whose elements Open has put there.
	namedPrefix = "named_"
)

// ErrFull says that a service reaches as many addresses by names as it may.
var ErrFull = errors.New("too many addresses are reached by names")

var namedForm = regexp.MustCompile(`^named_[0-9a-f]{16}$`)

// NamedSet is the name by which Open knows a service that is at an address and has such names. It is another one with other names, so that
// what was open for those is not any more.
func NamedSet(service netip.Addr, names []string) string {
	sum := sha256.Sum256([]byte(service.String() + "\n" + strings.Join(slices.Sorted(slices.Values(names)), "\n")))
	return namedPrefix + hex.EncodeToString(sum[:8])
}

// namedSets are the sets of a service: of addresses, and of addresses with a port. Their elements are not the rules', and stay when those are
// put in force anew.
func namedSets(named string, four bool) [2]*set {
	suffix, address := "_4", partIPv4
	if !four {
		suffix, address = "_6", partIPv6
	}
	return [2]*set{
		{name: named + suffix, parts: []part{address}, lasting: true, size: MaxNamed},
		{name: named + suffix + "_port", parts: []part{address, partPort}, lasting: true, size: MaxNamed},
	}
}

// Opening is what a service is to reach by a name.
type Opening struct {
	// Tag is that of the instance, Set the service's, as NamedSet has it.
	Tag, Set string
	// Addresses are what the name leads to, Ports those that are reached there; none means all.
	Addresses []netip.Addr
	Ports     []uint16
	// For is how long connections may begin.
	For time.Duration
}

func (o Opening) check() error {
	switch {
	case !tagForm.MatchString(o.Tag):
		return fmt.Errorf("%w: tag %q", ErrInvalid, o.Tag)
	case !namedForm.MatchString(o.Set):
		return fmt.Errorf("%w: set %q", ErrInvalid, o.Set)
	case len(o.Addresses)*max(1, len(o.Ports)) > maxOpened:
		return fmt.Errorf("%w: more than %d addresses at once", ErrInvalid, maxOpened)
	case o.For < time.Second:
		return fmt.Errorf("%w: open for %s", ErrInvalid, o.For)
	}
	for _, a := range o.Addresses {
		if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
			return fmt.Errorf("%w: address %q", ErrInvalid, a)
		}
	}
	return nil
}

// elements are what is added to the sets of one protocol.
func (o Opening) elements(four bool) (plain, ported []nftables.SetElement) {
	for _, a := range o.Addresses {
		if a.Is4() != four {
			continue
		}
		if len(o.Ports) == 0 {
			plain = append(plain, nftables.SetElement{Key: element{a}.bytes(), Timeout: o.For})
		}
		for _, p := range o.Ports {
			ported = append(ported, nftables.SetElement{Key: element{a, p}.bytes(), Timeout: o.For})
		}
	}
	return plain, ported
}

// Open has the firewall of the calling thread's namespace let a service reach addresses for a time; what it reaches already it reaches for that
// time from now on. Ensure must have been told of its names: for a service that is not there, or not by these names, it is an error.
// It is safe for concurrent use, and beside a Firewall.
func Open(o Opening) error {
	if err := o.check(); err != nil {
		return err
	}
	err := o.put()
	if errors.Is(err, unix.ENOENT) { // an element whose time was over just then, or there is no such service
		err = o.put()
	}
	switch {
	case errors.Is(err, unix.ENFILE):
		return ErrFull
	case err != nil:
		return fmt.Errorf("cannot let a service reach what it asked for: %w", err)
	}
	return nil
}

// put adds all in one transaction. The kernel leaves alone what it has: only what is removed and added again begins anew.
func (o Opening) put() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: tablePrefix + o.Tag, Family: nftables.TableFamily(familyInet)}
	for _, four := range []bool{true, false} {
		plain, ported := o.elements(four)
		own := namedSets(o.Set, four)
		for i, elements := range [][]nftables.SetElement{plain, ported} {
			s, err := own[i].declared(table)
			for part := range slices.Chunk(elements, chunk) {
				err = errors.Join(err, conn.SetAddElements(s, part), conn.SetDeleteElements(s, part), conn.SetAddElements(s, part))
			}
			if err != nil {
				return err
			}
		}
	}
	return conn.Flush()
}

// renew makes a table that has lasting sets what it should be, and leaves those alone that stay. It answers false where the table has none that
// stay, so that it can as well be built from nothing. It needs f.mu.
func (f *Firewall) renew(t table, id *uint32) (bool, error) {
	wanted, stays := make(map[string]bool), make(map[string]bool)
	for _, s := range t.sets {
		if s.lasting {
			wanted[s.name] = true
		}
	}
	if len(wanted) == 0 {
		return false, nil
	}
	nt := &nftables.Table{Name: t.name, Family: nftables.TableFamily(t.family)}
	have, there, err := f.setsOf(nt)
	if err != nil || !there {
		return false, err
	}
	for _, s := range have {
		if wanted[s.Name] && s.HasTimeout {
			stays[s.Name] = true
		}
	}
	if len(stays) == 0 {
		return false, nil
	}
	chains, err := f.conn.ListChainsOfTableFamily(nt.Family)
	if err != nil {
		return false, err
	}
	for _, c := range chains {
		if c.Table.Name == t.name {
			f.conn.DelChain(c)
		}
	}
	for _, s := range have {
		if !stays[s.Name] && !s.Anonymous {
			f.conn.DelSet(s)
		}
	}
	t.sets = slices.DeleteFunc(slices.Clone(t.sets), func(s *set) bool { return stays[s.name] })
	return true, f.add(t, id)
}

// setsOf lists the sets of a table, and tells whether it is there. It needs f.mu.
func (f *Firewall) setsOf(t *nftables.Table) (sets []*nftables.Set, there bool, err error) {
	tables, err := f.conn.ListTablesOfFamily(t.Family)
	if err != nil || !slices.ContainsFunc(tables, func(h *nftables.Table) bool { return h.Name == t.Name }) {
		return nil, false, err
	}
	sets, err = f.conn.GetSets(t)
	return sets, true, err
}

// renamed answers the services that have other names than those in force. Where nothing is in force, as after somebody flushed the firewall, nothing is
// known to have changed. It needs f.mu.
func (f *Firewall) renamed(r Rules) (map[netip.Addr]bool, error) {
	out := make(map[netip.Addr]bool)
	for _, s := range r.Services {
		if s.Reach != nil && len(s.Reach.Names) > 0 {
			out[s.Address] = true
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	have, there, err := f.setsOf(&nftables.Table{Name: tablePrefix + r.Tag, Family: nftables.TableFamily(familyInet)})
	if err != nil || !there {
		return nil, err
	}
	for _, s := range r.Services {
		if out[s.Address] {
			name := namedSets(NamedSet(s.Address, s.Reach.Names), true)[0].name
			out[s.Address] = !slices.ContainsFunc(have, func(h *nftables.Set) bool { return h.Name == name })
		}
	}
	return out, nil
}
