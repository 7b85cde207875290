// Package bench measures the whole system as it is installed: the programs in bin/, real containers, real sockets. Each
// figure has its baseline in the same run, by turns, and is a median, so that what else the machine does hits both alike.
// It asserts nothing about speed; what must not break is tested elsewhere.
//
//	start_test.go    a container to its agent's answer, against lxc-start of the same root
//	port_test.go     a stopped service to its port's answer, against the same program under lxc-start
//	fleet_test.go    twenty services at once: healthy, adopted, stopped
//	install_test.go  a package file to a healthy service, by phases
//	verify_test.go   a large package file, against b3sum and sha256sum
//	fetch_test.go    a large package from a registry, against curl, tee and b3sum
//	pack_test.go     a project with a large image, against mksquashfs
//	memory_test.go   the daemon and an idle service
//	calls_test.go    a call on every wire, against a bare gRPC server
//	idle_test.go     the daemon with a hundred packages and ten watchers
//	feed_test.go     the change feed, against etcd's watch
//	door_test.go     the front door, against nginx, Caddy, HAProxy and dnsmasq
//	load_test.go     the JavaScript host, from the agent's answer until it answers
//	registry_test.go a registry of 10 000 packages, against a server that has its answers ready
//	forwards_test.go ports that lead to services, against the program nft
package bench_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
	"github.com/hearthos/hearth/server/internal/testenv"
)

const sample = "hello-hearth"

// TestMain runs the benchmarks in namespaces of their own; the bare server it runs is this program once more.
func TestMain(m *testing.M) {
	if path := os.Getenv(bareVariable); path != "" {
		serveBare(path)
		return
	}
	mounttest.Main(m)
}

// bin is the folder of the programs.
func bin(b *testing.B) string {
	b.Helper()
	dir := os.Getenv("HEARTH_BIN")
	if dir == "" {
		dir, _ = filepath.Abs("../../bin")
	}
	for _, name := range []string{"hearthd", "hearth-agent", "rootfs.squashfs", sample + ".s9pk"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			b.Fatalf("%v: run 'make sample' first", err)
		}
	}
	return dir
}

// server is a daemon with its state in a folder of its own.
type server struct {
	bin, state string
	flags      []string // of the daemon, besides its folders
	daemon     *exec.Cmd
	log        *os.File
	client     *hearth.Client
	stop       func()        // ends the daemon and cleans the host; at the latest at the end
	answered   time.Duration // from the start of the process to its first answer
}

// newServer starts a daemon; prepare makes its state before.
func newServer(b *testing.B, prepare ...func(state string)) *server {
	b.Helper()
	testenv.Require(b, "root", "lxc", "netns")
	s := &server{bin: bin(b), state: filepath.Join(b.TempDir(), "state")}
	must(b, os.MkdirAll("/run/hearth", 0o711))
	for _, fn := range prepare {
		fn(s.state)
	}
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	must(b, err)
	s.stop = sync.OnceFunc(func() {
		if b.Failed() {
			raw, _ := os.ReadFile(log.Name())
			b.Logf("log of the daemon:\n%s", raw)
		}
		s.end(syscall.SIGTERM)
		out, err := exec.Command(filepath.Join(s.bin, "hearthd"), "--clean-host", "--state", s.state, "--bin", s.bin).CombinedOutput()
		if err != nil {
			b.Errorf("cannot clean the host: %v\n%s", err, out)
		}
		log.Close()
	})
	b.Cleanup(s.stop)
	s.begin(b, log)
	return s
}

// begin starts the daemon and waits for its first answer.
func (s *server) begin(b *testing.B, log *os.File) {
	b.Helper()
	s.log = log
	s.daemon = exec.Command(filepath.Join(s.bin, "hearthd"), append([]string{"--state", s.state, "--bin", s.bin}, s.flags...)...)
	s.daemon.Stderr = log
	s.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	must(b, s.daemon.Start())
	socket := filepath.Join(s.state, "hearthd.sock")
	waitFor(b, 30*time.Second, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	var err error
	s.client, err = hearth.Dial(b.Context(), "unix:"+socket, hearth.Options{})
	must(b, err)
	waitFor(b, 30*time.Second, func() bool { // the sockets are open before the rest is there
		_, err := s.client.Server(b.Context())
		return err == nil
	})
	s.answered = time.Since(begin)
}

// end ends the daemon alone.
func (s *server) end(signal syscall.Signal) {
	if s.client != nil {
		s.client.Close()
	}
	if s.daemon == nil {
		return
	}
	_ = s.daemon.Process.Signal(signal)
	_ = s.daemon.Wait()
}

// socket is the path of the local socket.
func (s *server) socket() string { return filepath.Join(s.state, "hearthd.sock") }

// phases are the times from one event to the next, in order.
type phases []struct {
	name string
	took time.Duration
}

// install installs the sample and returns when it is healthy, with the time of each phase.
func (s *server) install(b *testing.B) phases {
	b.Helper()
	file, err := os.Open(filepath.Join(s.bin, sample+".s9pk"))
	must(b, err)
	defer file.Close()
	info, err := file.Stat()
	must(b, err)
	var took phases
	last := time.Now()
	mark := func(name string) {
		now := time.Now()
		took = append(took, struct {
			name string
			took time.Duration
		}{name, now.Sub(last)})
		last = now
	}
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	ticket, err := s.client.Upload(ctx, file, info.Size(), nil)
	must(b, err)
	mark("upload")
	_, err = s.client.Packages.InstallPackage(ctx, &packagesv1.InstallPackageRequest{Ticket: ticket, Start: true})
	must(b, err)
	// Each phase ends with a state of the service that the feed tells, all of them in order.
	ends := []struct {
		phase string
		state []packagesv1.PackageStatus_State
	}{
		{"verify", []packagesv1.PackageStatus_State{packagesv1.PackageStatus_STATE_CREATING}},
		{"container", []packagesv1.PackageStatus_State{packagesv1.PackageStatus_STATE_INITIALIZING}},
		{"init", []packagesv1.PackageStatus_State{packagesv1.PackageStatus_STATE_STOPPED, packagesv1.PackageStatus_STATE_STARTING}},
		{"start", []packagesv1.PackageStatus_State{packagesv1.PackageStatus_STATE_RUNNING}},
	}
	targets := []*statev1.Target{{Selectors: []*statev1.Selector{{Kind: "package"}, {Kind: "healthcheck"}}}}
	err = s.client.Watch(ctx, targets, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			if p := ch.GetResource().GetPackage(); p != nil {
				// A feed that begins late tells the newest state: the phases before it are over.
				for i, end := range ends {
					if slices.Contains(end.state, p.GetStatus().GetState()) {
						for _, over := range ends[:i+1] {
							mark(over.phase)
						}
						ends = ends[i+1:]
						break
					}
				}
			}
			if h := ch.GetResource().GetHealthCheck(); h != nil && len(ends) == 0 && h.GetStatus().GetResult() == packagesv1.HealthCheckStatus_RESULT_SUCCESS {
				mark("healthy")
				return true, nil
			}
		}
		return false, nil
	})
	must(b, err)
	return took
}

// uninstall removes the sample.
func (s *server) uninstall(b *testing.B) {
	b.Helper()
	resp, err := s.client.Packages.UninstallPackage(b.Context(), &packagesv1.UninstallPackageRequest{Id: sample})
	must(b, err)
	waitFor(b, time.Minute, func() bool {
		op, err := s.client.Operations.GetOperation(b.Context(), &operationsv1.GetOperationRequest{Id: resp.GetOperation().GetMeta().GetId()})
		must(b, err)
		return op.GetOperation().GetStatus().GetState() == operationsv1.OperationStatus_STATE_SUCCEEDED
	})
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// waitFor looks every half millisecond: other processes tell nobody when they are ready.
func waitFor(b *testing.B, limit time.Duration, ready func() bool) {
	b.Helper()
	for end := time.Now().Add(limit); !ready(); time.Sleep(time.Millisecond / 2) {
		if time.Now().After(end) {
			b.Fatalf("not ready within %s", limit)
		}
	}
}

// median of the values; they are not changed.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// report reports medians; the name of a metric holds no space.
func report(b *testing.B, value float64, name string) {
	b.ReportMetric(value, strings.ReplaceAll(name, " ", "-"))
}
