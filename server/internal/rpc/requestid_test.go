package rpc_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// faultOf is the fault a caller got, without the id of the request, which every one has.
func faultOf(t testing.TB, err error) *metav1.Fault {
	t.Helper()
	f := proto.CloneOf(fault.Proto(err))
	if id := f.GetMetadata()["request_id"]; len(id) < 8 {
		t.Errorf("the fault has the request id %q: %v", id, f)
	}
	if delete(f.GetMetadata(), "request_id"); len(f.GetMetadata()) == 0 {
		f.Metadata = nil
	}
	return f
}

func TestEveryRefusalByHTTPNamesItsRequest(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, c := range []struct{ name, method, path, body string }{
		{"no route", "GET", "/api/v1/nothing", ""},
		{"no page", "GET", "/nothing", ""},
		{"no transfer", "GET", "/transfer/x", ""},
		{"no rights", "GET", "/api/v1/packages", ""},
		{"no JSON", "POST", "/hearth.packages.v1.PackageService/ListPackages", "{"},
		{"no method", "POST", "/hearth.packages.v1.PackageService/Nothing", "{}"},
		{"no call", "POST", "/jsonrpc", "{"},
		{"nothing called", "POST", "/jsonrpc", `{"jsonrpc":"2.0","id":1,"method":"none"}`},
		{"a batch", "POST", "/jsonrpc", `[{"jsonrpc":"2.0","id":1,"method":"none"},1]`},
		{"metrics", "GET", "/metrics", ""},
		{"metrics, changed", "DELETE", "/metrics", ""},
	} {
		for _, given := range []string{"mine-0815.x_y", "short", "with space 12", strings.Repeat("x", 65), ""} {
			req, err := http.NewRequestWithContext(t.Context(), c.method, "http://unix"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-Request-Id", given)
			resp, err := httpUnix(t, s.unix).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			id := resp.Header.Get("X-Request-Id")
			if (id == given) != (given == "mine-0815.x_y") || len(id) < 8 || len(resp.Header.Values("X-Request-Id")) != 1 {
				t.Errorf("%s: given %q, the answer has %q", c.name, given, resp.Header.Values("X-Request-Id"))
			}
			if c.name != "no page" && c.name != "no transfer" && resp.StatusCode >= 400 && !strings.Contains(string(body), id) {
				t.Errorf("%s: the body lacks the id %q: %d %s", c.name, id, resp.StatusCode, body)
			}
		}
	}
}

func TestNativeCallsHaveAnIDInTheirHeaders(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, pkg := range []string{"hello", "none"} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), rpc.RequestIDHeader, "mine-0815")
		var header metadata.MD
		_, err := packagesv1.NewPackageServiceClient(dialUnix(t, s.unix)).GetPackage(ctx, &packagesv1.GetPackageRequest{Id: pkg}, grpc.Header(&header))
		if got := header.Get(rpc.RequestIDHeader); len(got) != 1 || got[0] != "mine-0815" {
			t.Errorf("%s: %v (%v)", pkg, got, err)
		}
		if err != nil && fault.Proto(fault.FromStatus(err)).GetMetadata()["request_id"] != "mine-0815" {
			t.Errorf("%s: %v", pkg, err)
		}
	}
}
