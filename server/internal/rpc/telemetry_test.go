package rpc_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
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

// What is secret in a request is in no trace, no figure and no log, on whichever wire it comes, and also when the service
// answers, refuses or panics.
func TestSecretsAreInNoTraceAndNotInWhatAPanicLeaves(t *testing.T) {
	t.Parallel()
	const canary = "canary-in-a-request-91c4"
	collector, endpoint := collect(t)
	meter := must(telemetry.New("1.2.3"))(t)
	exporter := must(telemetry.NewExporter(t.Context(), endpoint, "1.2.3", "ab12", meter))(t)
	s := newServer(t, func(c *rpc.Config) { c.Outer = []rpc.Interceptor{meter.Intercept, exporter.Intercept} })
	m := actionsv1.File_hearth_actions_v1_actions_proto.Services().ByName("ActionService").Methods().ByName("RunAction")
	calls := 0
	for _, w := range wires() {
		for action, want := range map[string]metav1.Reason{"set": 0, "refuse": metav1.Reason_REASON_ACTION_NOT_FOUND, "panic": metav1.Reason_REASON_INTERNAL} {
			req := &actionsv1.RunActionRequest{PackageId: "hello", ActionId: action, Input: `{"password":"` + canary + `"}`}
			_, err := w.call(t, s, "operator", m, req, &actionsv1.RunActionResponse{})
			if want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
				t.Errorf("%s, %s: %v", w.name, action, err)
			}
			calls++
		}
		// A credential that does not count is a secret too.
		if _, err := w.call(t, s, canary, m, &actionsv1.RunActionRequest{PackageId: "hello", ActionId: "set"}, &actionsv1.RunActionResponse{}); err == nil {
			t.Errorf("%s: it was let in", w.name)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_ = exporter.Close(ctx) // the collector takes spans alone, and not the figures
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if len(collector.list) < calls {
		t.Errorf("%d calls have %d spans", calls, len(collector.list))
	}
	for _, span := range collector.list {
		if strings.Contains(span.String(), canary) {
			t.Errorf("a span has the secret: %v", span)
		}
	}
	for place, text := range map[string]string{"the log": s.log.String(), "the figures": string(must(meter.Text())(t))} {
		if len(text) < 100 || strings.Contains(text, canary) {
			t.Errorf("%s has the secret, or says too little (%d bytes)", place, len(text))
		}
	}
	if !strings.Contains(s.log.String(), "call panicked") {
		t.Error("no panic was noted")
	}
}
