package e2e

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Secrets go through real calls, also wrong ones; then everything that the server prints, shows or keeps readable is
// searched for them.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start("--log", "debug")
	all := m.stream("watch")
	alex := m.person(t)
	print, _ := m.rows("status")[0]["rootFingerprint"].(string)
	const oldPassword, newPassword, wrongPassword = "canary of an old password", "canary of a new password", "canary of a wrong password"
	canaries := map[string]string{
		"password": oldPassword, "new password": newPassword, "wrong password": wrongPassword, "wrong claim code": "cana-ryof-acla-im00",
	}
	claimCode := m.claimCode(t) // printed for people until the claim, and worth nothing after it
	alex.refused("CLAIM_CODE_WRONG", oldPassword, "claim", "alex", "--code", canaries["wrong claim code"], "--host", server, "--fingerprint", print, "--password-stdin")
	claim := alex.row(oldPassword, "claim", "alex", "--code", claimCode, "--host", server, "--fingerprint", print, "--password-stdin")
	canaries["recovery code of the claim"], _ = claim["recoveryCode"].(string)
	canaries["session"] = alex.session(t)
	alex.refused("LOGIN_FAILED", wrongPassword, "login", "alex", "--host", server, "--fingerprint", print, "--password-stdin")
	alex.row(oldPassword+"\n"+newPassword, "password", "change", "--password-stdin")
	canaries["cookie"], canaries["half"] = m.browserHalves(t, newPassword)
	canaries["recovery code"] = strings.TrimSpace(m.hearth("recovery-code", "new"))
	_, canaries["token"] = m.token("canary", "viewer")
	canaries["upload ticket"], _ = m.rows("api", "hearth.packages.v1.PackageService.CreateUpload", `{"size":"1000000"}`)[0]["ticket"].(string)
	key := strings.Fields(read(t, filepath.Join(m.state, "keys", "root.key")))
	canaries["root key"] = key[len(key)-1]
	const input, wrong = "canary-in-an-input-77aa", "hearth_canary-of-a-wrong-token-88bb"
	canaries["input of an action"], canaries["wrong token"] = input, wrong
	said := ""
	for _, args := range [][]string{
		{"package", "action", "run", "nothing", "set", "--input", `{"password":"` + input + `"}`},
		{"--token", wrong, "status"},
		{"--token", canaries["token"], "system", "shutdown"},
		{"--token", canaries["token"], "audit"},
	} {
		out, err := m.tryHearth(args...)
		if err == nil {
			t.Errorf("%v was done", args[2:])
			continue
		}
		// What the command line was given is in the error of the test, after its own text.
		_, answer, _ := strings.Cut(err.Error(), "\n")
		said += out + answer
	}
	m.hearth("root-key", "rotate")
	key = strings.Fields(read(t, filepath.Join(m.state, "keys", "root.key")))
	canaries["new root key"] = key[len(key)-1]
	watched, err := json.Marshal(all.end())
	if err != nil || len(watched) < 100 {
		t.Fatalf("the watch has shown %s, %v", watched, err)
	}
	report := filepath.Join(t.TempDir(), "report.tar.gz")
	m.hearth("bugreport", report)
	places := map[string]string{
		"bug report": m.must("tar", "-xzOf", report), "metrics": m.must("curl", "-s", "--unix-socket", filepath.Join(m.state, "hearthd.sock"), "http://hearth/metrics"),
		"sessions": m.hearth("sessions", "list", "--all", "--output", "json"), "accounts": m.hearth("account", "list", "--output", "json"),
		"watch by REST":     m.watchedLocally("/api/v1/state:watch", "application/json", []byte(watchAll)),
		"watch by Connect":  m.watchedLocally(watchPath, "application/connect+json", enveloped([]byte(watchAll))),
		"watch by gRPC-Web": m.watchedLocally(watchPath, "application/grpc-web+proto", enveloped(m.encoded(watchAll))),
		"caller":            alex.shown("whoami"), "openapi": m.must("curl", "-s", "--unix-socket", filepath.Join(m.state, "hearthd.sock"), "http://hearth/openapi.json"),
		"answers": said, "watch": string(watched), "audit": m.hearth("audit", "--output", "json"),
		"tokens": m.hearth("tokens", "list", "--output", "json"), "root key": m.hearth("root-key", "show", "--output", "json"),
		"operations": m.hearth("operations", "--output", "json"), "log": read(t, m.log.Name()),
		"process": m.must("sh", "-c", "tr '\\0' '\\n' < /proc/$(pgrep -f 'hearthd --state "+m.state+"' | head -n 1)/cmdline"),
	}
	err = filepath.WalkDir(filepath.Join(m.state), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Base(path) != "root.key" {
			places[path] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"account", "operation", "package", "audit", "warning"} {
		places["get "+kind] = m.hearth("get", kind, "--output", "json")
	}
	for _, place := range []string{"bug report", "metrics", "watch by REST", "watch by Connect", "watch by gRPC-Web", "get audit", "log"} {
		if len(places[place]) < 100 {
			t.Errorf("%s says but %q", place, places[place])
		}
	}
	for place, text := range places {
		for what, canary := range canaries {
			if canary == "" || strings.Contains(text, canary) {
				t.Errorf("the %s (%d bytes) is in %s", what, len(canary), place)
			}
		}
	}
}

// session is the secret that the command line keeps for a person.
func (p *person) session(t *testing.T) string {
	t.Helper()
	secret := ""
	err := filepath.WalkDir(filepath.Join(p.home, "config"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			secret = regexp.MustCompile(`hearth_ses_[a-zA-Z0-9_-]+`).FindString(read(t, path) + secret)
		}
		return err
	})
	if err != nil || secret == "" {
		t.Fatalf("no session is kept: %v", err)
	}
	return secret
}

// shown is what a command prints, whatever comes of it.
func (p *person) shown(args ...string) string {
	p.t.Helper()
	out, said, _ := p.types("", args...)
	return out + said
}

// browserHalves logs a browser in and answers both halves of its secret.
func (m *machine) browserHalves(t *testing.T, password string) (cookie, half string) {
	t.Helper()
	body := filepath.Join(t.TempDir(), "login.json")
	if err := os.WriteFile(body, []byte(`{"account":"alex","password":"`+password+`","client":"CLIENT_BROWSER"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out := m.must("curl", "-si", "--http1.1", "--cacert", m.root(), "-H", "Origin: "+server, "-H", "Sec-Fetch-Site: same-origin",
		"-H", "Content-Type: application/json", "--data-binary", "@"+body, server+"/api/v1/sessions:login")
	set := regexp.MustCompile(`(?i)set-cookie: [^=]+=[a-z0-9]+\.([^;]+);`).FindStringSubmatch(out)
	secret := regexp.MustCompile(`"secret":"([^"]+)"`).FindStringSubmatch(out)
	if set == nil || secret == nil {
		t.Fatalf("the login answers %s", out)
	}
	return set[1], secret[1]
}

const (
	watchPath = "/hearth.state.v1.StateService/Watch"
	watchAll  = `{"targets":[{"id":"all","selectors":[{}]}]}`
)

// enveloped is a message of a stream of Connect or gRPC-Web.
func enveloped(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// encoded is the request of a watch as protobuf.
func (m *machine) encoded(request string) []byte {
	m.t.Helper()
	var req statev1.WatchRequest
	if err := protojson.Unmarshal([]byte(request), &req); err != nil {
		m.t.Fatal(err)
	}
	raw, err := proto.Marshal(&req)
	if err != nil {
		m.t.Fatal(err)
	}
	return raw
}

// watchedLocally is what a watch of everything says on the local socket by one of the web's wires.
func (m *machine) watchedLocally(path, contentType string, body []byte) string {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "request")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		m.t.Fatal(err)
	}
	cmd := m.command("curl", "-sN", "--max-time", "2", "--unix-socket", filepath.Join(m.state, "hearthd.sock"), "-H", "Content-Type: "+contentType,
		"http://hearth"+path, "--data-binary", "@"+file)
	out, _ := cmd.Output() // it ends by its time
	return string(out)
}
