package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A root key that is rotated, lost and brought back, by each secret that opens a copy of it: the server's certificates
// stay what they are, a server without its key does not start and says what to do, and no secret is in the daemon's log.
func TestRootKeyIsRotatedLostAndRecovered(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	root := read(t, m.root())
	alex := m.person(t)
	print, _ := m.rows("status")[0]["rootFingerprint"].(string)
	first, _ := alex.row(firstPassword, "claim", "alex", "--code", m.claimCode(t), "--host", server, "--fingerprint", print, "--password-stdin")["recoveryCode"].(string)
	before := m.rows("root-key", "show")[0]
	if out := m.hearth("root-key", "rotate"); !strings.Contains(out, "new one") {
		t.Errorf("rotate prints %q", out)
	}
	after := m.rows("root-key", "show")[0]
	if before["id"] == after["id"] {
		t.Errorf("the root key is still %v", after["id"])
	}
	lost := lostKey{m: m, t: t, root: root, id: after["id"]}
	lost.comesBack(firstPassword, "0000-0000", nextPassword)
	lost.comesBack(strings.ToUpper(first))
	alex.row(firstPassword+"\n"+nextPassword, "password", "change", "--password-stdin")
	m.onePasswordCopy("alex")
	second := strings.TrimSpace(m.hearth("recovery-code", "new"))
	lost.comesBack(nextPassword, firstPassword, first)
	lost.comesBack(second, first)
	m.hearthIn(t, firstPassword, "password", "reset", "alex", "--password-stdin")
	m.onePasswordCopy("alex")
	lost.comesBack(firstPassword, nextPassword)
	for _, secret := range []string{first, second, firstPassword, nextPassword, strings.Fields(read(t, filepath.Join(m.state, "keys", "root.key")))[1]} {
		if secret == "" || strings.Contains(read(t, m.log.Name()), secret) {
			t.Errorf("%q is in the daemon's log", secret)
		}
	}
}

// onePasswordCopy waits until the password before opens no copy of the root key any more.
func (m *machine) onePasswordCopy(account string) {
	m.t.Helper()
	m.eventually(30*time.Second, "the password opens the one copy", func() error {
		copies, _ := m.rows("root-key", "show")[0]["copies"].([]any)
		of := 0
		for _, c := range copies {
			if c.(map[string]any)["account"] == account {
				of++
			}
		}
		if of != 1 {
			return fmt.Errorf("there are %v", copies)
		}
		return nil
	})
}

// lostKey loses the root key of a server.
type lostKey struct {
	m    *machine
	t    *testing.T
	root string
	id   any
}

// comesBack loses the key, wants it not to come back with the secrets that are wrong, and to come back with the right one.
func (l lostKey) comesBack(secret string, wrong ...string) {
	l.t.Helper()
	m, t := l.m, l.t
	m.kill(syscall.SIGKILL)
	if err := os.Remove(filepath.Join(m.state, "keys", "root.key")); err != nil {
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
	for _, w := range wrong {
		if out, err := bring(w); err == nil || !strings.Contains(out, "no copy of the root key opens") {
			t.Errorf("with the wrong secret %q: %v, %s", w, err, out)
		}
	}
	if out, err := bring(secret); err != nil {
		t.Fatalf("with %q: %v, %s", secret, err, out)
	}
	m.start()
	if again := m.rows("root-key", "show")[0]; again["id"] != l.id || read(t, m.root()) != l.root {
		t.Errorf("another key or root came back: %v", again)
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
