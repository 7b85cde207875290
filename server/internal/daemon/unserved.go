package daemon

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/warn"
)

// unservedWarning is the id of the condition that the front door does not get to listen somewhere.
const unservedWarning = "unserved"

// listens takes from the front door where it listens, and has hosts and warnings follow. It is called whenever the door was
// asked.
func (d *Daemon) listens(sockets []*doorv1.Socket) {
	held, unserved := sorted(sockets)
	d.held.Store(&held)
	if d.hosts.SetUnserved(unserved) {
		d.manager.Wake(hosts.ControllerName, hosts.ControllerKey)
		d.manager.Wake(warn.ControllerName, unservedWarning)
	}
}

// sorted are the ports that the front door alone listens on, and the addresses it does not get, with why. A port of which
// another program has one address is not the door's: who is given it is not reached there.
func sorted(sockets []*doorv1.Socket) (held map[uint32]bool, unserved map[netip.AddrPort]string) {
	held, unserved = map[uint32]bool{}, map[netip.AddrPort]string{}
	for _, s := range sockets {
		network, address, _ := strings.Cut(s.GetAddress(), " ")
		at, err := netip.ParseAddrPort(address)
		if network != "tcp" || err != nil {
			continue
		}
		if s.GetError() == "" {
			held[uint32(at.Port())] = true
			continue
		}
		unserved[at] = s.GetError()
	}
	for at := range unserved {
		delete(held, uint32(at.Port()))
	}
	return held, unserved
}

// busyPorts are the ports on which other programs of the machine listen: all that are listened on, without those of the
// front door, which bindings have or have just given back.
func (d *Daemon) busyPorts() map[uint32]bool {
	ports, err := netdev.Listening()
	if err != nil {
		d.log.Warn("cannot look at the ports of the machine", "error", err)
		return nil
	}
	if held := d.held.Load(); held != nil {
		for port := range *held {
			delete(ports, port)
		}
	}
	return ports
}

// unservedCondition warns of ports on which the front door does not get to listen, each by itself.
func (d *Daemon) unservedCondition() warn.Condition {
	return warn.Condition{
		Name:   unservedWarning,
		Text:   "Nobody reaches {{.Service}} at port {{.Port}}: {{.Error}}.",
		Remedy: "Find the other program with 'ss -ltnp' and end it; the server tries again by itself. A service that is installed anew gets another port.",
		Check: func(context.Context) ([]warn.Finding, error) {
			unserved := d.hosts.Network().Unserved
			if len(unserved) == 0 {
				return nil, nil
			}
			services, err := d.portOwners()
			if err != nil {
				return nil, err
			}
			byPort := map[uint16]warn.Finding{}
			for _, at := range slices.SortedFunc(maps.Keys(unserved), netip.AddrPort.Compare) {
				port := strconv.Itoa(int(at.Port()))
				service := services[uint32(at.Port())]
				if service == "" {
					service = "the server"
				}
				if _, told := byPort[at.Port()]; !told {
					byPort[at.Port()] = warn.Finding{About: port, Severity: warn.Warning, Values: map[string]string{
						"Service": service, "Port": port, "Error": unserved[at],
					}}
				}
			}
			return slices.Collect(maps.Values(byPort)), nil
		},
	}
}

// portOwners tells for each port outside whose it is.
func (d *Daemon) portOwners() (map[uint32]string, error) {
	owners := map[uint32]string{}
	return owners, d.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*hostsv1.Host](tx, "")
		for _, row := range rows {
			for _, p := range row.GetStatus().GetPorts() {
				for _, port := range []uint32{p.GetAssignedPort(), p.GetAssignedSslPort()} {
					owners[port] = ids.Parent(row.GetMeta().GetId())
				}
			}
		}
		return err
	})
}
