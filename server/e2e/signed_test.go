package e2e

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A program signs its calls with a key the server knows: on the socket, over native gRPC and through the front door,
// unary and as a watch, also right after a restart of the server; and no more once the key is removed.
func TestSignedCalls(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.hearth("api", "AccountService.ClaimServer", `{"account":"ada","password":"a long password"}`)
	key := filepath.Join(filepath.Dir(m.state), "ada.key.pem")
	m.hearth("keys", "init", "--key", key)
	if _, err := m.tryHearth("--sign-with", key, "status"); err == nil {
		t.Error("a key nobody added is accepted")
	}
	m.hearth("account", "keys", "add", "laptop", key, "--account", "ada")
	id := m.rows("account", "keys", "list")[0]["id"].(string)
	hosts := [][]string{{}, {"--host", "https://127.0.0.1:5961", "--ca", m.root()}, {"--host", "https://localhost:8443", "--ca", m.root()}}
	for _, host := range hosts {
		args := append([]string{"--sign-with", key}, host...)
		m.eventually(30*time.Second, "a signed call is answered", func() error {
			_, err := m.tryHearth(append(args, "account", "keys", "list")...)
			return err
		})
		if out := m.hearth(append(args, "api", "AccountService.GetCaller")...); !strings.Contains(out, "ada") || !strings.Contains(strings.ToLower(out), "key") {
			t.Errorf("%v: the caller is %s", host, out)
		}
		if out := m.hearth(append(args, "recovery-code", "new")...); len(out) < 30 {
			t.Errorf("%v: a fresh proof is answered by %q", host, out)
		}
	}
	m.kill(syscall.SIGKILL)
	m.start()
	started := time.Now()
	m.hearth("--sign-with", key, "account", "keys", "list")
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("after the restart a signed call waits %v", took)
	}
	watch := m.stream("--sign-with", key, "watch", "audit")
	m.eventually(30*time.Second, "a signed watch shows something", func() error {
		if len(watch.all()) == 0 {
			return errNothingYet
		}
		return nil
	})
	m.hearth("account", "keys", "remove", id)
	m.eventually(30*time.Second, "the watch has ended with its key", func() error {
		if watch.alive() {
			return errNothingYet
		}
		return nil
	})
}

var errNothingYet = errors.New("nothing yet")
