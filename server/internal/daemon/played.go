package daemon

import (
	"context"
	"net/netip"
	"slices"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/server/internal/rpc"
)

// playDoor serves the front door of a sandbox where the daemon looks for it, until ctx ends.
func (d *Daemon) playDoor(ctx context.Context, group *errgroup.Group) error {
	lis, err := rpc.ListenUnix(d.doorOptions().Path(), 0o600)
	if err != nil {
		return err
	}
	group.Go(func() error { return d.cfg.PlayedDoor(ctx, lis) })
	return nil
}

// reachable is the table as the front door can use it. In a sandbox nobody has the addresses of the bridge: nothing is
// listened on there, and services are reached where they are played.
func (d *Daemon) reachable(t *doorv1.Table) *doorv1.Table {
	if d.cfg.Sandbox == nil {
		return t
	}
	t = proto.CloneOf(t)
	onBridge := func(address string) (netip.AddrPort, bool) {
		a, err := netip.ParseAddrPort(address)
		return a, err == nil && d.cfg.Bridge.Contains(a.Addr())
	}
	t.Listeners = slices.DeleteFunc(t.Listeners, func(l *doorv1.Listener) bool {
		_, ok := onBridge(l.GetAddress())
		return ok
	})
	for _, l := range t.GetListeners() {
		for _, r := range l.GetRoutes() {
			if a, ok := onBridge(r.GetUpstream()); ok {
				r.Upstream = "unix:" + d.cfg.Sandbox.Upstream(a)
			}
		}
	}
	return t
}
