package bench_test

import "testing"

// BenchmarkInstall installs the sample and reports the median of each phase, until its health check is green.
func BenchmarkInstall(b *testing.B) {
	s := newServer(b)
	took := map[string][]float64{}
	var order []string
	var whole []float64
	for i := 0; b.Loop(); i++ {
		if i > 0 {
			s.uninstall(b)
		}
		sum := 0.0
		order = order[:0]
		for _, p := range s.install(b) {
			order = append(order, p.name)
			took[p.name] = append(took[p.name], milliseconds(p.took))
			sum += milliseconds(p.took)
		}
		whole = append(whole, sum)
	}
	for _, name := range order {
		report(b, median(took[name]), name+"-ms")
	}
	report(b, median(whole), "whole-ms")
	b.ReportMetric(0, "ns/op")
}
