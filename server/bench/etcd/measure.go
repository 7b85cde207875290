package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// valueSize is how many bytes are written at a time.
const valueSize = 200

// testCase is one way of using a feed.
type testCase struct {
	watchers, writers int
	rate              int  // puts a second; 0: each writer writes again as soon as it is answered
	shared            bool // one stream for all watchers, else a stream for each
	window            time.Duration
}

func (c testCase) String() string {
	if c.watchers == 0 {
		return fmt.Sprintf("commits of %d bytes, %d writers", valueSize, c.writers)
	}
	shape, pace := "a stream each", "closed loop"
	if c.shared {
		shape = "one stream"
	}
	if c.rate > 0 {
		pace = fmt.Sprintf("%d puts/s", c.rate)
	}
	return fmt.Sprintf("%d watchers (%s), %d writers, %s", c.watchers, shape, c.writers, pace)
}

// result is a rate in 1/s, and milliseconds from before a put to the delivery; without watchers, to the answer.
type result struct{ puts, deliveries, p50, p99 float64 }

// feed is a server that is written to and watched.
type feed interface {
	name() string
	// open makes clients; put is safe for concurrent use, and watch begins so many watchers and returns when all of them
	// have begun. told is called for each value that a watcher is told, by one goroutine at a time for each watcher.
	open(ctx context.Context) (client, error)
}

type client interface {
	put(ctx context.Context, value string) error
	watch(ctx context.Context, watchers int, shared bool, told func(watcher int, value string)) error
	close()
}

// stamp is a value that says when it was made.
func stamp(origin time.Time) string {
	at := hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(time.Since(origin))))
	return at + strings.Repeat("x", valueSize-len(at))
}

func age(origin time.Time, value string) time.Duration {
	raw, err := hex.DecodeString(value[:16])
	if err != nil {
		return 0
	}
	return time.Since(origin) - time.Duration(binary.BigEndian.Uint64(raw))
}

// measure writes for a window and waits until every watcher has been told everything.
func measure(ctx context.Context, f feed, c testCase) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.window+2*time.Minute)
	defer cancel()
	cl, err := f.open(ctx)
	if err != nil {
		return result{}, err
	}
	defer cl.close()
	origin := time.Now()
	var delivered atomic.Int64
	late := make([][]time.Duration, max(c.watchers, c.writers))
	if c.watchers > 0 {
		err := cl.watch(ctx, c.watchers, c.shared, func(w int, value string) {
			late[w] = append(late[w], age(origin, value))
			delivered.Add(1)
		})
		if err != nil {
			return result{}, err
		}
	}
	begin := time.Now()
	puts, err := write(ctx, cl, c, origin, func(w int, took time.Duration) {
		if c.watchers == 0 {
			late[w] = append(late[w], took)
		}
	})
	if err != nil {
		return result{}, err
	}
	wrote := time.Since(begin)
	for want := puts * int64(c.watchers); delivered.Load() < want; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			return result{}, fmt.Errorf("%d of %d deliveries were made", delivered.Load(), want)
		}
	}
	whole := time.Since(begin)
	flat := slices.Concat(late...)
	slices.Sort(flat)
	at := func(q int) float64 { return float64(flat[(len(flat)-1)*q/100].Microseconds()) / 1000 }
	return result{puts: float64(puts) / wrote.Seconds(), deliveries: float64(delivered.Load()) / whole.Seconds(), p50: at(50), p99: at(99)}, nil
}

// write lets the writers write and returns how many puts were answered.
func write(ctx context.Context, cl client, c testCase, origin time.Time, answered func(writer int, took time.Duration)) (int64, error) {
	var puts atomic.Int64
	errs := make(chan error, c.writers)
	end := time.Now().Add(c.window)
	var all sync.WaitGroup
	for w := range c.writers {
		all.Go(func() {
			next := time.Now()
			for time.Now().Before(end) {
				begin := time.Now()
				if err := cl.put(ctx, stamp(origin)); err != nil {
					errs <- err
					return
				}
				answered(w, time.Since(begin))
				puts.Add(1)
				if c.rate > 0 {
					next = next.Add(time.Second / time.Duration(c.rate))
					time.Sleep(time.Until(next))
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return puts.Load(), <-errs
}
