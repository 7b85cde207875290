package telemetry_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/telemetry"
)

// collector is one as they are elsewhere: it takes what is sent to it.
type collector struct {
	tracepb.UnimplementedTraceServiceServer
	metricspb.UnimplementedMetricsServiceServer
	spans   chan *tracepb.ExportTraceServiceRequest
	figures chan *metricspb.ExportMetricsServiceRequest
}

type traces struct{ *collector }

func (c traces) Export(_ context.Context, r *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	c.spans <- r
	return &tracepb.ExportTraceServiceResponse{}, nil
}

type figures struct{ *collector }

func (c figures) Export(_ context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	c.collector.figures <- r
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func TestCollectorGetsSpansAndFigures(t *testing.T) {
	t.Parallel()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{spans: make(chan *tracepb.ExportTraceServiceRequest, 8), figures: make(chan *metricspb.ExportMetricsServiceRequest, 8)}
	server := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(server, traces{c})
	metricspb.RegisterMetricsServiceServer(server, figures{c})
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	defer func() { server.Stop(); <-served }()

	m, err := telemetry.New("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	e, err := telemetry.NewExporter(t.Context(), "http://"+lis.Addr().String(), "1.2.3", "ab12", m)
	if err != nil {
		t.Fatal(err)
	}
	// The caller's own trace goes on in ours.
	const trace = "0af7651916cd43dd8448eb211c80319c"
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("traceparent", "00-"+trace+"-b7ad6b7169203331-01"))
	_ = m.Intercept(ctx, call(false), func(ctx context.Context) error {
		return e.Intercept(ctx, call(false), func(context.Context) error {
			return fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no")
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	span := (<-c.spans).String()
	for _, want := range []string{"hearth.packages.v1.PackageService/ListPackages", "0123456789", "NOT_FOUND", "1.2.3", "ab12"} {
		if !strings.Contains(span, want) {
			t.Errorf("the span lacks %q: %s", want, span)
		}
	}
	if sent := (<-c.figures).String(); !strings.Contains(sent, "hearth_calls_total") || !strings.Contains(sent, "go_goroutines") {
		t.Errorf("the figures are %s", sent)
	}
}

func TestCollectorThatIsNotThereHoldsNothingUp(t *testing.T) {
	t.Parallel()
	m, err := telemetry.New("1")
	if err != nil {
		t.Fatal(err)
	}
	e, err := telemetry.NewExporter(t.Context(), "http://127.0.0.1:1", "1", "ab12", m)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Intercept(t.Context(), call(false), func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := e.Close(ctx); err == nil {
		t.Error("what could not be sent counts as sent")
	}
}
