package daemon

import (
	"context"
	"os"
	"strings"

	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/server/internal/host/platform"
)

func (d *Daemon) machine() platform.Machine {
	m := platform.Here(d.cfg.StateDir, d.cfg.BinDir)
	m.Chosen = map[string]platform.Mode{ModeImage: platform.Image, ModeHosted: platform.Hosted, ModeSandbox: platform.Sandbox}[d.cfg.Mode]
	return m
}

// Platform implements systemrpc.Daemon.
func (d *Daemon) Platform() *systemv1.Platform {
	modes := map[platform.Mode]systemv1.Platform_Mode{
		platform.Image: systemv1.Platform_MODE_IMAGE, platform.Hosted: systemv1.Platform_MODE_HOSTED, platform.Sandbox: systemv1.Platform_MODE_SANDBOX,
	}
	p := d.machine().Platform()
	return &systemv1.Platform{Mode: modes[p.Mode], Detail: p.Detail, Os: p.OS, Kernel: p.Kernel, Architecture: p.Architecture}
}

// bootID is the boot of the machine as the kernel names it, "" where it does not: then a container that is gone is taken
// for one that ended by itself.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// Capabilities implements systemrpc.Daemon.
func (d *Daemon) Capabilities(ctx context.Context) []*systemv1.Capability {
	var list []*systemv1.Capability
	for _, c := range d.machine().Capabilities(ctx) {
		list = append(list, &systemv1.Capability{
			Name: c.Name, Available: c.Available, Detail: c.Detail, Purpose: c.Purpose, Remedy: c.Remedy, Words: c.Words, Metadata: c.Values, Quote: c.Quote,
		})
	}
	return list
}
