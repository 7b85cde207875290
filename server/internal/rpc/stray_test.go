package rpc_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
)

// called sends a body to a path and answers the fault that is told in the protocol of the content type.
func called(t *testing.T, client *http.Client, url, contentType string, body []byte, header ...string) (*metav1.Fault, *http.Response) {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body)))(t)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer viewer")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp := must(client.Do(req))(t)
	data := must(io.ReadAll(resp.Body))(t)
	resp.Body.Close()
	var err error
	switch {
	case strings.HasPrefix(contentType, "application/grpc-web"):
		_, err = grpcWebStream(resp, data, nil)
	case strings.HasPrefix(contentType, "application/grpc"):
		err = statusFault(resp.Trailer.Get("Grpc-Status-Details-Bin") + resp.Header.Get("Grpc-Status-Details-Bin"))
	case strings.HasPrefix(contentType, "application/connect+"):
		_, err = connectStream(data, nil)
	case strings.Contains(url, "/hearth.") || strings.Contains(url, "/nobody."):
		err = connectFault(data)
	default:
		err = jsonFault(data)
	}
	if err == nil {
		t.Fatalf("%s: %s: %d %s", url, contentType, resp.StatusCode, data)
	}
	return fault.Proto(err), resp
}

// A service or method that is not there is told in the protocol of the call.
func TestWhatIsNotThereIsToldInTheProtocolOfTheCall(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for base, client := range map[string]*http.Client{"https://" + s.web: s.httpTLS(t), "http://x": httpUnix(t, s.unix)} {
		for _, path := range []string{"/nobody.v1.NoService/None", "/hearth.packages.v1.PackageService/None", "/hearth.effects.v1.EffectsService/GetDataVersion"} {
			for contentType, body := range map[string][]byte{
				"application/json": []byte("{}"), "application/proto": nil, "application/connect+json": envelope(0, []byte("{}")),
				"application/grpc-web+proto": envelope(0, nil), "application/grpc-web": envelope(0, nil), "application/grpc": envelope(0, nil),
			} {
				if contentType == "application/grpc" && base == "http://x" {
					continue // native gRPC is HTTP/2
				}
				f, resp := called(t, client, base+path, contentType, body)
				if f.GetReason() != metav1.Reason_REASON_METHOD_NOT_FOUND || !strings.Contains(f.GetMessage(), path) || f.GetMetadata()["request_id"] == "" {
					t.Errorf("%s %s%s: %d %v", contentType, base, path, resp.StatusCode, f)
				}
			}
		}
	}
	for _, conn := range []*grpc.ClientConn{s.dialTLS(t, s.web), s.dialTLS(t, s.grpc), dialUnix(t, s.unix)} {
		if f := rawFault(t, bearer(t.Context(), "viewer"), conn, "/nobody.v1.NoService/None", nil); f.GetReason() != metav1.Reason_REASON_METHOD_NOT_FOUND {
			t.Errorf("native gRPC: %v", f)
		}
	}
}

// What is compressed in a way that nobody here reads is refused with a fault on every wire; gzip is read by those that have it.
func TestUnknownCompressionIsRefusedWithAFault(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	list, logs := procedure(methodOf("ListPackages")), readLogs
	for _, c := range []struct{ path, contentType, header string }{
		{list, "application/json", "Content-Encoding"},
		{list, "application/proto", "Content-Encoding"},
		{list, "application/grpc-web+proto", "Grpc-Encoding"},
		{list, "application/grpc", "Grpc-Encoding"},
		{logs, "application/connect+json", "Connect-Content-Encoding"},
		{"/api/v1/packages:createUpload", "application/json", "Content-Encoding"},
		{"/jsonrpc", "application/json", "Content-Encoding"},
	} {
		for range 5 {
			f, resp := called(t, s.httpTLS(t), "https://"+s.web+c.path, c.contentType, make([]byte, 50<<10), c.header, "br")
			if f.GetReason() != metav1.Reason_REASON_ENCODING_UNSUPPORTED || f.GetMetadata()["encoding"] != "br" {
				t.Fatalf("%s %s: %d %v", c.path, c.contentType, resp.StatusCode, f)
			}
		}
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write(must(proto.Marshal(&packagesv1.ListPackagesRequest{PageSize: 5}))(t))
	w.Close()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.web+list, &zipped))(t)
	req.Header.Set("Content-Type", "application/proto")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("Authorization", "Bearer viewer")
	resp := must(s.httpTLS(t).Do(req))(t)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("gzip: %d", resp.StatusCode)
	}
}

// A stream by REST that is refused is refused as every other call: by a status, and by the fault as the body. One that breaks
// off later has the same fault as its last line.
func TestRESTTellsFaultsOfStreamsAsThoseOfOtherCalls(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for path, want := range map[string]struct {
		token  string
		status int
		reason metav1.Reason
	}{
		"/api/v1/packages/none/logs":                            {"viewer", http.StatusNotFound, metav1.Reason_REASON_PACKAGE_NOT_FOUND},
		"/api/v1/packages/" + strings.Repeat("x", 64) + "/logs": {"viewer", http.StatusBadRequest, metav1.Reason_REASON_INVALID_ARGUMENT},
		"/api/v1/packages/hello/logs":                           {"", http.StatusUnauthorized, metav1.Reason_REASON_UNAUTHENTICATED},
	} {
		resp, data, err := send(s.httpTLS(t), http.MethodGet, "https://"+s.web+path, want.token, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		f := fault.Proto(jsonFault(data))
		if resp.StatusCode != want.status || f.GetReason() != want.reason || f.GetMetadata()["request_id"] != resp.Header.Get("X-Request-Id") || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v %s", path, resp.StatusCode, resp.Header, data)
		}
		if want.status == http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", path)
		}
	}
	resp, data, err := send(s.httpTLS(t), http.MethodGet, "https://"+s.web+"/api/v1/packages/broken/logs", "viewer", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	var first struct{ Result json.RawMessage }
	if err := json.Unmarshal(lines[0], &first); err != nil || first.Result == nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, data)
	}
	if f := fault.Proto(jsonFault(lines[len(lines)-1])); f.GetReason() != metav1.Reason_REASON_UNAVAILABLE || f.GetMetadata()["request_id"] == "" {
		t.Errorf("the last line is %s", lines[len(lines)-1])
	}
}
