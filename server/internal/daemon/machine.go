package daemon

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/host/quota"
	"github.com/hearthos/hearth/server/internal/monitor"
	"github.com/hearthos/hearth/server/internal/runner"
)

// machine is what the areas use of the machine: the real one, or one that is played.
type machine struct {
	containers runner.Containers
	// used tells what containers use.
	used monitor.Containers
	// limits bound each container.
	limits lxc.Limits
	// root is below which the machine's devices are; empty where it is played.
	root   string
	mounts runner.Mounts
	quotas runner.Quotas
	// release lets data that are set aside count as nobody's.
	release func(ctx context.Context, dir string) error
	// disk is the one that the state is on, nil where that is not known.
	disk     *lxc.Disk
	devices  gateway.Devices
	firewall gateway.Firewall
	// close gives back what was opened; what was made stays.
	close func() error
}

func (d *Daemon) openMachine() (machine, error) {
	if s := d.cfg.Sandbox; s != nil {
		s.Place(d.runDir)
		return machine{containers: s.Containers, used: s.Containers, mounts: s.Mounts, quotas: s.Containers, release: s.Containers.Release, devices: s.Network, firewall: s.Firewall}, nil
	}
	all, err := lxc.ShareHere()
	if err != nil {
		return machine{}, err
	}
	if d.cfg.ServicesMemory > 0 {
		all.Memory = d.cfg.ServicesMemory << 20
	}
	if d.cfg.ServicesProcesses > 0 {
		all.PIDs = d.cfg.ServicesProcesses
	}
	containers, err := lxc.New(lxc.Config{Tag: d.tag, RunDir: d.runDir, Helper: filepath.Join(d.cfg.BinDir, "hearth-lxc"), All: all})
	if err != nil {
		return machine{}, err
	}
	if err := lxc.WidenTables("/"); err != nil {
		d.log.Warn("services share the kernel's small number of watches of files", "error", err)
	}
	devices, err := netdev.New()
	if err != nil {
		return machine{}, errors.Join(err, containers.Close())
	}
	devices.BeforeSettings(gateway.Remember(openedPath(d.runDir)))
	firewall, err := nft.New()
	if err != nil {
		devices.Close()
		return machine{}, errors.Join(err, containers.Close())
	}
	disk, err := lxc.DiskOf(d.cfg.StateDir)
	if err != nil {
		d.log.Warn("it is not known which disk the state is on, so rates of it are not bounded", "error", err)
	}
	mounts, quotas := lxc.NewMounts(), quota.Open(d.cfg.StateDir)
	return machine{containers: containers, used: containers, limits: all.One(), root: "/", mounts: mounts, quotas: quotas, release: quotas.Release, disk: disk, devices: devices, firewall: firewall, close: func() error {
		firewall.Close()
		devices.Close()
		return errors.Join(mounts.Close(), containers.Close())
	}}, nil
}
