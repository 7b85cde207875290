package bench_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
)

// BenchmarkAsPeer takes the figures that scripts/bench-peer takes of the original, too: of the sample under four names, it
// installs each, starts and stops the first through its page, adds up its memory, and begins all anew as after a boot. The
// package files stay in the folder BENCH_PACKAGES, for the original.
func BenchmarkAsPeer(b *testing.B) {
	dir := os.Getenv("BENCH_PACKAGES")
	if dir == "" {
		b.Skip("it is for scripts/bench-peer, which names a folder for package files in BENCH_PACKAGES")
	}
	s := newServer(b)
	names := []string{"peer-a", "peer-b", "peer-c", "peer-d"}
	var installed, started, stopped, booted []float64
	for _, name := range names {
		file := filepath.Join(dir, name+".s9pk")
		if _, err := os.Stat(file); err != nil {
			must(b, os.WriteFile(file, repacked(b, name), 0o600))
		}
		installed = append(installed, timed(func() { s.cli(b, "package", "install", file, "--no-start") }))
		s.cli(b, "package", "start", name)
		waitFor(b, time.Minute, func() bool { return s.healthy(b, name) })
	}
	first := names[0]
	url := s.page(b, first)
	for range 10 {
		stopped = append(stopped, timed(func() { s.stopService(b, first) }))
		started = append(started, timed(func() {
			_, err := s.client.Packages.StartPackage(b.Context(), &packagesv1.StartPackageRequest{Id: first})
			must(b, err)
			servesTLS(b, url)
		}))
		waitFor(b, time.Minute, func() bool { return s.healthy(b, first) })
	}
	time.Sleep(15 * time.Second) // what starting left behind is given back
	told, err := s.client.Server(b.Context())
	must(b, err)
	sum := 0.0
	for pid := range inCgroup(b, told.GetTag(), "/"+first) {
		sum += memoryOf(b, pid).pss
	}
	daemon := memoryOf(b, s.daemon.Process.Pid).pss
	for b.Loop() {
		s.cli(b, "system", "shutdown", "--services")
		_ = s.daemon.Wait()
		s.begin(b, s.log)
		booted = append(booted, timed(func() {
			for _, name := range names {
				waitFor(b, 2*time.Minute, func() bool { return s.healthy(b, name) })
			}
		}))
	}
	report(b, median(installed), "install-ms")
	report(b, median(started), "start-to-https-ms")
	report(b, median(stopped), "stop-ms")
	report(b, sum, "running-pss-MiB")
	report(b, daemon, "daemon-pss-MiB")
	report(b, median(booted), "boot-to-healthy-ms")
	b.ReportMetric(0, "ns/op")
}

// cli runs the command line and answers what it prints.
func (s *server) cli(b *testing.B, args ...string) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), filepath.Join(s.bin, "hearth"), args...)
	cmd.Env = append(os.Environ(), "HEARTH_STATE="+s.state)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("hearth %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// page is the address of a package's page by TLS on this machine.
func (s *server) page(b *testing.B, pkg string) string {
	b.Helper()
	for line := range strings.Lines(s.cli(b, "package", "addresses", pkg, "--output", "json")) {
		var row struct{ URL string }
		must(b, json.Unmarshal([]byte(line), &row))
		if strings.HasPrefix(row.URL, "https://localhost") {
			return row.URL
		}
	}
	b.Fatalf("%s has no page", pkg)
	return ""
}

// servesTLS returns when a page is answered by TLS. Whose certificate it is does not matter to a figure.
func servesTLS(b *testing.B, url string) {
	b.Helper()
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	waitFor(b, time.Minute, func() bool {
		resp, err := client.Get(url)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}
