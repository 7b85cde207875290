package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

// statsEvery is how often a table that is followed is drawn. Each time the server measures anew.
const statsEvery = 2 * time.Second

func (a *app) statsCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "stats [ID]", Short: "Show what services use of the machine", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeInstalled,
		Long: `Show what services use: processors, memory, disk and network, the largest first, and
below what the server itself, all services and the machine use.

CPU is how many processors are kept busy: 0.50 is half of one. Rates are those of the
last seconds. DATA is what the volumes take on disk, measured every few minutes. What
services publish about themselves stands below.

With --follow the table is drawn anew every two seconds; rows for programs come as one
line for each service and one, with the id "server", for the machine.`,
		Example: "  hearth package stats\n  hearth package stats nextcloud --follow\n  hearth package stats --output json | jq 'select(.memoryBytes > 1e9) | .id'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				req := &packagesv1.ListPackageUsageRequest{}
				if len(args) > 0 {
					req.PackageId = args[0]
				}
				return a.stats(ctx, c, req, follow)
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	return c
}

func (a *app) stats(ctx context.Context, c *hearth.Client, req *packagesv1.ListPackageUsageRequest, follow bool) error {
	again := time.NewTicker(statsEvery)
	defer again.Stop()
	for {
		if err := a.statsOnce(ctx, c, req, follow); err != nil || !follow {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // it has no other end
		case <-again.C:
		}
	}
}

func (a *app) statsOnce(ctx context.Context, c *hearth.Client, req *packagesv1.ListPackageUsageRequest, follow bool) error {
	var rows []*packagesv1.Usage
	for token := ""; ; {
		resp, err := c.Packages.ListPackageUsage(ctx, &packagesv1.ListPackageUsageRequest{PackageId: req.GetPackageId(), PageToken: token})
		if err != nil {
			return err
		}
		rows = append(rows, resp.GetUsage()...)
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	var machine *systemv1.ServerUsage
	if req.GetPackageId() == "" {
		resp, err := c.System.GetServerUsage(ctx, &systemv1.GetServerUsageRequest{})
		if err != nil {
			return err
		}
		machine = resp.GetUsage()
	}
	if a.rows() {
		if err := printRows(a, rows); err != nil || machine == nil {
			return err
		}
		return a.printRow(flatten(machine))
	}
	if follow && isTerminal(a.Out) {
		fmt.Fprint(a.Out, "\x1b[H\x1b[2J")
	}
	if err := errors.Join(a.statsTable(rows), a.metricsTable(rows)); err != nil || machine == nil {
		return err
	}
	return a.machineLines(machine.GetStatus())
}

func (a *app) statsTable(rows []*packagesv1.Usage) error {
	slices.SortStableFunc(rows, func(x, y *packagesv1.Usage) int {
		return int(y.GetStatus().GetMemoryBytes()>>20) - int(x.GetStatus().GetMemoryBytes()>>20)
	})
	var table [][]string
	for _, r := range rows {
		st, data := r.GetStatus(), ""
		if st.GetDataTime() != nil {
			data = size(st.GetDataBytes())
		}
		line := []string{r.GetMeta().GetId(), "", "", "", "", "", data}
		if st.GetRunning() {
			line = []string{
				r.GetMeta().GetId(), load(st.GetCpuLoad()), size(st.GetMemoryBytes()), fmt.Sprint(st.GetProcesses()),
				rates(st.GetReadRate(), st.GetWriteRate()), rates(st.GetReceiveRate(), st.GetSendRate()), data,
			}
		}
		table = append(table, line)
	}
	return a.table([]string{"id", "cpu", "memory", "processes", "disk", "network", "data"}, table)
}

// metricsTable shows what services publish about themselves, where one does.
func (a *app) metricsTable(rows []*packagesv1.Usage) error {
	var table [][]string
	for _, r := range rows {
		for _, m := range r.GetStatus().GetMetrics() {
			value := strconv.FormatFloat(m.GetValue(), 'f', -1, 64)
			table = append(table, []string{r.GetMeta().GetId(), m.GetName(), strings.TrimSpace(value + " " + m.GetUnit())})
		}
	}
	if len(table) == 0 {
		return nil
	}
	fmt.Fprintln(a.Out)
	return a.table([]string{"id", "metric", "value"}, table)
}

// machineLines tell what all, the server and the machine use.
func (a *app) machineLines(st *systemv1.ServerUsageStatus) error {
	rows := [][]string{
		{a.say("stats.services", nil), load(st.GetServices().GetCpuLoad()), size(st.GetServices().GetMemoryBytes()), ""},
		{a.say("stats.daemon", nil), load(st.GetDaemon().GetCpuLoad()), size(st.GetDaemon().GetMemoryBytes()), ""},
		{
			a.say("stats.machine", nil), load(st.GetCpuLoad()) + " / " + fmt.Sprint(st.GetProcessors()),
			size(st.GetMemoryTotalBytes()-st.GetMemoryAvailableBytes()) + " / " + size(st.GetMemoryTotalBytes()),
			size(st.GetDiskTotalBytes()-st.GetDiskFreeBytes()) + " / " + size(st.GetDiskTotalBytes()),
		},
	}
	if st.Temperature != nil {
		rows = append(rows, []string{a.say("stats.temperature", nil), fmt.Sprintf("%.0f °C", st.GetTemperature())})
	}
	fmt.Fprintln(a.Out)
	return a.table([]string{"about", "cpu", "memory", "disk"}, rows)
}

// load is how many processors are busy.
func load(n float64) string { return fmt.Sprintf("%.2f", n) }

// rates are two numbers of bytes in a second, in and out.
func rates(in, out float64) string {
	if in < 1 && out < 1 {
		return "-"
	}
	return "↓ " + size(uint64(in)) + "/s ↑ " + size(uint64(out)) + "/s"
}

func (a *app) hardwareCommand() *cobra.Command {
	return &cobra.Command{
		Use: "hardware", Short: "Show what the machine is made of, as far as packages ask for it", Args: cobra.NoArgs,
		Long: `Show the architecture, the memory, the processors and the graphics cards of the machine.
That is what the hardware requirements of packages are held against.`,
		Example: "  hearth system hardware\n  hearth system hardware --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.System.GetHardware(ctx, &systemv1.GetHardwareRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(resp.GetHardware()))
				}
				st := resp.GetHardware().GetStatus()
				table := [][]string{
					{"architecture", "", st.GetArchitecture(), strings.Join(st.GetEmulated(), " ")},
					{"memory", "", size(st.GetMemoryBytes()), ""},
				}
				for _, d := range st.GetDevices() {
					detail := d.GetDriver() + " " + strings.Join(d.GetFiles(), " ")
					table = append(table, []string{d.GetDeviceClass(), fmt.Sprint(d.GetCount()), strings.TrimSpace(d.GetVendor() + " " + d.GetProduct()), strings.TrimSpace(detail)})
				}
				return a.table([]string{"kind", "count", "name", "detail"}, table)
			})
		},
	}
}

// healthPast prints how the health checks of a service did.
func (a *app) healthPast(ctx context.Context, c *hearth.Client, id, check string) error {
	var rows []*packagesv1.HealthChange
	for token := ""; ; {
		resp, err := c.Packages.ListHealthChanges(ctx, &packagesv1.ListHealthChangesRequest{Id: id, Check: check, PageToken: token})
		if err != nil {
			return err
		}
		rows = append(rows, resp.GetChanges()...)
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	if a.rows() {
		return printRows(a, rows)
	}
	var table [][]string
	for _, r := range rows {
		st, result := r.GetStatus(), "ended"
		if !st.GetEnded() {
			result = word(st.GetResult())
		}
		table = append(table, []string{
			st.GetTime().AsTime().Local().Format("2006-01-02 15:04:05"), st.GetCheck(), result, brief(st.GetName()), brief(st.GetMessage()),
		})
	}
	return a.table([]string{"time", "check", "result", "name", "message"}, table)
}
