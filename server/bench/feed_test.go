package bench_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// BenchmarkFeed lets the program of server/bench/etcd, which HEARTH_BENCH_FEED names, measure a daemon against etcd. The
// program prints its figures itself.
func BenchmarkFeed(b *testing.B) {
	program := os.Getenv("HEARTH_BENCH_FEED")
	if program == "" {
		b.Skip("HEARTH_BENCH_FEED does not name the program of server/bench/etcd; scripts/bench builds it")
	}
	s := newServer(b)
	for b.Loop() {
		cmd := exec.Command(program, "-hearth", s.socket(), "-debian", os.Getenv("HEARTH_BENCH_ETCD"))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		must(b, cmd.Run())
	}
	b.ReportMetric(0, "ns/op")
}
