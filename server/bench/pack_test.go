package bench_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BenchmarkPack has the program pack a project whose image is a folder of a gigabyte, half of which compresses to a half,
// against mksquashfs of the same folder with the same compressor. How much memory it takes, mksquashfs with it, is
// compared with a quarter of that, for packing and for verifying what was packed.
func BenchmarkPack(b *testing.B) {
	program := filepath.Join(os.Getenv("HEARTH_BIN"), "hearth")
	for _, name := range []string{program, "mksquashfs", "node"} {
		if _, err := exec.LookPath(name); err != nil {
			b.Skipf("needs %s: %v", name, err)
		}
	}
	const size = 1 << 30
	small, large := newProject(b, program, size/4), newProject(b, program, size)
	smallPack, smallVerify := small.pack(b), small.verify(b)
	var ours, theirs, wall, cpu []float64
	var pack, verify spent
	for b.Loop() {
		plain := measured(b, "mksquashfs", large.root(), filepath.Join(b.TempDir(), "plain.squashfs"), "-noappend", "-quiet", "-no-progress",
			"-comp", "zstd", "-Xcompression-level", "9")
		pack, verify = large.pack(b), large.verify(b)
		ours = append(ours, size/pack.wall.Seconds()/1e6)
		theirs = append(theirs, size/plain.wall.Seconds()/1e6)
		wall = append(wall, plain.wall.Seconds()/pack.wall.Seconds())
		cpu = append(cpu, plain.cpu.Seconds()/pack.cpu.Seconds())
	}
	b.ReportMetric(0, "ns/op")
	report(b, median(ours), "pack-MB/s")
	report(b, median(theirs), "mksquashfs-MB/s")
	report(b, median(wall), "ratio-wall")
	report(b, median(cpu), "ratio-cpu")
	for name, s := range map[string]spent{"small-pack": smallPack, "small-verify": smallVerify, "large-pack": pack, "large-verify": verify} {
		report(b, float64(s.anonymous)/(1<<20), name+"-MiB")
	}
}

// packed is a project to pack.
type packed struct{ dir, program string }

func (p packed) root() string { return filepath.Join(p.dir, "images/x86_64/main.rootfs") }

func (p packed) pack(b *testing.B) spent {
	b.Helper()
	return measured(b, p.program, "s9pk", "pack", p.dir, "--key", filepath.Join(p.dir, "key.pem"), "--out", filepath.Join(p.dir, "out.s9pk"))
}

func (p packed) verify(b *testing.B) spent {
	b.Helper()
	return measured(b, p.program, "s9pk", "verify", filepath.Join(p.dir, "out.s9pk"))
}

// newProject makes a project whose image has files of a megabyte.
func newProject(b *testing.B, program string, size int) packed {
	b.Helper()
	p := packed{b.TempDir(), program}
	put := func(name string, raw []byte) {
		path := filepath.Join(p.dir, name)
		must(b, os.MkdirAll(filepath.Dir(path), 0o755))
		must(b, os.WriteFile(path, raw, 0o644))
	}
	put("LICENSE", []byte("free"))
	put("instructions.md", []byte("do"))
	put("icon.svg", []byte("<svg/>"))
	put("javascript/index.js", []byte(`exports.manifest = {id: "large", version: "1.0.0:0", canMigrateTo: "!", canMigrateFrom: "*", title: "Large",
description: {short: "s", long: "l"}, releaseNotes: "r", license: "MIT", upstreamRepo: "https://example.com/u", packageRepo: "https://example.com/p",
osVersion: "0.4.0", sdkVersion: null, images: {main: {source: {dockerTag: "x"}, arch: ["x86_64"], emulateMissingAs: null}}, volumes: [],
dependencies: {}, hardwareRequirements: {device: [], ram: null, arch: null}}`))
	const file = 1 << 20
	for i := range size / file {
		random := make([]byte, file/2)
		_, _ = rand.Read(random)
		text := hex.AppendEncode(nil, random[:file/4])
		put(fmt.Sprintf("images/x86_64/main.rootfs/%d/%d", i%16, i), bytes.Join([][]byte{random, text}, nil))
	}
	must(b, exec.Command(program, "keys", "init", "--key", filepath.Join(p.dir, "key.pem")).Run())
	return p
}
