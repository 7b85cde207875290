package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// person runs the command line as somebody with a home of his own, far from the server: with no right but what he knows.
type person struct {
	m    *machine
	t    *testing.T
	home string
}

func (m *machine) person(t *testing.T) *person {
	return &person{m, t, publicDir(t)}
}

// types runs hearth with this on its standard input and answers what it printed, and the exit code.
func (p *person) types(stdin string, args ...string) (out, said string, code int) {
	p.t.Helper()
	args = append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", "env", "-u", "HEARTH_STATE", "HOME=" + p.home, "XDG_CONFIG_HOME=" + filepath.Join(p.home, "config"), p.program()}, args...)
	cmd := p.m.command("setpriv", args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	} else if err != nil {
		p.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), code
}

// program is a copy of hearth that everybody may run.
func (p *person) program() string {
	path := filepath.Join(p.home, "hearth")
	outside(p.t, "cp", "-u", filepath.Join(p.m.bin, "hearth"), path)
	outside(p.t, "chown", "65534", p.home)
	return path
}

// row is what one row of a command says.
func (p *person) row(stdin string, args ...string) map[string]any {
	p.t.Helper()
	out, said, code := p.types(stdin, append(args, "--output", "json")...)
	row := map[string]any{}
	if code != 0 || json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &row) != nil {
		p.t.Fatalf("hearth %s ends with %d: %s%s", strings.Join(args, " "), code, out, said)
	}
	return row
}

// refused wants a command to end with the reason.
func (p *person) refused(reason, stdin string, args ...string) {
	p.t.Helper()
	if out, said, code := p.types(stdin, args...); code == 0 || !strings.Contains(said, reason) {
		p.t.Errorf("hearth %s ends with %d, want %s: %s%s", strings.Join(args, " "), code, reason, out, said)
	}
}

const (
	firstPassword = "first password"
	nextPassword  = "second password"
	server        = "https://localhost:8443"
)

// The owner claims a server from afar, logs in, makes accounts and tokens, changes the password, and is helped by the one
// who reaches the machine.
func TestAccounts(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	alex, sam := m.person(t), m.person(t)
	print, _ := m.rows("status")[0]["rootFingerprint"].(string)

	t.Run("a server nobody has claimed lets nobody in", func(t *testing.T) {
		alex.t = t
		m.claimed(t, false)
		alex.refused("UNAUTHENTICATED", "", "whoami", "--host", server, "--ca", m.publicRoot(t))
		alex.refused("SERVER_UNCLAIMED", firstPassword, "login", "alex", "--host", server, "--fingerprint", print, "--password-stdin")
		alex.refused("CLAIM_CODE_WRONG", firstPassword, "claim", "alex", "--code", "aaaa-aaaa-aaaa-aaaa", "--host", server, "--fingerprint", print, "--password-stdin")
	})
	t.Run("a server that is another one is not claimed", func(t *testing.T) {
		alex.t = t
		wrong := strings.Repeat("AB:", 31) + "AB"
		alex.refused("SERVER_IDENTITY", firstPassword, "claim", "alex", "--code", m.claimCode(t), "--host", server, "--fingerprint", wrong, "--password-stdin")
		if _, said, code := alex.types(firstPassword, "claim", "alex", "--code", m.claimCode(t), "--host", server, "--password-stdin"); code != 2 || !strings.Contains(said, print) {
			t.Errorf("without a terminal: %d, %s", code, said)
		}
	})
	alex.t = t
	alex.row(firstPassword, "claim", "alex", "--code", m.claimCode(t), "--host", server, "--fingerprint", strings.ToLower(print), "--password-stdin")
	if who := alex.row("", "whoami"); who["account"] != "alex" || who["role"] != "owner" || who["credential"] != "session" {
		t.Errorf("the owner is %v", who)
	}
	m.claimed(t, true)
	sam.refused("SERVER_CLAIMED", firstPassword, "claim", "sam", "--code", "aaaa-aaaa-aaaa-aaaa", "--host", server, "--fingerprint", print, "--password-stdin")

	t.Run("roles", func(t *testing.T) {
		alex.t, sam.t = t, t
		alex.row(firstPassword, "account", "create", "sam", "--role", "viewer", "--password-stdin")
		sam.row(firstPassword, "login", "sam", "--host", server, "--fingerprint", print, "--password-stdin")
		sam.refused("PERMISSION_DENIED", "", "account", "list")
		sam.refused("PERMISSION_DENIED", "", "tokens", "create", "x", "--role", "operator")
		alex.row("", "account", "update", "sam", "--role", "operator")
		if who := sam.row("", "whoami"); who["role"] != "operator" {
			t.Errorf("sam is %v", who)
		}
		alex.refused("LAST_OWNER", "", "account", "update", "alex", "--role", "admin")
		alex.refused("LAST_OWNER", "", "account", "delete", "alex")
	})
	t.Run("passwords and sessions", func(t *testing.T) {
		alex.t = t
		second := m.person(t)
		second.row(firstPassword, "login", "alex", "--host", server, "--fingerprint", print, "--password-stdin")
		if list, _, _ := alex.types("", "sessions", "list", "--quiet"); len(strings.Fields(list)) != 2 {
			t.Errorf("sessions: %s", list)
		}
		alex.refused("LOGIN_FAILED", "wrong password\n"+nextPassword, "password", "change", "--password-stdin")
		if row := alex.row(firstPassword+"\n"+nextPassword, "password", "change", "--password-stdin"); row["ended"] != float64(1) {
			t.Errorf("the change says %v", row)
		}
		second.refused("UNAUTHENTICATED", "", "whoami")
		second.refused("LOGIN_FAILED", firstPassword, "login", "alex", "--password-stdin")
		second.row(nextPassword, "login", "alex", "--password-stdin")
		m.hearthIn(t, firstPassword, "password", "reset", "alex", "--password-stdin")
		alex.refused("UNAUTHENTICATED", "", "whoami")
		alex.row(firstPassword, "login", "alex", "--password-stdin")
	})
	t.Run("logout really ends it", func(t *testing.T) {
		one := m.person(t)
		one.row(firstPassword, "login", "sam", "--host", server, "--fingerprint", print, "--password-stdin")
		stolen := m.person(t)
		outside(t, "cp", "-a", filepath.Join(one.home, "config"), stolen.home)
		if who := stolen.row("", "whoami"); who["account"] != "sam" {
			t.Errorf("a copied profile is %v", who)
		}
		one.row("", "logout")
		stolen.refused("UNAUTHENTICATED", "", "whoami")
	})
	m.scopes(t)
	m.kill(9)
	m.start()
	alex.t = t
	if who := alex.row("", "whoami"); who["account"] != "alex" {
		t.Errorf("after a restart: %v", who)
	}
	m.otherRoot(t, alex)
	t.Run("records keep who it was", func(t *testing.T) {
		alex.t = t
		alex.row("", "account", "delete", "sam")
		for _, filter := range [][]string{
			{"--caller", "sam", "--method", "CreateToken"}, {"--caller", "alex", "--method", "DeleteAccount"}, {"--method", "Login"}, {"--caller", "local"},
		} {
			if err := m.recorded(filter...); err != nil {
				t.Error(err)
			}
		}
		if row := m.rows("audit", "--method", "DeleteAccount")[0]; row["caller"] != "alex" || len(fmt.Sprint(row["callerId"])) != 26 {
			t.Errorf("the entry is %v", row)
		}
	})
}

// claimed wants everybody to be told whether the server has an owner.
func (m *machine) claimed(t *testing.T, want bool) {
	t.Helper()
	var state struct{ Claimed *bool }
	out := m.must("curl", "-s", "--cacert", m.root(), server+"/api/v1/server/state")
	if err := json.Unmarshal([]byte(out), &state); err != nil || state.Claimed == nil || *state.Claimed != want {
		t.Errorf("the server says of itself %s (%v), want claimed: %t", out, err, want)
	}
}

// otherRoot puts a server with another root certificate in the place of the one that is pinned.
func (m *machine) otherRoot(t *testing.T, alex *person) {
	t.Helper()
	m.kill(9)
	outside(t, "sh", "-c", `rm -r "$0"/*`, filepath.Dir(m.root())) // the folder stays: somebody wants another authority
	m.start()
	print, _ := m.rows("status")[0]["rootFingerprint"].(string)
	for _, args := range [][]string{
		{"whoami"}, {"login", "alex", "--password-stdin"}, {"login", "alex", "--fingerprint", print, "--password-stdin"},
	} {
		out, said, code := alex.types(firstPassword, args...)
		if code != 5 || !strings.Contains(said, "SERVER_IDENTITY") || !strings.Contains(said, print) || !strings.Contains(said, "remove its profile and log in again") {
			t.Errorf("hearth %s with another server ends with %d: %s%s", strings.Join(args, " "), code, out, said)
		}
	}
	name := strings.TrimSpace(alex.mustType("", "profile", "list", "--quiet"))
	alex.mustType("", "profile", "remove", name)
	alex.row(firstPassword, "login", "alex", "--host", server, "--fingerprint", print, "--password-stdin")
	if who := alex.row("", "whoami"); who["account"] != "alex" {
		t.Errorf("after a new login: %v", who)
	}
}

// mustType is types for what has to succeed.
func (p *person) mustType(stdin string, args ...string) string {
	p.t.Helper()
	out, said, code := p.types(stdin, args...)
	if code != 0 {
		p.t.Fatalf("hearth %s ends with %d: %s%s", strings.Join(args, " "), code, out, said)
	}
	return out
}

// scopes tries tokens that are for something.
func (m *machine) scopes(t *testing.T) {
	m.installSample()
	someone := m.person(t)
	secret := func(args ...string) string {
		return m.rows(append([]string{"tokens", "create"}, args...)...)[0]["secret"].(string)
	}
	own := secret("own", "--role", "operator", "--package", sample)
	other := secret("other", "--role", "operator", "--package", "other")
	reads := secret("reads", "--role", "admin", "--method", "hearth.packages.v1.PackageService.ListPackages")
	to := func(token string) []string {
		return []string{"--host", "https://localhost:5961", "--ca", m.publicRoot(t), "--token", token}
	}
	with := func(token string, args ...string) []string { return append(args, to(token)...) }
	if row := someone.row("", with(own, "package", "show", sample)...); row["id"] != sample {
		t.Errorf("its own package: %v", row)
	}
	someone.refused("OUT_OF_SCOPE", "", with(other, "package", "show", sample)...)
	someone.refused("OUT_OF_SCOPE", "", with(other, "package", "stop", sample)...)
	someone.refused("OUT_OF_SCOPE", "", with(own, "system", "capabilities")...)
	someone.refused("OUT_OF_SCOPE", "", with(reads, "package", "stop", sample)...)
	for token, want := range map[string]int{own: 1, other: 0, reads: 1} {
		if out, said, code := someone.types("", with(token, "package", "list", "--quiet")...); code != 0 || len(strings.Fields(out)) != want {
			t.Errorf("lists %q, want %d (%d, %s)", out, want, code, said)
		}
	}
	for token, want := range map[string]string{own: sample, other: ""} {
		got := m.watched(t, token, `{"targets":[{"id":"t"}]}`)
		if strings.Contains(got, sample) != (want != "") || !strings.Contains(got, "bookmark") {
			t.Errorf("a watch of a scope shows %s", got)
		}
	}
}

// watched watches by REST for a moment and answers what it said.
func (m *machine) watched(t *testing.T, token, body string) string {
	t.Helper()
	cmd := m.command("curl", "-sN", "--max-time", "3", "--cacert", m.root(), "-H", "Authorization: Bearer "+token, server+"/api/v1/state:watch", "-d", body)
	out, _ := cmd.Output() // it ends by its time
	return string(out)
}

// publicRoot is a copy of the root certificate that everybody can read.
func (m *machine) publicRoot(t *testing.T) string {
	path := filepath.Join(publicDir(t), "root.crt")
	outside(t, "cp", m.root(), path)
	return path
}

// claimCode is the code the daemon printed.
func (m *machine) claimCode(t *testing.T) string {
	t.Helper()
	code := ""
	m.eventually(30*time.Second, "the daemon prints a code", func() error {
		for _, line := range strings.Split(outside(t, "cat", m.log.Name()), "\n") {
			if _, after, ok := strings.Cut(line, " claim_code="); ok && strings.Contains(line, "hearth claim") {
				code = strings.TrimSpace(after)
				return nil
			}
		}
		return errors.New("no code yet")
	})
	return code
}

// hearthIn runs the command line on the machine with this on its standard input.
func (m *machine) hearthIn(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := m.command(filepath.Join(m.bin, "hearth"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("hearth %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
