package page_test

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/sandbox"
)

// services is how many services the server has whose page is measured.
const services = 100

// between is the time between two changes of services: ten a second.
const between = 100 * time.Millisecond

// BenchmarkPage measures the page of a server with many services, of which one becomes unhealthy, or well again, ten times a
// second. $HEARTH_PAGE_SECONDS is for how long, 120 where it is not set.
func BenchmarkPage(b *testing.B) {
	seconds := 120
	if s := os.Getenv("HEARTH_PAGE_SECONDS"); s != "" {
		var err error
		if seconds, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	w := newWorld(b)
	w.fill(b, services)
	w.change = func(ctx context.Context) {
		tick := time.NewTicker(between)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				w.Host.Play(serviceID(i%services), sandbox.Play{Unhealthy: i/services%2 == 0})
			case <-ctx.Done():
				return
			}
		}
	}
	for b.Loop() {
		w.play(b, "figures.mjs", map[string]any{"width": 1280, "height": 800, "scheme": "light", "services": services, "seconds": seconds})
	}
	w.report(b)
}

// BenchmarkLighthouse has Lighthouse judge the page of a server with a few services, five times, in a browser that trusts it.
func BenchmarkLighthouse(b *testing.B) {
	w := newWorld(b)
	w.fill(b, 12)
	for b.Loop() {
		w.play(b, "../figures/lighthouse.mjs", map[string]any{"width": 1280, "height": 800, "scheme": "light", "trusting": w.trusting(b), "profile": b.TempDir(), "runs": 5})
	}
	w.report(b)
}

func (w *world) report(b *testing.B) {
	for name, value := range w.figures {
		b.ReportMetric(value, name)
	}
}
