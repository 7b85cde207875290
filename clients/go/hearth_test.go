package hearth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
)

// server is what a Hearth server is to its client: gRPC and the transfer routes at one address.
type server struct {
	packagesv1.UnimplementedPackageServiceServer
	statev1.UnimplementedStateServiceServer
	logsv1.UnimplementedLogServiceServer

	mu     sync.Mutex
	data   []byte
	size   uint64
	breaks []int // after so many bytes of a PUT its connection breaks
	watch  []func(*statev1.WatchRequest, grpc.ServerStreamingServer[statev1.WatchResponse]) error
	logs   []func(*logsv1.ReadLogsRequest, grpc.ServerStreamingServer[logsv1.ReadLogsResponse]) error
	// dropped says that the upload was given up.
	dropped bool
}

func (s *server) ListPackages(ctx context.Context, _ *packagesv1.ListPackagesRequest) (*packagesv1.ListPackagesResponse, error) {
	token := strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), ",")
	return &packagesv1.ListPackagesResponse{NextPageToken: token}, nil
}

func (s *server) GetPackage(_ context.Context, req *packagesv1.GetPackageRequest) (*packagesv1.GetPackageResponse, error) {
	return nil, fault.Status(fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "there is no %q", req.GetId()).With("package", req.GetId())).Err()
}

func (s *server) CreateUpload(_ context.Context, req *packagesv1.CreateUploadRequest) (*packagesv1.CreateUploadResponse, error) {
	s.size = req.GetSize()
	return &packagesv1.CreateUploadResponse{Ticket: "t", Path: "/transfer/t"}, nil
}

func (s *server) Watch(req *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
	s.mu.Lock()
	next := s.watch[0]
	s.watch = s.watch[1:]
	s.mu.Unlock()
	return next(req, stream)
}

func (s *server) ReadLogs(req *logsv1.ReadLogsRequest, stream grpc.ServerStreamingServer[logsv1.ReadLogsResponse]) error {
	s.mu.Lock()
	next := s.logs[0]
	s.logs = s.logs[1:]
	s.mu.Unlock()
	return next(req, stream)
}

func (s *server) transfer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodDelete {
		s.dropped = true
	}
	if r.Method == http.MethodPut {
		var first, last, total int
		fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total)
		if first != len(s.data) || total != int(s.size) {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"code":"CODE_ABORTED","reason":"REASON_CONFLICT","message":"elsewhere"}`)
			return
		}
		limit := int64(total)
		if len(s.breaks) > 0 {
			limit, s.breaks = int64(s.breaks[0]), s.breaks[1:]
		}
		got, _ := io.ReadAll(io.LimitReader(r.Body, limit))
		s.data = append(s.data, got...)
		if len(s.data) < int(s.size) {
			panic(http.ErrAbortHandler)
		}
	}
	w.Header().Set("Upload-Offset", fmt.Sprint(len(s.data)))
	w.WriteHeader(http.StatusNoContent)
}

// serve runs s on lis and returns a function that stops it as a crash would.
func (s *server) serve(t testing.TB, lis net.Listener) (kill func()) {
	t.Helper()
	calls := grpc.NewServer()
	packagesv1.RegisterPackageServiceServer(calls, s)
	statev1.RegisterStateServiceServer(calls, s)
	logsv1.RegisterLogServiceServer(calls, s)
	web := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			calls.ServeHTTP(w, r)
			return
		}
		s.transfer(w, r)
	})}
	web.Protocols.SetHTTP1(true)
	web.Protocols.SetHTTP2(true)
	web.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); web.Serve(lis) }()
	kill = sync.OnceFunc(func() { web.Close(); <-done })
	t.Cleanup(kill)
	return kill
}

// local starts s on a socket and returns its path and how to kill it.
func (s *server) local(t testing.TB) (path string, kill func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "h.sock")
	return path, s.serve(t, listen(t, path))
}

func listen(t testing.TB, path string) net.Listener {
	t.Helper()
	lis, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

func dial(t testing.TB, target string, opt hearth.Options) *hearth.Client {
	t.Helper()
	c, err := hearth.Dial(t.Context(), target, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestFaultsComeBack(t *testing.T) {
	t.Parallel()
	path, _ := new(server).local(t)
	c := dial(t, "unix:"+path, hearth.Options{})
	_, err := c.Packages.GetPackage(t.Context(), &packagesv1.GetPackageRequest{Id: "x"})
	if !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) || fault.Proto(err).GetMetadata()["package"] != "x" {
		t.Errorf("got %v", err)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	s := new(server)
	path, _ := s.local(t)
	cert, root := certificate(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(t, tls.NewListener(tcp, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}))
	for target, opt := range map[string]hearth.Options{
		"unix:" + path: {}, path: {Token: "abc"}, "https://" + tcp.Addr().String(): {Token: "abc", RootPEM: root},
	} {
		c := dial(t, target, opt)
		resp, err := c.Packages.ListPackages(t.Context(), &packagesv1.ListPackagesRequest{})
		want := ""
		if opt.Token != "" {
			want = "Bearer abc"
		}
		if err != nil || resp.GetNextPageToken() != want {
			t.Errorf("%s: the server saw %q, %v", target, resp.GetNextPageToken(), err)
		}
		s.data = nil
		if _, err := c.Upload(t.Context(), strings.NewReader("0123456789"), 10, nil); err != nil || string(s.data) != "0123456789" {
			t.Errorf("%s: upload of %q: %v", target, s.data, err)
		}
	}
	_, other := certificate(t)
	c := dial(t, "https://"+tcp.Addr().String(), hearth.Options{RootPEM: other})
	if _, err := c.Packages.ListPackages(t.Context(), &packagesv1.ListPackagesRequest{}); !fault.Is(err, metav1.Reason_REASON_SERVER_UNTRUSTED) {
		t.Errorf("with another root: %v", err)
	}
	for _, target := range []string{"unix:relative", "http://x", "https://", "https://x/path", "ftp://x", "x", "https://x?y"} {
		if _, err := hearth.Dial(t.Context(), target, hearth.Options{}); err == nil {
			t.Errorf("%q was accepted", target)
		}
	}
	if _, err := hearth.Dial(t.Context(), "https://x", hearth.Options{RootPEM: []byte("no")}); err == nil {
		t.Error("a root that is not PEM was accepted")
	}
}

func TestUploadGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	s := &server{breaks: []int{3 << 10, 0, 100 << 10}}
	path, _ := s.local(t)
	file := make([]byte, 300<<10)
	rand.Read(file)
	var last int64
	ticket, err := dial(t, path, hearth.Options{}).Upload(t.Context(), bytes.NewReader(file), int64(len(file)), func(done, total int64) { last = done })
	if err != nil || ticket != "t" || !bytes.Equal(s.data, file) || last != int64(len(file)) {
		t.Errorf("ticket %q, %d bytes, progress %d: %v", ticket, len(s.data), last, err)
	}
}

type brokenFile struct{}

func (brokenFile) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is gone") }

func TestUploadTellsWhyTheFileCannotBeRead(t *testing.T) {
	t.Parallel()
	s := &server{}
	path, kill := s.local(t)
	_, err := dial(t, path, hearth.Options{}).Upload(t.Context(), brokenFile{}, 10, nil)
	kill()
	if err == nil || !strings.Contains(err.Error(), "the disk is gone") || !s.dropped {
		t.Errorf("got %v; given up: %v", err, s.dropped)
	}
}

func TestUploadGivesUpWhenNothingArrives(t *testing.T) {
	t.Parallel()
	s := &server{breaks: make([]int, 100)}
	path, _ := s.local(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := dial(t, path, hearth.Options{}).Upload(ctx, strings.NewReader("0123456789"), 10, nil); err == nil {
		t.Error("an upload of which nothing arrived succeeded")
	}
}

// change returns an update of one change.
func change(rev uint64, bookmark string) *statev1.Update {
	return &statev1.Update{Targets: []string{"a"}, Phase: statev1.Update_PHASE_CHANGES, Bookmark: bookmark, Changes: []*statev1.Change{{Revision: rev, Kind: "k", Id: fmt.Sprint(rev)}}}
}

func TestWatchSurvivesARestart(t *testing.T) {
	t.Parallel()
	type script = func(*statev1.WatchRequest, grpc.ServerStreamingServer[statev1.WatchResponse]) error
	var bookmarks []string
	play := func(end error, updates ...*statev1.Update) script {
		return func(req *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			bookmarks = append(bookmarks, req.GetTargets()[0].GetBookmark())
			for _, u := range updates {
				if err := stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{u}}); err != nil {
					return err
				}
			}
			return end
		}
	}
	stopping := fault.Status(fault.New(metav1.Reason_REASON_UNAVAILABLE, "the server is stopping")).Err()
	snapshot := &statev1.Update{Targets: []string{"a"}, Phase: statev1.Update_PHASE_SNAPSHOT, Bookmark: "b3", Changes: []*statev1.Change{{Revision: 2, Id: "2"}, {Revision: 3, Id: "3"}}}
	ephemeral := &statev1.Update{Targets: []string{"a"}, Phase: statev1.Update_PHASE_CHANGES, Changes: []*statev1.Change{{Id: "e"}}}
	s := &server{}
	path, kill := s.local(t)
	killed := func(updates ...*statev1.Update) script {
		return func(req *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			err := play(nil, updates...)(req, stream)
			go func() {
				kill()
				s.serve(t, listen(t, path))
			}()
			<-stream.Context().Done()
			return err
		}
	}
	s.watch = []script{
		play(stopping, snapshot, change(4, "")),
		killed(change(4, ""), change(5, "b5"), change(6, "")),
		play(nil, change(6, ""), change(7, "b7")), // a stream that just ends
		play(stopping),
		play(nil, ephemeral, change(8, "")),
	}
	var got []string
	err := dial(t, path, hearth.Options{}).Watch(t.Context(), []*statev1.Target{{Id: "a"}}, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			got = append(got, ch.GetId())
		}
		return len(got) > 0 && got[len(got)-1] == "8", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2", "3", "4", "5", "6", "7", "e", "8"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", "b3", "b5", "b7", "b7"}, bookmarks); diff != "" {
		t.Error(diff)
	}
}

// An update of several targets is shown for each of them, without what that one has seen already.
func TestWatchTellsTargetsApart(t *testing.T) {
	t.Parallel()
	type script = func(*statev1.WatchRequest, grpc.ServerStreamingServer[statev1.WatchResponse]) error
	var again []*statev1.Target
	both := func(rev uint64, bookmark string) *statev1.Update {
		u := change(rev, bookmark)
		u.Targets = []string{"a", "b"}
		return u
	}
	s := &server{watch: []script{
		func(_ *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			for _, u := range []*statev1.Update{both(1, "m1"), change(2, "")} {
				if err := stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{u}}); err != nil {
					return err
				}
			}
			return nil
		},
		func(req *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			again = req.GetTargets()
			return stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{both(2, ""), both(3, "m3")}})
		},
	}}
	path, _ := s.local(t)
	var got []string
	err := dial(t, path, hearth.Options{}).Watch(t.Context(), []*statev1.Target{{Id: "a"}, {Id: "b"}}, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			got = append(got, strings.Join(u.GetTargets(), "+")+ch.GetId())
		}
		return got[len(got)-1] == "b3", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a1", "b1", "a2", "b2", "a3", "b3"}, got); diff != "" {
		t.Error(diff)
	}
	if len(again) != 2 || again[0].GetBookmark() != "m1" || again[1].GetBookmark() != "m1" {
		t.Errorf("the stream goes on from %v", again)
	}
}

func TestWatchEndsWithWhatIsFinal(t *testing.T) {
	t.Parallel()
	expired := fault.New(metav1.Reason_REASON_BOOKMARK_EXPIRED, "too old")
	s := &server{watch: []func(*statev1.WatchRequest, grpc.ServerStreamingServer[statev1.WatchResponse]) error{
		func(*statev1.WatchRequest, grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			return fault.Status(expired).Err()
		},
		func(_ *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{change(1, "")}})
			<-stream.Context().Done()
			return nil
		},
	}}
	path, _ := s.local(t)
	c := dial(t, path, hearth.Options{})
	targets := []*statev1.Target{{Id: "a", Bookmark: "b"}}
	if err := c.Watch(t.Context(), targets, nil); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
		t.Errorf("an expired bookmark: %v", err)
	}
	own := errors.New("own")
	if err := c.Watch(t.Context(), targets, func(*statev1.Update) (bool, error) { return false, own }); !errors.Is(err, own) {
		t.Errorf("an error of the caller: %v", err)
	}
	gone := dial(t, filepath.Join(t.TempDir(), "none.sock"), hearth.Options{})
	if err := gone.Watch(t.Context(), targets, nil); !fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) {
		t.Errorf("a server that is not there: %v", err)
	}
}

func TestLogsGoOnAfterTheLastLine(t *testing.T) {
	t.Parallel()
	send := func(stream grpc.ServerStreamingServer[logsv1.ReadLogsResponse], from, to int) {
		for i := from; i <= to; i++ {
			stream.Send(&logsv1.ReadLogsResponse{Entries: []*logsv1.LogEntry{{Cursor: fmt.Sprint(i), Message: fmt.Sprint("line ", i)}}})
		}
	}
	var cursors []string
	s := &server{logs: []func(*logsv1.ReadLogsRequest, grpc.ServerStreamingServer[logsv1.ReadLogsResponse]) error{
		func(req *logsv1.ReadLogsRequest, stream grpc.ServerStreamingServer[logsv1.ReadLogsResponse]) error {
			cursors = append(cursors, req.GetCursor())
			send(stream, 1, 2)
			return fault.Status(fault.New(metav1.Reason_REASON_UNAVAILABLE, "stopping")).Err()
		},
		func(req *logsv1.ReadLogsRequest, stream grpc.ServerStreamingServer[logsv1.ReadLogsResponse]) error {
			cursors = append(cursors, req.GetCursor())
			send(stream, 3, 4)
			<-stream.Context().Done()
			return nil
		},
	}}
	path, _ := s.local(t)
	var got []string
	enough := errors.New("enough")
	err := dial(t, path, hearth.Options{}).ReadLogs(t.Context(), &logsv1.ReadLogsRequest{PackageId: "p", Follow: true, Tail: new(int32(10))}, func(e *logsv1.LogEntry) error {
		if got = append(got, e.GetMessage()); len(got) == 4 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"line 1", "line 2", "line 3", "line 4"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", "2"}, cursors); diff != "" {
		t.Error(diff)
	}
}

func certificate(t testing.TB) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// A server that is quiet has accepted a watch all the same, by its headers.
func TestWatchGoesOnThoughNothingHappenedBeforeTheServerWent(t *testing.T) {
	t.Parallel()
	s := &server{watch: []func(*statev1.WatchRequest, grpc.ServerStreamingServer[statev1.WatchResponse]) error{
		func(_ *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			if err := stream.SendHeader(nil); err != nil {
				return err
			}
			return fault.Status(fault.New(metav1.Reason_REASON_UNAVAILABLE, "the server ends")).Err()
		},
		func(req *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			return stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{{Targets: []string{"a"}, Bookmark: "from " + req.GetTargets()[0].GetBookmark()}}})
		},
	}}
	path, _ := s.local(t)
	c := dial(t, "unix:"+path, hearth.Options{})
	var got string
	err := c.Watch(t.Context(), []*statev1.Target{{Id: "a", Bookmark: "before"}}, func(u *statev1.Update) (bool, error) {
		got = u.GetBookmark()
		return true, nil
	})
	if err != nil || got != "from before" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWatchTellsThatItsReaderIsDoneWithAFailure(t *testing.T) {
	t.Parallel()
	s := &server{watch: []func(*statev1.WatchRequest, grpc.ServerStreamingServer[statev1.WatchResponse]) error{
		func(_ *statev1.WatchRequest, stream grpc.ServerStreamingServer[statev1.WatchResponse]) error {
			return stream.Send(&statev1.WatchResponse{Updates: []*statev1.Update{{Targets: []string{"a"}}}})
		},
	}}
	path, _ := s.local(t)
	failure := errors.New("a failure")
	err := dial(t, "unix:"+path, hearth.Options{}).Watch(t.Context(), []*statev1.Target{{Id: "a"}}, func(*statev1.Update) (bool, error) { return true, failure })
	if !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
}
