package bench_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/tree"
)

// Data of a gigabyte in fifty thousand files.
const (
	dataFiles = 50_000
	dataBytes = 1 << 30
)

// BenchmarkSnapshot snapshots data as an update does, durable on return, against 'cp -a --reflink=auto' followed by 'sync
// -f', by turns. BENCH_VOLUMES names the folder, and so the file system, on which they lie.
func BenchmarkSnapshot(b *testing.B) {
	dir, err := os.MkdirTemp(os.Getenv("BENCH_VOLUMES"), "bench")
	must(b, err)
	b.Cleanup(func() { must(b, tree.Remove(context.WithoutCancel(b.Context()), dir)) })
	src := filepath.Join(dir, "src")
	must(b, tree.Make(src, 0o755))
	fill(b, src)
	var ours, theirs []float64
	var how tree.Mechanism
	for i := 0; b.Loop(); i++ {
		a, c := filepath.Join(dir, fmt.Sprint("ours", i)), filepath.Join(dir, fmt.Sprint("theirs", i))
		began := time.Now()
		how, _, err = tree.Snapshot(b.Context(), src, a, tree.Options{})
		must(b, err)
		ours = append(ours, milliseconds(time.Since(began)))
		began = time.Now()
		out, err := exec.Command("sh", "-c", `cp -a --reflink=auto "$0" "$1" && sync -f "$1"`, src, c).CombinedOutput()
		if err != nil {
			b.Fatalf("cp: %v: %s", err, out)
		}
		theirs = append(theirs, milliseconds(time.Since(began)))
		must(b, tree.Remove(b.Context(), a))
		must(b, tree.Remove(b.Context(), c))
	}
	b.ReportMetric(0, "ns/op")
	b.Logf("made as a %s", map[tree.Mechanism]string{tree.Subvolume: "subvolume", tree.Reflink: "reflink", tree.Copy: "copy"}[how])
	report(b, median(ours), "snapshot-ms")
	report(b, median(theirs), "cp-ms")
	report(b, median(ours)/median(theirs), "ratio-to-cp")
}

// fill makes the data: folders of a thousand files each.
func fill(b *testing.B, dir string) {
	b.Helper()
	content := make([]byte, dataBytes/dataFiles)
	_, _ = rand.Read(content)
	for i := range dataFiles {
		folder := filepath.Join(dir, fmt.Sprint(i/1000))
		if i%1000 == 0 {
			must(b, os.Mkdir(folder, 0o755))
		}
		must(b, os.WriteFile(filepath.Join(folder, fmt.Sprint(i%1000)), content, 0o640))
	}
	must(b, exec.Command("sync", "-f", dir).Run())
}
