package rpc_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/telemetry"
)

// spans is a collector that keeps the spans it is sent.
type spans struct {
	collectortrace.UnimplementedTraceServiceServer
	mu   sync.Mutex
	list []*trace.Span
}

func (s *spans) Export(_ context.Context, r *collectortrace.ExportTraceServiceRequest) (*collectortrace.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			s.list = append(s.list, scope.GetSpans()...)
		}
	}
	return &collectortrace.ExportTraceServiceResponse{}, nil
}

// ofRequest answers the attributes of the span of a request, with its name as "name"; nil when there is none.
func (s *spans) ofRequest(id string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.list {
		attributes := map[string]string{"name": span.GetName()}
		for _, a := range span.GetAttributes() {
			attributes[a.GetKey()] = a.GetValue().GetStringValue()
		}
		if attributes["request_id"] == id {
			return attributes
		}
	}
	return nil
}

// collect listens for spans, and answers where.
func collect(t *testing.T) (s *spans, endpoint string) {
	t.Helper()
	lis := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	s = &spans{}
	server := grpc.NewServer()
	collectortrace.RegisterTraceServiceServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, "http://" + lis.Addr().String()
}

func TestACallHasItsSpanWithTheIDOfItsRequestOnEveryWire(t *testing.T) {
	t.Parallel()
	collector, endpoint := collect(t)
	meter := must(telemetry.New("1.2.3"))(t)
	exporter := must(telemetry.NewExporter(t.Context(), endpoint, "1.2.3", "ab12", meter))(t)
	s := newServer(t, func(c *rpc.Config) { c.Outer = []rpc.Interceptor{meter.Intercept, exporter.Intercept} })
	answered, refused := map[string]string{}, map[string]string{} // ids of requests, by wire
	for _, w := range wires() {
		header, err := w.call(t, s, "viewer", methodOf("ListPackages"), &packagesv1.ListPackagesRequest{PageSize: 5}, &packagesv1.ListPackagesResponse{})
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		answered[w.name] = header["X-Request-Id"]
		_, err = w.call(t, s, "viewer", methodOf("GetPackage"), &packagesv1.GetPackageRequest{Id: "none"}, &packagesv1.GetPackageResponse{})
		refused[w.name] = fault.Proto(err).GetMetadata()["request_id"]
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_ = exporter.Close(ctx) // the collector takes spans alone, and not the figures
	protocols := map[string]bool{}
	for _, w := range wires() {
		got := collector.ofRequest(answered[w.name])
		if got["name"] != "hearth.packages.v1.PackageService/ListPackages" || got["rpc.code"] != "OK" {
			t.Errorf("%s: the span of the request %q is %v", w.name, answered[w.name], got)
		}
		if got := collector.ofRequest(refused[w.name]); got["name"] != "hearth.packages.v1.PackageService/GetPackage" || got["rpc.code"] != "NOT_FOUND" {
			t.Errorf("%s: the span of the refused request %q is %v", w.name, refused[w.name], got)
		}
		protocols[got["rpc.system"]] = true
	}
	for _, want := range []string{"grpc", "connect", "grpcweb", "rest", "jsonrpc"} {
		if !protocols[want] {
			t.Errorf("no span is of %s: %v", want, protocols)
		}
	}
}
