package bench_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkMemory reports what an installation with one idle service takes: the daemon, against a gRPC server of a few
// lines, and the container with all its processes.
func BenchmarkMemory(b *testing.B) {
	s := newServer(b)
	s.install(b)
	bare := startBare(b, s)
	for b.Loop() {
		time.Sleep(5 * time.Second) // what starting left behind is given back
	}
	daemon, plain := memoryOf(b, s.daemon.Process.Pid), memoryOf(b, bare)
	report(b, daemon.rss, "daemon-rss-MiB")
	report(b, daemon.pss, "daemon-pss-MiB")
	report(b, plain.pss, "bare-grpc-pss-MiB")
	report(b, daemon.pss/plain.pss, "ratio")

	groups := map[string]float64{}
	var cgroup string
	told, err := s.client.Server(b.Context())
	must(b, err)
	for pid, line := range inCgroup(b, told.GetTag(), sample) {
		groups[roleOf(pid, line)] += memoryOf(b, pid).pss
		if !strings.Contains(line, "monitor") {
			cgroup = line
		}
	}
	sum := 0.0
	for _, role := range []string{"monitor", "agent", "jshost", "service"} {
		report(b, groups[role], role+"-pss-MiB")
		sum += groups[role]
	}
	report(b, sum, "container-pss-MiB")
	report(b, cgroupMemory(b, cgroup), "container-cgroup-MiB")
	b.ReportMetric(0, "ns/op")
}

// memory of one process in MiB.
type memory struct{ rss, pss float64 }

func memoryOf(b *testing.B, pid int) memory {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	must(b, err)
	var m memory
	for line := range strings.Lines(string(raw)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "Rss: %f kB", &kib); err == nil {
			m.rss = kib / 1024
		}
		if _, err := fmt.Sscanf(line, "Pss: %f kB", &kib); err == nil {
			m.pss = kib / 1024
		}
	}
	if m.pss == 0 {
		b.Fatalf("process %d tells no Pss", pid)
	}
	return m
}

// inCgroup finds the processes whose control group names the instance and the package, and the group of each.
func inCgroup(b *testing.B, tag, pkg string) map[int]string {
	b.Helper()
	found := map[int]string{}
	entries, err := os.ReadDir("/proc")
	must(b, err)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		raw, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cgroup"))
		for line := range strings.Lines(string(raw)) {
			if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 && strings.Contains(parts[2], tag) && strings.Contains(parts[2], pkg) {
				if _, ok := found[pid]; !ok || parts[1] == "memory" || parts[1] == "" {
					found[pid] = parts[2]
				}
			}
		}
	}
	if len(found) == 0 {
		b.Fatalf("no process of %s is there", pkg)
	}
	return found
}

// roleOf says what a process is for.
func roleOf(pid int, cgroup string) string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := bytes.Split(raw, []byte{0})
	switch {
	case strings.Contains(cgroup, "monitor"):
		return "monitor"
	case bytes.HasSuffix(args[0], []byte("/agent")):
		return "agent"
	case bytes.Contains(raw, []byte("/jshost/")):
		return "jshost"
	}
	return "service"
}

// cgroupMemory is what the kernel counts for the group, page cache included, on both generations.
func cgroupMemory(b *testing.B, group string) float64 {
	b.Helper()
	for _, path := range []string{
		filepath.Join("/sys/fs/cgroup", group, "memory.current"),
		filepath.Join("/sys/fs/cgroup/memory", group, "memory.usage_in_bytes"),
	} {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(string(raw)), 64)
		must(b, err)
		return n / (1 << 20)
	}
	b.Fatalf("the group %s tells no memory", group)
	return 0
}
