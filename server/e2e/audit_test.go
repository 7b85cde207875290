package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is done leaves an entry that can be listed and watched, also what was refused, and what a kill came upon.
func TestAudit(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	followed := m.stream("audit", "--follow")
	_, secret := m.token("script", "viewer")
	if _, err := m.tryHearth("--token", secret, "system", "shutdown"); err == nil {
		t.Fatal("a viewer stopped the server")
	}
	m.eventually(30*time.Second, "the refusal is recorded", func() error {
		return m.recorded("--outcome", "refused", "--method", "Shutdown")
	})
	m.hearth("recovery-code", "new")
	m.kill(syscall.SIGKILL)
	m.start()
	for _, want := range []string{"CreateToken", "CreateRecoveryCode", "Shutdown"} {
		if err := m.recorded("--method", want); err != nil {
			t.Error(err)
		}
	}
	out := m.hearth("audit", "--output", "json")
	if strings.Contains(out, secret) {
		t.Error("a token is in the audit log")
	}
	m.eventually(30*time.Second, "the watch has shown the entries", func() error {
		if rows := followed.all(); len(rows) < 3 {
			return fmt.Errorf("it has shown %v", rows)
		}
		return nil
	})
	if out := m.hearth("audit", "--since", "1h", "--caller", "local"); strings.Count(out, "\n") < 3 {
		t.Errorf("a table of\n%s", out)
	}
}

// recorded is an error unless an entry matches.
func (m *machine) recorded(filter ...string) error {
	if rows := m.rows(append([]string{"audit"}, filter...)...); len(rows) == 0 {
		return fmt.Errorf("there is no entry %v", filter)
	}
	return nil
}
