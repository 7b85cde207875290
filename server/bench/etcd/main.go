// Command etcd measures Hearth's change feed against etcd's watch. One program writes to and watches both, by turns, over
// unix sockets and with the same guarantee: a write is answered when it is synced to the disk. It is a module of its own
// so that nothing of etcd is a dependency of Hearth. Run by itself as "etcd serve" it is the newest etcd, from its source.
//
//	main.go      what is measured and how it is told
//	measure.go   one measurement
//	feeds.go     the two feeds
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		etcdmain.Main(os.Args[1:])
		return
	}
	socket := flag.String("hearth", "", "socket of a Hearth daemon")
	debian := flag.String("debian", "", "program of Debian's etcd; without it only the newest is measured")
	window := flag.Duration("window", 2*time.Second, "how long one measurement writes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *socket, *debian, *window); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures every case on every feed by turns.
func run(ctx context.Context, socket, debian string, window time.Duration) error {
	feeds := []feed{&hearthFeed{socket: socket}}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	etcds := [][]string{{self, "serve"}}
	if debian != "" {
		etcds = append(etcds, []string{debian})
	}
	for _, command := range etcds {
		e, err := startEtcd(ctx, command)
		if err != nil {
			return err
		}
		defer e.stop()
		feeds = append(feeds, e)
	}
	fmt.Printf("  %-44s %9s %11s %9s %9s %9s\n", "", "puts/s", "deliveries", "p50 ms", "p99 ms", "of etcd's")
	for _, c := range cases(window) {
		var ours result
		fmt.Printf("  %s\n", c)
		for i, f := range feeds {
			r, err := measure(ctx, f, c)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", f.name(), c, err)
			}
			if i == 0 {
				ours = r
			}
			fmt.Printf("    %-42s %9.0f %11.0f %9.2f %9.2f", f.name(), r.puts, r.deliveries, r.p50, r.p99)
			if i > 0 {
				fmt.Printf("  puts %.2f, deliveries %.2f, p99 %.2f", ours.puts/r.puts, ours.deliveries/r.deliveries, ours.p99/r.p99)
			}
			fmt.Println()
		}
	}
	return nil
}

func cases(window time.Duration) []testCase {
	all := []testCase{{writers: 1, window: window}, {writers: 16, window: window}}
	for _, shared := range []bool{true, false} {
		for _, watchers := range []int{1, 100, 1000} {
			for _, writers := range []int{1, 16} {
				all = append(all, testCase{watchers: watchers, writers: writers, shared: shared, window: window})
			}
		}
		all = append(all, testCase{watchers: 1000, writers: 1, rate: 20, shared: shared, window: 2 * window})
	}
	return all
}
