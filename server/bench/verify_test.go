package bench_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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
		memory = append(memory, float64(verify.anonymous)/(1<<20))
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
	report(b, median(memory), "memory-MiB")
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
	manifest := bytes.Replace(f.ManifestJSON(), []byte(`"osVersion":"0.4.0"`), []byte(`"osVersion":"`+s9pk.CompatibleOS+`"`), 1) // else no server takes it
	_, err = s9pk.Build(b.Context(), w, s9pk.BuildInput{Manifest: manifest, Members: members, Key: sign.FromSeed([32]byte{1})})
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

// spent is what a program cost, with the programs it ran.
type spent struct {
	wall, cpu time.Duration
	anonymous int64 // the most memory at once that is not page cache
}

// perCore is how fast one core went through the file, in megabytes a second.
func (s spent) perCore() float64 { return largeSize / s.cpu.Seconds() / 1e6 }

func measured(b *testing.B, program string, args ...string) spent {
	b.Helper()
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	must(b, cmd.Start())
	ended, most := make(chan struct{}), make(chan int64)
	go func() {
		var peak int64
		for {
			peak = max(peak, anonymous(cmd.Process.Pid))
			select {
			case <-ended:
				most <- peak
				return
			case <-time.After(2 * time.Millisecond): // nobody tells how much memory another process has
			}
		}
	}()
	err := cmd.Wait()
	s := spent{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	close(ended)
	s.anonymous = <-most
	if err != nil {
		b.Fatalf("%s: %v: %s", program, err, out.String())
	}
	return s
}

// anonymous is the memory beyond the page cache of a process and those it began.
func anonymous(pid int) int64 {
	dir := fmt.Sprintf("/proc/%d", pid)
	raw, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return 0 // it has ended
	}
	var total int64
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			total = kib << 10
		}
	}
	threads, _ := filepath.Glob(filepath.Join(dir, "task/*/children"))
	for _, path := range threads {
		raw, _ := os.ReadFile(path)
		for child := range strings.FieldsSeq(string(raw)) {
			if n, err := strconv.Atoi(child); err == nil {
				total += anonymous(n)
			}
		}
	}
	return total
}
