package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/rpc/registryrpc"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/servertest"
	"google.golang.org/protobuf/proto"
)

// How large the index of BenchmarkRegistry is, and how many ask at the same time.
const (
	indexPackages = 10_000
	indexVersions = 5
	indexAskers   = 8
	asksEach      = 250
)

// BenchmarkRegistry asks a registry of 10 000 packages with five versions each: for words, and for a package, against a server that has the
// same answer ready.
func BenchmarkRegistry(b *testing.B) {
	dir, key := b.TempDir(), sign.FromSeed([32]byte{9})
	fillIndex(b, dir, key)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	url, stop := serveRegistry(b, dir, key)
	opened := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	defer stop()

	get := func(i int) (string, []byte) {
		return url + registry.Path, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"package.get","params":{"id":"p%05d","targetVersion":null,"sourceVersion":null,"otherVersions":"none"}}`, i*7919%indexPackages)
	}
	place, body := get(0)
	ready := ask(b, place, body)
	baseline := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(ready)
	}))
	defer baseline.Close()
	var ours, theirs, ratios, searches []float64
	for b.Loop() {
		here := rateOf(b, get)
		there := rateOf(b, func(i int) (string, []byte) { _, body := get(i); return baseline.URL, body })
		ours, theirs, ratios = append(ours, here), append(theirs, there), append(ratios, here/there)
		for i := range 50 {
			began := time.Now()
			askREST(b, fmt.Sprintf("%s/api/v1/packages?query=word%d", url, i%10))
			searches = append(searches, milliseconds(time.Since(began)))
		}
	}
	report(b, milliseconds(opened), "open-ms")
	report(b, float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "memory-MiB")
	slices.Sort(searches)
	report(b, median(searches), "search-ms")
	report(b, searches[len(searches)*99/100], "search-p99-ms")
	report(b, median(ours), "get-/s")
	report(b, median(theirs), "baseline-/s")
	report(b, median(ratios), "ratio-to-baseline")
	b.ReportMetric(0, "ns/op")
}

// rateOf is how many calls a second are answered.
func rateOf(b *testing.B, call func(i int) (string, []byte)) float64 {
	began := time.Now()
	var wg sync.WaitGroup
	for asker := range indexAskers {
		wg.Go(func() {
			for i := range asksEach {
				place, body := call(asker*asksEach + i)
				ask(b, place, body)
			}
		})
	}
	wg.Wait()
	return indexAskers * asksEach / time.Since(began).Seconds()
}

func ask(b *testing.B, url string, body []byte) []byte {
	resp, err := http.Post(url, "application/json", bytes.NewReader(body))
	return answered(b, resp, err)
}

func askREST(b *testing.B, url string) {
	resp, err := http.Get(url)
	answered(b, resp, err)
}

func answered(b *testing.B, resp *http.Response, err error) []byte {
	if err != nil {
		b.Error(err)
		return nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || bytes.Contains(raw, []byte(`"error"`)) {
		b.Errorf("%d %v: %.200s", resp.StatusCode, err, raw)
	}
	return raw
}

func serveRegistry(b *testing.B, dir string, key sign.PrivateKey) (url string, stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	at, ended := make(chan net.Addr, 1), make(chan error, 1)
	cfg := registryrpc.Config{Dir: dir, Listen: "127.0.0.1:0", Admins: []sign.PublicKey{key.Public()}, Local: true, Started: func(a net.Addr) { at <- a }}
	go func() { ended <- registryrpc.Serve(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	select {
	case a := <-at:
		return "http://" + a.String(), func() {
			cancel()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		}
	case err := <-ended:
		b.Fatal(err)
		return "", cancel
	}
}

// fillIndex publishes one package in all versions, and copies its rows under other names.
func fillIndex(b *testing.B, dir string, key sign.PrivateKey) {
	b.Helper()
	url, stop := serveRegistry(b, dir, key)
	client, err := registry.NewClient(url, registry.Options{Key: &key})
	if err != nil {
		b.Fatal(err)
	}
	for v := range indexVersions {
		publish(b, client, key, servertest.Package(b, "model", func(m map[string]any) {
			m["version"] = fmt.Sprintf("1.%d.0:0", v)
			m["description"] = map[string]any{"short": "A package to be found by its words", "long": "About it there is as much to say as about most."}
		}))
	}
	stop()
	st, err := store.Open(filepath.Join(dir, "store"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	var versions []*registryv1.RegistryVersion
	if err := st.View(func(tx *store.Tx) (err error) {
		versions, err = store.List[*registryv1.RegistryVersion](tx, "model")
		return err
	}); err != nil || len(versions) != indexVersions {
		b.Fatal(len(versions), err)
	}
	const atOnce = 20
	for first := 0; first < indexPackages; first += atOnce {
		_, err := st.Update(b.Context(), time.Now(), func(tx *store.Tx) error {
			for i := first; i < first+atOnce; i++ {
				id := fmt.Sprintf("p%05d", i)
				if err := store.Put(tx, &registryv1.RegistryPackage{Meta: &metav1.Meta{Id: id}, Spec: &registryv1.RegistryPackageSpec{}}); err != nil {
					return err
				}
				for _, v := range versions {
					spec := &registryv1.RegistryVersion{Meta: &metav1.Meta{Id: id + v.GetMeta().GetId()[len("model"):]}, Spec: proto.CloneOf(v.GetSpec())}
					spec.Spec.Metadata = bytes.Replace(v.GetSpec().GetMetadata(), []byte("by its words"), fmt.Appendf(nil, "by word%d", i%10), 1)
					if err := store.Put(tx, spec); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// publish sends a package file to a registry.
func publish(b *testing.B, client *registry.Client, key sign.PrivateKey, path string) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
	if err != nil {
		b.Fatal(err)
	}
	signature, err := key.Sign(sign.ContextPackage, file.Commitment().Message())
	if err != nil {
		b.Fatal(err)
	}
	if err := client.AddUpload(b.Context(), f, info.Size(), nil, file.Commitment(), signature, func(int64, int64) {}); err != nil {
		b.Fatal(err)
	}
}
