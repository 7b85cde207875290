package daemon

import (
	"slices"
	"time"

	"github.com/hearthos/hearth/server/internal/reconcile"
)

// controllers are all that keep something true continuously. They are the same for a daemon that was not constructed,
// whose controllers say what they are and cannot run.
func (d *Daemon) controllers() []reconcile.Controller {
	return slices.Concat([]reconcile.Controller{
		d.runner.Controller(), d.runner.LimitController(), d.gateways.Controller(), d.gateways.ListController(), d.hosts.Controller(), d.proxy.Controller(), d.operations.History(),
		d.warnings.Controller(), d.accounts.Controller(time.Now), d.accounts.RootKeyController(), d.settings.Controller(), d.reach.Controller(), d.monitor.Controller(),
		d.installs.GarbageController(d.operations),
	}, d.updates.Controllers())
}

// Controllers tells which controllers there are, what wakes them, and what they read and write.
func Controllers() []reconcile.Controller { return new(Daemon).controllers() }
