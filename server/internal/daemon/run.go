package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/cert"
	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/store"
	"golang.org/x/sync/errgroup"
)

// settled is how long after a start the controllers have made their first rounds.
const settled = 3 * time.Second

// giveBack gives the memory back that the start took, which is several times what the daemon keeps.
func giveBack(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(settled):
		debug.FreeOSMemory()
	}
	return nil
}

// errStopped is the cause of an end that was asked for.
var errStopped = errors.New("stopped by request")

// drain is how long calls under way may go on when the daemon ends.
const drain = 5 * time.Second

// takeBackWithin is how long it may take to remove what a failed start made.
const takeBackWithin = 20 * time.Second

// dyingWithin is how long a daemon that was killed may still hold what it had.
const dyingWithin = 5 * time.Second

// Run lets the server run until ctx ends or a part of it fails. Services go on without it.
func (d *Daemon) Run(ctx context.Context) error {
	ctx, d.stop = context.WithCancelCause(ctx)
	defer d.stop(nil)
	var background context.Context
	background, d.endBackground = context.WithCancel(ctx)
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return d.bringUp(running, background, group) })
	group.Go(func() error {
		<-running.Done()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		return d.hub.Shutdown(bounded)
	})
	err := group.Wait()
	d.endBackground()
	if d.runner != nil {
		d.runner.Close()
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrRestart) {
		err = ErrRestart
	} else if errors.Is(cause, errStopped) || errors.Is(cause, context.Canceled) {
		err = nil
	} else if cause != nil {
		err = cause
	}
	if d.hub.Phase() != optionsv1.Phase_PHASE_RUNNING {
		err = errors.Join(err, d.takeBack(ctx))
	}
	return errors.Join(ofDisk(d.cfg.StateDir, err), d.close())
}

// takeBack removes from the machine what a start made that did not come to its end. Where the folder below /run was there
// before, an earlier daemon has left a door and services in it, which go on.
func (d *Daemon) takeBack(ctx context.Context) error {
	if !d.madeRunDir {
		return nil
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackWithin)
	defer cancel()
	return removeFromMachine(bounded, d.cfg, d.tag)
}

// bringUp takes the server from nothing to the phase running, in the steps of the start. What goes on afterwards it
// leaves with group.
func (d *Daemon) bringUp(ctx, background context.Context, group *errgroup.Group) (err error) {
	serve := func(fn func() error) {
		group.Go(func() error {
			if err := fn(); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	d.begin(ctx, stepStore)
	tag := d.rememberedTag()
	if tag != "" {
		if err := d.openSockets(ctx, tag, serve); err != nil {
			return err
		}
		d.reachDoor(ctx, group)
	}
	letGo := d.holdServices(tag)
	// The store holds the lock that keeps a second daemon out.
	d.store, err = onceFree(ctx, func() (*store.Store, error) {
		return store.Open(filepath.Join(d.cfg.StateDir, "store"), store.Options{Logger: d.log, Known: tag != "" || d.holdsData(), Reserve: d.reserve(), Claim: d.claimTag})
	})
	letGo()
	if err != nil {
		return err
	}
	if err := d.sweep(); err != nil {
		return err
	}
	if tag == "" {
		if err = d.openSockets(ctx, d.store.Tag(), serve); err == nil {
			d.reachDoor(ctx, group)
		}
	} else {
		err = d.checkTag()
	}
	if err != nil {
		return err
	}
	d.begin(ctx, stepAreas)
	if err := d.open(background); err != nil {
		return err
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	d.startLoops(ctx, group)
	group.Go(func() error { return giveBack(ctx) })
	code, err := d.accounts.ClaimCode()
	if err != nil {
		return err
	}
	if code != "" {
		// Before the start has ended: whoever follows it may see nothing of what is logged afterwards.
		d.log.InfoContext(ctx, "nobody has claimed this server; 'hearth claim' makes its first account", "claim_code", code)
	}
	d.hub.Enter(optionsv1.Phase_PHASE_RUNNING, "")
	d.log.InfoContext(ctx, "hearth runs", "version", d.cfg.Version, "tag", d.tag, "socket", d.socketPath(), "web", d.cfg.WebPort,
		"after", time.Since(d.started).Round(time.Millisecond))
	return nil
}

// startLoops begins what goes on as long as the server runs.
func (d *Daemon) startLoops(ctx context.Context, group *errgroup.Group) {
	managed, stopManager := context.WithCancel(ctx)
	d.stopManager, d.managerDone = stopManager, make(chan struct{})
	group.Go(func() error {
		defer stopManager()
		defer close(d.managerDone)
		if err := d.manager.Run(managed); managed.Err() == nil {
			return err
		}
		return nil
	})
	group.Go(func() error { return d.operations.Run(ctx) })
	group.Go(func() error { return d.followNetwork(ctx) })
	group.Go(func() error { return d.followDoor(ctx) })
	group.Go(func() error { return d.accounts.FollowRights(ctx, d.hub.Recheck) })
	group.Go(func() error { return d.audit.Run(ctx) })
}

// prepare makes the machine ready and takes up what is running: before anything is decided, what is must be known.
func (d *Daemon) prepare(ctx context.Context) error {
	d.begin(ctx, stepMachine)
	if err := d.volumes.Sweep(ctx); err != nil {
		return err
	}
	if err := d.installs.SweepSnapshots(ctx); err != nil {
		return err
	}
	if err := d.artifacts.Sweep(); err != nil {
		return err
	}
	if err := d.gateways.Ensure(ctx); err != nil {
		return err
	}
	d.networkChanged(ctx)
	d.begin(ctx, stepServices)
	if err := d.runner.AdoptAll(ctx); err != nil {
		return err
	}
	d.begin(ctx, stepDoor)
	var found reached
	select {
	case found = <-d.reached:
	case <-ctx.Done():
		return ctx.Err()
	}
	if found.err != nil {
		return fmt.Errorf("cannot reach the front door: %w", found.err)
	}
	door, status := found.door, found.status
	d.doorConn = door
	d.door.Store(true)
	d.claimed(ctx, status.GetLocalNames()) // a door that goes on has the name, so nobody is told that it went
	if d.doorOptions().Stale(status) {
		d.log.InfoContext(ctx, "the front door is another program than the one on disk and is replaced", "have", status.GetVersion(), "want", d.cfg.Version)
		if err := door.Replace(ctx); err != nil {
			d.log.WarnContext(ctx, "the front door could not be replaced; the one that serves goes on", "error", err)
		}
	}
	return nil
}

// onceFree takes what only one process can have. What a daemon had that was killed comes free a moment after its
// successor may have been started, so what is taken is tried again for a moment.
func onceFree[T any](ctx context.Context, take func() (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, dyingWithin)
	defer cancel()
	for {
		got, err := take()
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) && !fault.Is(err, metav1.Reason_REASON_STORE_IN_USE) {
			return got, err
		}
		select {
		case <-bounded.Done():
			return got, err
		case <-time.After(dyingWithin / 100):
		}
	}
}

// listen opens the sockets and serves them. The local one is first: it is refused while another daemon answers there.
func (d *Daemon) listen(ctx context.Context, serve func(func() error)) (err error) {
	var open []net.Listener
	defer func() {
		for _, lis := range open {
			if err != nil {
				lis.Close()
			}
		}
	}()
	local, err := onceFree(ctx, func() (net.Listener, error) { return rpc.ListenUnix(d.socketPath(), 0o666) })
	if err != nil {
		return err
	}
	open = append(open, local)
	grpc, err := onceFree(ctx, func() (net.Listener, error) { return net.Listen("tcp", d.cfg.GRPCAddress) })
	if err != nil {
		return fmt.Errorf("cannot listen for gRPC: %w", err)
	}
	open = append(open, grpc)
	d.grpc.Store(grpc.Addr().String())
	web, err := onceFree(ctx, func() (net.Listener, error) { return rpc.ListenUnix(d.webPath(), 0o666) })
	if err != nil {
		return fmt.Errorf("cannot listen for the front door: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: d.serverCertificate}
	serve(func() error { return d.hub.ServeLocal(local) })
	serve(func() error { return d.hub.ServeGRPC(grpc, cfg) })
	serve(func() error { return d.hub.ServeDoor(web, cfg, uint32(d.cfg.DoorUID)) })
	return nil
}

// serverCertificate is the certificate of the server's own names, which follow the network.
func (d *Daemon) serverCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	certificate := d.proxy.Certificate
	if !d.opened.Load() || !d.proxy.KnowsNetwork() {
		certificate = func() (chain, key []byte, err error) {
			own := d.names.Load().Certificate(nil)
			if chain, key, ok := d.authority.Newest(cert.Server, own); ok { // its addresses are those that the server had when it ended
				return chain, key, nil
			}
			return serverCertificates{d}.ServerLeaf(own)
		}
	}
	chain, key, err := certificate()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	return &pair, err
}

// followNetwork keeps addresses and the front door's table true to the machine's network, and the firewall to its rules: what
// somebody else does to them is undone at once.
func (d *Daemon) followNetwork(ctx context.Context) error {
	changes, err := d.gateways.Changes(ctx)
	if err != nil {
		return err
	}
	meddled, err := d.gateways.RuleChanges(ctx)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes:
			d.networkChanged(ctx)
		case _, more := <-meddled:
			if !more {
				meddled = nil // the minute's look goes on
				continue
			}
			d.log.WarnContext(ctx, "somebody else has changed the firewall of the services; it is put in force again")
			d.restoreFirewall(ctx)
		}
	}
}

// restoreFirewall puts the rules in force and has services reach again what they reach by names. Where that fails the controller goes on.
func (d *Daemon) restoreFirewall(ctx context.Context) {
	if err := d.gateways.Ensure(ctx); err != nil {
		d.manager.Wake(gateway.ControllerName, gateway.ControllerKey)
		return
	}
	if err := d.doorConn.Reopen(ctx); err != nil {
		d.log.WarnContext(ctx, "services have to ask again for what they reach by names", "error", err)
	}
}

// networkChanged tells the areas what the network looks like now, and wakes those for whom it is news.
func (d *Daemon) networkChanged(ctx context.Context) {
	if missing, err := d.gateways.Missing(); err == nil && len(missing) > 0 {
		d.log.WarnContext(ctx, "network of the services is not whole", "missing", missing)
		d.manager.Wake(gateway.ControllerName, gateway.ControllerKey)
	} else if loose, err := d.gateways.Loose(); err == nil && len(loose) > 0 {
		d.manager.Wake(gateway.ControllerName, gateway.ControllerKey)
	}
	d.manager.Wake(gateway.ListControllerName, gateway.ListControllerKey)
	gateways, err := d.gateways.List()
	if err != nil {
		d.log.WarnContext(ctx, "cannot look at the network", "error", err)
		return
	}
	services := d.services.Load().byHost()
	if d.hosts.SetNetwork(hosts.Network{Gateways: gateways, MDNS: d.mdnsName(), Services: services}) {
		d.manager.Wake(hosts.ControllerName, hosts.ControllerKey)
	}
	if d.proxy.SetNetwork(gateways, d.mdnsName(), services) {
		d.manager.Wake(proxy.ControllerName, proxy.ControllerKey)
	}
}
