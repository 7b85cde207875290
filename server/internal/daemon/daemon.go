// Package daemon makes a server out of its parts: New constructs everything in order by plain calls, Run lets it run.
// It is the best map of the system, and holds no logic of its own beyond wiring.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hearthos/hearth/api/openapi"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/action"
	"github.com/hearthos/hearth/server/internal/artifact"
	"github.com/hearthos/hearth/server/internal/audit"
	"github.com/hearthos/hearth/server/internal/cert"
	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/door/doorctl"
	"github.com/hearthos/hearth/server/internal/effects"
	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/logs"
	"github.com/hearthos/hearth/server/internal/naming"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/telemetry"
	"github.com/hearthos/hearth/server/internal/rpc/transfer"
	"github.com/hearthos/hearth/server/internal/runner"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/volume"
	"github.com/hearthos/hearth/server/internal/warn"
)

// Daemon is a whole server in one process.
type Daemon struct {
	cfg     Config
	log     *slog.Logger
	started time.Time
	runDir  string
	// door tells whether the front door answered last.
	door atomic.Bool
	// stop ends Run; its cause says why.
	stop context.CancelCauseFunc
	// endBackground ends what New started beside Run.
	endBackground context.CancelFunc
	// stopManager ends the controllers alone; managerDone is closed when they have ended.
	stopManager context.CancelFunc
	managerDone chan struct{}

	store      *store.Store
	accounts   *account.Service
	artifacts  *artifact.Keeper
	volumes    *volume.Keeper
	authority  *cert.Authority
	audit      *audit.Log
	lxc        *lxc.Runtime
	mounts     *mount.Mounter
	gateways   *gateway.Service
	hosts      *hosts.Service
	proxy      *proxy.Service
	runner     *runner.Service
	operations *operation.Engine
	manager    *reconcile.Manager
	warnings   *warn.Keeper
	meter      *telemetry.Meter
	exporter   *telemetry.Exporter // nil: no collector is configured
	doorConn   *doorctl.Door
	hub        *rpc.Hub
}

// New opens the state and constructs the server. Nothing runs and nothing listens yet. The background of what it
// constructs ends with ctx, or with Run.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Daemon, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	d := &Daemon{cfg: cfg, log: log, started: time.Now()}
	ctx, d.endBackground = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()

	// State. The store is opened first: it holds the lock that keeps a second daemon out.
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the state folder: %w", err)
	}
	if d.store, err = store.Open(filepath.Join(cfg.StateDir, "store"), store.Options{Logger: log}); err != nil {
		return nil, err
	}
	tag := d.store.Tag()
	d.runDir = filepath.Join(cfg.RunRoot, tag)
	if err := d.makeRunDir(); err != nil {
		return nil, err
	}
	if d.artifacts, err = artifact.New(filepath.Join(cfg.StateDir, "artifacts"), runner.Architecture(), d.store, log, time.Now); err != nil {
		return nil, err
	}
	if d.volumes, err = volume.New(filepath.Join(cfg.StateDir, "volumes")); err != nil {
		return nil, err
	}
	logKeeper, err := logs.New(filepath.Join(cfg.StateDir, "logs"), d.store)
	if err != nil {
		return nil, err
	}
	names := naming.Server{Hostname: naming.Hostname(cfg.Hostname, tag)}
	ring, err := seal.Load(KeyDir(cfg.StateDir))
	if err != nil {
		return nil, err
	}
	if d.authority, err = cert.Open(filepath.Join(cfg.StateDir, "authority"), names.Hostname, ring); err != nil {
		return nil, err
	}

	// Host mechanisms.
	d.lxc, err = lxc.New(lxc.Config{Tag: tag, RunDir: d.runDir, Helper: filepath.Join(cfg.BinDir, "hearth-lxc")})
	if err != nil {
		return nil, err
	}
	d.mounts = mount.New()
	bridge := BridgeName(tag)

	// Areas.
	d.accounts = account.New(d.store)
	d.audit = audit.New(d.store, log, time.Now, audit.DefaultLimits())
	d.hosts = hosts.New(d.store, cfg.reservedPorts()...)
	if d.gateways, err = gateway.New(gateway.Config{
		Tag: tag, Bridge: bridge, Address: cfg.Bridge, Ports: []uint16{uint16(cfg.WebPort)},
		Interface: func(pkg string) string { return runner.InterfaceName(tag, pkg) },
	}, d.store, log); err != nil {
		return nil, err
	}
	d.runner = runner.New(ctx, runner.Config{
		RunDir: d.runDir, StateDir: cfg.StateDir, Tag: tag, Bridge: bridge, BridgeAddress: cfg.Bridge, FirstUID: cfg.FirstUID,
		Rootfs: filepath.Join(cfg.BinDir, "rootfs.squashfs"), Agent: filepath.Join(cfg.BinDir, "hearth-agent"),
		JSHost: filepath.Join(cfg.BinDir, "jshost"), Language: "en_US.UTF-8", Version: cfg.Version, Limits: cfg.Limits,
	}, d.store, log, time.Now, d.lxc, d.artifacts, d.volumes, d.mounts)
	installs := install.New(d.store, time.Now, d.artifacts, packageData{d.volumes}, logKeeper, gate, forget)
	actions := action.New(d.store, log, d.runner, desires{installs})
	keys := custody.New(ring, d.authority)
	d.operations = operation.New(d.store, log, slices.Concat(installs.Definitions(), keys.Definitions())...)
	packageEffects := effects.New(effects.Deps{
		Store: d.store, Log: log, Clock: time.Now, Data: d.volumes, Desires: installs, Containers: containers{d.runner},
		Hosts: d.hosts, Certificates: certificates{d.store, d.authority, d.hosts}, Progress: initProgress{d.store},
		Actions: packageActions{actions}, BridgeIP: cfg.Bridge.Addr().String(),
	})
	d.proxy = proxy.New(proxy.Options{
		Store: d.store, Log: log, Door: frontDoor{d}, Names: serverNames{names}, Certificates: serverCertificates{d.authority},
		Server: d.doorServer(),
	})
	d.warnings = warn.New(d.store, log, d.conditions()...)
	d.manager = reconcile.New(d.store, log, d.controllers()...)
	d.runner.Connect(hooks{d, actions}, func(pkg string) { d.manager.Wake(runner.ControllerName, pkg) })

	// Wires.
	outer, err := d.measure(ctx)
	if err != nil {
		return nil, err
	}
	d.hub, err = rpc.New(rpc.Config{
		Logger: log, Cookie: d.cookie(), Ours: d.ours, Authenticator: credentials{d.accounts}, Revision: d.store.Revision, Audit: d.audit,
		Outer: outer, Interceptors: []rpc.Interceptor{effectsCaller},
		Transfer: transfer.New(uploads{d.artifacts}, log), OpenAPI: openapi.Document, CA: d.authority.RootPEM,
	})
	if err != nil {
		return nil, err
	}
	d.register(actions, installs, logKeeper, packageEffects, keys, names.Hostname)
	return d, d.hub.Build()
}

// makeRunDir makes the instance's folder under /run, and the names under which the local socket is found.
func (d *Daemon) makeRunDir() error {
	for _, dir := range []string{d.cfg.RunRoot, d.runDir} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fmt.Errorf("cannot make the folder %s: %w", dir, err)
		}
		if err := os.Chmod(dir, 0o711); err != nil {
			return err
		}
	}
	for _, link := range []string{filepath.Join(d.cfg.StateDir, "hearthd.sock"), d.cfg.Socket} {
		if link == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o711); err != nil {
			return err
		}
		fresh := link + ".new"
		if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := errors.Join(os.Symlink(d.socketPath(), fresh), os.Rename(fresh, link)); err != nil {
			return fmt.Errorf("cannot say where the local socket is: %w", err)
		}
	}
	return nil
}

func (d *Daemon) socketPath() string { return filepath.Join(d.runDir, "hearthd.sock") }
func (d *Daemon) webPath() string    { return filepath.Join(d.runDir, "web.sock") }

// KeyDir is the folder of the root key within the state folder.
func KeyDir(stateDir string) string { return filepath.Join(stateDir, "keys") }

// BridgeName is the name of the bridge of an instance.
func BridgeName(tag string) string { return "h" + tag + "br0" }

// Tag is the tag of everything this server makes on the machine.
func (d *Daemon) Tag() string { return d.store.Tag() }

// close gives back what New opened, in the reverse order.
func (d *Daemon) close() error {
	var errs []error
	d.endBackground()
	errs = append(errs, d.stopMeasuring())
	if d.doorConn != nil {
		d.doorConn.Close()
	}
	if d.gateways != nil {
		d.gateways.Close()
	}
	if d.mounts != nil {
		errs = append(errs, d.mounts.Close())
	}
	if d.lxc != nil {
		errs = append(errs, d.lxc.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}
