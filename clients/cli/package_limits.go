package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

// asGiven is the word for a limit that is as the server gives it to each service.
const asGiven = "default"

// inForce is how long limits may take to be in force before the command tells what there is.
const inForce = 15 * time.Second

func (a *app) limitsCommand() *cobra.Command {
	var memory, cpu, processes, weight, read, write, disk string
	c := &cobra.Command{
		Use: "limits ID", Short: "Show what a service may use of the machine, and change it", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Long: `Show what a service may use of the machine, and change it. A service that runs feels the
change at once; "default" takes back what was chosen. A package may declare what it is
content with: that holds where nobody chose otherwise, and never for more than what the
server gives to each.

Sizes are as in 512M, 1.5G or 800000 (bytes); M is 1024 times 1024. --cpu is how many
processors it may keep busy: 0.5 is half of one. --io-weight is its share of the disk
where others want it too: 100 is usual, 200 twice that. Rates are bytes a second to and
from the disk.

Not every machine can bound everything: disks are bounded where the file system has
quotas that are switched on (btrfs, xfs, ext4), shares of a disk where its scheduler is bfq.
The command tells what is missing.`,
		Example: "  hearth package limits hello\n  hearth package limits hello --memory 512M --cpu 0.5\n  hearth package limits hello --memory default\n  hearth package limits hello --disk 20G --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &packagesv1.SetPackageLimitsRequest{Id: args[0]}
			changed := false
			for _, f := range []struct {
				name, value string
				read        func(string) (uint64, bool)
				most        uint64
				set         func(uint64)
			}{
				{"memory", memory, parseSize, math.MaxUint64, func(n uint64) { req.MemoryBytes = &n }},
				{"cpu", cpu, parseCores, math.MaxUint32, func(n uint64) { v := uint32(n); req.CpuMillis = &v }},
				{"pids", processes, parseCount, math.MaxUint32, func(n uint64) { v := uint32(n); req.Processes = &v }},
				{"io-weight", weight, parseCount, math.MaxUint32, func(n uint64) { v := uint32(n); req.IoWeight = &v }},
				{"io-read", read, parseSize, math.MaxUint64, func(n uint64) { req.ReadRate = &n }},
				{"io-write", write, parseSize, math.MaxUint64, func(n uint64) { req.WriteRate = &n }},
				{"disk", disk, parseSize, math.MaxUint64, func(n uint64) { req.DiskBytes = &n }},
			} {
				if !cmd.Flags().Changed(f.name) {
					continue
				}
				n, ok := uint64(0), f.value == asGiven
				if !ok {
					n, ok = f.read(f.value)
				}
				if !ok || n > f.most || n == 0 && f.value != asGiven {
					return wrong("usage.limit", "Value", f.value, "Flag", "--"+f.name)
				}
				f.set(n)
				changed = true
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if changed {
					if err := setLimits(ctx, c, req); err != nil {
						return err
					}
				}
				return a.showLimits(ctx, c, args[0])
			})
		},
	}
	c.Flags().StringVar(&memory, "memory", "", "memory, as in 512M")
	c.Flags().StringVar(&cpu, "cpu", "", "processors, as in 0.5")
	c.Flags().StringVar(&processes, "pids", "", "processes and threads")
	c.Flags().StringVar(&weight, "io-weight", "", "its share of the disk; 100 is usual")
	c.Flags().StringVar(&read, "io-read", "", "bytes a second read from the disk, as in 10M")
	c.Flags().StringVar(&write, "io-write", "", "bytes a second written to the disk, as in 10M")
	c.Flags().StringVar(&disk, "disk", "", "what its files take on disk, as in 20G")
	return c
}

// parseSize reads a size as people write it.
func parseSize(s string) (uint64, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	s = strings.TrimSuffix(strings.TrimSuffix(s, "B"), "I")
	factor := 1.0
	if i := strings.IndexAny(s, "KMGT"); i > 0 && i == len(s)-1 {
		factor = math.Pow(1024, float64(strings.IndexByte("KMGT", s[i])+1))
		s = s[:i]
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f < 0 || f*factor >= math.MaxInt64 || math.IsNaN(f) {
		return 0, false
	}
	return uint64(f * factor), true
}

// parseCores reads a number of processors, in thousandths.
func parseCores(s string) (uint64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f < 0 || f > math.MaxUint32/1000 || math.IsNaN(f) {
		return 0, false
	}
	return uint64(math.Round(f * 1000)), true
}

func parseCount(s string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	return n, err == nil
}

// setLimits changes limits and waits until they are in force.
func setLimits(ctx context.Context, c *hearth.Client, req *packagesv1.SetPackageLimitsRequest) error {
	resp, err := c.Limits.SetPackageLimits(ctx, req)
	if err != nil {
		return err
	}
	want := resp.GetLimits().GetMeta().GetGeneration()
	patient, cancel := context.WithTimeout(ctx, inForce)
	defer cancel()
	var st *packagesv1.PackageLimitsStatus
	targets := []*statev1.Target{{Selectors: []*statev1.Selector{{Kind: "packagelimits", Id: req.GetId()}}}}
	err = c.Watch(patient, targets, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			if l := ch.GetResource().GetPackageLimits(); l.GetStatus().GetObservedGeneration() >= want {
				st = l.GetStatus()
				return true, nil
			}
		}
		return false, nil
	})
	if st.GetFault() != nil {
		return fault.FromProto(st.GetFault())
	}
	return err
}

func (a *app) showLimits(ctx context.Context, c *hearth.Client, id string) error {
	resp, err := c.Limits.GetPackageLimits(ctx, &packagesv1.GetPackageLimitsRequest{Id: id})
	if err != nil {
		return err
	}
	if a.rows() {
		return a.printRow(flatten(resp))
	}
	chosen, said, now := resp.GetLimits().GetSpec(), resp.GetDeclared(), resp.GetEffective()
	plain := func(n uint64) string { return fmt.Sprint(n) }
	rate := func(n uint64) string { return size(n) + "/s" }
	var table [][]string
	for _, l := range []struct {
		name, field       string
		chosen, said, now uint64
		text              func(uint64) string
	}{
		{"memory", "memory_bytes", chosen.GetMemoryBytes(), said.GetMemoryBytes(), now.GetMemoryBytes(), size},
		{"cpu", "cpu_millis", uint64(chosen.GetCpuMillis()), uint64(said.GetCpuMillis()), uint64(now.GetCpuMillis()), func(n uint64) string { return load(float64(n) / 1000) }},
		{"pids", "processes", uint64(chosen.GetProcesses()), uint64(said.GetProcesses()), uint64(now.GetProcesses()), plain},
		{"io-weight", "io_weight", uint64(chosen.GetIoWeight()), uint64(said.GetIoWeight()), uint64(now.GetIoWeight()), plain},
		{"io-read", "read_rate", chosen.GetReadRate(), said.GetReadRate(), now.GetReadRate(), rate},
		{"io-write", "write_rate", chosen.GetWriteRate(), said.GetWriteRate(), now.GetWriteRate(), rate},
		{"disk", "disk_bytes", chosen.GetDiskBytes(), said.GetDiskBytes(), now.GetDiskBytes(), size},
	} {
		line := []string{l.name, "-", "-", a.say("limits.unbounded", nil), resp.GetUnsupported()[l.field]}
		if why := resp.GetUnbounded()[l.field]; why != nil {
			if s, ok := a.texts.Lookup(why.GetKey(), anyValues(why.GetMetadata())); ok {
				line[4] = a.quoting(s, why.GetQuote())
			}
		}
		if l.now > 0 {
			line[3] = l.text(l.now)
		}
		if l.said > 0 {
			line[2] = l.text(l.said)
		}
		if l.chosen > 0 {
			line[1] = l.text(l.chosen)
		}
		table = append(table, line)
	}
	if why := resp.GetLimits().GetStatus().GetFault(); why != nil {
		a.tell("limits.not-in-force", map[string]any{"Why": why.GetMessage()})
	}
	return a.table([]string{"limit", "chosen", "declared", "may-use", "detail"}, table)
}
