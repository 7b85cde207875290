package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	notificationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/action"
	"github.com/hearthos/hearth/server/internal/cert"
	"github.com/hearthos/hearth/server/internal/effects"
	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/inbox"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/naming"
	"github.com/hearthos/hearth/server/internal/notify"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/transfer"
	"github.com/hearthos/hearth/server/internal/runner"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/trust"
	"github.com/hearthos/hearth/server/internal/update"
	"github.com/hearthos/hearth/server/internal/volume"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The types here let areas meet that do not know each other: each satisfies an interface that its consumer declares.

// uploads opens uploads for the transfer route.
type uploads struct{ *inbox.Box }

func (u uploads) Open(ticket string) (transfer.Upload, error) { return u.Box.Open(ticket) }

// packageData is the data of packages as installation sees it.
type packageData struct{ *volume.Keeper }

func (p packageData) Exists(pkg string) (bool, error) { return p.Keeper.Exists(ids.Package(pkg)) }

func (p packageData) Whole(pkg string) error { return p.Keeper.Whole(ids.Package(pkg)) }

func (p packageData) Version(pkg string) (string, error) { return p.Keeper.Version(ids.Package(pkg)) }

func (p packageData) SetVersion(pkg, version string) error {
	return p.Keeper.SetVersion(ids.Package(pkg), version)
}

func (p packageData) Packages() ([]string, error) {
	list, err := p.Keeper.Packages()
	names := make([]string, 0, len(list))
	for _, pkg := range list {
		names = append(names, string(pkg))
	}
	return names, err
}

func (p packageData) Keep(pkg, signer string, since time.Time) error {
	return p.Keeper.Keep(ids.Package(pkg), signer, since)
}

func (p packageData) Unkeep(pkg string) error { return p.Keeper.Unkeep(ids.Package(pkg)) }

func (p packageData) KeptOf(pkg string) (string, error) { return p.Keeper.KeptOf(ids.Package(pkg)) }

func (p packageData) Describe(ctx context.Context, pkg string) (*packagesv1.PackageData, error) {
	kept, err := p.Keeper.Describe(ctx, ids.Package(pkg))
	if err != nil {
		return nil, err
	}
	version, err := p.Version(pkg)
	return &packagesv1.PackageData{
		Id: pkg, Version: version, Signer: kept.Signer, Bytes: kept.Bytes, Since: timestamppb.New(kept.Since), Volumes: kept.Volumes,
	}, err
}

func (p packageData) Remove(ctx context.Context, pkg, id string) error {
	return p.Keeper.Remove(ctx, ids.Package(pkg), id)
}

func (p packageData) Snapshot(ctx context.Context, pkg, id string, progress func(done, total uint64)) (*packagesv1.SnapshotStatus, error) {
	made, err := p.Keeper.Snapshot(ctx, ids.Package(pkg), id, progress)
	return snapshotStatus(made), err
}

func (p packageData) Moment(ctx context.Context, pkg, id string) (string, error) {
	return p.Keeper.Moment(ctx, ids.Package(pkg), id)
}

func (p packageData) Swap(ctx context.Context, pkg, from, aside string) (*packagesv1.SnapshotStatus, error) {
	made, err := p.Keeper.Swap(ctx, ids.Package(pkg), from, aside)
	return snapshotStatus(made), err
}

func (p packageData) SnapshotRoom(ctx context.Context, pkg string) (uint64, error) {
	return p.Keeper.SnapshotRoom(ctx, ids.Package(pkg))
}

func (p packageData) RemoveSnapshot(ctx context.Context, pkg, id string) error {
	return p.Keeper.RemoveSnapshot(ctx, ids.Package(pkg), id)
}

func (p packageData) SweepSnapshots(ctx context.Context, wanted func(pkg, id string) (bool, error)) error {
	return p.Keeper.SweepSnapshots(ctx, func(pkg ids.Package, id string) (bool, error) { return wanted(string(pkg), id) })
}

func snapshotStatus(s volume.Snapshot) *packagesv1.SnapshotStatus {
	how := packagesv1.SnapshotStatus_MECHANISM_MOVED
	switch s.Mechanism {
	case tree.Subvolume:
		how = packagesv1.SnapshotStatus_MECHANISM_SUBVOLUME
	case tree.Reflink:
		how = packagesv1.SnapshotStatus_MECHANISM_REFLINK
	case tree.Copy:
		how = packagesv1.SnapshotStatus_MECHANISM_COPY
	}
	return &packagesv1.SnapshotStatus{Mechanism: how, Files: s.Size.Files, Bytes: s.Size.Bytes, DataVersion: s.Version}
}

// updatable are the packages as the area update sees them.
type updatable struct {
	installs *install.Service
	engine   *operation.Engine
}

func (u updatable) Plan(ctx context.Context, pkg string) (*packagesv1.InstallPlan, error) {
	return u.installs.Plan(ctx, install.Wish{Listed: &install.Listed{Package: pkg}, Unattended: true})
}

func (u updatable) Begin(ctx context.Context, now time.Time, asked operation.Asked, w update.Wanted) (*operationsv1.Operation, error) {
	return u.installs.Install(ctx, now, u.engine, install.Wish{
		Asked: asked, Listed: &install.Listed{Registry: w.Registry, Package: w.Package, Version: w.Version}, Unattended: w.Unattended,
	})
}

func (u updatable) Failed(tx *store.Tx, pkg, version string) (*metav1.Fault, error) {
	return install.FailedUpdate(tx, pkg, version)
}

// desires changes what is wanted of services for the area action.
type desires struct{ *install.Service }

func (d desires) Stop(tx *store.Tx, pkg string) error { return d.StopIn(tx, pkg) }

// gate keeps a service from starting while a critical task is active.
func gate(tx *store.Tx, pkg string) error {
	task, err := action.Blocking(tx, pkg)
	if err != nil || task == nil {
		return err
	}
	return fault.New(metav1.Reason_REASON_TASK_BLOCKS_START, "cannot start %q: run its action %q of %q first", pkg, task.GetSpec().GetActionId(), task.GetSpec().GetPackageId()).
		With("package", task.GetSpec().GetPackageId()).With("action", task.GetSpec().GetActionId())
}

// forget deletes what all areas keep about a package, as far as it fits one commit. What waits for a package beside data
// that stay is left.
func (d *Daemon) forget(tx *store.Tx, pkg string, dataStay bool) (bool, error) {
	room := store.NewRoom()
	ports := func() error { return d.hosts.Forget(tx, pkg, room) }
	if dataStay {
		ports = func() error { return d.hosts.Keep(tx, pkg) }
	}
	err := errors.Join(ports(), effects.Forget(tx, pkg, room), notify.Forget(tx, pkg, room), action.Forget(tx, pkg, room), runner.Forget(tx, pkg, room),
		update.Forget(tx, pkg, dataStay))
	return err == nil && room.Left(), err
}

// hooks are told by the runner what happens to services.
type hooks struct {
	d       *Daemon
	actions *action.Service
}

func (h hooks) Gate(tx *store.Tx, pkg string) error { return gate(tx, pkg) }

func (h hooks) Initialized(ctx context.Context, now time.Time, pkg string) error {
	return h.actions.Initialized(ctx, now, pkg)
}

func (h hooks) Stopped(tx *store.Tx, pkg string) error {
	h.d.effects.ClearMetrics(pkg)
	return errors.Join(effects.ClearHealth(tx, pkg), effects.HoldToManifest(tx, pkg))
}

func (h hooks) Stalled(tx *store.Tx, pkg, why string) error { return effects.FailHealth(tx, pkg, why) }

func (h hooks) Changed(ctx context.Context, pkg string, w *packagesv1.ParkedWait) error {
	return h.d.effects.Answer(ctx, pkg, "", func(ctx context.Context) error {
		_, err := h.d.effects.Await(ctx, &effectsv1.AwaitRequest{Effect: w.GetEffect(), Request: w.GetRequest(), Etag: w.GetEtag()})
		return err
	})
}

func (h hooks) ServeEffects(ctx context.Context, lis net.Listener, pkg string) error {
	return h.d.hub.ServeContainer(ctx, lis, pkg)
}

// effectsCaller tells the area effects which package calls which effect.
func (d *Daemon) effectsCaller(ctx context.Context, c *rpc.Call, next func(context.Context) error) error {
	pkg := rpc.CallerPackage(ctx)
	if pkg == "" || c.Method == nil {
		return next(ctx)
	}
	effect, _ := proto.GetExtension(c.Method.Options(), optionsv1.E_Effect).(string)
	return d.effects.Answer(ctx, pkg, effect, next)
}

// notifications are the notifications of packages as effects see them.
type notifications struct{ *notify.Keeper }

func (n notifications) Tell(ctx context.Context, now time.Time, pkg, level, title, message, data string) error {
	levels := map[string]notificationsv1.NotificationStatus_Level{
		"success": notificationsv1.NotificationStatus_LEVEL_SUCCESS, "info": notificationsv1.NotificationStatus_LEVEL_INFO,
		"warning": notificationsv1.NotificationStatus_LEVEL_WARNING, "error": notificationsv1.NotificationStatus_LEVEL_ERROR,
	}
	return n.Keeper.Tell(ctx, now, pkg, notify.Message{Level: levels[level], Title: title, Message: message, Data: data})
}

// containers is the runner as effects see it.
type containers struct{ *runner.Service }

func (c containers) MountVolume(ctx context.Context, pkg string, m effects.VolumeMount) error {
	entries := make([]idmap.Entry, 0, len(m.IDMap))
	for _, e := range m.IDMap {
		count := e.Count
		if count == 0 {
			count = 1
		}
		entries = append(entries, idmap.Entry{From: e.From, To: e.To, Count: count})
	}
	return c.Service.MountVolume(ctx, pkg, runner.VolumeMount{
		Location: m.Location, Package: m.Package, Volume: m.Volume, Subpath: m.Subpath, ReadOnly: m.ReadOnly, IDMap: entries,
	})
}

// packageActions is the area action as effects see it.
type packageActions struct{ *action.Service }

func (p packageActions) CreateTask(ctx context.Context, now time.Time, pkg string, t effects.Task) error {
	return p.Service.CreateTask(ctx, now, pkg, action.TaskRequest(t))
}

func (p packageActions) Form(ctx context.Context, now time.Time, pkg, id string, prefill []byte) (*effects.Form, error) {
	input, err := p.GetInput(ctx, now, pkg, id, prefill)
	if err != nil || input == nil {
		return nil, err
	}
	return &effects.Form{EventID: input.EventID, Spec: input.Spec, Value: input.Value}, nil
}

// certificates makes certificates for packages, within what the names allow.
type certificates struct {
	store     *store.Store
	authority *cert.Authority
	hosts     *hosts.Service
}

func (c certificates) known(tx *store.Tx) (naming.Known, error) {
	network := c.hosts.Network()
	k := naming.Known{Gateways: network.Gateways, MDNS: network.MDNS}
	var err error
	if k.Packages, err = store.List[*packagesv1.Package](tx, ""); err != nil {
		return k, err
	}
	k.Hosts, err = store.List[*hostsv1.Host](tx, "")
	return k, err
}

// Chain implements effects.Certificates.
func (c certificates) Chain(tx *store.Tx, _ string, names []string, algorithm string) ([]string, error) {
	known, err := c.known(tx)
	if err != nil {
		return nil, err
	}
	if err := naming.MayCertify(names, known); err != nil {
		return nil, err
	}
	chain, _, _, err := c.authority.Leaf(cert.Package, names, cert.Algorithm(algorithm))
	return cert.SplitChain(chain), err
}

// Key implements effects.Certificates.
func (c certificates) Key(tx *store.Tx, pkg string, names []string, algorithm string) (string, error) {
	known, err := c.known(tx)
	if err != nil {
		return "", err
	}
	if err := naming.MayHaveKey(pkg, names, known); err != nil {
		return "", err
	}
	_, key, _, err := c.authority.Leaf(cert.Package, names, cert.Algorithm(algorithm))
	return string(key), err
}

// initProgress shows how far the init of a package is, as progress of the operation that waits for it.
type initProgress struct {
	store      *store.Store
	operations *operation.Engine
}

// Report implements effects.Progress.
func (p initProgress) Report(pkg string, done, total uint64, units, message string) {
	var op string
	_ = p.store.View(func(tx *store.Tx) error {
		row, _, err := store.Lookup[*packagesv1.Package](tx, pkg)
		op = row.GetSpec().GetOperation()
		return err
	})
	p.operations.Tell(op, done, total, units, message)
}

// serverNames are the names of the server and its services for the proxy.
type serverNames struct{ d *Daemon }

// Certificate implements proxy.Names. The name in .local may have got a number.
func (s serverNames) Certificate(gateways []abi.Gateway) []string {
	names := s.d.names.Load().Certificate(gateways)
	if name := s.d.mdnsName(); name != "" && !slices.Contains(names, name) {
		names = append(names, name)
	}
	return append(names, s.d.hosts.PageNames()...)
}

// Local implements proxy.Names. The links of a sandbox are played.
func (s serverNames) Local() []string {
	if s.d.cfg.Sandbox != nil {
		return nil
	}
	return []string{s.d.hostname()}
}

func (serverNames) Records(packages []*packagesv1.Package, dependencies []*packagesv1.Dependency) []*doorv1.Record {
	return naming.Records(packages, dependencies)
}

// hostname is the host name of the server that counts now.
func (d *Daemon) hostname() string { return d.names.Load().Hostname }

// renamed gives the server the host name that somebody chose, or the machine's where nobody did. Whoever shows a name is
// woken where it is another.
func (d *Daemon) renamed(ctx context.Context, hostname string) {
	if hostname == "" {
		hostname = d.cfg.Hostname
	}
	next := naming.Server{Hostname: naming.Hostname(hostname, d.tag)}
	if before := d.names.Swap(&next); *before == next || d.manager == nil {
		return
	}
	d.log.InfoContext(ctx, "the server has another host name", "hostname", next.Hostname)
	d.manager.Wake(proxy.ControllerName, proxy.ControllerKey)
	d.networkChanged(ctx)
}

// rebuildAll asks for a new container of every package.
func (d *Daemon) rebuildAll(tx *store.Tx) error {
	rows, err := store.List[*packagesv1.Package](tx, "")
	for _, row := range rows {
		err = errors.Join(err, d.installs.RebuildIn(tx, row.GetMeta().GetId()))
	}
	return err
}

// serverCertificates makes the certificates of the server's own names, and knows which of all certificates are in use.
type serverCertificates struct{ d *Daemon }

func (s serverCertificates) ServerLeaf(names []string) (chain, key []byte, err error) {
	chain, key, _, err = s.d.authority.Leaf(cert.Server, names, cert.ECDSA)
	return chain, key, err
}

// sweepAfter is how often certificates are looked through at most.
const sweepAfter = time.Hour

// InForce implements proxy.Certificates. What nobody uses goes after a while.
func (s serverCertificates) InForce(since time.Time) {
	s.d.shown.Store(&since)
	now := time.Now()
	if last := s.d.swept.Load(); last != nil && now.Sub(*last) < sweepAfter {
		return
	}
	s.d.swept.Store(&now)
	used, err := s.inUse()
	if err == nil {
		err = s.d.authority.Sweep(now, used)
	}
	if err != nil {
		s.d.log.Warn("certificates that nobody uses stay", "error", err)
	}
}

// inUse tells which certificates are: those that the front door shows, those that an installed package may have, and those of
// devices.
func (s serverCertificates) inUse() (func(cert.Issued) bool, error) {
	var known naming.Known
	err := s.d.store.View(func(tx *store.Tx) (err error) {
		known, err = certificates{s.d.store, s.d.authority, s.d.hosts}.known(tx)
		return err
	})
	since := s.d.shown.Load()
	return func(i cert.Issued) bool {
		switch i.Holder {
		case cert.Server:
			return since == nil || !i.Asked.Before(*since)
		case cert.Package:
			return naming.MayCertify(i.Names, known) == nil
		}
		return true
	}, err
}

// deviceNames are the names of the server and its network for those who ask for a certificate of a device.
type deviceNames struct{ d *Daemon }

// InUse implements certificatesrpc.Names.
func (n deviceNames) InUse() (func(cert.Issued) bool, error) { return serverCertificates(n).inUse() }

// MayGiveDevice implements certificatesrpc.Names.
func (n deviceNames) MayGiveDevice(names []string) error {
	var known naming.Known
	err := n.d.store.View(func(tx *store.Tx) (err error) {
		known, err = certificates{n.d.store, n.d.authority, n.d.hosts}.known(tx)
		return err
	})
	if err != nil {
		return err
	}
	return naming.MayGiveDevice(names, n.d.proxy.Names(), known)
}

// TrustURLs implements certificatesrpc.Names: by name where there is one, and by the addresses of the networks the server is in.
func (n deviceNames) TrustURLs() []string {
	hosts := []string{n.d.mdnsName()}
	for _, g := range n.d.hosts.Network().Gateways {
		if g.Internal() || g.Type == abi.GatewayTypeLoopback {
			continue
		}
		for _, p := range g.Subnets {
			if a := p.Addr(); a.Is4() || !a.IsLinkLocalUnicast() {
				hosts = append(hosts, a.String())
			}
		}
	}
	var out []string
	for _, h := range hosts {
		u := url.URL{Scheme: "http", Host: net.JoinHostPort(h, strconv.Itoa(n.d.cfg.HTTPPort)), Path: trust.PagePath}
		if n.d.cfg.HTTPPort == 80 {
			u.Host = strings.TrimSuffix(u.Host, ":80")
		}
		if h != "" {
			out = append(out, u.String())
		}
	}
	return out
}

// ensureReach has firewall and door hold a package to what it declares to reach, before its new container begins.
func (d *Daemon) ensureReach(ctx context.Context, pkg string) error {
	if err := d.gateways.EnsureReach(ctx, pkg); err != nil {
		return err
	}
	return d.proxy.EnsureConfined(ctx, pkg)
}

// resolverNetwork is the resolver and the networks it is in.
type resolverNetwork struct{ d *Daemon }

// GetStatus implements dnsrpc.Network.
func (n resolverNetwork) GetStatus(ctx context.Context) (*doorv1.GetStatusResponse, error) {
	return frontDoor{n.d}.GetStatus(ctx)
}

// Render implements dnsrpc.Network.
func (n resolverNetwork) Render() (*doorv1.Table, error) { return n.d.proxy.Render() }

// Own implements dnsrpc.Network.
func (n resolverNetwork) Own() []netip.Prefix {
	var out []netip.Prefix
	for _, g := range n.d.hosts.Network().Gateways {
		for _, p := range g.Subnets {
			if g.Type != abi.GatewayTypeBridge {
				p = netip.PrefixFrom(p.Addr().WithZone(""), p.Addr().BitLen())
			}
			out = append(out, p.Masked())
		}
	}
	return out
}

// Follow implements dnsrpc.Network.
func (n resolverNetwork) Follow(ctx context.Context) error { return n.d.proxy.Follow(ctx) }

// Routers implements dnsrpc.Network.
func (n resolverNetwork) Routers() []netip.Addr {
	rows, err := n.d.gateways.Gateways()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, row := range rows {
		for _, text := range row.GetStatus().GetRouters() {
			if a, err := netip.ParseAddr(text); err == nil {
				out = append(out, a.WithZone(""))
			}
		}
	}
	return out
}

// doorServer is what the front door does for the server itself.
func (d *Daemon) doorServer() proxy.Server {
	web, http := strconv.Itoa(d.cfg.WebPort), strconv.Itoa(d.cfg.HTTPPort)
	server := proxy.Server{
		Web: []string{"0.0.0.0:" + web}, WebUpstream: "unix:" + d.webPath(),
		Redirects: []string{"0.0.0.0:" + http}, RedirectPort: uint32(d.cfg.WebPort), Root: d.authority.RootPEM(), Documents: slices.Concat(d.documents, trust.First(d.documents)),
		Resolver: []string{net.JoinHostPort(d.cfg.Bridge.Addr().String(), "53")}, Zones: naming.Zones(),
		Socks: []string{net.JoinHostPort(d.cfg.Bridge.Addr().String(), strconv.Itoa(abi.SocksPort))}, FirewallTag: d.tag,
	}
	if d.cfg.Sandbox != nil {
		server.Resolver, server.Socks = nil, nil // the address is nobody's, and the resolver's port root's
	}
	return server
}
