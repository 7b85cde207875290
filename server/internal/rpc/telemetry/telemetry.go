// Package telemetry measures the server: counters and gauges that Prometheus reads, and the same with a trace of each
// call for a collector of OpenTelemetry, where one is configured.
//
// It deliberately measures no person and no content: labels are methods, codes, wires and names of the server's own
// parts. Nothing here decides anything. Without a collector there is no span, no goroutine and no connection.
package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// Sample is one value of a gauge or counter at the moment it is asked for.
type Sample struct {
	// Labels are the values of the labels of its metric, in their order.
	Labels []string
	Value  float64
}

// Metric is something the server tells about itself.
type Metric struct {
	Name, Help string
	Labels     []string
	// Counter: it only ever grows.
	Counter bool
	// Read answers the values now. It returns at once.
	Read func() []Sample
}

// Meter measures calls and gathers what else is told. It is safe for concurrent use.
type Meter struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	open     *prometheus.GaugeVec
}

// New makes a meter of calls, the Go runtime, the process, and these metrics.
func New(version string, metrics ...Metric) (*Meter, error) {
	m := &Meter{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_calls_total", Help: "Calls that ended, by method, code and wire.",
		}, []string{"method", "code", "wire"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hearth_call_seconds", Help: "Time of unary calls.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "wire"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hearth_calls_open", Help: "Calls under way, streams among them.",
		}, []string{"method", "wire"}),
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hearth_build_info", Help: "The version of the server, as a label.", ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
	list := []prometheus.Collector{
		m.calls, m.seconds, m.open, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	for _, metric := range metrics {
		list = append(list, newReader(metric))
	}
	for _, c := range list {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("cannot measure: %w", err)
		}
	}
	return m, nil
}

// Intercept measures calls. It is the outermost of the interceptors.
func (m *Meter) Intercept(ctx context.Context, c *rpc.Call, next func(context.Context) error) error {
	method := methodOf(c)
	open := m.open.WithLabelValues(method, c.Wire)
	open.Inc()
	begun := time.Now()
	code := "INTERNAL" // a panic that nobody caught
	defer func() {
		open.Dec()
		m.calls.WithLabelValues(method, code, c.Wire).Inc()
		if !c.Stream {
			m.seconds.WithLabelValues(method, c.Wire).Observe(time.Since(begun).Seconds())
		}
	}()
	err := next(ctx)
	code = codeOf(err)
	return err
}

// methodOf is the name of a method as a label. Names that strangers made up are one, or they would fill the memory.
func methodOf(c *rpc.Call) string {
	if c.Method == nil {
		return "unknown"
	}
	return strings.TrimPrefix(c.Procedure, "/")
}

func codeOf(err error) string {
	if err == nil {
		return "OK"
	}
	return strings.TrimPrefix(codec.Code(fault.Reason(err)).String(), strings.TrimSuffix(optionsv1.Code_CODE_UNSPECIFIED.String(), "UNSPECIFIED"))
}

// Text is everything that is measured, in the format of Prometheus.
func (m *Meter) Text() ([]byte, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("cannot gather what is measured: %w", err)
	}
	var out bytes.Buffer
	enc := expfmt.NewEncoder(&out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, fmt.Errorf("cannot write what is measured: %w", err)
		}
	}
	return out.Bytes(), nil
}

// reader makes a Metric something that is collected.
type reader struct {
	Metric
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newReader(m Metric) *reader {
	r := &reader{Metric: m, desc: prometheus.NewDesc(m.Name, m.Help, m.Labels, nil), kind: prometheus.GaugeValue}
	if m.Counter {
		r.kind = prometheus.CounterValue
	}
	return r
}

// Describe implements prometheus.Collector.
func (r *reader) Describe(to chan<- *prometheus.Desc) { to <- r.desc }

// Collect implements prometheus.Collector.
func (r *reader) Collect(to chan<- prometheus.Metric) {
	for _, s := range r.Read() {
		to <- prometheus.MustNewConstMetric(r.desc, r.kind, s.Value, s.Labels...)
	}
}
