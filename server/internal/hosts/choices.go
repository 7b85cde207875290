package hosts

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// Target names a host.
type Target struct{ Package, Host string }

// SetAccess says who reaches an address of a host, named by what stands in it and its port.
func (s *Service) SetAccess(ctx context.Context, now time.Time, t Target, hostname string, port uint32, access hostsv1.Access) (*hostsv1.Host, error) {
	hostname = strings.ToLower(hostname)
	if hostname == "localhost" {
		hostname = "127.0.0.1"
	}
	return s.change(ctx, now, t, func(tx *store.Tx, row *hostsv1.Host) error {
		found := false
		h := abi.Derive(model(row, s.Network()))
		apply := func(choices **hostsv1.Choices, all abi.Addresses) error {
			named := slices.DeleteFunc(slices.Clone(all.Available), func(i abi.HostnameInfo) bool {
				return i.Hostname != hostname || i.ChoicePort() != port
			})
			if len(named) == 0 {
				return nil
			}
			found = true
			if *choices == nil {
				*choices = &hostsv1.Choices{}
			}
			return set(*choices, all.Available, named, access)
		}
		for p, b := range row.Spec.Bindings {
			if err := apply(&b.Choices, h.Bindings[p].Addresses); err != nil {
				return err
			}
		}
		for p, r := range row.Spec.Ranges {
			if err := apply(&r.Choices, h.BindingRanges[p].Addresses); err != nil {
				return err
			}
		}
		if !found {
			return fault.New(metav1.Reason_REASON_ADDRESS_NOT_FOUND, "host %s has no address %s with port %d", row.GetMeta().GetId(), hostname, port).
				With("host", row.GetMeta().GetId()).With("address", hostname)
		}
		return nil
	})
}

// set changes the choices for the addresses named, of all that the binding has. What is named may be one of the Internet
// and one of a network at once: a server with an address of the Internet has it in its network, too.
func set(c *hostsv1.Choices, all, named []abi.HostnameInfo, access hostsv1.Access) error {
	var local, public, supplied bool
	for _, i := range named {
		switch {
		case i.Internal():
			return refused(i, "it is the machine's own and always on")
		case i.Indistinct():
			return refused(i, "without TLS nothing tells it from the addresses that it leads to; change those")
		case i.Global():
			return setGlobal(c, i, access)
		case i.Metadata.Kind == abi.KindPlugin:
			supplied = true
		case i.Public:
			public = true
		default:
			local = true
		}
	}
	on := access != hostsv1.Access_ACCESS_OFF
	switch {
	case supplied:
	case access == hostsv1.Access_ACCESS_INTERNET && !public:
		return refused(named[0], "it is one of a network and never reaches the Internet")
	case access == hostsv1.Access_ACCESS_LAN && !local:
		return refused(named[0], "it is one of the Internet")
	case access == hostsv1.Access_ACCESS_LAN && public && named[0].Metadata.Kind != abi.KindIPv4:
		return refused(named[0], "the name is a public and a private one; take the public one away")
	}
	for _, i := range named {
		if i.Public && i.Metadata.Kind != abi.KindPlugin {
			for _, member := range together(all, i) {
				switchOne(c, member, access == hostsv1.Access_ACCESS_INTERNET)
			}
			continue
		}
		switchOne(c, i, on)
	}
	return nil
}

// together are the addresses that go with one of the Internet: without TLS nothing tells apart what comes in by the same
// gateway at the same port.
func together(all []abi.HostnameInfo, i abi.HostnameInfo) []abi.HostnameInfo {
	if i.SSL {
		return []abi.HostnameInfo{i}
	}
	return slices.DeleteFunc(slices.Clone(all), func(o abi.HostnameInfo) bool {
		return o.SSL || !o.Public || o.Port != i.Port || o.Metadata.Kind == abi.KindPlugin || o.Metadata.Gateway != i.Metadata.Gateway
	})
}

func switchOne(c *hostsv1.Choices, i abi.HostnameInfo, on bool) {
	if i.Public && i.Metadata.Kind == abi.KindIPv4 {
		c.Enabled = slices.DeleteFunc(c.Enabled, func(e string) bool { return e == i.Endpoint() })
		if on {
			c.Enabled = append(c.Enabled, i.Endpoint())
		}
		return
	}
	c.Disabled = slices.DeleteFunc(c.Disabled, func(e *hostsv1.Endpoint) bool {
		of := e.GetHostname() == i.Hostname || i.Metadata.Kind == abi.KindMDNS && strings.HasSuffix(e.GetHostname(), ".local")
		return of && e.GetPort() == i.ChoicePort()
	})
	if !on {
		c.Disabled = append(c.Disabled, &hostsv1.Endpoint{Hostname: i.Hostname, Port: i.ChoicePort()})
	}
}

func setGlobal(c *hostsv1.Choices, i abi.HostnameInfo, access hostsv1.Access) error {
	if c.GlobalAccess == nil {
		c.GlobalAccess = make(map[string]hostsv1.Access)
	}
	delete(c.GlobalAccess, i.Endpoint())
	if access != hostsv1.Access_ACCESS_LAN { // which it has by itself
		c.GlobalAccess[i.Endpoint()] = access
	}
	return nil
}

func refused(i abi.HostnameInfo, why string) error {
	return fault.New(metav1.Reason_REASON_ADDRESS_ACCESS, "cannot change who reaches %s that way: %s", i.Endpoint(), why).With("address", i.Endpoint())
}

// rekey lets choices for addresses follow them to another port.
func rekey(c *hostsv1.Choices, from, to uint32) {
	if c == nil {
		return
	}
	for e, access := range maps.Clone(c.GetGlobalAccess()) {
		if host, ok := strings.CutSuffix(e, ":"+strconv.FormatUint(uint64(from), 10)); ok {
			delete(c.GlobalAccess, e)
			c.GlobalAccess[host+":"+strconv.FormatUint(uint64(to), 10)] = access
		}
	}
	for i, e := range c.Enabled {
		if host, ok := strings.CutSuffix(e, ":"+strconv.FormatUint(uint64(from), 10)); ok {
			c.Enabled[i] = host + ":" + strconv.FormatUint(uint64(to), 10)
		}
	}
	for _, d := range c.Disabled {
		if d.GetPort() == from {
			d.Port = to
		}
	}
}

// change changes what people chose of a host, and answers the host with the addresses that follow.
func (s *Service) change(ctx context.Context, now time.Time, t Target, fn func(tx *store.Tx, row *hostsv1.Host) error) (*hostsv1.Host, error) {
	var changed *hostsv1.Host
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		rows, err := s.own(tx, t.Package)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(r *hostsv1.Host) bool { return hostID(r) == t.Host && !r.GetSpec().GetKept() })
		if i < 0 {
			return unknownHost(t)
		}
		if err := fn(tx, rows[i]); err != nil {
			return err
		}
		if err := s.put(tx, rows[i]); err != nil {
			return err
		}
		changed = proto.CloneOf(rows[i])
		return nil
	})
	return changed, err
}

// inUse tells whether somebody reaches something by a host.
func inUse(row *hostsv1.Host) bool {
	for _, b := range row.GetSpec().GetBindings() {
		if b.GetEnabled() {
			return true
		}
	}
	for _, r := range row.GetSpec().GetRanges() {
		if r.GetEnabled() {
			return true
		}
	}
	return false
}

// packageOf is the package a host is of.
func packageOf(row *hostsv1.Host) string { return ids.Parent(row.GetMeta().GetId()) }
