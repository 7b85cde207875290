package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hearthos/hearth/server/internal/testenv"
)

// A person walks through the page of a server with real services, on a desktop and then on a phone, in a browser that trusts
// the server's root. What is done is in clients/web/test; the journeys on a played machine, in server/e2e/page, are longer.
func TestThePageOfRealServices(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "node", "browser")
	m := newMachine(t)
	m.start()
	for _, pkg := range []string{friend, probe} {
		m.hearth("package", "install", filepath.Join(m.bin, pkg+".s9pk"))
	}
	m.healthy(probe)
	m.supply()
	m.must("sh", "-c", `printf 'correct horse battery\ncorrect horse battery\n' | "$0" claim alex --password-stdin`, m.cli)
	home := t.TempDir()
	m.trust(home)
	for _, look := range []map[string]any{
		{"width": 1280, "height": 800, "scheme": "dark"},
		{"width": 390, "height": 844, "scheme": "light", "phone": true},
	} {
		look["base"], look["services"], look["shots"] = "https://localhost:8443", true, os.Getenv("HEARTH_SHOTS")
		look["trusting"], look["first"], look["next"], look["version"] = home, m.first(), m.next(), m.versionOf(m.next())
		m.walk("real.mjs", look)
		m.leftNothingOf(sample)
	}
}

// trust has the user of a home trust the server's root as a person does: in the database of the user's certificates.
func (m *machine) trust(home string) {
	m.t.Helper()
	db := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		m.t.Fatal(err)
	}
	m.must("certutil", "-d", "sql:"+db, "-N", "--empty-password")
	m.must("certutil", "-d", "sql:"+db, "-A", "-t", "C,,", "-n", "Hearth", "-i", m.root())
}

// supply has the probe supply an address for the friend.
func (m *machine) supply() {
	m.t.Helper()
	words := `[{"effect":"plugin.url.register","params":{"tableAction":"look"}},{"effect":"plugin.url.export-url","params":{"hostnameInfo":` +
		`{"packageId":"` + friend + `","hostId":"ui","internalPort":8080,"ssl":false,"public":true,"hostname":"abc.onion","port":80,"info":null},"removeAction":"look","overflowActions":[]}}]`
	input, err := json.Marshal(map[string]string{"words": words})
	if err != nil {
		m.t.Fatal(err)
	}
	m.hearth("package", "action", "run", probe, "calls", "--input", string(input))
}

// versionOf is the version of a package file.
func (m *machine) versionOf(file string) string {
	m.t.Helper()
	var manifest struct{ Version string }
	if err := json.Unmarshal([]byte(m.hearth("s9pk", "manifest", file)), &manifest); err != nil {
		m.t.Fatal(err)
	}
	return manifest.Version
}

// leftNothingOf checks that no data of a package are left.
func (m *machine) leftNothingOf(pkg string) {
	m.t.Helper()
	for _, dir := range []string{"volumes", "upper"} {
		if _, err := os.Stat(filepath.Join(m.state, dir, pkg)); err == nil {
			m.t.Errorf("left behind: %s/%s", dir, pkg)
		}
	}
}

// walk runs a script in the browser's driver. By "restart" it has the daemon killed and the next one started; anything else that it
// prints, but for its end, is a failure.
func (m *machine) walk(script string, values map[string]any) {
	m.t.Helper()
	given, err := json.Marshal(values)
	if err != nil {
		m.t.Fatal(err)
	}
	path, err := filepath.Abs(filepath.Join("../../clients/web/test", script))
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := m.command("node", path, string(given))
	in, err := cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	done := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); line {
		case "restart":
			m.kill(syscall.SIGKILL)
			m.start()
		case "done":
			done = true
		default:
			m.t.Error(line)
		}
		io.WriteString(in, "\n")
	}
	if err := cmd.Wait(); err != nil || !done {
		m.t.Errorf("%s ended with %v\n%s", script, err, complaints.String())
	}
}
