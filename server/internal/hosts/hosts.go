// Package hosts is what packages bind and export, the ports that are assigned to it, and the addresses that follow.
//
// A host is a row of kind "host", named by its package and its own id. The code of a package writes what it wants of it
// through effects, which call the functions here inside their own transaction; the ports and the addresses in its status
// are this area's alone. It deliberately opens no socket and answers no name: the front door and the resolver are told by
// area proxy, which reads the same rows and holds itself to the same rule of what is served where (abi.Gateway.Serves).
//
// Invariants: no two bindings of the machine have the same port outside; a port stays with its binding as long as the
// binding asks for it, through every re-bind, restart and update, whether or not the binding is enabled, and is free
// again when the package is removed; the addresses of a row are always those of the row's own bindings in the network
// as it was last told, since one function writes both.
package hosts

import (
	"errors"
	"maps"
	"net/netip"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// Limits of what one package may bind. One commit takes all hosts of a package.
const (
	maxHosts      = 64
	maxBindings   = 64
	maxInterfaces = 256
	maxSpec       = 80 << 10
)

// Network is what the machine's network looks like: the gateways, the server's name in .local or nothing, those of hosts by row
// id, the ports on which TLS is told apart by name, and what the front door does not serve.
type Network struct {
	Gateways []abi.Gateway
	MDNS     string
	Services map[string]string
	Shared   map[uint32]bool
	Unserved Unserved
}

// Unserved is what the front door does not serve, each with the reason: ports at addresses of the machine, names, and hosts by row id.
type Unserved struct {
	At           map[netip.AddrPort]string
	Names, Hosts map[string]string
}

// Service is the area. It is safe for concurrent use; the functions that take a transaction belong to it.
type Service struct {
	store    *store.Store
	ring     Ring
	page     uint32
	reserved map[uint32]bool
	busy     func() map[uint32]bool
	inUse    atomic.Pointer[map[uint32]bool]
	network  atomic.Pointer[Network]
	writing  sync.Mutex // of network
}

// New returns the area over st, which seals secrets with ring. The server's own page has TLS on port page, which hosts with names of their own share with
// it. No binding is given that port or one of the reserved ports, which are those the server itself listens on, nor one of
// the busy ones, on which other programs of the machine listen when Look is called. Until SetNetwork there is the machine
// itself and the bridge.
func New(st *store.Store, ring Ring, page uint32, busy func() map[uint32]bool, reserved ...uint32) *Service {
	s := &Service{store: st, ring: ring, page: page, busy: busy, reserved: map[uint32]bool{page: true}}
	s.inUse.Store(new(map[uint32]bool))
	for _, p := range reserved {
		s.reserved[p] = true
	}
	s.SetNetwork(Network{})
	return s
}

// SetNetwork tells what the network looks like now, and answers whether that is news. When it is, the caller wakes the
// controller so that the rows follow.
func (s *Service) SetNetwork(n Network) bool {
	n.Gateways = abi.Gateways(n.Gateways)
	n.Shared = map[uint32]bool{s.page: true}
	s.writing.Lock()
	defer s.writing.Unlock()
	old := s.network.Load()
	if old != nil {
		n.Unserved = old.Unserved
	}
	s.network.Store(&n)
	return old == nil || !reflect.DeepEqual(*old, n)
}

// SetUnserved tells what the front door does not serve now; it answers as SetNetwork does.
func (s *Service) SetUnserved(unserved Unserved) bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	n := s.Network()
	if u := n.Unserved; maps.Equal(u.At, unserved.At) && maps.Equal(u.Names, unserved.Names) && maps.Equal(u.Hosts, unserved.Hosts) {
		return false
	}
	n.Unserved = unserved
	s.network.Store(&n)
	return true
}

// Look finds out which ports other programs of the machine listen on. It is called before a transaction that binds.
func (s *Service) Look() {
	if s.busy != nil {
		ports := s.busy()
		s.inUse.Store(&ports)
	}
}

// Network answers what the network looks like; the machine itself and the bridge are always in it.
func (s *Service) Network() Network { return *s.network.Load() }

// Outbound answers the gateway through which connections leave the machine, "" where none do.
func (s *Service) Outbound() string {
	for _, g := range s.Network().Gateways {
		if g.Outbound {
			return g.ID
		}
	}
	return ""
}

// Bind binds a port of the container to a host of the package, or changes how it is bound. Binding the same again
// changes nothing. Ports are assigned here: the preferred ones where they can be had. The secrets of a gate are kept by
// KeepSecrets, in the same transaction; until then nobody passes it.
func (s *Service) Bind(tx *store.Tx, pkg, hostID string, internalPort, preferred uint32, addSSL *hostsv1.AddSsl, secure *hostsv1.Secure) error {
	if internalPort == 0 || internalPort > maxPort {
		return invalid("internalPort", "%d is no port", internalPort)
	}
	if preferred > maxPort {
		return invalid("preferredExternalPort", "%d is no port", preferred)
	}
	rows, err := s.own(tx, pkg)
	if err != nil {
		return err
	}
	row, err := rows.host(pkg, hostID)
	if err != nil {
		return err
	}
	b := row.Spec.Bindings[internalPort]
	if b == nil {
		if rows.bindings() >= maxBindings {
			return invalid("internalPort", "the package has bound %d ports already", maxBindings)
		}
		b = &hostsv1.Binding{}
		row.Spec.Bindings[internalPort] = b
	}
	b.Enabled = true
	b.PreferredExternalPort = preferred
	b.AddSsl = proto.CloneOf(addSSL)
	b.Secure = proto.CloneOf(secure)
	if err := s.assign(tx, row, internalPort); err != nil {
		return err
	}
	if addSSL.GetGate() == nil {
		if err := forgetSecrets(tx, row.GetMeta().GetId(), internalPort); err != nil {
			return err
		}
	}
	return s.put(tx, row)
}

// ClearBindings disables every binding and range of the package that is not in except. Their ports stay assigned.
func (s *Service) ClearBindings(tx *store.Tx, pkg string, except []abi.BindID) error {
	keep := make(map[abi.BindID]bool, len(except))
	for _, e := range except {
		keep[e] = true
	}
	rows, err := s.own(tx, pkg)
	if err != nil {
		return err
	}
	for _, row := range rows {
		for port, b := range row.Spec.Bindings {
			if !keep[abi.BindID{ID: hostID(row), InternalPort: port}] {
				b.Enabled = false
			}
		}
		for port, r := range row.Spec.Ranges {
			if !keep[abi.BindID{ID: hostID(row), InternalPort: port}] {
				r.Enabled = false
			}
		}
		if err := s.put(tx, row); err != nil {
			return err
		}
	}
	return nil
}

// ExportInterface adds an interface to the binding it names, or moves it there: an id is at one binding of a package.
func (s *Service) ExportInterface(tx *store.Tx, pkg string, e abi.Exported) error {
	iface, hostID, internalPort, err := abi.ParseInterface(e)
	if err != nil {
		return err
	}
	rows, err := s.own(tx, pkg)
	if err != nil {
		return err
	}
	target, b := rows.binding(hostID, internalPort)
	if b == nil {
		return notFound(pkg, hostID, internalPort)
	}
	for _, row := range rows {
		changed := row == target
		for _, other := range row.Spec.Bindings {
			if _, has := other.Interfaces[iface.Id]; has && other != b {
				delete(other.Interfaces, iface.Id)
				changed = true
			}
		}
		if row == target {
			if b.Interfaces == nil {
				b.Interfaces = make(map[string]*hostsv1.Interface)
			}
			b.Interfaces[iface.Id] = iface
		}
		if changed {
			if err := s.put(tx, row); err != nil {
				return err
			}
		}
	}
	if rows.interfaces() > maxInterfaces {
		return invalid("id", "the package exports more than %d interfaces", maxInterfaces)
	}
	return nil
}

// ClearInterfaces removes every interface of the package that is not in except.
func (s *Service) ClearInterfaces(tx *store.Tx, pkg string, except []string) error {
	keep := make(map[string]bool, len(except))
	for _, id := range except {
		keep[id] = true
	}
	rows, err := s.own(tx, pkg)
	if err != nil {
		return err
	}
	for _, row := range rows {
		for _, b := range row.Spec.Bindings {
			for id := range b.Interfaces {
				if !keep[id] {
					delete(b.Interfaces, id)
				}
			}
		}
		for _, r := range row.Spec.Ranges {
			if !keep[r.GetRangeInterface().GetId()] {
				r.RangeInterface = nil
			}
		}
		if err := s.put(tx, row); err != nil {
			return err
		}
	}
	return nil
}

// Forget removes the hosts of a package as far as there is room; their ports are free again. It is for uninstalling, and
// for the removal of data that were kept.
func (s *Service) Forget(tx *store.Tx, pkg string, room *store.Room) error {
	if err := s.retire(tx, pkg); err != nil {
		return err
	}
	return errors.Join(store.DeleteBelow[*hostsv1.Host](tx, pkg, room), store.DeleteBelow[*hostsv1.HostGates](tx, pkg, room))
}

// retire takes away what a package supplied to others.
func (s *Service) retire(tx *store.Tx, pkg string) error {
	return errors.Join(s.ClearSupplied(tx, pkg, nil), store.Delete[*hostsv1.UrlPlugin](tx, pkg))
}

// Keep leaves of the hosts of a package what waits for it beside its data: the ports, the domains and what people chose.
// Nothing is reached by them.
func (s *Service) Keep(tx *store.Tx, pkg string) error {
	if err := s.retire(tx, pkg); err != nil {
		return err
	}
	rows, err := store.List[*hostsv1.Host](tx, pkg)
	for _, row := range rows {
		if row.Spec == nil {
			row.Spec = &hostsv1.HostSpec{}
		}
		row.Spec.Kept = true
		err = errors.Join(err, store.Delete[*hostsv1.HostGates](tx, row.GetMeta().GetId()))
		for _, b := range row.GetSpec().GetBindings() {
			b.Enabled, b.Interfaces, b.Supplied = false, nil, nil
		}
		for _, r := range row.GetSpec().GetRanges() {
			r.Enabled, r.RangeInterface = false, nil
		}
		if row.Status != nil {
			row.Status.Addresses, row.Status.AddressesOff = nil, nil
		}
		err = errors.Join(err, store.Put(tx, row))
	}
	return err
}

// put writes a row with the addresses that follow from it.
func (s *Service) put(tx *store.Tx, row *hostsv1.Host) error {
	others, err := store.List[*hostsv1.Host](tx, ids.Parent(row.GetMeta().GetId()))
	if err != nil {
		return err
	}
	bytes := size(row)
	for _, other := range others {
		if other.GetMeta().GetId() != row.GetMeta().GetId() {
			bytes += size(other)
		}
	}
	if bytes > maxSpec {
		return invalid("id", "the bindings of a package and their interfaces take more than %d bytes", maxSpec)
	}
	row.Status.Addresses, row.Status.AddressesOff = Addresses(row, s.Network())
	return store.Put(tx, row)
}

// size is what a package's bindings and people's choices take of a row. What other packages supply is counted apart.
func size(row *hostsv1.Host) int {
	n := proto.Size(row.GetSpec())
	for _, b := range row.GetSpec().GetBindings() {
		for _, a := range b.GetSupplied() {
			n -= proto.Size(a)
		}
	}
	return n
}

// rows are the hosts of one package.
type rows []*hostsv1.Host

func (s *Service) own(tx *store.Tx, pkg string) (rows, error) {
	list, err := store.List[*hostsv1.Host](tx, pkg)
	if err != nil {
		return nil, err
	}
	for _, row := range list {
		if row.Spec == nil {
			row.Spec = &hostsv1.HostSpec{}
		}
		if row.Spec.Bindings == nil {
			row.Spec.Bindings = make(map[uint32]*hostsv1.Binding)
		}
		if row.Spec.Ranges == nil {
			row.Spec.Ranges = make(map[uint32]*hostsv1.BindingRange)
		}
		if row.Status == nil {
			row.Status = &hostsv1.HostStatus{}
		}
		if row.Status.Ports == nil {
			row.Status.Ports = make(map[uint32]*hostsv1.Ports)
		}
	}
	return list, nil
}

// host answers the row of a host, a new one where there is none.
func (r rows) host(pkg, host string) (*hostsv1.Host, error) {
	for _, row := range r {
		if hostID(row) == host {
			row.Spec.Kept = false
			return row, nil
		}
	}
	if _, err := ids.ParseHost(host); err != nil {
		return nil, invalid("id", "%s", err)
	}
	if len(r) >= maxHosts {
		return nil, invalid("id", "the package has %d hosts already", maxHosts)
	}
	id, err := ids.Join(pkg, host)
	if err != nil {
		return nil, invalid("id", "%s", err)
	}
	return &hostsv1.Host{
		Meta:   &metav1.Meta{Id: id},
		Spec:   &hostsv1.HostSpec{Bindings: make(map[uint32]*hostsv1.Binding), Ranges: make(map[uint32]*hostsv1.BindingRange)},
		Status: &hostsv1.HostStatus{Ports: make(map[uint32]*hostsv1.Ports)},
	}, nil
}

func (r rows) binding(host string, internalPort uint32) (*hostsv1.Host, *hostsv1.Binding) {
	for _, row := range r {
		if hostID(row) == host {
			return row, row.Spec.Bindings[internalPort]
		}
	}
	return nil, nil
}

func (r rows) bindings() (n int) {
	for _, row := range r {
		n += len(row.Spec.Bindings) + len(row.Spec.Ranges)
	}
	return n
}

func (r rows) interfaces() (n int) {
	for _, row := range r {
		for _, b := range row.Spec.Bindings {
			n += len(b.Interfaces)
		}
		n += len(row.Spec.Ranges)
	}
	return n
}

// hostID is the host's own part of the row's id.
func hostID(row *hostsv1.Host) string {
	id := row.GetMeta().GetId()
	return id[min(len(id), len(ids.Parent(id))+1):]
}

func notFound(pkg, host string, internalPort uint32) error {
	return fault.New(metav1.Reason_REASON_HOST_NOT_FOUND, "cannot find port %d of host %q of package %s", internalPort, host, pkg).
		With("package", pkg).With("host", host).With("port", strconv.FormatUint(uint64(internalPort), 10))
}

func invalid(parameter, format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot use parameter "+parameter+": "+format, args...).
		With("parameter", parameter)
}
