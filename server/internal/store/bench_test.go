package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/store"
)

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := newStore(b)
			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for w := range writers {
				all.Go(func() {
					for n := left.Add(-1); n >= 0; n = left.Add(-1) {
						put(b, s, row(fmt.Sprintf("w%d", w), fmt.Sprintf("%0200d", n)))
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkWatchFanOut measures the time from before Update to the delivery at each of a hundred watchers.
func BenchmarkWatchFanOut(b *testing.B) {
	const watchers = 100
	s := newStore(b)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var begun atomic.Int64 // nanoseconds since origin
	origin := time.Now()
	var all, delivered sync.WaitGroup
	late := make([][]time.Duration, watchers)
	for i := range watchers {
		w := watch(b, s, store.WatchOptions{From: s.Revision()})
		all.Go(func() {
			for {
				batch, err := w.Next(ctx)
				if err != nil {
					return
				}
				for range batch.Changes {
					late[i] = append(late[i], time.Since(origin)-time.Duration(begun.Load()))
					delivered.Done()
				}
			}
		})
	}
	b.ResetTimer()
	for n := range b.N {
		delivered.Add(watchers)
		begun.Store(int64(time.Since(origin)))
		put(b, s, row("a", fmt.Sprintf("%0200d", n)))
		delivered.Wait()
	}
	b.StopTimer()
	stop()
	all.Wait()
	flat := slices.Concat(late...)
	slices.Sort(flat)
	b.ReportMetric(float64(flat[len(flat)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(flat[len(flat)*99/100].Microseconds()), "p99-µs")
}

func BenchmarkRead(b *testing.B) {
	s := newStore(b)
	for i := range 10 {
		var rows []op
		for j := range 100 {
			rows = append(rows, row(fmt.Sprintf("p%d/%03d", i, j), fmt.Sprintf("%0200d", j)))
		}
		put(b, s, rows...)
	}
	view := func(b *testing.B, fn func(tx *store.Tx) error) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.View(fn); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("get", func(b *testing.B) {
		view(b, func(tx *store.Tx) error { _, err := store.Get[op](tx, "p5/050"); return err })
	})
	b.Run("list of 100 in 1000", func(b *testing.B) {
		view(b, func(tx *store.Tx) error { _, err := store.List[op](tx, "p5"); return err })
	})
	b.Run("list of 1000", func(b *testing.B) {
		view(b, func(tx *store.Tx) error { _, err := store.List[op](tx, ""); return err })
	})
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := openStore(b, dir, store.Options{})
	for i := range 1000 {
		put(b, s, row(fmt.Sprint(i), "x"))
	}
	closeStore(b, s)
	for b.Loop() {
		s, err := store.Open(dir, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		closeStore(b, s)
	}
}
