package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// at answers the https address on this machine of an interface.
func (m *machine) at(pkg, iface string) string {
	m.t.Helper()
	for _, row := range m.rows("package", "addresses", pkg) {
		if row["kind"] == "localhost" && row["ssl"] == true && row["interfaceId"] == iface {
			return row["url"].(string)
		}
	}
	m.t.Fatalf("the interface %s of %s has no https address on this machine", iface, pkg)
	return ""
}

// fetch gets a page with more flags of curl, and answers its status and what is in it.
func (m *machine) fetch(url string, flags ...string) (status, body string) {
	m.t.Helper()
	args := append([]string{"-sS", "--cacert", m.root(), "-w", "\n%{http_code}", url}, flags...)
	out := m.must("curl", args...)
	i := strings.LastIndexByte(out, '\n')
	return out[i+1:], out[:i]
}

// A package puts a gate before its page, and has the certificate of its page looked at: the door does both, and the secrets
// are seen nowhere.
func TestAGateAndTheCertificateOfAService(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", filepath.Join(m.bin, friend+".s9pk"))
	m.healthy(friend)
	basic, bearer := m.at(friend, "basic"), m.at(friend, "bearer")
	m.eventually(30*time.Second, "the gate stands", func() error {
		if status, body := m.fetch(basic); status != "401" {
			return fmt.Errorf("it answers %s %s", status, body)
		}
		return nil
	})
	const forged = "X-Forwarded-User: root"
	for what, c := range map[string]struct {
		url, want, text string
		flags           []string
	}{
		"nothing":                   {basic, "401", "", nil},
		"a wrong password":          {basic, "401", "", []string{"-u", "ada:sesame"}},
		"the password":              {basic, "200", "user=ada proto=", []string{"-u", "ada:open sesame", "-H", forged}},
		"no token":                  {bearer, "401", "", []string{"-u", "ada:open sesame"}},
		"the token":                 {bearer, "200", "user= proto=", []string{"-H", "Authorization: Bearer open barley", "-H", forged}},
		"no gate":                   {m.at(friend, "ui"), "200", "hello from a friend", nil},
		"a closed gate":             {m.at(friend, "closed"), "401", "", []string{"-H", "Authorization: Bearer open barley"}},
		"a certificate":             {m.at(friend, "checked"), "200", "user= proto=https", []string{"-H", forged}},
		"a pinned one":              {m.at(friend, "pinned"), "200", "proto=https", nil},
		"another pinned one":        {m.at(friend, "mistaken"), "502", "", nil},
		"one that is not looked at": {m.at(friend, "unchecked"), "200", "proto=https", nil},
	} {
		status, body := m.fetch(c.url, c.flags...)
		if status != c.want || !strings.Contains(body, c.text) || status != "200" && strings.Contains(body, "hello") {
			t.Errorf("with %s: %s %s, want %s with %q", what, status, body, c.want, c.text)
		}
	}
	if _, body := m.fetch(basic, "-D", "-"); !strings.Contains(body, `Basic realm="Friend"`) && !strings.Contains(body, `basic realm="Friend"`) {
		t.Errorf("the challenge is %s", body)
	}
	for _, row := range m.rows("package", "addresses", friend) {
		if row["interfaceId"] == "basic" && row["ssl"] != true && row["kind"] != "localhost" && row["kind"] != "bridge" {
			t.Errorf("there is a way around the gate: %v", row)
		}
	}
	watch := m.stream("watch")
	m.eventually(30*time.Second, "the watch has told all", func() error {
		if mark, _ := bookmark(watch.all()); mark == "" {
			return errors.New("not yet")
		}
		return nil
	})
	said := fmt.Sprint(watch.end()) + m.read(m.log.Name())
	for _, secret := range []string{"open sesame", "sesame", "open barley"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is told", secret)
		}
		found, _ := m.run("grep", "-rlF", secret, filepath.Join(m.state, "store"), m.state+"/logs")
		if found != "" {
			t.Errorf("%q is in %s", secret, found)
		}
	}
}

func (m *machine) read(path string) string {
	m.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(raw)
}
