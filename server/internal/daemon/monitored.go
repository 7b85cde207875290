package daemon

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	notificationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/gauge"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/monitor"
	"github.com/hearthos/hearth/server/internal/notify"
	"github.com/hearthos/hearth/server/internal/runner"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/volume"
)

// newMonitor makes what measures. A sandbox measures the machine that it is played on: only its services use nothing.
func (d *Daemon) newMonitor() *monitor.Service {
	return monitor.New(monitor.Options{
		Store: d.store, Log: d.log, Clock: time.Now, Containers: d.host.used, Root: "/",
		Interface: func(pkg string) string { return runner.InterfaceName(d.tag, pkg) },
		Data: func(ctx context.Context, pkg string) (uint64, error) {
			size, err := tree.Measure(ctx, filepath.Dir(d.volumes.Path(ids.Package(pkg), "x")))
			return size.Bytes, err
		},
		Beside: func(ctx context.Context, pkg string) (uint64, error) {
			size, err := tree.Measure(ctx, filepath.Join(d.cfg.StateDir, "upper", pkg))
			if errors.Is(err, fs.ErrNotExist) {
				err = nil // it has no container
			}
			return size.Bytes, err
		},
		Disk: func() (total, free uint64, err error) {
			r, err := roomOf(d.cfg.StateDir)
			return r.total, r.free, err
		},
		MemoryLimit: d.host.limits.Memory, Architecture: runner.Architecture(),
		Emulated: func() []string { return gauge.Emulated("/") },
		Halt:     d.halt, Relieve: d.store.Relieve, Notes: filepath.Join(d.runDir, "stopping"),
	})
}

// halt records that a service is stopped, and why, and tells people so. The disk may be full.
func (d *Daemon) halt(ctx context.Context, pkg string, why error) error {
	ctx = store.WithUrgency(ctx)
	news, err := d.installs.Halt(ctx, time.Now(), pkg, why)
	if err != nil || !news {
		return err
	}
	return d.notes.Tell(ctx, time.Now(), pkg, notify.Message{
		Level: notificationsv1.NotificationStatus_LEVEL_ERROR, Title: "Stopped: it filled the disk", Message: fault.Proto(why).GetMessage(),
	})
}

// settleTime is for how long an updated service must be well before that is believed.
const settleTime = 3 * time.Second

// hardware is the machine as installation sees it.
type hardware struct{ d *Daemon }

// Fits implements install.Machine.
func (h hardware) Fits(m *s9pk.Manifest) error { return h.d.monitor.Fits(m) }

// Room implements install.Machine.
func (h hardware) Room() (uint64, error) {
	r, err := roomOf(h.d.cfg.StateDir)
	return r.free, err
}

// backupFolder opens a folder for backups: apart from all that is the server's own.
func (d *Daemon) backupFolder(dir string) (install.Folder, error) {
	f, err := volume.OpenFolder(dir, d.cfg.StateDir, d.cfg.RunRoot, d.cfg.BinDir)
	return backupFolder{f}, err
}

// backupFolder is a folder for backups as installation sees it.
type backupFolder struct{ volume.Folder }

// Finish implements install.Folder.
func (f backupFolder) Finish(ctx context.Context, pkg, version, dataVersion string, now time.Time) error {
	return f.Folder.Finish(ctx, volume.Backup{Package: pkg, Version: version, DataVersion: dataVersion, Time: now})
}

// Look implements install.Folder.
func (f backupFolder) Look(pkg string) (string, error) {
	b, err := f.Folder.Look(pkg)
	return b.DataVersion, err
}
