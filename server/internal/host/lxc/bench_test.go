package lxc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/hostcmd"
)

// BenchmarkStartAgainstLxcStart starts the same root with the same configuration by turns, by Runtime.Start and by
// liblxc's own command, and reports the ratio.
func BenchmarkStartAgainstLxcStart(b *testing.B) {
	m := lxctest.NewMachine(b)
	r := open(b, m)
	ours, theirs := m.Spec(b, "ours", 200, lxctest.Polite), m.Spec(b, "theirs", 201, lxctest.Polite)
	path := filepath.Join(m.Config.RunDir, "lxc")
	config := filepath.Join(b.TempDir(), "config")
	script := filepath.Join(m.Config.RunDir, "init")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"+lxctest.Polite+"\n"), 0o755); err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	for _, i := range r.Items(theirs) {
		text.WriteString(i.Key + " = " + i.Value + "\n")
	}
	text.WriteString("lxc.mount.entry = " + script + " init none bind,create=file 0 0\nlxc.init.cmd = /init\n")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	var us, them time.Duration
	var monitor float64
	for b.Loop() {
		begin := time.Now()
		if _, err := r.Start(b.Context(), ours); err != nil {
			b.Fatal(err)
		}
		us += time.Since(begin)
		for _, pid := range monitorPIDs(b, m, "ours") {
			monitor = pss(b, pid)
		}
		begin = time.Now()
		if err := hostcmd.Run(b.Context(), hostcmd.Cmd{
			Path: "/usr/bin/lxc-start", Args: []string{"-n", "theirs", "-P", path, "-f", config, "-d"}, Env: []string{"PATH=/nonexistent"},
		}); err != nil {
			b.Fatal(err)
		}
		them += time.Since(begin)
		for _, name := range []string{"ours", "theirs"} {
			if err := r.Stop(b.Context(), name, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	n := float64(b.N)
	b.ReportMetric(us.Seconds()*1000/n, "start-ms")
	b.ReportMetric(them.Seconds()*1000/n, "lxc-start-ms")
	b.ReportMetric(us.Seconds()/them.Seconds(), "ratio")
	b.ReportMetric(monitor, "monitor-pss-KiB")
}

// pss is a process's proportional share of memory in KiB.
func pss(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "Pss: %f kB", &kib); err == nil {
			return kib
		}
	}
	b.Fatal("no Pss")
	return 0
}
