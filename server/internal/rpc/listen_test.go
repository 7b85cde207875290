package rpc_test

import (
	"context"
	"crypto/tls"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/pires/go-proxyproto"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/testenv"
)

func TestContainerSocketIsTheIdentity(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	conn := dialUnix(t, s.container)
	got, err := effectsv1.NewEffectsServiceClient(conn).GetDataVersion(t.Context(), &effectsv1.GetDataVersionRequest{})
	if err != nil || got.GetValue() != "hello" {
		t.Errorf("the caller is %q, %v", got.GetValue(), err)
	}
	// Nothing else is there, not even for a token.
	for _, token := range []string{"", "admin"} {
		_, err = packagesv1.NewPackageServiceClient(conn).ListPackages(bearer(t.Context(), token), &packagesv1.ListPackagesRequest{})
		if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("with token %q: %v", token, err)
		}
	}
}

func TestEffectsAreOnContainerSocketsAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const procedure = "/hearth.effects.v1.EffectsService/GetDataVersion"
	for name, conn := range map[string]grpc.ClientConnInterface{
		"unix": dialUnix(t, s.unix), "internal": dialUnix(t, s.internal), "tls": s.dialTLS(t, s.grpc), "web": s.dialTLS(t, s.web),
	} {
		_, err := effectsv1.NewEffectsServiceClient(conn).GetDataVersion(bearer(t.Context(), "admin"), &effectsv1.GetDataVersionRequest{})
		want := metav1.Reason_REASON_METHOD_NOT_FOUND
		if name == "internal" {
			want = metav1.Reason_REASON_UNAUTHENTICATED // a token means nothing there
		}
		if !fault.Is(fault.FromStatus(err), want) {
			t.Errorf("%s answered %v, want %v", name, err, want)
		}
	}
	_, answer, err := send(httpUnix(t, s.unix), "POST", "http://x"+procedure, "", "application/json", []byte("{}"))
	if err != nil || !fault.Is(connectFault(answer), metav1.Reason_REASON_METHOD_NOT_FOUND) {
		t.Errorf("connect: %s, %v", answer, err)
	}
	if _, err := jsonRPC(httpUnix(t, s.unix), "http://x", "", "hearth.effects.v1.EffectsService.GetDataVersion", &effectsv1.GetDataVersionRequest{}, nil); !fault.Is(err, metav1.Reason_REASON_METHOD_NOT_FOUND) {
		t.Errorf("json-rpc: %v", err)
	}
}

func TestContainerSocketEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	path := filepath.Join(shortDir(t), "e.sock")
	lis := must(net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}))(t)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.hub.ServeContainer(ctx, lis, "other") }()
	raw := must(net.Dial("unix", path))(t)
	client := effectsv1.NewEffectsServiceClient(dialUnix(t, path))
	if got, err := client.GetDataVersion(t.Context(), &effectsv1.GetDataVersionRequest{}); err != nil || got.GetValue() != "other" {
		t.Fatalf("got %v, %v", got, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	raw.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, raw); os.IsTimeout(err) {
		t.Error("the connection is still open")
	}
	if _, err := effectsv1.NewEffectsServiceClient(dialUnix(t, s.container)).GetDataVersion(t.Context(), &effectsv1.GetDataVersionRequest{}); err != nil {
		t.Errorf("the socket of another service ended too: %v", err)
	}
}

func TestDoorTellsTheClientsAddress(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	dial := func(header func(io.Writer) error) error {
		tr := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: "localhost"}, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, "unix", s.door)
				if err == nil {
					err = header(conn)
				}
				return conn, err
			},
		}
		defer tr.CloseIdleConnections()
		_, err := rest(&http.Client{Transport: tr}, "https://localhost", "operator", methodOf("StartPackage"), &packagesv1.StartPackageRequest{Id: "a"}, &packagesv1.StartPackageResponse{})
		return err
	}
	header := func(version byte) func(io.Writer) error {
		h := proxyproto.HeaderProxyFromAddrs(version, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 4711}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443})
		return func(w io.Writer) error { _, err := h.WriteTo(w); return err }
	}
	if err := dial(header(2)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.log.String(), `"origin":"door:203.0.113.9:4711"`) {
		t.Errorf("the address is not in the log: %s", s.log)
	}
	if err := dial(header(1)); err == nil {
		t.Error("version 1 was accepted")
	}
	if err := dial(func(io.Writer) error { return nil }); err == nil {
		t.Error("a connection without header was accepted")
	}
}

func TestOtherUsersNeedATokenOnTheSocket(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	s := newServer(t)
	if err := os.Chmod(s.unix, 0o666); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(s.unix); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o711)
	}
	conn := dialUnix(t, s.unix, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialAs(ctx, 65534, s.unix) }))
	client := packagesv1.NewPackageServiceClient(conn)
	if _, err := client.ListPackages(t.Context(), &packagesv1.ListPackagesRequest{}); !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
		t.Errorf("without a token: %v", err)
	}
	if _, err := client.ListPackages(bearer(t.Context(), "viewer"), &packagesv1.ListPackagesRequest{}); err != nil {
		t.Errorf("with a token: %v", err)
	}
	for _, path := range []string{s.door, s.internal} {
		if err := os.Chmod(path, 0o666); err != nil {
			t.Fatal(err)
		}
		conn := must(dialAs(t.Context(), 65534, path))(t)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || os.IsTimeout(err) {
			t.Errorf("%s talks to another user: %d bytes, %v", filepath.Base(path), n, err)
		}
		conn.Close()
	}
}

func TestOtherUsersCannotKeepRootOut(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	s := newServer(t)
	if err := os.Chmod(s.unix, 0o666); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(s.unix); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o711)
	}
	const most = 128 // of one user
	var idle []net.Conn
	dial := func(uid int) net.Conn {
		conn := must(dialAs(t.Context(), uid, s.unix))(t)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	refused := func(conn net.Conn) bool {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err := conn.Read(make([]byte, 1))
		return err != nil && !os.IsTimeout(err)
	}
	for uid := 65534; uid > 65534-6; uid-- { // six of them fill what is not kept for root
		for range most {
			idle = append(idle, dial(uid))
		}
		if !refused(dial(uid)) {
			t.Errorf("user %d has more than %d connections", uid, most)
		}
	}
	if !refused(dial(60000)) {
		t.Error("other users have what is kept for root")
	}
	client := packagesv1.NewPackageServiceClient(dialUnix(t, s.unix))
	if _, err := client.ListPackages(t.Context(), &packagesv1.ListPackagesRequest{}); err != nil {
		t.Errorf("root: %v", err)
	}
	for _, conn := range idle[:most] {
		conn.Close()
	}
	again := dialUnix(t, s.unix, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialAs(ctx, 65534, s.unix) }))
	_, err := packagesv1.NewPackageServiceClient(again).ListPackages(bearer(t.Context(), "viewer"), &packagesv1.ListPackagesRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Errorf("a user who has closed his connections: %v", err)
	}
}

// dialAs connects from a thread that has another user's rights and ends afterwards.
func dialAs(ctx context.Context, uid int, path string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			err = errno
			return
		}
		conn, err = new(net.Dialer).DialContext(ctx, "unix", path)
	}()
	<-done
	return conn, err
}

func TestUnixSocketReplacesOnlyWhatIsStale(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if info := must(os.Stat(s.unix))(t); info.Mode().Perm() != 0o660 {
		t.Errorf("mode is %v", info.Mode())
	}
	if err := s.hub.ServeUnix(s.unix, 0o660); err == nil || !strings.Contains(err.Error(), "another process answers") {
		t.Errorf("an answered socket: %v", err)
	}
	dir := shortDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.hub.ServeUnix(file, 0o660); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: %v", err)
	}
	if err := s.hub.ServeUnix(filepath.Join(dir, strings.Repeat("x", 108)), 0o660); err == nil {
		t.Error("a path that is too long was accepted")
	}
	stale := filepath.Join(dir, "stale.sock")
	l := must(net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"}))(t)
	l.SetUnlinkOnClose(false)
	l.Close()
	hub := newHub(t)
	served := make(chan error, 1)
	go func() { served <- hub.ServeUnix(stale, 0o600) }()
	waitFor(t, func() bool { _, err := net.Dial("unix", stale); return err == nil })
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(stale); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// newHub returns a hub with one service and no listeners.
func newHub(t testing.TB) *rpc.Hub {
	t.Helper()
	hub := must(rpc.New(rpc.Config{Logger: discard(), Revision: func() uint64 { return 1 }}))(t)
	packagesv1.RegisterPackageServiceServer(hub, packages{})
	if err := hub.Build(); err != nil {
		t.Fatal(err)
	}
	return hub
}

func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	path := filepath.Join(shortDir(t), "h.sock")
	served := make(chan error, 1)
	go func() { served <- hub.ServeUnix(path, fs.FileMode(0o600)) }()
	var silent net.Conn
	waitFor(t, func() (ok bool) {
		var err error
		silent, err = net.Dial("unix", path)
		return err == nil
	})
	defer silent.Close() // says nothing, and must hold up nothing
	start := time.Now()
	if err := hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	if err := hub.ServeUnix(path, 0o600); err != nil {
		t.Errorf("serving after the end: %v", err)
	}
}

func TestReflectionAndHealth(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, conn := range map[string]grpc.ClientConnInterface{"unix": dialUnix(t, s.unix), "tls": s.dialTLS(t, s.grpc), "web": s.dialTLS(t, s.web)} {
		ctx := bearer(t.Context(), "viewer")
		services := reflect(t, ctx, conn, &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		var got []string
		for _, svc := range services.GetListServicesResponse().GetService() {
			got = append(got, svc.GetName())
		}
		list := strings.Join(got, " ")
		if !strings.Contains(list, "hearth.packages.v1.PackageService") || strings.Contains(list, "effects") {
			t.Errorf("%s: services are %q", name, list)
		}
		for symbol, known := range map[string]bool{"hearth.packages.v1.PackageService": true, "hearth.effects.v1.EffectsService": false, "hearth.door.v1.DoorService": false} {
			file := reflect(t, ctx, conn, &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol}})
			if (file.GetFileDescriptorResponse() != nil) != known {
				t.Errorf("%s: %s: %v", name, symbol, file)
			}
		}
		health, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		if err != nil || health.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%s: health is %v, %v", name, health, err)
		}
		if name != "unix" {
			_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
			if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
				t.Errorf("%s: health without a token: %v", name, err)
			}
			stream := must(reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context()))(t)
			if _, err = stream.Recv(); !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
				t.Errorf("%s: reflection without a token: %v", name, err)
			}
		}
	}
}

func reflect(t testing.TB, ctx context.Context, conn grpc.ClientConnInterface, req *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
	t.Helper()
	stream := must(reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx))(t)
	if err := stream.Send(req); err != nil {
		t.Fatal(err)
	}
	stream.CloseSend()
	resp := must(stream.Recv())(t)
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
	return resp
}

func TestUnknownMethodsAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, method := range []string{"/hearth.packages.v1.PackageService/Nope", "/no.such.Service/Method"} {
		for name, conn := range map[string]grpc.ClientConnInterface{"unix": dialUnix(t, s.unix), "tls": s.dialTLS(t, s.grpc)} {
			err := conn.Invoke(bearer(t.Context(), "viewer"), method, &packagesv1.ListPackagesRequest{}, &packagesv1.ListPackagesResponse{})
			if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_METHOD_NOT_FOUND) {
				t.Errorf("%s %s: %v", name, method, err)
			}
		}
		err := s.dialTLS(t, s.grpc).Invoke(t.Context(), method, &packagesv1.ListPackagesRequest{}, &packagesv1.ListPackagesResponse{})
		if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("%s without a token: %v", method, err)
		}
	}
}

// What a front makes of a request is the credential and nothing else.
func TestFrontsPassNoForeignMetadata(t *testing.T) {
	t.Parallel()
	var seen []metadata.MD
	s := newServer(t, func(c *rpc.Config) {
		c.Interceptors = []rpc.Interceptor{func(ctx context.Context, call *rpc.Call, next func(context.Context) error) error {
			md, _ := metadata.FromIncomingContext(ctx)
			seen = append(seen, md)
			return next(ctx)
		}}
	})
	for _, target := range []struct{ method, path, body string }{
		{"GET", "/api/v1/packages", ""},
		{"POST", "/hearth.packages.v1.PackageService/ListPackages", "{}"},
		{"POST", "/jsonrpc", `{"jsonrpc":"2.0","id":1,"method":"hearth.packages.v1.PackageService.ListPackages"}`},
	} {
		req, _ := http.NewRequest(target.method, "https://"+s.web+target.path, strings.NewReader(target.body))
		for _, h := range []string{"Grpc-Metadata-Authorization", "Grpc-Metadata-X", "X-Forwarded-For", "Cookie", "Hearth-Origin", "Grpcgateway-Authorization"} {
			req.Header.Set(h, "evil")
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer viewer")
		resp, err := s.httpTLS(t).Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v %v", target.path, resp, err)
		}
		resp.Body.Close()
	}
	if len(seen) != 3 {
		t.Fatalf("%d calls were seen", len(seen))
	}
	for _, md := range seen {
		if len(md) != 1 || len(md["authorization"]) != 1 || md["authorization"][0] != "Bearer viewer" {
			t.Errorf("metadata is %v", md)
		}
	}
}

func TestTheChannelAloneGivesNoRights(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	_, err := packagesv1.NewPackageServiceClient(hub.Channel()).ListPackages(t.Context(), &packagesv1.ListPackagesRequest{})
	if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
		t.Errorf("got %v", err)
	}
}
