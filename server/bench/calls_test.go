package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// bareVariable makes this program the bare server on the socket it names; what it answers is in a file beside it.
const bareVariable = "HEARTH_BENCH_BARE"

// bareServer answers the list of packages, and who calls, from memory.
type bareServer struct {
	packagesv1.UnimplementedPackageServiceServer
	accountsv1.UnimplementedAccountServiceServer
	list   *packagesv1.ListPackagesResponse
	caller *accountsv1.GetCallerResponse
}

func (s *bareServer) GetCaller(context.Context, *accountsv1.GetCallerRequest) (*accountsv1.GetCallerResponse, error) {
	return s.caller, nil
}

func (s *bareServer) ListPackages(context.Context, *packagesv1.ListPackagesRequest) (*packagesv1.ListPackagesResponse, error) {
	return s.list, nil
}

// serveBare is a gRPC server as the library gives it, with no interceptor and no state.
func serveBare(socket string) {
	bare := &bareServer{list: &packagesv1.ListPackagesResponse{}, caller: &accountsv1.GetCallerResponse{}}
	err := errors.Join(remember(socket+".list", bare.list), remember(socket+".caller", bare.caller))
	if err == nil {
		var lis net.Listener
		if lis, err = net.Listen("unix", socket); err == nil {
			s := grpc.NewServer()
			packagesv1.RegisterPackageServiceServer(s, bare)
			accountsv1.RegisterAccountServiceServer(s, bare)
			err = s.Serve(lis)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// remember reads what an answer was.
func remember(file string, answer proto.Message) error {
	raw, err := os.ReadFile(file)
	return errors.Join(err, proto.Unmarshal(raw, answer))
}

// bareSocket is where startBare lets the bare server listen.
func bareSocket(s *server) string { return filepath.Join(filepath.Dir(s.state), "bare.sock") }

// startBare starts a bare server with what the daemon answers now and returns its process.
func startBare(b *testing.B, s *server) int {
	b.Helper()
	list, err := s.client.Packages.ListPackages(b.Context(), &packagesv1.ListPackagesRequest{})
	must(b, err)
	caller, err := s.client.Accounts.GetCaller(b.Context(), &accountsv1.GetCallerRequest{})
	must(b, err)
	socket := bareSocket(s)
	for file, answer := range map[string]proto.Message{".list": list, ".caller": caller} {
		raw, err := proto.Marshal(answer)
		must(b, err)
		must(b, os.WriteFile(socket+file, raw, 0o600))
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), bareVariable+"="+socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waitFor(b, 10*time.Second, func() bool { return lister(b, socket)() == nil })
	return cmd.Process.Pid
}

// native is a connection of gRPC to a socket.
func native(b *testing.B, socket string) *grpc.ClientConn {
	b.Helper()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(b, err)
	b.Cleanup(func() { conn.Close() })
	return conn
}

// lister lists the packages by native gRPC on a socket.
func lister(b *testing.B, socket string) func() error {
	b.Helper()
	client := packagesv1.NewPackageServiceClient(native(b, socket))
	return func() error {
		_, err := client.ListPackages(context.Background(), &packagesv1.ListPackagesRequest{})
		return err
	}
}

// self asks by native gRPC on a socket who calls.
func self(b *testing.B, socket string) func() error {
	b.Helper()
	client := accountsv1.NewAccountServiceClient(native(b, socket))
	return func() error {
		_, err := client.GetCaller(context.Background(), &accountsv1.GetCallerRequest{})
		return err
	}
}

// poster makes requests of HTTP on a socket and reads the whole answer.
func poster(b *testing.B, socket, method, path, contentType string, body []byte) func() error {
	b.Helper()
	tr := &http.Transport{
		MaxIdleConnsPerHost: 64, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	b.Cleanup(tr.CloseIdleConnections)
	client := &http.Client{Transport: tr}
	return func() error {
		req, err := http.NewRequest(method, "http://hearth"+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", contentType)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != http.StatusOK || len(data) < 100) {
			err = fmt.Errorf("%s answers %s: %.200s", path, resp.Status, data)
		}
		return err
	}
}

// BenchmarkCalls lists the packages of a server with one service on every wire of the local socket, by turns with a bare
// gRPC server that answers the same list from memory. Who calls is asked, too: that call does nothing but pass the interceptors, as an echo.
func BenchmarkCalls(b *testing.B) {
	s := newServer(b)
	s.install(b)
	pid := startBare(b, s)
	const procedure = "/hearth.packages.v1.PackageService/ListPackages"
	request, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "hearth.packages.v1.PackageService.ListPackages"})
	must(b, err)
	list, echo := lister(b, bareSocket(s)), self(b, bareSocket(s))
	for _, wire := range []struct {
		name string
		call func() error
	}{
		{"grpc-echo", self(b, s.socket())},
		{"grpc", lister(b, s.socket())},
		{"connect-proto", poster(b, s.socket(), "POST", procedure, "application/proto", nil)},
		{"connect-json", poster(b, s.socket(), "POST", procedure, "application/json", []byte("{}"))},
		{"grpc-web", poster(b, s.socket(), "POST", procedure, "application/grpc-web+proto", make([]byte, 5))},
		{"rest", poster(b, s.socket(), "GET", "/api/v1/packages", "application/json", nil)},
		{"jsonrpc", poster(b, s.socket(), "POST", "/jsonrpc", "application/json", request)},
	} {
		bare := list
		if wire.name == "grpc-echo" {
			bare = echo
		}
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", wire.name, callers), func(b *testing.B) {
				var ours, theirs, ratios, cpu, bareCPU []float64
				for b.Loop() {
					us, ourCPU := rate(b, callers, []int{s.daemon.Process.Pid}, wire.call)
					them, theirCPU := rate(b, callers, []int{pid}, bare)
					ours, theirs, ratios = append(ours, us), append(theirs, them), append(ratios, us/them)
					cpu, bareCPU = append(cpu, ourCPU), append(bareCPU, theirCPU)
				}
				report(b, median(ours), "calls/s")
				report(b, median(theirs), "bare-calls/s")
				report(b, median(ratios), "ratio")
				report(b, median(cpu), "cpu-µs/call")
				report(b, median(bareCPU), "bare-cpu-µs/call")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// window is how long one turn lasts.
const window = 200 * time.Millisecond

// rate makes calls from several callers for a window and returns how many a second were answered, and how many
// microseconds of its CPU time the server took for each.
func rate(b *testing.B, callers int, server []int, call func() error) (perSecond, cpu float64) {
	b.Helper()
	var answered atomic.Int64
	var failed atomic.Pointer[error]
	before := cpuOf(b, server...)
	begin := time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Since(begin) < window {
				if err := call(); err != nil {
					failed.Store(&err)
					return
				}
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	n := float64(answered.Load())
	return n / took.Seconds(), (cpuOf(b, server...) - before).Seconds() * 1e6 / n
}

// cpuOf is the CPU time that the threads of processes have taken, to the nanosecond; the total is told in hundredths.
func cpuOf(b *testing.B, pids ...int) time.Duration {
	b.Helper()
	var files []string
	for _, pid := range pids {
		of, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		must(b, err)
		files = append(files, of...)
	}
	var total time.Duration
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has just ended
		}
		var ran int64
		_, err = fmt.Sscan(string(raw), &ran)
		must(b, err)
		total += time.Duration(ran)
	}
	return total
}
