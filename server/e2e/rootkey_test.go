package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A root key that is rotated, lost and brought back: the server's certificates stay what they are, a server without its
// key does not start and says what to do, and neither code nor keys are in the daemon's log.
func TestRootKeyIsRotatedLostAndRecovered(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	root := read(t, m.root())
	code := strings.TrimSpace(m.hearth("recovery-code", "new"))
	before := m.rows("root-key", "show")[0]
	if out := m.hearth("root-key", "rotate"); !strings.Contains(out, "new one") {
		t.Errorf("rotate prints %q", out)
	}
	after := m.rows("root-key", "show")[0]
	if before["id"] == after["id"] {
		t.Errorf("the root key is still %v", after["id"])
	}
	m.kill(syscall.SIGKILL)

	keys := filepath.Join(m.state, "keys")
	if err := os.Remove(filepath.Join(keys, "root.key")); err != nil {
		t.Fatal(err)
	}
	hearthd := filepath.Join(m.bin, "hearthd")
	if out, err := m.command(hearthd, "--state", m.state, "--bin", m.bin).CombinedOutput(); err == nil || !strings.Contains(string(out), "hearthd key recover") {
		t.Fatalf("without its root key: %v, %s", err, out)
	}
	bring := func(secret string) (string, error) {
		cmd := exec.Command(hearthd, "key", "recover", "--state", m.state)
		cmd.Stdin = strings.NewReader(secret + "\n")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := bring("0000-0000"); err == nil || !strings.Contains(out, "no copy of the root key opens") {
		t.Errorf("with a wrong code: %v, %s", err, out)
	}
	if out, err := bring(strings.ToUpper(code)); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	m.start()
	if again := m.rows("root-key", "show")[0]; again["id"] != after["id"] || read(t, m.root()) != root {
		t.Errorf("another key or root came back: %v", again)
	}
	for _, secret := range []string{code, strings.Fields(read(t, filepath.Join(keys, "root.key")))[1]} {
		if strings.Contains(read(t, m.log.Name()), secret) {
			t.Error("a secret is in the daemon's log")
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
