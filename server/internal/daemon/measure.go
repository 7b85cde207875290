package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/telemetry"
	"golang.org/x/sys/unix"
)

// measure makes what measures calls, and what sends it away where a collector is configured.
func (d *Daemon) measure(ctx context.Context) ([]rpc.Interceptor, error) {
	var err error
	if d.meter, err = telemetry.New(d.cfg.Version, d.metrics()...); err != nil {
		return nil, err
	}
	if d.cfg.Collector == "" {
		return []rpc.Interceptor{d.meter.Intercept}, nil
	}
	if d.exporter, err = telemetry.NewExporter(ctx, d.cfg.Collector, d.cfg.Version, d.Tag(), d.meter); err != nil {
		return nil, err
	}
	return []rpc.Interceptor{d.meter.Intercept, d.exporter.Intercept}, nil
}

// measured has calls measured from when the areas are there: what comes before is refused, or asks how far the start is.
func (d *Daemon) measured(ctx context.Context, c *rpc.Call, next func(context.Context) error) error {
	if !d.opened.Load() {
		return next(ctx)
	}
	for _, intercept := range slices.Backward(d.outer) {
		inner := next
		next = func(ctx context.Context) error { return intercept(ctx, c, inner) }
	}
	return next(ctx)
}

// stopMeasuring sends what is left. A collector that cannot be reached holds up the end for a moment only, and is no
// reason for a daemon to end badly.
func (d *Daemon) stopMeasuring() error {
	if d.exporter == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the daemon's own has ended
	defer cancel()
	if err := d.exporter.Close(ctx); err != nil {
		d.log.Info("what was measured last could not be sent", "error", err)
	}
	return nil
}

// totalMemory is the memory of the machine in bytes; 0 where that cannot be told.
func totalMemory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}
