package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/hearthos/hearth/server/internal/rpc"
)

// Exporter sends what is measured, and a span for each call, to a collector of OpenTelemetry.
type Exporter struct {
	traces  *sdktrace.TracerProvider
	metrics *metric.MeterProvider
	tracer  trace.Tracer
	parents propagation.TraceContext
}

// exportEvery is how often figures are sent.
const exportEvery = 30 * time.Second

// NewExporter makes an exporter to the collector at endpoint ("https://collector:4317", or "http://…" without TLS). It
// connects when there is something to send. What the environment says for OTLP besides, such as headers, is heeded.
func NewExporter(ctx context.Context, endpoint, version, instance string, m *Meter) (*Exporter, error) {
	spans, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("cannot send traces to %s: %w", endpoint, err)
	}
	figures, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(endpoint))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot send figures to %s: %w", endpoint, err), spans.Shutdown(ctx))
	}
	who := resource.NewSchemaless(
		attribute.String("service.name", "hearthd"), attribute.String("service.version", version),
		attribute.String("service.instance.id", instance),
	)
	e := &Exporter{
		traces: sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(who)),
		metrics: metric.NewMeterProvider(metric.WithResource(who), metric.WithReader(metric.NewPeriodicReader(figures,
			metric.WithInterval(exportEvery), metric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(m.registry)))))),
	}
	e.tracer = e.traces.Tracer("github.com/hearthos/hearth")
	return e, nil
}

// Intercept makes a span of each call, below that of the caller where it sent one (traceparent).
func (e *Exporter) Intercept(ctx context.Context, c *rpc.Call, next func(context.Context) error) error {
	md, _ := metadata.FromIncomingContext(ctx)
	ctx = e.parents.Extract(ctx, carrier(md))
	ctx, span := e.tracer.Start(ctx, methodOf(c), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("rpc.system", c.Wire), attribute.String("request_id", c.RequestID),
	))
	defer span.End()
	err := next(ctx)
	span.SetAttributes(attribute.String("rpc.code", codeOf(err)), attribute.String("caller", c.Caller.Identity.Name()))
	if err != nil {
		span.SetStatus(codes.Error, codeOf(err))
	}
	return err
}

// Close sends what is left, within ctx.
func (e *Exporter) Close(ctx context.Context) error {
	return errors.Join(e.traces.Shutdown(ctx), e.metrics.Shutdown(ctx))
}

// carrier reads the parent of a span from the metadata of a call.
type carrier metadata.MD

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string {
	if values := metadata.MD(c).Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Set implements propagation.TextMapCarrier; a call that came is not written to.
func (c carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}
