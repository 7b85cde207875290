package rpc_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// streamWire reads the whole log of a package on one wire.
type streamWire struct {
	name string
	read func(t testing.TB, s *server, token, pkg string) (lines []string, err error)
}

const readLogs = "/hearth.logs.v1.LogService/ReadLogs"

func streamWires() []streamWire {
	return []streamWire{
		{"grpc unix", func(t testing.TB, s *server, token, pkg string) ([]string, error) {
			return nativeLogs(t, dialUnix(t, s.unix), token, pkg)
		}},
		{"grpc tls", func(t testing.TB, s *server, token, pkg string) ([]string, error) {
			return nativeLogs(t, s.dialTLS(t, s.grpc), token, pkg)
		}},
		{"grpc web port", func(t testing.TB, s *server, token, pkg string) ([]string, error) {
			return nativeLogs(t, s.dialTLS(t, s.web), token, pkg)
		}},
		{"connect json", func(t testing.TB, s *server, token, pkg string) ([]string, error) {
			body, _ := protojson.Marshal(&logsv1.ReadLogsRequest{PackageId: pkg})
			_, data, err := send(s.httpTLS(t), "POST", "https://"+s.web+readLogs, token, "application/connect+json", envelope(0, body))
			return connectStream(data, err)
		}},
		{"grpc-web", func(t testing.TB, s *server, token, pkg string) ([]string, error) {
			body, _ := proto.Marshal(&logsv1.ReadLogsRequest{PackageId: pkg})
			resp, data, err := send(s.httpTLS(t), "POST", "https://"+s.web+readLogs, token, "application/grpc-web+proto", envelope(0, body))
			return grpcWebStream(resp, data, err)
		}},
		{"rest", func(t testing.TB, s *server, token, pkg string) ([]string, error) {
			_, data, err := send(s.httpTLS(t), "GET", "https://"+s.web+"/api/v1/packages/"+pkg+"/logs", token, "", nil)
			return ndjsonLogs(data, err, func(line []byte) (json.RawMessage, json.RawMessage) {
				var v struct{ Result json.RawMessage }
				if json.Unmarshal(line, &v); v.Result == nil {
					return nil, line
				}
				return v.Result, nil
			})
		}},
	}
}

func nativeLogs(t testing.TB, conn grpc.ClientConnInterface, token, pkg string) ([]string, error) {
	stream, err := logsv1.NewLogServiceClient(conn).ReadLogs(bearer(t.Context(), token), &logsv1.ReadLogsRequest{PackageId: pkg})
	if err != nil {
		return nil, err
	}
	var lines []string
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, fault.FromStatus(err)
		}
		lines = append(lines, resp.GetEntries()[0].GetMessage())
	}
}

func connectStream(data []byte, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var lines []string
	flags, messages := envelopes(data)
	for i, m := range messages {
		if flags[i] == 0 {
			resp := &logsv1.ReadLogsResponse{}
			if err := protojson.Unmarshal(m, resp); err != nil {
				return nil, err
			}
			lines = append(lines, resp.GetEntries()[0].GetMessage())
			continue
		}
		var end struct{ Error json.RawMessage }
		if err := json.Unmarshal(m, &end); err != nil {
			return nil, err
		}
		if end.Error != nil {
			return lines, connectFault(end.Error)
		}
	}
	return lines, nil
}

func grpcWebStream(resp *http.Response, data []byte, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var lines []string
	flags, messages := envelopes(data)
	trailer := resp.Header
	for i, m := range messages {
		if flags[i] == 0 {
			resp := &logsv1.ReadLogsResponse{}
			if err := proto.Unmarshal(m, resp); err != nil {
				return nil, err
			}
			lines = append(lines, resp.GetEntries()[0].GetMessage())
			continue
		}
		for line := range strings.SplitSeq(strings.TrimSpace(string(m)), "\r\n") {
			k, v, _ := strings.Cut(line, ":")
			trailer.Set(k, strings.TrimSpace(v))
		}
	}
	if trailer.Get("Grpc-Status") != "0" {
		return lines, statusFault(trailer.Get("Grpc-Status-Details-Bin"))
	}
	return lines, nil
}

func ndjsonLogs(data []byte, err error, split func([]byte) (message, fault json.RawMessage)) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var lines []string
	for scan := bufio.NewScanner(bytes.NewReader(data)); scan.Scan(); {
		message, failed := split(scan.Bytes())
		if failed != nil {
			return lines, jsonFault(failed)
		}
		if message == nil {
			continue
		}
		resp := &logsv1.ReadLogsResponse{}
		if err := protojson.Unmarshal(message, resp); err != nil {
			return nil, err
		}
		lines = append(lines, resp.GetEntries()[0].GetMessage())
	}
	return lines, nil
}

func TestSameStreamOnEveryWire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, w := range streamWires() {
		t.Run(w.name, func(t *testing.T) {
			lines, err := w.read(t, s, "viewer", "hello")
			if err != nil || strings.Join(lines, " ") != "one two three" {
				t.Errorf("got %q, %v", lines, err)
			}
			if _, err := w.read(t, s, "viewer", "none"); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
				t.Errorf("an unknown package: got %v", err)
			}
			if _, err := w.read(t, s, "viewer", strings.Repeat("x", 64)); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
				t.Errorf("a request that is not valid: got %v", err)
			}
		})
	}
}

func watchRequest() *statev1.WatchRequest {
	return &statev1.WatchRequest{Targets: []*statev1.Target{{Id: "a"}}}
}

// A stream that has nothing to send yet has sent its headers: a browser's fetch answers only then.
func TestQuietStreamsSendHeaders(t *testing.T) {
	t.Parallel()
	s := newQuietServer(t)
	body, _ := protojson.Marshal(watchRequest())
	for contentType, body := range map[string][]byte{
		"application/connect+json":   envelope(0, body),
		"application/grpc-web+proto": envelope(0, must(proto.Marshal(watchRequest()))(t)),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		req, _ := http.NewRequestWithContext(ctx, "POST", "https://"+s.web+"/hearth.state.v1.StateService/Watch", bytes.NewReader(body))
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Authorization", "Bearer viewer")
		resp, err := s.httpTLS(t).Do(req)
		if err != nil {
			t.Errorf("%s: %v", contentType, err)
		} else {
			if resp.Header.Get("Hearth-Revision") != "42" {
				t.Errorf("%s: headers are %v", contentType, resp.Header)
			}
			resp.Body.Close()
		}
		cancel()
	}
	stream, err := statev1.NewStateServiceClient(dialUnix(t, s.unix)).Watch(t.Context(), watchRequest())
	if err != nil {
		t.Fatal(err)
	}
	if md, err := stream.Header(); err != nil || md.Get("hearth-revision")[0] != "42" {
		t.Errorf("native: headers are %v, %v", md, err)
	}
}

func TestRevokedTokenEndsItsStreams(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	watch := func(conn grpc.ClientConnInterface, token string) grpc.ServerStreamingClient[statev1.WatchResponse] {
		stream, err := statev1.NewStateServiceClient(conn).Watch(bearer(t.Context(), token), watchRequest())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		<-s.state.started
		return stream
	}
	unix, web := dialUnix(t, s.unix), s.dialTLS(t, s.web)
	reader, viaWeb, operator, local := watch(unix, "viewer"), watch(web, "viewer"), watch(unix, "operator"), watch(unix, "")
	s.tokens.set("viewer", 0)
	s.tokens.set("operator", optionsv1.Role_ROLE_ADMIN)
	s.hub.Recheck(t.Context())
	for name, c := range map[string]struct {
		stream grpc.ServerStreamingClient[statev1.WatchResponse]
		want   metav1.Reason
	}{
		"revoked": {reader, metav1.Reason_REASON_UNAUTHENTICATED}, "revoked, on the web port": {viaWeb, metav1.Reason_REASON_UNAUTHENTICATED},
		"changed": {operator, metav1.Reason_REASON_PERMISSION_DENIED},
	} {
		if _, err := c.stream.Recv(); !fault.Is(fault.FromStatus(err), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := local.Context().Err(); err != nil {
		t.Errorf("the stream of the local user ended: %v", err)
	}
}

func TestExpiredTokenEndsItsStreamsByItself(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *rpc.Config) { c.RecheckEvery = time.Millisecond })
	stream, err := statev1.NewStateServiceClient(dialUnix(t, s.unix)).Watch(bearer(t.Context(), "viewer"), watchRequest())
	if err != nil {
		t.Fatal(err)
	}
	<-s.state.started
	s.tokens.set("viewer", 0)
	for err == nil {
		_, err = stream.Recv()
	}
	if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
		t.Errorf("got %v", err)
	}
}

func TestShutdownEndsStreamsWithAReason(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, conn := range []grpc.ClientConnInterface{dialUnix(t, s.unix), s.dialTLS(t, s.web)} {
		stream, err := statev1.NewStateServiceClient(conn).Watch(bearer(t.Context(), "viewer"), watchRequest())
		if err != nil {
			t.Fatal(err)
		}
		<-s.state.started
		defer func() {
			for err == nil {
				_, err = stream.Recv()
			}
			if !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAVAILABLE) {
				t.Errorf("got %v", err)
			}
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	start := time.Now()
	if err := s.hub.Shutdown(ctx); err != nil {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

// A request that drips in is cut off; an answer that takes longer than a request may is not.
func TestSlowRequestsAreCutOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *rpc.Config) { c.BodyTimeout = 100 * time.Millisecond })
	for name, c := range map[string]struct {
		client *http.Client
		base   string
	}{"http/1.1": {httpUnix(t, s.unix), "http://x"}, "h2": {s.httpTLS(t), "https://" + s.web}} {
		r, w := io.Pipe()
		t.Cleanup(func() { w.Close() })
		go w.Write([]byte("{"))
		req, _ := http.NewRequestWithContext(t.Context(), "POST", c.base+"/hearth.packages.v1.PackageService/ListPackages", r)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer viewer")
		if resp, err := c.client.Do(req); err == nil {
			if resp.StatusCode == http.StatusOK {
				t.Errorf("%s: a request that never ends was answered", name)
			}
			resp.Body.Close()
		}
		body, _ := protojson.Marshal(watchRequest())
		req, _ = http.NewRequestWithContext(t.Context(), "POST", c.base+"/hearth.state.v1.StateService/Watch", bytes.NewReader(envelope(0, body)))
		req.Header.Set("Content-Type", "application/connect+json")
		req.Header.Set("Authorization", "Bearer operator")
		resp, err := c.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		ended := make(chan error, 1)
		go func() { _, err := io.Copy(io.Discard, resp.Body); ended <- err }()
		select {
		case err := <-ended:
			t.Errorf("%s: the stream ended with %v", name, err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}
