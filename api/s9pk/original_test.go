package s9pk_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/api/s9pk"
)

// original runs the original's own command line tool, which stands in the folder STARTOS_TOOLS names.
func original(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	dir := os.Getenv("STARTOS_TOOLS")
	if dir == "" {
		t.Skip("needs the original's start-cli: STARTOS_TOOLS is not set")
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "start-cli"), args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Logf("start-cli %v: %v: %s", args, err, stderr.Bytes())
	}
	return out, err
}

func save(t *testing.T, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.s9pk")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The original's convert reads and verifies every byte of a package and writes it in its own order of priority.
func TestOriginalVerifiesAndKeepsWhatWeWrite(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "packed-order.s9pk"))
	large := buildLarge(t, 3<<20)
	for name, raw := range map[string][]byte{
		"built":       build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members(t, f), Key: testKey()}),
		"large":       large,
		"rewritten":   rewrite(t, open(t, testdata(t, "real-images.s9pk")), nil, s9pk.Priority),
		"one machine": filtered(t, "real-images.s9pk", "x86_64"),
		"emulating":   filtered(t, "real-images.s9pk", "aarch64"),
	} {
		path := save(t, raw)
		commitment, err := original(t, "s9pk", "inspect", path, "commitment", "--format", "json")
		if err != nil {
			t.Fatalf("%s: inspect refuses it", name)
		}
		var c s9pk.Commitment
		if err := json.Unmarshal(commitment, &c); err != nil || c != open(t, raw).Commitment() {
			t.Errorf("%s: the original sees %s, %v", name, commitment, err)
		}
		if _, err := original(t, "s9pk", "convert", path); err != nil {
			t.Fatalf("%s: convert refuses it", name)
		}
		converted, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(converted, raw) {
			t.Errorf("%s: the original writes the same package otherwise, %v", name, err)
		}
	}
}

func TestOriginalOrdersByPriorityAsWeDo(t *testing.T) {
	t.Parallel()
	for _, name := range packages {
		raw := testdata(t, name)
		path := save(t, raw)
		if _, err := original(t, "s9pk", "convert", path); err != nil {
			t.Fatalf("%s: convert refuses it", name)
		}
		converted, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(converted, rewrite(t, open(t, raw), nil, s9pk.Priority)) {
			t.Errorf("%s: the original orders it otherwise, %v", name, err)
		}
	}
}

func TestOriginalReadsTheSameManifest(t *testing.T) {
	t.Parallel()
	raw := manifestWith(t, map[string]any{"version": "#knots:29.0.0-rc1:0", "canMigrateFrom": "^1.2 || (~3 !=3.0.1:0)"})
	f := open(t, testdata(t, "real-images.s9pk"))
	path := save(t, build(t, s9pk.BuildInput{Manifest: raw, Members: members(t, f), Key: testKey()}))
	got, err := original(t, "s9pk", "inspect", path, "manifest", "--format", "json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := s9pk.ParseManifest(raw)
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Encode()
	if err != nil || !bytes.Equal(bytes.TrimSpace(got), want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func filtered(t *testing.T, name, arch string) []byte {
	t.Helper()
	f := open(t, testdata(t, name))
	keep, err := f.Layout(arch)
	if err != nil {
		t.Fatal(err)
	}
	return rewrite(t, f, keep, s9pk.Priority)
}
