package bench_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

const largeSize = 1 << 30

// BenchmarkVerify has the program verify a package of a gigabyte, against b3sum and sha256sum over the same file. A core's
// rate is bytes by processor time, so that what else the machine does falls out of it; the wall clock tells how many
// cores were used.
func BenchmarkVerify(b *testing.B) {
	program := filepath.Join(os.Getenv("HEARTH_BIN"), "hearth")
	for _, name := range []string{program, "b3sum", "sha256sum"} {
		if _, err := exec.LookPath(name); err != nil {
			b.Skipf("needs %s: %v", name, err)
		}
	}
	file := largePackage(b)
	var ours, theirs, sha, cores, memory, wall, shaWall []float64
	for b.Loop() {
		verify := measured(b, program, "s9pk", "verify", file)
		blake := measured(b, "b3sum", "--num-threads", "1", file)
		sum := measured(b, "sha256sum", file)
		ours = append(ours, verify.perCore())
		theirs = append(theirs, blake.perCore())
		sha = append(sha, sum.perCore())
		cores = append(cores, verify.cpu.Seconds()/verify.wall.Seconds())
		memory = append(memory, float64(verify.maxRSS)/(1<<20))
		wall = append(wall, largeSize/verify.wall.Seconds()/1e6)
		shaWall = append(shaWall, largeSize/sum.wall.Seconds()/1e6)
	}
	b.ReportMetric(0, "ns/op")
	report(b, median(ours), "core-MB/s")
	report(b, median(theirs), "b3sum-MB/s")
	report(b, median(ours)/median(theirs), "ratio-to-b3sum")
	report(b, median(wall), "wall-MB/s")
	report(b, median(shaWall), "sha256sum-MB/s")
	report(b, median(wall)/median(shaWall), "ratio-to-sha256sum")
	report(b, median(cores), "cores")
	report(b, median(memory), "rss-MiB")
}

// largePackage makes a package whose one image has a gigabyte that does not compress, and brings it into the page cache.
func largePackage(b *testing.B) string {
	b.Helper()
	small, err := os.ReadFile("../../api/s9pk/testdata/packed-order.s9pk")
	must(b, err)
	f, err := s9pk.Open(bytes.NewReader(small), int64(len(small)), s9pk.Options{})
	must(b, err)
	members := map[string]merkle.Source{}
	for e := range f.All() {
		if e.Kind == merkle.File && e.Path != s9pk.PathManifest {
			members[e.Path], err = f.Source(e.Path)
			must(b, err)
		}
	}
	block := make([]byte, 1<<20)
	_, _ = rand.Read(block)
	members["images/x86_64/main.squashfs"] = merkle.Source{Size: largeSize, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(&repeat{block: block}, largeSize)), nil
	}}
	path := filepath.Join(b.TempDir(), "large.s9pk")
	out, err := os.Create(path)
	must(b, err)
	w := bufio.NewWriterSize(out, 1<<20)
	_, err = s9pk.Build(b.Context(), w, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members, Key: sign.FromSeed([32]byte{1})})
	must(b, err)
	must(b, w.Flush())
	must(b, out.Close())
	return path
}

// repeat yields a block again and again.
type repeat struct {
	block []byte
	at    int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}

// spent is what a program cost.
type spent struct {
	wall, cpu time.Duration
	maxRSS    int64
}

// perCore is how fast one core went through the file, in megabytes a second.
func (s spent) perCore() float64 { return largeSize / s.cpu.Seconds() / 1e6 }

func measured(b *testing.B, program string, args ...string) spent {
	b.Helper()
	cmd := exec.Command(program, args...)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", program, err, out)
	}
	s := spent{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && runtime.GOOS == "linux" {
		s.maxRSS = usage.Maxrss << 10
	}
	return s
}
