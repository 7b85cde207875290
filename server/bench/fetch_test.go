package bench_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

// BenchmarkFetch installs a package of a gigabyte from a registry on this machine, until every byte is verified, durable and
// in keeping, against curl, tee and b3sum in a row, with a sync after them. The registry serves both. Before, it tells how long the icon
// of the listed package takes, which nobody has asked for.
func BenchmarkFetch(b *testing.B) {
	if _, err := exec.LookPath("b3sum"); err != nil {
		b.Skipf("needs b3sum: %v", err)
	}
	s := newServer(b)
	key := sign.FromSeed([32]byte{1})
	url, stop := serveRegistry(b, filepath.Join(b.TempDir(), "registry"), key)
	defer stop()
	client, err := registry.NewClient(url, registry.Options{Key: &key})
	must(b, err)
	large := largePackage(b)
	publish(b, client, key, large)
	id, name := identity(b, large)
	must(b, os.Remove(large))
	_, err = s.client.Registries.AddRegistry(b.Context(), &registriesv1.AddRegistryRequest{Url: url, Id: "mine", Local: true})
	must(b, err)
	began := time.Now()
	_, err = s.client.Registries.GetOfferDocument(b.Context(), &registriesv1.GetOfferDocumentRequest{PackageId: id, Registry: "mine", Document: packagesv1.Document_KIND_ICON})
	must(b, err)
	icon := time.Since(began)
	copied := filepath.Join(b.TempDir(), "copied")
	var ours, theirs, ratios []float64
	for b.Loop() {
		here := s.fetch(b, id)
		began := time.Now()
		out, err := exec.Command("sh", "-c", `curl -sS --fail "$0" | tee "$1" | b3sum && sync "$1"`, url+"/files/"+name+".s9pk", copied).CombinedOutput()
		there := time.Since(began)
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		must(b, os.Remove(copied))
		ours, theirs = append(ours, largeSize/here.Seconds()/1e6), append(theirs, largeSize/there.Seconds()/1e6)
		ratios = append(ratios, there.Seconds()/here.Seconds())
	}
	report(b, median(ours), "fetch-MB/s")
	report(b, median(theirs), "curl-MB/s")
	report(b, median(ratios), "ratio-to-curl")
	report(b, icon.Seconds()*1000, "icon-ms")
	b.ReportMetric(0, "ns/op")
}

// identity is the id of a package and the name of its file at a registry.
func identity(b *testing.B, path string) (id, name string) {
	b.Helper()
	f, err := os.Open(path)
	must(b, err)
	defer f.Close()
	info, err := f.Stat()
	must(b, err)
	file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
	must(b, err)
	return string(file.Manifest().ID), file.Commitment().Name()
}

// fetch begins an installation and tells when its file was in keeping; then the installation is undone.
func (s *server) fetch(b *testing.B, id string) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	resp, err := s.client.Packages.InstallPackage(ctx, &packagesv1.InstallPackageRequest{FromRegistry: &packagesv1.FromRegistry{Registry: "mine", PackageId: id}})
	must(b, err)
	var kept time.Duration
	op := resp.GetOperation().GetMeta().GetId()
	err = s.client.Watch(ctx, []*statev1.Target{{Selectors: []*statev1.Selector{{Kind: "operation", Id: op}}}}, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			status := ch.GetResource().GetOperation().GetStatus()
			done := 0
			for _, step := range status.GetSteps() {
				if step.GetState() != operationsv1.Step_STATE_DONE {
					break
				}
				done++
			}
			if kept == 0 && done >= 2 {
				kept = time.Since(began)
			}
			if status.GetEndTime() != nil {
				return true, nil
			}
		}
		return false, nil
	})
	must(b, err)
	if kept == 0 {
		b.Fatal("the file never came into keeping")
	}
	return kept
}
