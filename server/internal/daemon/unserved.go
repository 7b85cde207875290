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
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/warn"
)

// The conditions that the front door does not get to listen somewhere, that a package has more ports there than one may have, that it
// cannot use a part of its table, and that it cannot use any.
const (
	unservedWarning = "unserved"
	shareWarning    = "door-share"
	unusableWarning = "door-part"
	stuckWarning    = "door-stuck"
)

// listens takes from the front door where it listens, and has hosts and warnings follow. It is called whenever the door was
// asked.
func (d *Daemon) listens(sockets []*doorv1.Socket) {
	held, deaf := sorted(sockets)
	d.held.Store(&held)
	d.deaf.Store(&deaf)
	if d.followUnserved() {
		d.manager.Wake(warn.ControllerName, unservedWarning)
	}
}

// tellUnserved has hosts and warnings follow what the proxy could not have served.
func (d *Daemon) tellUnserved() {
	d.followUnserved()
	for _, condition := range []string{shareWarning, unusableWarning, stuckWarning} {
		d.manager.Wake(warn.ControllerName, condition)
	}
}

// followUnserved has hosts follow what the front door does not serve, and answers whether that is news.
func (d *Daemon) followUnserved() bool {
	unserved := hosts.Unserved{At: map[netip.AddrPort]string{}, Names: map[string]string{}, Hosts: map[string]string{}}
	for _, o := range d.proxy.Omitted() {
		if at, err := netip.ParseAddrPort(o.Address); err == nil {
			unserved.At[at] = o.Why()
		}
	}
	if deaf := d.deaf.Load(); deaf != nil {
		maps.Copy(unserved.At, *deaf)
	}
	parts, _ := d.proxy.Unusable()
	for _, p := range parts {
		switch p.Kind {
		case proxy.PartHost:
			unserved.Hosts[p.ID] = p.Why
		case proxy.PartName:
			unserved.Names[p.ID] = p.Why
		}
	}
	news := d.hosts.SetUnserved(unserved)
	if news {
		d.manager.Wake(hosts.ControllerName, hosts.ControllerKey)
	}
	return news
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
		Text:   "Nobody reaches {{.Service}} at port {{.Port}}.",
		Remedy: "Find the other program with 'ss -ltnp' and end it; the server tries again by itself. A service that is installed anew gets another port.",
		Check: func(context.Context) ([]warn.Finding, error) {
			deaf := d.deaf.Load()
			if deaf == nil || len(*deaf) == 0 {
				return nil, nil
			}
			unserved := *deaf
			services, err := d.portOwners()
			if err != nil {
				return nil, err
			}
			byPort := map[uint16]warn.Finding{}
			for _, at := range slices.SortedFunc(maps.Keys(unserved), netip.AddrPort.Compare) {
				port := strconv.Itoa(int(at.Port()))
				service := services[uint32(at.Port())]
				if service == "" {
					service = "Hearth"
				}
				if _, told := byPort[at.Port()]; !told {
					byPort[at.Port()] = warn.Finding{About: port, Severity: warn.Warning, Values: map[string]string{
						"Service": service, "Port": port,
					}, Quote: unserved[at]}
				}
			}
			return slices.Collect(maps.Values(byPort)), nil
		},
	}
}

// shareCondition warns of packages that have more ports than one may have at the front door.
func (d *Daemon) shareCondition() warn.Condition {
	return warn.Condition{
		Name:   shareWarning,
		Text:   "{{.Service}} binds more ports than one package may have at the front door; nobody reaches it at {{.Count}} addresses, the first of which is {{.First}}.",
		Remedy: "Pages for people are served first. The package has to bind fewer ports: tell those who make it. 'hearth package addresses {{.Service}}' shows which are not served.",
		Check: func(context.Context) ([]warn.Finding, error) {
			byPackage := map[string][]string{}
			for _, o := range d.proxy.Omitted() {
				byPackage[o.Package] = append(byPackage[o.Package], o.Address)
			}
			var out []warn.Finding
			for pkg, addresses := range byPackage {
				out = append(out, warn.Finding{About: pkg, Severity: warn.Warning, Values: map[string]string{
					"Service": pkg, "Count": strconv.Itoa(len(addresses)), "First": slices.Min(addresses),
				}})
			}
			return out, nil
		},
	}
}

// unusableCondition warns of parts that the front door cannot use: the rest of its table is in force.
func (d *Daemon) unusableCondition() warn.Condition {
	return warn.Condition{
		Name:   unusableWarning,
		Text:   "{{.Part}} is not served, since the front door cannot use what it would need.",
		Remedy: "All else is served. Take the name or the service away, or change what was changed last; then it comes by itself.",
		Check: func(context.Context) ([]warn.Finding, error) {
			parts, _ := d.proxy.Unusable()
			var out []warn.Finding
			for _, p := range parts {
				out = append(out, warn.Finding{About: p.ID, Severity: warn.Warning, Values: map[string]string{"Part": p.ID}, Quote: p.Why})
			}
			return out, nil
		},
	}
}

// stuckCondition warns of a front door that takes no table: what was switched off since is still open.
func (d *Daemon) stuckCondition() warn.Condition {
	return warn.Condition{
		Name:   stuckWarning,
		Text:   "The front door goes on as it was and follows no change, since it cannot use its table.",
		Remedy: "What was switched off since is still open. Undo what was changed last in the network of this machine or its names, and send 'hearth bugreport' to those who make Hearth.",
		Check: func(context.Context) ([]warn.Finding, error) {
			if _, all := d.proxy.Unusable(); all != "" {
				return []warn.Finding{{Severity: warn.Critical, Quote: all}}, nil
			}
			return nil, nil
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
