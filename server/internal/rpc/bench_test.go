package rpc_test

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"

	"github.com/hearthos/hearth/server/internal/rpc"
)

// bare serves the same implementation by grpc-go alone and returns its socket.
func bare(b *testing.B) string {
	path := filepath.Join(shortDir(b), "b.sock")
	lis := must(net.Listen("unix", path))(b)
	server := grpc.NewServer()
	packagesv1.RegisterPackageServiceServer(server, packages{})
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(lis) }()
	b.Cleanup(func() { server.Stop(); <-done })
	return path
}

func lister(b *testing.B, path string) func() error {
	client := packagesv1.NewPackageServiceClient(dialUnix(b, path))
	return func() error {
		_, err := client.ListPackages(context.Background(), &packagesv1.ListPackagesRequest{})
		return err
	}
}

// BenchmarkUnary compares a call over native gRPC, with the whole chain of the hub, against a bare grpc-go server. The
// two alternate within one run, so that what else the machine does hits both alike.
func BenchmarkUnary(b *testing.B) {
	s := newServer(b, func(c *rpc.Config) { c.Logger = discard() })
	hub, plain := lister(b, s.unix), lister(b, bare(b))
	for _, callers := range []int{1, 64} {
		b.Run(map[int]string{1: "1 caller", 64: "64 callers"}[callers], func(b *testing.B) {
			var spent [2]time.Duration
			const round = 256
			for done := 0; done < b.N; done += round {
				for i, call := range []func() error{hub, plain} {
					start := time.Now()
					if err := spread(callers, round, call); err != nil {
						b.Fatal(err)
					}
					spent[i] += time.Since(start)
				}
			}
			calls := float64((b.N + round - 1) / round * round)
			b.ReportMetric(spent[0].Seconds()*1e6/calls, "hub-µs/call")
			b.ReportMetric(spent[1].Seconds()*1e6/calls, "bare-µs/call")
			b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// spread makes n calls from several goroutines.
func spread(callers, n int, call func() error) error {
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for c := range callers {
		wg.Go(func() {
			for i := c; i < n && errs[c] == nil; i += callers {
				errs[c] = call()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkWires shows what a call costs on each wire, client and server together.
func BenchmarkWires(b *testing.B) {
	s := newServer(b, func(c *rpc.Config) { c.Logger = discard() })
	unix := httpUnix(b, s.unix)
	in := &packagesv1.ListPackagesRequest{}
	m := methodOf("ListPackages")
	conn := dialUnix(b, s.unix)
	for _, w := range []struct {
		name string
		call func(out *packagesv1.ListPackagesResponse) error
	}{
		{"grpc", func(out *packagesv1.ListPackagesResponse) error { _, err := native(conn, "", m, in, out); return err }},
		{"connect-json", func(out *packagesv1.ListPackagesResponse) error {
			_, err := connectJSON(unix, "http://x", "", m, in, out)
			return err
		}},
		{"connect-proto", func(out *packagesv1.ListPackagesResponse) error {
			_, err := connectProto(unix, "http://x", "", m, in, out)
			return err
		}},
		{"grpc-web", func(out *packagesv1.ListPackagesResponse) error {
			_, err := grpcWeb(unix, "http://x", "", m, in, out)
			return err
		}},
		{"rest", func(out *packagesv1.ListPackagesResponse) error {
			_, err := rest(unix, "http://x", "", m, in, out)
			return err
		}},
		{"jsonrpc", func(out *packagesv1.ListPackagesResponse) error {
			_, err := jsonRPC(unix, "http://x", "", string(m.FullName()), in, out)
			return err
		}},
	} {
		b.Run(w.name, func(b *testing.B) {
			for b.Loop() {
				if err := w.call(&packagesv1.ListPackagesResponse{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
