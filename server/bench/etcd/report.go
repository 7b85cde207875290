package main

import (
	"fmt"
	"slices"
	"strings"
)

// figure is one column of the table.
type figure struct {
	name   string
	of     func(result) float64
	more   bool // the more, the better
	format string
}

func figures() []figure {
	return []figure{
		{"puts/s", func(r result) float64 { return r.puts }, true, "%9.0f"},
		{"deliveries/s", func(r result) float64 { return r.deliveries }, true, "%13.0f"},
		{"p50 ms", func(r result) float64 { return r.p50 }, false, "%9.2f"},
		{"p99 ms", func(r result) float64 { return r.p99 }, false, "%9.2f"},
		{"server CPU µs", func(r result) float64 { return r.server }, false, "%14.2f"},
		{"client CPU µs", func(r result) float64 { return r.client }, false, "%14.2f"},
	}
}

func header() {
	fmt.Println("  CPU is for each put; with watchers, for each delivery. Below each case stands Hearth's part of the etcd that is harder to reach.")
	fmt.Printf("  %-34s", "")
	for _, f := range figures() {
		fmt.Printf(" %*s", width(f), f.name)
	}
	fmt.Println()
}

func width(f figure) int { return len(fmt.Sprintf(f.format, 0.0)) }

// tell prints the medians of a case and the medians of the ratios, ours to theirs in the same turn. The first feed is ours.
func tell(c testCase, feeds []feed, taken [][]result) {
	fmt.Printf("  %s\n", c)
	for i, f := range feeds {
		fmt.Printf("    %-32s", f.name())
		for _, col := range figures() {
			fmt.Printf(" "+col.format, median(values(taken[i], col.of)))
		}
		fmt.Println()
	}
	var ratios []string
	for _, col := range figures() {
		if col.name == "deliveries/s" && c.watchers == 0 {
			continue
		}
		hardest, against := 0.0, ""
		for i, f := range feeds[1:] {
			ratio := median(ratio(values(taken[0], col.of), values(taken[i+1], col.of)))
			if against == "" || (ratio < hardest) == col.more {
				hardest, against = ratio, f.name()
			}
		}
		ratios = append(ratios, fmt.Sprintf("%s %.2f (%s)", strings.TrimSuffix(col.name, " ms"), hardest, strings.TrimPrefix(against, "etcd ")))
	}
	fmt.Printf("    = %s\n", strings.Join(ratios, ", "))
}

func values(taken []result, of func(result) float64) []float64 {
	all := make([]float64, len(taken))
	for i, r := range taken {
		all[i] = of(r)
	}
	return all
}

func ratio(ours, theirs []float64) []float64 {
	all := make([]float64, len(ours))
	for i := range ours {
		all[i] = ours[i] / theirs[i]
	}
	return all
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
