package daemon

import (
	"context"
	"maps"
	"slices"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/warn"
)

// localWarning is the id of the condition that another machine has a name in .local that a service was to have.
const localWarning = "local-name"

// serviceNames are the names of services in .local, by the id of the host whose page is reached there.
type serviceNames struct {
	wanted  map[string]string // labels
	claimed map[string]string // labels; none while it is being claimed
}

// byHost answers the whole names that are claimed.
func (s *serviceNames) byHost() map[string]string {
	out := map[string]string{}
	if s == nil {
		return out
	}
	for id, label := range s.claimed {
		out[id] = label + ".local"
	}
	return out
}

// mdnsName is the server's name in .local, empty while the front door has not claimed it: a name that nobody answers for is
// no address.
func (d *Daemon) mdnsName() string {
	label, _ := d.local.Load().(string)
	if label == "" {
		return ""
	}
	return label + ".local"
}

// claimed takes from the front door what came of the names of the server and its services, and answers whether one is still being
// claimed.
func (d *Daemon) claimed(ctx context.Context, names []*doorv1.LocalName) (waits bool) {
	if len(names) == 0 { // a door without a table
		return false
	}
	claimed := map[string]string{}
	for _, n := range names {
		claimed[n.GetWanted()] = n.GetClaimed()
		waits = waits || n.GetClaimed() == ""
	}
	news := false
	if own, wanted := claimed[d.hostname()]; wanted {
		if had, _ := d.local.Swap(own).(string); had != own {
			d.log.InfoContext(ctx, "name in .local", "name", own, "wanted", d.hostname())
			news = true
		}
	}
	if news = d.claimedByServices(ctx, claimed) || news; news {
		d.networkChanged(ctx)
		d.manager.Wake(proxy.ControllerName, proxy.ControllerKey) // the certificate has its names
		d.manager.Wake(warn.ControllerName, localWarning)
	}
	return waits
}

// claimedByServices takes what came of the names of services, and answers whether that is news. A name that is just claimed anew, by
// the next door, is the service's meanwhile.
func (d *Daemon) claimedByServices(ctx context.Context, claimed map[string]string) (news bool) {
	before := d.services.Load()
	if before == nil {
		before = &serviceNames{}
	}
	wanted, err := d.proxy.ServiceNames()
	if err != nil {
		d.log.WarnContext(ctx, "cannot look at the names of services", "error", err)
		return false
	}
	next := &serviceNames{wanted: wanted, claimed: map[string]string{}}
	for id, label := range wanted {
		switch now, told := claimed[label]; {
		case now != "":
			next.claimed[id] = now
		case told && before.wanted[id] == label && before.claimed[id] != "":
			next.claimed[id] = before.claimed[id]
		}
	}
	d.services.Store(next)
	return !maps.Equal(before.claimed, next.claimed)
}

// localCondition warns of names in .local that are another machine's, so that a service, or the server, is found under another one.
func (d *Daemon) localCondition() warn.Condition {
	return warn.Condition{
		Name:   localWarning,
		Text:   "Another machine in the network is called {{.Wanted}}.local, so {{.Service}} is called {{.Claimed}}.local.",
		Remedy: "Use the name that it has now, or give the other machine another name; the own one comes back within a minute after nobody else has it.",
		Check: func(context.Context) ([]warn.Finding, error) {
			var out []warn.Finding
			find := func(service, wanted, claimed string) {
				if claimed != "" && claimed != wanted {
					out = append(out, warn.Finding{About: wanted, Severity: warn.Warning, Values: map[string]string{
						"Service": service, "Wanted": wanted, "Claimed": claimed,
					}})
				}
			}
			own, _ := d.local.Load().(string)
			find("the server", d.hostname(), own)
			if s := d.services.Load(); s != nil {
				for _, id := range slices.Sorted(maps.Keys(s.wanted)) {
					find(ids.Parent(id), s.wanted[id], s.claimed[id])
				}
			}
			return out, nil
		},
	}
}
