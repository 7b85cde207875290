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
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/text"
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
		return diagnose.Warn(diagnose.Words{Name: "capabilities.played", Text: "this is a sandbox: services are played", Remedy: "Run hearthd as root for services that run."})
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
				return diagnose.Fail(diagnose.Words{Name: "capabilities.lack", Text: "{{.Name}}: {{.Detail}}; without it no services run", Remedy: "{{.Remedy}}"}, "Name", c.Name, "Detail", inWords("capability", c.Words, ".text", c.Detail, c.Values), "Remedy", inWords("capability", c.Words, ".remedy", c.Remedy, c.Values)).Quoted(c.Quote)
			}
		}
	}
	return diagnose.OK(diagnose.Words{Name: "capabilities.there", Text: "{{.There}} of {{.All}} are there; 'hearth system capabilities' lists them"}, "There", there, "All", len(list))
}

func (d *Daemon) checkClock(context.Context) diagnose.Finding {
	switch s := clock.Look("/"); {
	case s.Err != nil:
		return diagnose.Skip(diagnose.Words{Name: "clock.silent", Text: "the kernel does not tell whether the clock is kept right"}).Quoted(s.Err.Error())
	case !s.Known:
		return diagnose.Skip(diagnose.Words{Name: "clock.unknown", Text: "nothing on this machine keeps the clock right; another one may"})
	case !s.Synchronised:
		return diagnose.Warn(diagnose.Words{Name: "clock.loose", Text: "{{.Keeper}} runs and has not set the clock right",
			Remedy: "Look at the time service of this machine and at its way to the network."}, "Keeper", s.Keeper)
	default:
		return diagnose.OK(diagnose.Words{Name: "clock.kept", Text: "the clock is kept right"})
	}
}

func (d *Daemon) checkDisk(context.Context) diagnose.Finding {
	r, err := roomOf(d.cfg.StateDir)
	if err != nil {
		return diagnose.Fail(diagnose.Words{Name: "disk.unknown", Text: "it cannot be seen how much is free", Remedy: "Look at the disk of the state folder."}).Quoted(err.Error())
	}
	values := []any{"Free", fault.Bytes(r.free), "All", fault.Bytes(r.total), "Folder", d.cfg.StateDir}
	if r.severity() == 0 {
		return diagnose.OK(diagnose.Words{Name: "disk.free", Text: "{{.Free}} of {{.All}} are free on the disk of {{.Folder}}"}, values...)
	}
	return diagnose.Warn(diagnose.Words{Name: "disk.low", Text: "only {{.Free}} of {{.All}} are free on the disk of {{.Folder}}", Remedy: diskRemedy}, values...)
}

func (d *Daemon) checkStore(context.Context) diagnose.Finding {
	st, err := d.store.Status()
	switch {
	case err != nil:
		return diagnose.Fail(diagnose.Words{Name: "store.silent", Text: "the store does not tell how it does", Remedy: "Stop the daemon and run 'hearthd store check'."}).Quoted(err.Error())
	case st.WriteError != nil:
		return diagnose.Fail(diagnose.Words{Name: "store.shut", Text: "nothing is written any more", Remedy: "Look at the disk, then start the daemon again."}).Quoted(st.WriteError.Error())
	case st.CompactError != nil:
		return diagnose.Warn(diagnose.Words{Name: "store.long", Text: "the log could not be shortened", Remedy: "Run 'hearth api hearth.diagnostics.v1.DiagnosticsService/CompactLog' and read the server's log."}).Quoted(st.CompactError.Error())
	}
	return diagnose.OK(diagnose.Words{Name: "store.well", Text: "revision {{.Revision}}, the log reaches back to {{.Oldest}}, {{.Size}} on disk"},
		"Revision", st.Revision, "Oldest", st.Oldest, "Size", fault.Bytes(st.DiskBytes))
}

func (d *Daemon) checkDoor(ctx context.Context) diagnose.Finding {
	const doorRemedy = "Look at the end of the door's log; the daemon starts the door again by itself."
	if d.doorConn == nil {
		return diagnose.Fail(diagnose.Words{Name: "door.absent", Text: "the front door is not started yet", Remedy: doorRemedy})
	}
	status, err := d.doorConn.Status(ctx)
	switch {
	case err != nil:
		return diagnose.Fail(diagnose.Words{Name: "door.silent", Text: "the front door does not answer", Remedy: doorRemedy}).Quoted(err.Error())
	case status.GetDigest() == "":
		return diagnose.Warn(diagnose.Words{Name: "door.empty", Text: "the front door has no table yet", Remedy: "Wait a minute; the daemon gives it one."})
	case status.GetVersion() != d.cfg.Version:
		return diagnose.Warn(diagnose.Words{Name: "door.other", Text: "the front door is version {{.Door}}, the daemon {{.Version}}", Remedy: "Start the daemon again, which replaces it."}, "Door", status.GetVersion(), "Version", d.cfg.Version)
	}
	if failed := d.proxy.Failed(); len(failed) > 0 {
		return diagnose.Warn(diagnose.Words{
			Name: "door.deaf", Text: "does not listen at {{.Count}} addresses, the first is {{.First}}",
			Remedy: "See 'hearth forward dump': another program has the port, or a package has more ports than one may have.",
		}, "Count", len(failed), "First", failed[0])
	}
	return diagnose.OK(diagnose.Words{Name: "door.well", Text: "answers, version {{.Version}}"}, "Version", status.GetVersion())
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
			return diagnose.Fail(diagnose.Words{Name: "certificates.absent", Text: "there is no certificate of the {{.What}}", Remedy: "Read the server's log."}, "What", inWords("word", c.what, "", c.what, nil)).Quoted(err.Error())
		}
		block, _ := pem.Decode(raw)
		if block == nil {
			return diagnose.Fail(diagnose.Words{Name: "certificates.broken", Text: "the certificate of the {{.What}} cannot be read", Remedy: "Read the server's log."}, "What", inWords("word", c.what, "", c.what, nil))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return diagnose.Fail(diagnose.Words{Name: "certificates.unread", Text: "the certificate of the {{.What}} cannot be read", Remedy: "Read the server's log."}, "What", inWords("word", c.what, "", c.what, nil)).Quoted(err.Error())
		case now.Before(cert.NotBefore):
			return diagnose.Fail(diagnose.Words{Name: "certificates.early", Text: "the certificate of the {{.What}} is valid from {{.Date}} on", Remedy: "Set the machine's clock."}, "What", inWords("word", c.what, "", c.what, nil), "Date", cert.NotBefore.Format(time.DateOnly))
		case now.After(cert.NotAfter):
			return diagnose.Fail(diagnose.Words{Name: "certificates.ended", Text: "the certificate of the {{.What}} ended on {{.Date}}", Remedy: "Set the machine's clock, or start the daemon again."}, "What", inWords("word", c.what, "", c.what, nil), "Date", cert.NotAfter.Format(time.DateOnly))
		case now.Add(soon).After(cert.NotAfter):
			return diagnose.Warn(diagnose.Words{Name: "certificates.end", Text: "the certificate of the {{.What}} ends on {{.Date}}", Remedy: "Start the daemon again."}, "What", inWords("word", c.what, "", c.what, nil), "Date", cert.NotAfter.Format(time.DateOnly))
		}
	}
	return diagnose.OK(diagnose.Words{Name: "certificates.valid", Text: "the root and the server's own are valid"})
}

// checkNetwork tells what is missing. It is put there again by the network's controller, not by who looks.
func (d *Daemon) checkNetwork(context.Context) diagnose.Finding {
	missing, err := d.gateways.Missing()
	switch {
	case err != nil:
		return diagnose.Fail(diagnose.Words{Name: "network.odd", Text: "bridge and firewall are not as they should be", Remedy: "The message says what is in the way, such as the bridge of lxc-net."}).Quoted(err.Error())
	case len(missing) > 0:
		return diagnose.Fail(diagnose.Words{Name: "network.missing", Text: "not there: {{.Missing}}",
			Remedy: "The server puts it there again within a minute. Find out what removes it: another program that rules the network or the firewall of this machine."},
			"Missing", strings.Join(missing, ", "))
	}
	if loose, err := d.gateways.Loose(); err == nil && len(loose) > 0 {
		return diagnose.Fail(diagnose.Words{Name: "network.loose", Text: "links of services are not on the bridge: {{.Links}}",
			Remedy: "The server puts them there again within a minute. Find out what takes them off: another program that rules the network of this machine."},
			"Links", strings.Join(loose, ", "))
	}
	if rival, err := d.gateways.Rival6(); err == nil && rival != "" {
		return diagnose.Warn(diagnose.Words{Name: "network.rival", Text: "services have no IPv6: the link {{.Link}} has an address in their network fd00:3::/64",
			Remedy: "Take the address from the link, or have whoever gives it to the network announce another."}, "Link", rival)
	}
	return diagnose.OK(diagnose.Words{Name: "network.well", Text: "bridge {{.Bridge}} and firewall are as they should be"}, "Bridge", BridgeName(d.Tag()))
}

// checkResolver asks the resolver what it always knows.
func (d *Daemon) checkResolver(ctx context.Context) diagnose.Finding {
	if d.cfg.Sandbox != nil {
		return diagnose.Skip(diagnose.Words{Name: "resolver.played", Text: "a sandbox answers no names"})
	}
	address := d.cfg.Bridge.Addr().String()
	took, err := dnsserver.Ask(ctx, address, "startos.")
	if err != nil {
		return diagnose.Fail(diagnose.Words{Name: "resolver.silent", Text: "it does not answer", Remedy: "Look at the end of the door's log: another program may have the port."}).Quoted(err.Error())
	}
	return diagnose.OK(diagnose.Words{Name: "resolver.well", Text: "answers at {{.Address}} in {{.Took}}"}, "Address", address, "Took", took.Round(time.Millisecond))
}

func (d *Daemon) checkControllers(context.Context) diagnose.Finding {
	var failing []string
	for _, s := range d.manager.Stats() {
		if s.Failing > 0 {
			failing = append(failing, fmt.Sprintf("%s (%d)", s.Name, s.Failing))
		}
	}
	if len(failing) > 0 {
		return diagnose.Warn(diagnose.Words{Name: "controllers.fail", Text: "what fails and is tried again: {{.What}}", Remedy: "Read the server's log for 'key is tried again'."}, "What", strings.Join(failing, ", "))
	}
	return diagnose.OK(diagnose.Words{Name: "controllers.well", Text: "nothing fails"})
}

func (d *Daemon) checkOperations(context.Context) diagnose.Finding {
	var rows []*operationsv1.Operation
	err := d.store.View(func(tx *store.Tx) (err error) {
		rows, err = store.List[*operationsv1.Operation](tx, "")
		return err
	})
	if err != nil {
		return diagnose.Fail(diagnose.Words{Name: "operations.unread", Text: "operations cannot be read", Remedy: "Read the server's log."}).Quoted(err.Error())
	}
	underWay := 0
	for _, op := range rows {
		if s := op.GetStatus().GetStuck(); s.GetAttempts() >= 3 {
			return diagnose.Warn(diagnose.Words{Name: "operations.stuck", Text: "an operation is stuck ({{.What}}): {{.Why}}",
				Remedy: "See 'hearth operations show {{.ID}}'; retry it or give it up."},
				"What", undertaking(op.GetSpec()), "Why", reasonOf(s.GetFault()), "ID", op.GetMeta().GetId()).Quoted(s.GetFault().GetMessage())
		}
		if op.GetStatus().GetEndTime() == nil {
			underWay++
		}
	}
	return diagnose.OK(diagnose.Words{Name: "operations.well", Text: "{{.Count}} under way, none stuck"}, "Count", underWay)
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
		return diagnose.Fail(diagnose.Words{Name: "services.unread", Text: "packages cannot be read", Remedy: "Read the server's log."}).Quoted(err.Error())
	}
	running := 0
	for _, row := range rows {
		id := row.GetMeta().GetId()
		switch row.GetStatus().GetState() {
		case packagesv1.PackageStatus_STATE_FAILED:
			return diagnose.Warn(diagnose.Words{Name: "services.failed", Text: "{{.ID}} has failed: {{.Why}}",
				Remedy: "See 'hearth package show {{.ID}}' and 'hearth package logs {{.ID}}'."}, "ID", id, "Why", reasonOf(row.GetStatus().GetFault())).Quoted(row.GetStatus().GetFault().GetMessage())
		case packagesv1.PackageStatus_STATE_RUNNING:
			running++
		case packagesv1.PackageStatus_STATE_STOPPED, packagesv1.PackageStatus_STATE_ABSENT:
		default:
			if since := row.GetMeta().GetUpdateTime().AsTime(); time.Since(since) > slow {
				return diagnose.Warn(diagnose.Words{Name: "services.slow", Text: "{{.ID}} is {{.State}} since {{.Time}}",
					Remedy: "See 'hearth package logs {{.ID}}'; restart the package if nothing happens."},
					"ID", id, "State", stateOf(row), "Time", since.Format(time.RFC3339))
			}
		}
	}
	return diagnose.OK(diagnose.Words{Name: "services.well", Text: "{{.Running}} of {{.All}} run, none has failed"}, "Running", running, "All", len(rows))
}

func (d *Daemon) checkWarnings(context.Context) diagnose.Finding {
	rows, err := d.warnings.List(false)
	switch {
	case err != nil:
		return diagnose.Fail(diagnose.Words{Name: "warnings.unread", Text: "warnings cannot be read", Remedy: "Read the server's log."}).Quoted(err.Error())
	case len(rows) > 0:
		gravest := rows[0].GetStatus()
		name, _, _ := strings.Cut(rows[0].GetMeta().GetId(), "/")
		return diagnose.Warn(diagnose.Words{Name: "warnings.some", Text: "{{.Count}}, the gravest: {{.Text}}", Remedy: "{{.Remedy}}"}, "Count", len(rows),
			"Text", inWords("warning", name, ".text", gravest.GetText(), gravest.GetMetadata()),
			"Remedy", inWords("warning", name, ".remedy", gravest.GetRemedy(), gravest.GetMetadata())).Quoted(gravest.GetQuote())
	}
	return diagnose.OK(diagnose.Words{Name: "warnings.none", Text: "none"})
}

// inWords is a value that the catalogue has as a text: that of a name, of what is named, as in "warning.disk-space.text".
func inWords(of, name, part, english string, values map[string]string) diagnose.Spoken {
	if name == "" {
		return diagnose.Spoken{Text: english}
	}
	return diagnose.Spoken{Text: english, Words: &metav1.Words{Key: of + "." + name + part, Metadata: values}}
}

// reasonOf says what the reason of a fault means. Its message, with the particulars, is in English and stands beside it.
func reasonOf(f *metav1.Fault) diagnose.Spoken {
	name := strings.TrimPrefix(f.GetReason().String(), "REASON_")
	english, ok := text.In(text.English).Lookup("reason."+name, nil)
	if !ok {
		return diagnose.Spoken{Text: name}
	}
	return inWords("reason", name, "", english, nil)
}

// undertaking says what an operation is for.
func undertaking(spec *operationsv1.OperationSpec) diagnose.Spoken {
	values := map[string]string{"Target": spec.GetTarget()}
	english, ok := text.In(text.English).Lookup("page.operation."+spec.GetKind(), map[string]any{"Target": spec.GetTarget()})
	if !ok {
		return diagnose.Spoken{Text: spec.GetKind() + " " + spec.GetTarget()}
	}
	return inWords("page.operation", spec.GetKind(), "", english, values)
}

// stateOf says what a service does.
func stateOf(row *packagesv1.Package) diagnose.Spoken {
	name := strings.ToLower(strings.TrimPrefix(row.GetStatus().GetState().String(), "STATE_"))
	return inWords("word", name, "", name, nil)
}
