// Package daemon makes a server out of its parts by plain calls, in order: New makes the wires, Run opens the sockets,
// constructs everything (open) and lets it run. It is the best map of the system, and holds no logic of its own beyond
// wiring.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/openapi"
	wire "github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/clients/web"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/action"
	"github.com/hearthos/hearth/server/internal/artifact"
	"github.com/hearthos/hearth/server/internal/audit"
	"github.com/hearthos/hearth/server/internal/cert"
	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/door/doorctl"
	"github.com/hearthos/hearth/server/internal/effects"
	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/host/dnsserver"
	"github.com/hearthos/hearth/server/internal/host/handout"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/journal"
	"github.com/hearthos/hearth/server/internal/logs"
	"github.com/hearthos/hearth/server/internal/monitor"
	"github.com/hearthos/hearth/server/internal/naming"
	"github.com/hearthos/hearth/server/internal/notify"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/reach"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/registry"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/page"
	"github.com/hearthos/hearth/server/internal/rpc/systemrpc"
	"github.com/hearthos/hearth/server/internal/rpc/telemetry"
	"github.com/hearthos/hearth/server/internal/rpc/transfer"
	"github.com/hearthos/hearth/server/internal/runner"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/settings"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/trust"
	"github.com/hearthos/hearth/server/internal/update"
	"github.com/hearthos/hearth/server/internal/volume"
	"github.com/hearthos/hearth/server/internal/warn"
)

// Daemon is a whole server in one process.
type Daemon struct {
	cfg     Config
	log     *slog.Logger
	started time.Time
	// recent is the log of late, for those who follow the start.
	recent *journal.Recent
	// step is where the start is.
	step atomic.Int32
	// tag, runDir and names are known once the sockets are open.
	tag    string
	runDir string
	// madeRunDir tells that runDir was not there before this start.
	madeRunDir bool
	names      atomic.Pointer[naming.Server]
	// opened tells that the areas are there.
	opened atomic.Bool
	// documents are handed out to everybody, by the front door and by handedOut.
	documents []handout.Document
	handedOut atomic.Pointer[handout.Set]
	// grpc is the address that native gRPC is served at.
	grpc atomic.Value
	// door tells whether the front door answered last.
	door atomic.Bool
	// local is the server's name in .local as the front door has claimed it, without ".local"; empty before.
	local atomic.Value
	// services are those of services, with what was wanted.
	services atomic.Pointer[serviceNames]
	// asked has the front door asked soon, as after a table with names that are still to be claimed.
	asked chan struct{}
	// stop ends Run; its cause says why.
	stop context.CancelCauseFunc
	// endBackground ends what open started beside Run.
	endBackground context.CancelFunc
	// stopManager ends the controllers alone; managerDone is closed when they have ended.
	stopManager context.CancelFunc
	managerDone chan struct{}

	store      *store.Store
	artifacts  *artifact.Keeper
	volumes    *volume.Keeper
	ring       *seal.Ring
	authority  *cert.Authority
	shown      atomic.Pointer[time.Time] // since when what was asked of the authority for the front door is what it shows
	swept      atomic.Pointer[time.Time] // when certificates were last looked through
	audit      *audit.Log
	host       machine
	gateways   *gateway.Service
	hosts      *hosts.Service
	held       atomic.Pointer[map[uint32]bool]           // ports the front door listens on
	deaf       atomic.Pointer[map[netip.AddrPort]string] // where it does not get to listen, and why
	reach      *reach.Service
	proxy      *proxy.Service
	runner     *runner.Service
	installs   *install.Service
	updates    *update.Service
	registries *registry.Service
	effects    *effects.Service
	settings   *settings.Keeper
	operations *operation.Engine
	manager    *reconcile.Manager
	warnings   *warn.Keeper
	monitor    *monitor.Service
	notes      *notify.Keeper
	outer      []rpc.Interceptor // what measures calls
	meter      *telemetry.Meter
	exporter   *telemetry.Exporter // nil: no collector is configured
	doorConn   *doorctl.Door
	reached    chan reached // what came of looking for the door; nil until it is looked for
	keptFirst  []byte       // what the file firstTable holds; of the one that applies tables
	hub        *rpc.Hub
	accounts   *account.Service
	transfer   *transfer.Handler
	system     *systemrpc.Server
}

// New makes the wires. Nothing runs and nothing listens yet, and the state is not touched but for its folder.
func New(cfg Config, log *slog.Logger) (*Daemon, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := makePrivate(cfg.StateDir); err != nil {
		return nil, ofDisk(cfg.StateDir, fmt.Errorf("cannot make the state folder: %w", err))
	}
	if cfg.Sandbox != nil {
		if err := os.WriteFile(filepath.Join(cfg.StateDir, sandboxMark), nil, 0o600); err != nil {
			return nil, fmt.Errorf("cannot mark the state as a sandbox's: %w", err)
		}
	}
	d := &Daemon{cfg: cfg, started: time.Now(), recent: journal.NewRecent(keptLines), asked: make(chan struct{}, 1)}
	d.log = slog.New(d.recent.Handler(log.Handler()))
	files, err := page.New(web.Bundle())
	if err != nil {
		return nil, fmt.Errorf("cannot read the page: %w", err)
	}
	d.hub, err = rpc.New(rpc.Config{
		Logger: d.log, Cookie: d.cookie, Ours: d.ours, Authenticator: authenticator{d}, Revision: d.revision, Audit: d.auditLog,
		Outer: []rpc.Interceptor{d.measured}, Interceptors: []rpc.Interceptor{d.effectsCaller},
		Transfer: http.HandlerFunc(d.transfers), OpenAPI: openapi.Document, Page: files, Documents: d.handedOut.Load,
	})
	if err != nil {
		return nil, err
	}
	d.declare()
	d.hub.Enter(optionsv1.Phase_PHASE_INIT, stepName(stepStore)) // what asks before Run is told that it has not started
	return d, d.hub.Build()
}

// openSockets opens the instance's sockets and serves them. It comes before all else where the tag is known: from here on
// callers are told how far the start is.
func (d *Daemon) openSockets(ctx context.Context, tag string, serve func(func() error)) (err error) {
	d.tag, d.runDir = tag, filepath.Join(d.cfg.RunRoot, tag)
	d.names.Store(&naming.Server{Hostname: naming.Hostname(d.cfg.Hostname, tag)})
	if err := d.makeRunDir(); err != nil {
		return err
	}
	if err := errors.Join(d.checkKeys(), d.checkAuthority()); err != nil {
		return err
	}
	if d.ring, err = seal.Load(KeyDir(d.cfg.StateDir)); err != nil {
		return err
	}
	if d.authority, err = cert.Open(filepath.Join(d.cfg.StateDir, "authority"), d.hostname(), d.ring); err != nil {
		return err
	}
	documents, err := trust.Documents(trust.Root{
		Name: d.authority.Root().Subject.CommonName, PEM: d.authority.RootPEM(), Profile: d.authority.AppleProfile(), Fingerprint: d.authority.Fingerprint(),
	})
	if err != nil {
		return err
	}
	d.documents = documents
	d.handedOut.Store(handout.New(append(slices.Clone(documents), trust.Proof())))
	return d.listen(ctx, serve)
}

// open constructs the areas on the store. What they do in the background ends with ctx.
func (d *Daemon) open(ctx context.Context) (err error) {
	cfg, log := d.cfg, d.log
	tag := d.tag
	if d.artifacts, err = artifact.New(filepath.Join(cfg.StateDir, "artifacts"), runner.Architecture(), d.store, artifact.ByProgram(cfg.converter()), log, time.Now); err != nil {
		return err
	}
	if d.volumes, err = volume.New(filepath.Join(cfg.StateDir, "volumes"), func(ctx context.Context, dir string) error { return d.host.release(ctx, dir) }); err != nil {
		return err
	}
	logKeeper, err := logs.New(filepath.Join(cfg.StateDir, "logs"), d.store)
	if err != nil {
		return err
	}

	// Host mechanisms.
	if d.host, err = d.openMachine(); err != nil {
		return err
	}
	bridge := BridgeName(tag)

	// Areas.
	d.settings = settings.New(settings.Options{
		Store: d.store, Ring: d.ring, Rebuild: d.rebuildAll, Renamed: d.renamed,
		Hostname: func(name string) string { return naming.Hostname(name, tag) },
	})
	chosen, err := d.settings.Get()
	if err != nil {
		return err
	}
	d.renamed(ctx, chosen.GetSpec().GetHostname())
	d.hosts = hosts.New(d.store, d.ring, uint32(cfg.WebPort), d.busyPorts, cfg.reservedPorts()...)
	keys := custody.New(d.ring, d.authority, d.settings, d.hosts)
	d.accounts = account.New(d.store, keys, log)
	d.audit = audit.New(d.store, log, time.Now, audit.DefaultLimits())
	if err := d.hosts.EnsurePage(ctx, time.Now()); err != nil {
		return err
	}
	d.reach = reach.New(reach.Options{
		Store: d.store, Gateways: func() []abi.Gateway { return d.hosts.Network().Gateways }, Root: d.authority.RootPEM,
		Resolve: func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name+".")
		},
		Own: func(ctx context.Context, at netip.Addr, name string) ([]netip.Addr, error) {
			return dnsserver.AskAt(ctx, netip.AddrPortFrom(at, proxy.ResolverPort), name)
		},
		Dial: new(net.Dialer).DialContext,
	})
	d.gateways = gateway.New(gateway.Config{
		Tag: tag, Bridge: bridge, Address: cfg.Bridge, Address6: netip.PrefixFrom(abi.BridgeAddress6, 64), Ports: []uint16{uint16(cfg.WebPort), abi.SocksPort}, Outward: []uint16{abi.SocksPort}, Opened: openedPath(d.runDir),
		Interface: func(pkg string) string { return runner.InterfaceName(tag, pkg) }, Flows: func() uint32 { return nft.FlowShare("/") },
	}, d.store, log, d.host.devices, d.host.firewall)
	d.runner = runner.New(ctx, runner.Config{
		RunDir: d.runDir, StateDir: cfg.StateDir, Tag: tag, Bridge: bridge, BridgeAddress: cfg.Bridge, Bridge6: d.gateways.Bridge6, EnsureReach: d.ensureReach, FirstUID: cfg.FirstUID,
		Rootfs: filepath.Join(cfg.BinDir, "rootfs.squashfs"), Agent: filepath.Join(cfg.BinDir, "hearth-agent"),
		JSHost: filepath.Join(cfg.BinDir, "jshost"), Language: d.settings.Language, Version: cfg.Version, Limits: d.host.limits, Disk: d.host.disk, MachineRoot: d.host.root, Boot: bootID(),
		ParkAfter: cfg.ParkAfter,
	}, d.store, log, time.Now, d.host.containers, d.artifacts, d.volumes, d.host.mounts, d.host.quotas)
	d.registries = registry.New(registry.Deps{
		Store: d.store, Clock: time.Now, Transport: fetch.Guarded,
		Machine: wire.HardwareInfo{Arch: runner.Architecture(), RAM: totalMemory()},
	})
	d.monitor = d.newMonitor()
	if _, err := d.monitor.Hardware(); err != nil {
		return err
	}
	d.installs = install.New(install.Deps{
		Store: d.store, Clock: time.Now, Artifacts: d.artifacts, File: d.artifacts.Path, Sources: d.registries, Data: packageData{d.volumes}, Logs: logKeeper,
		Gate: gate, Forget: d.forget, Code: d.runner, Machine: hardware{d}, Folder: d.backupFolder, Settle: settleTime,
	})
	actions := action.New(d.store, log, d.runner, desires{d.installs})
	d.operations = operation.New(d.store, log, slices.Concat(d.installs.Definitions(), keys.Definitions())...)
	d.updates = update.New(d.store, updatable{d.installs, d.operations}, log, time.Now)
	d.notes = notify.New(d.store)
	d.effects = effects.New(effects.Deps{
		Store: d.store, Log: log, Clock: time.Now, Data: d.volumes, Desires: d.installs, Containers: containers{d.runner},
		Hosts: d.hosts, Certificates: certificates{d.store, d.authority, d.hosts}, Progress: initProgress{d.store, d.operations}, Notifications: notifications{d.notes}, Mail: d.settings,
		Actions: packageActions{actions}, BridgeIP: cfg.Bridge.Addr().String(),
	})
	d.proxy = proxy.New(proxy.Options{
		Store: d.store, Log: log, Door: frontDoor{d}, Names: serverNames{d}, Certificates: serverCertificates{d},
		Gates: d.hosts, Server: d.doorServer(), Told: d.tellUnserved,
	})
	d.warnings = warn.New(d.store, log, d.conditions()...)
	d.manager = reconcile.New(d.store, log, d.controllers()...)
	d.runner.Connect(hooks{d, actions}, func(pkg string) { d.manager.Wake(runner.ControllerName, pkg) })

	if d.outer, err = d.measure(ctx); err != nil {
		return err
	}
	d.transfer = transfer.New(uploads{d.artifacts.Uploads()}, log)
	d.register(actions, d.installs, logKeeper, keys, d.notes)
	d.opened.Store(true)
	return nil
}

// ofDisk makes a fault of an error that says that the disk takes nothing, whichever file was the first to be written.
func ofDisk(state string, err error) error {
	reason, text := metav1.Reason_REASON_DISK_FULL, "the disk is full"
	switch {
	case errors.As(err, new(*fault.Error)):
		return err
	case errors.Is(err, syscall.EROFS):
		reason, text = metav1.Reason_REASON_STORE_READ_ONLY, "the disk is read-only"
	case !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT):
		return err
	}
	path := state
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		path = at.Path
	}
	return fault.New(reason, "%s: %w", text, err).With("path", path)
}

// makePrivate makes the state folder and the one for what containers write, both readable by root alone; one that was
// made otherwise is corrected. The containers' own users reach what lies in them through mounts, never by their paths.
func makePrivate(state string) error {
	for _, dir := range []string{state, filepath.Join(state, "upper")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode()&os.ModeSticky != 0 {
			return fmt.Errorf("%s belongs to everybody (its sticky bit is set); name a folder of its own", dir)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// makeRunDir makes the instance's folder under /run, and the names under which the local socket is found.
func (d *Daemon) makeRunDir() error {
	if err := os.MkdirAll(d.cfg.RunRoot, 0o711); err != nil {
		return fmt.Errorf("cannot make the folder %s: %w", d.cfg.RunRoot, err)
	}
	err := os.Mkdir(d.runDir, 0o711)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make the folder %s: %w", d.runDir, err)
	}
	d.madeRunDir = err == nil
	for _, dir := range []string{d.cfg.RunRoot, d.runDir} {
		if err := os.Chmod(dir, 0o711); err != nil {
			return err
		}
	}
	for _, link := range []string{d.socketLink(), d.cfg.Socket} {
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

// openedPath is the file that tells what the machine forwards because of the instance with this folder below /run.
func openedPath(runDir string) string { return filepath.Join(runDir, "forwarding") }

// Tag is the tag of everything this server makes on the machine.
func (d *Daemon) Tag() string { return d.tag }

// GRPCAddress is where native gRPC is served, "" before it is: with the port that was found where the configuration has 0.
func (d *Daemon) GRPCAddress() string {
	address, _ := d.grpc.Load().(string)
	return address
}

// close gives back what open opened, in the reverse order.
func (d *Daemon) close() error {
	var errs []error
	d.endBackground()
	errs = append(errs, d.stopMeasuring())
	if d.doorConn != nil {
		d.doorConn.Close()
	}
	select {
	case r := <-d.reached: // the start ended before it came to the door
		if r.door != nil {
			r.door.Close()
		}
	default:
	}
	if d.host.close != nil {
		errs = append(errs, d.host.close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}
