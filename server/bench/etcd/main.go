// Command etcd measures Hearth's change feed against etcd's watch. One program writes to and watches both, by turns, over
// unix sockets and with the same guarantee: a write is answered when it is synced to the disk. It is a module of its own
// so that nothing of etcd is a dependency of Hearth. Run by itself as "etcd serve" it is the newest etcd, from its source.
//
//	main.go      what is measured, by turns
//	measure.go   one measurement
//	report.go    how it is told
//	feeds.go     the two feeds
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		etcdmain.Main(os.Args[1:])
		return
	}
	var o options
	flag.StringVar(&o.socket, "hearth", "", "socket of a Hearth daemon")
	flag.StringVar(&o.debian, "debian", "", "program of Debian's etcd; without it only the newest is measured")
	flag.DurationVar(&o.window, "window", time.Second, "how long one measurement writes")
	flag.IntVar(&o.turns, "turns", 3, "how often each is measured")
	only := flag.String("only", "", "regular expression of the cases to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	socket, debian string
	window         time.Duration
	turns          int
	only           *regexp.Regexp
}

// run measures every case on every feed by turns.
func run(ctx context.Context, o options) error {
	feeds := []feed{&hearthFeed{socket: o.socket}}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	etcds := [][]string{{self, "serve"}}
	if o.debian != "" {
		etcds = append(etcds, []string{o.debian})
	}
	for _, command := range etcds {
		e, err := startEtcd(ctx, command)
		if err != nil {
			return err
		}
		defer e.stop()
		feeds = append(feeds, e)
	}
	header()
	for _, c := range cases(o.window) {
		if !o.only.MatchString(c.String()) {
			continue
		}
		taken := make([][]result, len(feeds))
		for range o.turns {
			for i, f := range feeds {
				r, err := measure(ctx, f, c)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", f.name(), c, err)
				}
				taken[i] = append(taken[i], r)
			}
		}
		tell(c, feeds, taken)
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
