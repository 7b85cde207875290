package bench_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/server/internal/store"
)

// BenchmarkIdle reports how long a daemon with a hundred package rows takes from its start to its first answer, and what
// memory it takes with ten watchers when it has come to rest.
func BenchmarkIdle(b *testing.B) {
	const packages, watchers = 100, 10
	var answered, rss []float64
	for b.Loop() {
		s := newServer(b, func(state string) { fillPackages(b, state, packages) })
		answered = append(answered, milliseconds(s.answered))
		for range watchers {
			stream, err := s.client.State.Watch(b.Context(), &statev1.WatchRequest{Targets: []*statev1.Target{{}}})
			must(b, err)
			resp, err := stream.Recv()
			must(b, err)
			if n := len(resp.GetUpdates()[0].GetChanges()); n < packages {
				b.Fatalf("a watcher is shown %d resources", n)
			}
		}
		time.Sleep(5 * time.Second) // what starting left behind is given back
		rss = append(rss, memoryOf(b, s.daemon.Process.Pid).rss)
		s.stop()
	}
	report(b, median(answered), "answer-ms")
	report(b, median(rss), "rss-MiB")
	b.ReportMetric(0, "ns/op")
}

// fillPackages writes rows of packages that are installed and stopped.
func fillPackages(b *testing.B, state string, n int) {
	b.Helper()
	s, err := store.Open(filepath.Join(state, "store"), store.Options{})
	must(b, err)
	for i := range n {
		_, err := s.Update(b.Context(), time.Now(), func(tx *store.Tx) error {
			return store.Put(tx, &packagesv1.Package{
				Meta: &metav1.Meta{Id: fmt.Sprintf("package-%d", i)},
				Spec: &packagesv1.PackageSpec{Title: "A package", Version: "1.0.0:0", Desired: packagesv1.PackageSpec_DESIRED_ABSENT},
			})
		})
		must(b, err)
	}
	must(b, errors.Join(s.Close()))
}
