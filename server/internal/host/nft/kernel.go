package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	mdlayher "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// chunk is how many elements go into one message; a message has 64 KiB.
	chunk = 512
	// socketBuffer takes the largest rules there can be.
	socketBuffer = 8 << 20
)

// Firewall puts rules into the kernel, in the network namespace of the thread that made it. It is safe for concurrent use.
type Firewall struct {
	mu    sync.Mutex // guards all below: a transaction is built up in conn
	conn  *nftables.Conn
	port  uint32 // the kernel's name for conn
	anew  bool   // somebody else changed a table whose rules are kept
	track *netlink.Handle
}

// New opens the firewall of the calling thread's namespace.
func New() (*Firewall, error) {
	conn, port, err := openConn()
	if err != nil {
		return nil, err
	}
	track, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		_ = conn.CloseLasting()
		return nil, fmt.Errorf("cannot open the connection table: %w", err)
	}
	return &Firewall{conn: conn, port: port, track: track}, nil
}

// openConn opens a socket that takes the largest transaction: the kernel wants it in one piece.
func openConn() (conn *nftables.Conn, port uint32, err error) {
	conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *mdlayher.Conn) (err error) {
		if port, err = portOf(c); err != nil {
			return err
		}
		return errors.Join(c.SetWriteBuffer(socketBuffer), c.SetReadBuffer(socketBuffer))
	}))
	if err != nil {
		return nil, 0, fmt.Errorf("cannot open the firewall: %w", err)
	}
	return conn, port, nil
}

// portOf is the kernel's name for a socket, by which it tells who has made a change.
func portOf(c *mdlayher.Conn) (port uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var name unix.Sockaddr
		if name, err = unix.Getsockname(int(fd)); err != nil {
			return
		}
		if n, ok := name.(*unix.SockaddrNetlink); ok {
			port = n.Pid
		}
	})
	return port, errors.Join(controlErr, err)
}

// Close gives the sockets back. The rules stay.
func (f *Firewall) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.conn.CloseLasting()
	f.track.Close()
}

// Ensure makes the rules those of their instance, in one transaction, and then cuts connections between services that no
// pair allows any more. It may be called again at any time. After an error the rules are as before.
func (f *Firewall) Ensure(r Rules) error {
	r, err := r.normal()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	renamed, err := f.renamed(r)
	if err != nil {
		return f.failed(fmt.Errorf("cannot see what the firewall has: %w", err))
	}
	if err := f.putLasting(r); err != nil {
		return err
	}
	return f.cut(r, renamed)
}

// putLasting puts rules in force and keeps what is open by names, or, where somebody else has put something in the way of that, without. It needs f.mu.
func (f *Firewall) putLasting(r Rules) (err error) {
	for _, keep := range []bool{true, false} {
		err = f.put(tables(r), keep)
		if errors.Is(err, unix.ENOENT) { // a kernel that cannot tell transparent sockets: all else is more than that
			err = f.put(withoutCallers(tables(r)), keep)
		}
		if err == nil || len(r.bounds) == 0 {
			return err
		}
	}
	return err
}

// put puts tables in force in the place of those there are; keep leaves lasting sets alone. It needs f.mu.
func (f *Firewall) put(all []table, keep bool) error {
	id := uint32(0)
	for _, t := range all {
		done, err := f.change(t)
		if err == nil && !done && keep {
			done, err = f.renew(t, &id)
		}
		if err == nil && !done {
			f.remove(t.family, t.name)
			err = f.add(t, &id)
		}
		if err != nil {
			return f.failed(fmt.Errorf("cannot build the firewall: %w", err))
		}
	}
	if err := f.conn.Flush(); err != nil {
		return f.failed(fmt.Errorf("cannot put the firewall in force: %w", err))
	}
	f.anew = false
	return nil
}

// change makes a table whose rules keep count what it should be and leaves alone those of its rules that stay. It answers
// false where the table has to be built from nothing.
func (f *Firewall) change(t table) (bool, error) {
	if t.first == 0 || f.anew {
		return false, nil
	}
	nt := &nftables.Table{Name: t.name, Family: nftables.TableFamily(t.family)}
	nc := &nftables.Chain{Name: t.chains[0].name, Table: nt}
	have, err := f.conn.GetRules(nt, nc)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	there := make([]string, len(have))
	for i, r := range have {
		if there[i], err = code(t.family, r.Exprs); err != nil {
			return false, err
		}
	}
	missing := make([]rule, 0, len(t.chains[0].rules))
	for i, r := range t.chains[0].rules {
		want, err := code(t.family, r.exprs())
		if err != nil {
			return false, err
		}
		if i < t.first {
			if i >= len(there) || there[i] != want {
				return false, nil
			}
			have[i] = nil
		} else if at := slices.Index(there, want); at >= t.first && have[at] != nil {
			have[at] = nil
		} else {
			missing = append(missing, r)
		}
	}
	for _, r := range have {
		if r == nil {
			continue
		}
		if err := f.conn.DelRule(&nftables.Rule{Table: nt, Chain: nc, Handle: r.Handle}); err != nil {
			return false, err
		}
	}
	for _, r := range missing {
		f.conn.AddRule(&nftables.Rule{Table: nt, Chain: nc, Exprs: r.exprs()})
	}
	return true, nil
}

// code is what tells two rules apart.
func code(fam family, exprs []expr.Any) (string, error) {
	var b strings.Builder
	for _, e := range exprs {
		raw, err := expr.Marshal(byte(fam), e)
		if err != nil {
			return "", err
		}
		b.Write(raw)
	}
	return b.String(), nil
}

// Delete removes all rules of an instance. Rules that are not there are no error.
func (f *Firewall) Delete(tag string) error {
	if !tagForm.MatchString(tag) {
		return fmt.Errorf("%w: tag %q", ErrInvalid, tag)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(familyBridge, tablePrefix+tag)
	f.remove(familyInet, tablePrefix+tag)
	f.remove(familyInet, flowsName(tag))
	if err := f.conn.Flush(); err != nil {
		return f.failed(fmt.Errorf("cannot remove the firewall: %w", err))
	}
	return nil
}

// Tags lists the instances that have rules.
func (f *Firewall) Tags() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var tags []string
	for _, fam := range []family{familyBridge, familyInet} {
		have, err := f.conn.ListTablesOfFamily(nftables.TableFamily(fam))
		if err != nil {
			return nil, f.failed(fmt.Errorf("cannot list the firewall: %w", err))
		}
		for _, t := range have {
			if tag, ok := strings.CutPrefix(t.Name, tablePrefix); ok && tagForm.MatchString(tag) {
				tags = append(tags, tag)
			}
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags), nil
}

// Has tells whether all tables of an instance are there. It does not look into them.
func (f *Firewall) Has(tag string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, want := range tables(Rules{Tag: tag}) {
		have, err := f.conn.ListTablesOfFamily(nftables.TableFamily(want.family))
		if err != nil {
			return false, f.failed(fmt.Errorf("cannot list the firewall: %w", err))
		}
		if !slices.ContainsFunc(have, func(t *nftables.Table) bool { return t.Name == want.name }) {
			return false, nil
		}
	}
	return true, nil
}

// failed throws away what was built up and what may still come on the socket, so that the next transaction is its own.
func (f *Firewall) failed(err error) error {
	_ = f.conn.CloseLasting()
	conn, port, openErr := openConn()
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	f.conn, f.port = conn, port
	return err
}

// remove deletes a table whether or not it is there: it is added before.
func (f *Firewall) remove(fam family, name string) {
	t := &nftables.Table{Name: name, Family: nftables.TableFamily(fam)}
	f.conn.AddTable(t)
	f.conn.DelTable(t)
}

func (f *Firewall) add(t table, id *uint32) error {
	nt := f.conn.AddTable(&nftables.Table{Name: t.name, Family: nftables.TableFamily(t.family)})
	for _, s := range t.sets {
		*id++
		s.id = *id
		if err := f.addSet(nt, s); err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	for _, c := range t.chains {
		policy := nftables.ChainPolicyAccept
		priority := c.priority
		nc := f.conn.AddChain(&nftables.Chain{Name: c.name, Table: nt, Type: c.kind, Hooknum: c.hook, Priority: &priority, Policy: &policy})
		for _, r := range c.rules {
			f.conn.AddRule(&nftables.Rule{Table: nt, Chain: nc, Exprs: r.exprs()})
		}
	}
	return nil
}

// declared is the set as the kernel takes it, without its elements.
func (s *set) declared(t *nftables.Table) (*nftables.Set, error) {
	key, err := kind(s.parts)
	if err != nil {
		return nil, err
	}
	ns := &nftables.Set{
		Table: t, Name: s.name, ID: s.id, Interval: s.interval, KeyType: key, Concatenation: len(s.parts) > 1, HasTimeout: s.lasting, Size: s.size,
	}
	if len(s.values) > 0 {
		ns.IsMap = true
		ns.DataType, err = kind(s.values)
	}
	return ns, err
}

func (f *Firewall) addSet(t *nftables.Table, s *set) error {
	ns, err := s.declared(t)
	if err != nil {
		return err
	}
	if err := f.conn.AddSet(ns, nil); err != nil {
		return err
	}
	for part := range slices.Chunk(s.elements, chunk) {
		var values []nftables.SetElement
		for _, e := range part {
			values = append(values, s.kernel(e)...)
		}
		if err := f.conn.SetAddElements(ns, values); err != nil {
			return err
		}
	}
	return nil
}

// cut forgets connections of services without a pair, to ports of this machine they may not use, and to what is out of their reach: packets of a known connection would pass for ever, those of a
// forgotten one are judged anew.
func (f *Firewall) cut(r Rules, renamed map[netip.Addr]bool) error {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		_, err := f.track.ConntrackDeleteFilters(netlink.ConntrackTable, family, strangers{r, renamed})
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cannot cut connections that are not allowed any more: %w", err)
		}
	}
	return nil
}

// strangers matches connections of services that would not be let in now.
type strangers struct {
	rules   Rules
	renamed map[netip.Addr]bool // services whose connections by name began by names that they do not have any more
}

func (s strangers) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	from, ok1 := netip.AddrFromSlice(flow.Forward.SrcIP)
	to, ok2 := netip.AddrFromSlice(flow.Forward.DstIP)
	from, to = from.Unmap(), to.Unmap()
	if s.forwarded(flow) {
		return s.unforwarded(flow)
	}
	if !ok1 || !ok2 || s.rules.member(from) != nil {
		return false
	}
	if s.rules.member(to) != nil {
		return s.misused(flow, from, to)
	}
	_, allowed := slices.BinarySearchFunc(s.rules.Allowed, Pair{s.rules.named(from), s.rules.named(to)}, func(a, b Pair) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return a.To.Compare(b.To)
	})
	return !allowed
}

// misused tells whether a connection of a service leads to a port of this machine that it may not use, or out of its reach.
// Connections to other machines are those that were masqueraded.
func (s strangers) misused(flow *netlink.ConntrackFlow, from, to netip.Addr) bool {
	back, ok := netip.AddrFromSlice(flow.Reverse.DstIP)
	port, bounds := flow.Forward.DstPort, s.rules.bounds[s.rules.named(from)]
	switch {
	case !ok:
		return false
	case back.Unmap() != from:
		return bounds != nil && !bounds.covers(to, s.rules.near, s.renamed[s.rules.named(from)])
	case flow.Forward.Protocol != unix.IPPROTO_TCP || port == 53:
		return false
	case bounds != nil && !bounds.Internet && slices.Contains(s.rules.Outward, port):
		return true
	}
	for _, p := range s.rules.Ports {
		if p.First <= port && port <= p.Last {
			return false
		}
	}
	_, allowed := slices.BinarySearchFunc(s.rules.Uses, Use{From: s.rules.named(from), Port: port}, Use.compare)
	return !allowed
}
