package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// A package whose image is for another architecture is refused where nothing emulates it, and runs where something does.
func TestAnImageForAnotherArchitecture(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("the image is for aarch64, and so may this machine be")
	}
	file := m.packForeign()
	m.start()
	m.must("sh", "-c", "mountpoint -q /proc/sys/fs/binfmt_misc && umount /proc/sys/fs/binfmt_misc || true")
	if out, err := m.tryHearth("package", "install", file); err == nil || !strings.Contains(err.Error()+out, "HARDWARE_UNFIT") {
		t.Errorf("without an emulator it is not refused: %v\n%s", err, out)
	}
	if rows := m.rows("package", "list"); len(rows) > 0 {
		t.Errorf("something is left of the refusal: %v", rows)
	}
	testenv.Require(t, "emulator")
	m.emulate()
	m.hearth("package", "install", file)
	m.healthy(sample)
	head := m.must("curl", "-sSI", "--fail", "--max-time", "30", "--cacert", m.root(), m.address(sample))
	if !strings.Contains(strings.ToLower(head), "x-architecture: arm64") {
		t.Errorf("its page does not come from a program of another architecture:\n%s", head)
	}
}

// emulate has the kernel give programs for aarch64 to the emulator, as its Debian package does, until the end of the test.
func (m *machine) emulate() {
	m.t.Helper()
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		m.t.Fatal(err)
	}
	const magic = `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`
	const mask = `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
	m.must("mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc")
	if _, err := m.run("test", "-e", "/proc/sys/fs/binfmt_misc/qemu-aarch64"); err == nil {
		return // the machine has it
	}
	m.must("sh", "-c", `printf '%s' "$0" > /proc/sys/fs/binfmt_misc/register`, ":qemu-aarch64:M::"+magic+":"+mask+":"+emulator+":F")
	m.t.Cleanup(func() { m.must("sh", "-c", "echo -1 > /proc/sys/fs/binfmt_misc/qemu-aarch64") })
}

// packForeign is the sample with an image for aarch64 alone, whose web server is written in Go.
func (m *machine) packForeign() string {
	m.t.Helper()
	dir := m.t.TempDir()
	root := filepath.Join(dir, "image")
	for _, sub := range []string{"usr/sbin", "usr/bin", "etc", "data", "proc", "sys", "dev", "tmp", "run"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
	build := exec.CommandContext(m.t.Context(), "go", "build", "-trimpath", "-o", root+"/usr/sbin/lighttpd", "./testdata/foreign")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	if out, err := build.CombinedOutput(); err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Symlink("../sbin/lighttpd", root+"/usr/bin/chown"); err != nil {
		m.t.Fatal(err)
	}
	image := filepath.Join(dir, "image.squashfs")
	m.must("mksquashfs", root, image, "-noappend", "-quiet", "-no-progress", "-all-root")
	squashed, err := os.ReadFile(image)
	if err != nil {
		m.t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(m.bin, sample+".s9pk"))
	if err != nil {
		m.t.Fatal(err)
	}
	file, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	members := map[string]merkle.Source{}
	for e := range file.All() {
		if e.Kind != merkle.File || e.Path == s9pk.PathManifest {
			continue
		}
		content, err := file.ReadFile(e.Path, 1<<30)
		if err != nil {
			m.t.Fatal(err)
		}
		if strings.HasSuffix(e.Path, "/main.squashfs") {
			content = squashed
		}
		members[strings.Replace(e.Path, "images/x86_64/", "images/aarch64/", 1)] = s9pk.FromBytes(content)
	}
	before, after := []byte(`"arch":["x86_64"],"emulateMissingAs":"x86_64"`), []byte(`"arch":["aarch64"],"emulateMissingAs":"aarch64"`)
	if !bytes.Contains(file.ManifestJSON(), before) {
		m.t.Fatalf("the manifest has another form: %s", file.ManifestJSON())
	}
	var out bytes.Buffer
	_, err = s9pk.Build(m.t.Context(), &out, s9pk.BuildInput{
		Manifest: bytes.Replace(file.ManifestJSON(), before, after, 1), Members: members, Key: sign.FromSeed([32]byte{9}),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	path := filepath.Join(dir, "foreign.s9pk")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}
