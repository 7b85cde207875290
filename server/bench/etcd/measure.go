package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
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

// result is a rate in 1/s, milliseconds from before a put to the delivery (without watchers, to the answer), and the
// microseconds of CPU that server and client took for each delivery (without watchers, for each put).
type result struct{ puts, deliveries, p50, p99, server, client float64 }

// feed is a server that is written to and watched.
type feed interface {
	name() string
	pid() (int, error) // of the server
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
	before, err := spent(f)
	if err != nil {
		return result{}, err
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
	after, err := spent(f)
	if err != nil {
		return result{}, err
	}
	flat := slices.Concat(late...)
	slices.Sort(flat)
	at := func(q int) float64 { return float64(flat[(len(flat)-1)*q/100].Microseconds()) / 1000 }
	each := float64(max(delivered.Load(), puts))
	return result{
		puts: float64(puts) / wrote.Seconds(), deliveries: float64(delivered.Load()) / whole.Seconds(), p50: at(50), p99: at(99),
		server: (after.server - before.server) * 1e6 / each, client: (after.client - before.client) * 1e6 / each,
	}, nil
}

// cpu is how many seconds of CPU time processes have taken.
type cpu struct{ server, client float64 }

func spent(f feed) (cpu, error) {
	pid, err := f.pid()
	if err != nil {
		return cpu{}, err
	}
	server, err := secondsOf(pid)
	if err != nil {
		return cpu{}, err
	}
	client, err := secondsOf(os.Getpid())
	return cpu{server, client}, err
}

// secondsOf reads the CPU time of a process, in user space and in the kernel.
func secondsOf(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name of the program stands in brackets and may hold anything.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, err
	}
	const ticks = 100 // a second, on every architecture that Linux tells user space about
	return float64(user+system) / ticks, nil
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
