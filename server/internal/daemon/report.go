package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/server/internal/diagnose"
	"github.com/hearthos/hearth/server/internal/rpc/telemetry"
	"github.com/hearthos/hearth/server/internal/store"
)

// Metrics implements diagnosticsrpc.Daemon.
func (d *Daemon) Metrics() ([]byte, error) { return d.meter.Text() }

// metrics are what the server tells of its parts.
func (d *Daemon) metrics() []telemetry.Metric {
	one := func(read func() float64) func() []telemetry.Sample {
		return func() []telemetry.Sample { return []telemetry.Sample{{Value: read()}} }
	}
	controllers := func(value func(i int) float64) func() []telemetry.Sample {
		return func() (list []telemetry.Sample) {
			for i, s := range d.manager.Stats() {
				list = append(list, telemetry.Sample{Labels: []string{s.Name}, Value: value(i)})
			}
			return list
		}
	}
	labels := []string{"controller"}
	return []telemetry.Metric{
		{Name: "hearth_store_revision", Help: "Newest revision of the store; each commit makes one.", Counter: true,
			Read: one(func() float64 { return float64(d.store.Revision()) })},
		{Name: "hearth_store_oldest_revision", Help: "Oldest revision the change log reaches back to.",
			Read: one(func() float64 { st, _ := d.store.Status(); return float64(st.Oldest) })},
		{Name: "hearth_store_disk_bytes", Help: "What the store takes on disk.",
			Read: one(func() float64 { st, _ := d.store.Status(); return float64(st.DiskBytes) })},
		{Name: "hearth_controller_runs_total", Help: "Runs of controllers that ended.", Labels: labels, Counter: true,
			Read: controllers(func(i int) float64 { return float64(d.manager.Stats()[i].Runs) })},
		{Name: "hearth_controller_errors_total", Help: "Runs of controllers that failed.", Labels: labels, Counter: true,
			Read: controllers(func(i int) float64 { return float64(d.manager.Stats()[i].Errors) })},
		{Name: "hearth_controller_queue", Help: "Keys of controllers that wait for a worker.", Labels: labels,
			Read: controllers(func(i int) float64 { return float64(d.manager.Stats()[i].Queued) })},
		{Name: "hearth_controller_failing", Help: "Keys of controllers that failed at last.", Labels: labels,
			Read: controllers(func(i int) float64 { return float64(d.manager.Stats()[i].Failing) })},
		{Name: "hearth_operations", Help: "Operations that are recorded, by state.", Labels: []string{"state"}, Read: d.operationStates},
		{Name: "hearth_packages", Help: "Installed packages, by state.", Labels: []string{"state"}, Read: d.packageStates},
		{Name: "hearth_warnings", Help: "Warnings that are not dismissed.", Read: one(func() float64 {
			rows, _ := d.warnings.List(false) // a store that is closing: none
			return float64(len(rows))
		})},
		{Name: "hearth_door_connected", Help: "Whether the front door answered last.", Read: one(func() float64 {
			if d.door.Load() {
				return 1
			}
			return 0
		})},
	}
}

// doorLog is the log of the front door.
func (d *Daemon) doorLog() string { return filepath.Join(d.runDir, "door.log") }

func (d *Daemon) operationStates() []telemetry.Sample {
	return counted(d.store, func(op *operationsv1.Operation) string { return word(op.GetStatus().GetState()) })
}

func (d *Daemon) packageStates() []telemetry.Sample {
	return counted(d.store, func(p *packagesv1.Package) string { return word(p.GetStatus().GetState()) })
}

// counted counts rows by a label.
func counted[T store.Row](st *store.Store, label func(T) string) []telemetry.Sample {
	counts := make(map[string]int)
	_ = st.View(func(tx *store.Tx) error { // a store that is closing: nothing is told
		rows, err := store.List[T](tx, "")
		for _, r := range rows {
			counts[label(r)]++
		}
		return err
	})
	var list []telemetry.Sample
	for name, n := range counts {
		list = append(list, telemetry.Sample{Labels: []string{name}, Value: float64(n)})
	}
	return list
}

// word is a state as a label.
func word(e interface{ String() string }) string {
	return strings.ToLower(strings.TrimPrefix(e.String(), "STATE_"))
}

// Report implements diagnosticsrpc.Daemon.
func (d *Daemon) Report() []diagnose.Part {
	parts := []diagnose.Part{
		{Name: "server/version.json", About: "versions, platform and ports", Write: d.writeVersion},
		{Name: "server/checks.json", About: "what 'hearth doctor' found on the server", Write: d.writeChecks},
		{Name: "server/capabilities.json", About: "what the machine offers", Write: d.writeCapabilities},
		{Name: "server/rows.jsonl", About: "the resources every administrator may read, without fields that are secret", Write: d.writeRows},
		{Name: "server/metrics.txt", About: "what the server measures of itself", Write: func(_ context.Context, to io.Writer) error {
			text, err := d.Metrics()
			if err != nil {
				return err
			}
			_, err = to.Write(text)
			return err
		}},
		{Name: "server/daemon.log", About: "the last lines of the log of the daemon", Write: d.writeLog},
		{Name: "server/goroutines.txt", About: "what the daemon is doing", Write: func(_ context.Context, to io.Writer) error {
			return pprof.Lookup("goroutine").WriteTo(to, 1)
		}},
	}
	for _, path := range []string{d.doorLog(), d.doorLog() + ".1"} {
		parts = append(parts, diagnose.Part{
			Name: "server/" + filepath.Base(path), About: "the log of the front door",
			Write: func(_ context.Context, to io.Writer) error { return writeTail(to, path, 2<<20) },
		})
	}
	return parts
}

// writeLog writes what is kept of the daemon's own log, wherever else that goes.
func (d *Daemon) writeLog(_ context.Context, to io.Writer) error {
	lines, _, _ := d.recent.From(0)
	for _, l := range lines {
		if _, err := fmt.Fprintf(to, "%s %-5s %s\n", l.Time.UTC().Format(time.RFC3339Nano), l.Level, l.Text); err != nil {
			return err
		}
	}
	return nil
}

// writeTail writes the last bytes of a file; one that is not there is empty.
func writeTail(to io.Writer, path string, most int64) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return err
		}
	}
	_, err = io.Copy(to, io.LimitReader(f, most))
	return err
}

func (d *Daemon) writeVersion(_ context.Context, to io.Writer) error {
	p := d.machine().Platform()
	info, _ := debug.ReadBuildInfo()
	_, err := fmt.Fprintf(to, "{\"version\": %q, \"go\": %q, \"tag\": %q, \"started\": %q, \"os\": %q, \"kernel\": %q, \"architecture\": %q, \"mode\": %q, \"web_port\": %d, \"grpc\": %q}\n",
		d.cfg.Version, info.GoVersion, d.Tag(), d.started.UTC().Format(time.RFC3339), p.OS, p.Kernel, p.Architecture, p.Detail, d.cfg.WebPort, d.cfg.GRPCAddress)
	return err
}

func (d *Daemon) writeChecks(ctx context.Context, to io.Writer) error {
	for _, c := range d.Checks(ctx) {
		if err := writeMessage(to, c); err != nil {
			return err
		}
	}
	return nil
}

func (d *Daemon) writeCapabilities(ctx context.Context, to io.Writer) error {
	for _, c := range d.Capabilities(ctx) {
		if err := writeMessage(to, c); err != nil {
			return err
		}
	}
	return nil
}

func writeMessage(to io.Writer, m proto.Message) error {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return err
	}
	_, err = to.Write(append(raw, '\n'))
	return err
}

// writeRows writes the rows of all kinds that an administrator may read, without secrets.
func (d *Daemon) writeRows(ctx context.Context, to io.Writer) error {
	var selectors []store.Selector
	for _, k := range store.Kinds() {
		if k.ReadRole != optionsv1.Role_ROLE_UNSPECIFIED && k.ReadRole <= optionsv1.Role_ROLE_ADMIN && !k.Ephemeral() {
			selectors = append(selectors, store.Selector{Kind: k.ID})
		}
	}
	w, err := d.store.Watch(store.WatchOptions{Selectors: selectors})
	if err != nil {
		return err
	}
	for {
		batch, err := w.Next(ctx)
		if err != nil {
			return err
		}
		for _, c := range batch.Changes {
			row := proto.Clone(c.Row)
			diagnose.Scrub(row.ProtoReflect())
			if _, err := fmt.Fprintf(to, "%s ", c.Kind); err != nil {
				return err
			}
			if err := writeMessage(to, row); err != nil {
				return err
			}
		}
		if batch.Bookmark {
			return nil
		}
	}
}
