package daemon

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/diagnose"
	"github.com/hearthos/hearth/server/internal/host/clock"
	"github.com/hearthos/hearth/server/internal/host/dnsserver"
	"github.com/hearthos/hearth/server/internal/store"
)

// Checks implements diagnosticsrpc.Daemon.
func (d *Daemon) Checks(ctx context.Context) []*diagnosticsv1.Check {
	return diagnose.Run(ctx, d.log, []diagnose.Check{
		{Name: "capabilities", Look: d.checkCapabilities},
		{Name: "clock", Look: d.checkClock},
		{Name: "disk", Look: d.checkDisk},
		{Name: "cgroups", Look: d.unlessPlayed(func() diagnose.Finding { return checkCgroups("/sys/fs/cgroup") })},
		{Name: "root-image", Look: d.unlessPlayed(func() diagnose.Finding {
			return checkRootImage(filepath.Join(d.cfg.BinDir, "rootfs.squashfs"))
		})},
		{Name: "user-ids", Look: d.unlessPlayed(d.checkUserIDs)},
		{Name: "store", Look: d.checkStore},
		{Name: "door", Look: d.checkDoor},
		{Name: "certificates", Look: d.checkCertificates},
		{Name: "network", Look: d.checkNetwork},
		{Name: "resolver", Look: d.checkResolver},
		{Name: "controllers", Look: d.checkControllers},
		{Name: "operations", Look: d.checkOperations},
		{Name: "services", Look: d.checkServices},
		{Name: "warnings", Look: d.checkWarnings},
	})
}

// needed are the capabilities without which no service runs.
var needed = []string{"containers", "cgroup", "user-namespaces", "squashfs-idmap", "loop", "nftables"}

func (d *Daemon) checkCapabilities(ctx context.Context) diagnose.Finding {
	if d.cfg.Sandbox != nil {
		return diagnose.Warn("Run hearthd as root for services that run.", "this is a sandbox: services are played")
	}
	there := 0
	list := d.machine().Capabilities(ctx)
	for _, c := range list {
		if c.Available {
			there++
			continue
		}
		for _, name := range needed {
			if c.Name == name {
				return diagnose.Fail(c.Remedy, "%s: %s; without it no services run", c.Name, c.Detail)
			}
		}
	}
	return diagnose.OK("%d of %d are there; 'hearth system capabilities' lists them", there, len(list))
}

func (d *Daemon) checkClock(context.Context) diagnose.Finding {
	switch s := clock.Look("/"); {
	case !s.Known:
		return diagnose.Skip("%s", s.Detail)
	case !s.Synchronised:
		return diagnose.Warn("Look at the time service of this machine and at its way to the network.", "%s", s.Detail)
	default:
		return diagnose.OK("%s", s.Detail)
	}
}

func (d *Daemon) checkDisk(context.Context) diagnose.Finding {
	r, err := roomOf(d.cfg.StateDir)
	if err != nil {
		return diagnose.Fail("Look at the disk of the state folder.", "it cannot be seen how much is free: %v", err)
	}
	text := fmt.Sprintf("%s of %s are free on the disk of %s", fault.Bytes(r.free), fault.Bytes(r.total), d.cfg.StateDir)
	switch r.severity() {
	case 0:
		return diagnose.OK("%s", text)
	default:
		return diagnose.Warn(diskRemedy, "%s", text)
	}
}

func (d *Daemon) checkStore(context.Context) diagnose.Finding {
	st, err := d.store.Status()
	switch {
	case err != nil:
		return diagnose.Fail("Stop the daemon and run 'hearthd store check'.", "the store does not tell how it does: %v", err)
	case st.WriteError != nil:
		return diagnose.Fail("Look at the disk, then start the daemon again.", "nothing is written any more: %v", st.WriteError)
	case st.CompactError != nil:
		return diagnose.Warn("Run 'hearth api hearth.diagnostics.v1.DiagnosticsService/CompactLog' and read the server's log.", "the log could not be shortened: %v", st.CompactError)
	}
	return diagnose.OK("revision %d, the log reaches back to %d, %s on disk", st.Revision, st.Oldest, fault.Bytes(st.DiskBytes))
}

func (d *Daemon) checkDoor(ctx context.Context) diagnose.Finding {
	const remedy = "Look at the end of the door's log; the daemon starts the door again by itself."
	if d.doorConn == nil {
		return diagnose.Fail(remedy, "the front door is not started yet")
	}
	status, err := d.doorConn.Status(ctx)
	switch {
	case err != nil:
		return diagnose.Fail(remedy, "the front door does not answer: %v", err)
	case status.GetDigest() == "":
		return diagnose.Warn("Wait a minute; the daemon gives it one.", "the front door has no table yet")
	case status.GetVersion() != d.cfg.Version:
		return diagnose.Warn("Start the daemon again, which replaces it.", "the front door is version %s, the daemon %s", status.GetVersion(), d.cfg.Version)
	}
	return diagnose.OK("answers, version %s", status.GetVersion())
}

// soon is how long before its end a certificate is worth a word. The server's own is renewed long before.
const soon = 7 * 24 * time.Hour

func (d *Daemon) checkCertificates(context.Context) diagnose.Finding {
	now := time.Now()
	for _, c := range []struct {
		what string
		get  func() ([]byte, error)
	}{
		{"root", func() ([]byte, error) { return d.authority.RootPEM(), nil }},
		{"server", func() ([]byte, error) { chain, _, err := d.proxy.Certificate(); return chain, err }},
	} {
		raw, err := c.get()
		if err != nil {
			return diagnose.Fail("Read the server's log.", "there is no %s certificate: %v", c.what, err)
		}
		block, _ := pem.Decode(raw)
		if block == nil {
			return diagnose.Fail("Read the server's log.", "the %s certificate cannot be read", c.what)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return diagnose.Fail("Read the server's log.", "the %s certificate cannot be read: %v", c.what, err)
		case now.Before(cert.NotBefore):
			return diagnose.Fail("Set the machine's clock.", "the %s certificate is valid from %s on", c.what, cert.NotBefore.Format(time.DateOnly))
		case now.After(cert.NotAfter):
			return diagnose.Fail("Set the machine's clock, or start the daemon again.", "the %s certificate ended on %s", c.what, cert.NotAfter.Format(time.DateOnly))
		case now.Add(soon).After(cert.NotAfter):
			return diagnose.Warn("Start the daemon again.", "the %s certificate ends on %s", c.what, cert.NotAfter.Format(time.DateOnly))
		}
	}
	return diagnose.OK("the root and the server's own are valid")
}

// checkNetwork tells what is missing. It is put there again by the network's controller, not by who looks.
func (d *Daemon) checkNetwork(context.Context) diagnose.Finding {
	missing, err := d.gateways.Missing()
	switch {
	case err != nil:
		return diagnose.Fail("The message says what is in the way, such as the bridge of lxc-net.", "bridge and firewall are not as they should be: %v", err)
	case len(missing) > 0:
		return diagnose.Fail("The server puts it there again within a minute. Find out what removes it: another program that rules the network or the firewall of this machine.",
			"not there: %s", strings.Join(missing, " and "))
	}
	if loose, err := d.gateways.Loose(); err == nil && len(loose) > 0 {
		return diagnose.Fail("The server puts them there again within a minute. Find out what takes them off: another program that rules the network of this machine.",
			"links of services are not on the bridge: %s", strings.Join(loose, " and "))
	}
	if rival, err := d.gateways.Rival6(); err == nil && rival != "" {
		return diagnose.Warn("Take the address from the link, or have whoever gives it to the network announce another.",
			"services have no IPv6: the link %s has an address in their network fd00:3::/64", rival)
	}
	return diagnose.OK("bridge %s and firewall are as they should be", BridgeName(d.Tag()))
}

// checkResolver asks the resolver what it always knows.
func (d *Daemon) checkResolver(ctx context.Context) diagnose.Finding {
	if d.cfg.Sandbox != nil {
		return diagnose.Skip("a sandbox answers no names")
	}
	address := d.cfg.Bridge.Addr().String()
	took, err := dnsserver.Ask(ctx, address, "startos.")
	if err != nil {
		return diagnose.Fail("Look at the end of the door's log: another program may have the port.", "%v", err)
	}
	return diagnose.OK("answers at %s in %s", address, took.Round(time.Millisecond))
}

func (d *Daemon) checkControllers(context.Context) diagnose.Finding {
	var failing []string
	for _, s := range d.manager.Stats() {
		if s.Failing > 0 {
			failing = append(failing, fmt.Sprintf("%s (%d)", s.Name, s.Failing))
		}
	}
	if len(failing) > 0 {
		return diagnose.Warn("Read the server's log for 'key is tried again'.", "what fails and is tried again: %s", strings.Join(failing, ", "))
	}
	return diagnose.OK("nothing fails")
}

func (d *Daemon) checkOperations(context.Context) diagnose.Finding {
	var rows []*operationsv1.Operation
	err := d.store.View(func(tx *store.Tx) (err error) {
		rows, err = store.List[*operationsv1.Operation](tx, "")
		return err
	})
	if err != nil {
		return diagnose.Fail("Read the server's log.", "operations cannot be read: %v", err)
	}
	underWay := 0
	for _, op := range rows {
		if s := op.GetStatus().GetStuck(); s.GetAttempts() >= 3 {
			return diagnose.Warn("See 'hearth operations show "+op.GetMeta().GetId()+"'; retry it or give it up.", "%s %s is stuck: %s",
				op.GetSpec().GetKind(), op.GetSpec().GetTarget(), s.GetFault().GetMessage())
		}
		if op.GetStatus().GetEndTime() == nil {
			underWay++
		}
	}
	return diagnose.OK("%d under way, none stuck", underWay)
}

// slow is how long a service may be on its way before that is worth a word.
const slow = 15 * time.Minute

func (d *Daemon) checkServices(context.Context) diagnose.Finding {
	var rows []*packagesv1.Package
	err := d.store.View(func(tx *store.Tx) (err error) {
		rows, err = store.List[*packagesv1.Package](tx, "")
		return err
	})
	if err != nil {
		return diagnose.Fail("Read the server's log.", "packages cannot be read: %v", err)
	}
	running := 0
	for _, row := range rows {
		id := row.GetMeta().GetId()
		switch row.GetStatus().GetState() {
		case packagesv1.PackageStatus_STATE_FAILED:
			return diagnose.Warn("See 'hearth package show "+id+"' and 'hearth package logs "+id+"'.", "%s has failed: %s", id, row.GetStatus().GetFault().GetMessage())
		case packagesv1.PackageStatus_STATE_RUNNING:
			running++
		case packagesv1.PackageStatus_STATE_STOPPED, packagesv1.PackageStatus_STATE_ABSENT:
		default:
			if since := row.GetMeta().GetUpdateTime().AsTime(); time.Since(since) > slow {
				return diagnose.Warn("See 'hearth package logs "+id+"'; restart the package if nothing happens.", "%s is %s since %s", id,
					strings.ToLower(strings.TrimPrefix(row.GetStatus().GetState().String(), "STATE_")), since.Format(time.RFC3339))
			}
		}
	}
	return diagnose.OK("%d of %d run, none has failed", running, len(rows))
}

func (d *Daemon) checkWarnings(context.Context) diagnose.Finding {
	rows, err := d.warnings.List(false)
	switch {
	case err != nil:
		return diagnose.Fail("Read the server's log.", "warnings cannot be read: %v", err)
	case len(rows) > 0:
		return diagnose.Warn(rows[0].GetStatus().GetRemedy(), "%d, the gravest: %s", len(rows), rows[0].GetStatus().GetText())
	}
	return diagnose.OK("none")
}
