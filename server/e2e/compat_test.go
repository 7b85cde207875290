package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// compatFile is the file of a public package that server/compat/run has built; the test is skipped where there is none.
func compatFile(t *testing.T, id string) string {
	t.Helper()
	dir := os.Getenv("HEARTH_COMPAT_PACKAGES")
	if dir == "" {
		t.Skip("needs public packages: make compat PACKAGES_DIR=…")
	}
	path := filepath.Join(dir, id+".s9pk")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not among the packages that were built", id)
	}
	return path
}

// lan gives the machine an address on a network of its own, for packages that want one that is not local.
func (m *machine) lan() {
	m.t.Helper()
	m.must("sh", "-c", `ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 up &&
		ip addr add 192.168.77.2/24 dev lan0 && ip route add default via 192.168.77.1`)
}

// curl asks with the server's root certificate.
func (m *machine) curl(args ...string) string {
	m.t.Helper()
	return m.must("curl", append([]string{"-sS", "--fail", "--max-time", "20", "--cacert", m.root()}, args...)...)
}

// runAction runs an action and returns its result.
func (m *machine) runAction(pkg, id, input string) string {
	m.t.Helper()
	args := []string{"package", "action", "run", pkg, id, "--output", "json"}
	if input != "" {
		args = append(args, "--input", input)
	}
	return m.hearth(args...)
}

// member finds the value of the member with this name in the result of an action.
func member(t *testing.T, result, name string) string {
	t.Helper()
	var found string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if n, _ := v["name"].(string); strings.EqualFold(n, name) {
				found, _ = v["value"].(string)
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	var v any
	if err := json.Unmarshal([]byte(result), &v); err != nil {
		t.Fatal(err)
	}
	if walk(v); found == "" {
		t.Fatalf("the result has no member %q: %s", name, result)
	}
	return found
}

// finish removes a package and checks that nothing of it stays.
func (m *machine) finish(t *testing.T, pkg string) {
	t.Helper()
	m.hearth("package", "uninstall", pkg, "--yes")
	m.leftNothing(t)
}

func TestCompatHelloWorld(t *testing.T) {
	t.Parallel()
	file := compatFile(t, "hello-world")
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", file)
	m.healthy("hello-world")
	if page := m.curl(m.address("hello-world")); !strings.Contains(page, "Hello") {
		t.Errorf("the page says:\n%s", page)
	}
	m.hearth("package", "restart", "hello-world")
	m.healthy("hello-world")
	m.curl(m.address("hello-world"))
	m.finish(t, "hello-world")
}

// File Browser does not start before its critical task, and keeps what people upload.
func TestCompatFileBrowser(t *testing.T) {
	t.Parallel()
	file := compatFile(t, "filebrowser")
	m := newMachine(t)
	m.start()
	m.hearth("package", "install", file)
	if _, err := m.tryHearth("package", "start", "filebrowser"); err == nil || !strings.Contains(err.Error(), "TASK_BLOCKS_START") {
		t.Errorf("started before its critical task: %v", err)
	}
	password := member(t, m.runAction("filebrowser", "reset-admin-user", ""), "Password")
	m.hearth("package", "start", "filebrowser")
	m.healthy("filebrowser")
	page := m.address("filebrowser")
	login := func() string {
		body, _ := json.Marshal(map[string]string{"username": "admin", "password": password, "recaptcha": ""})
		return m.curl("-X", "POST", "-H", "Content-Type: application/json", "-d", string(body), page+"/api/login")
	}
	m.curl("-X", "POST", "-H", "X-Auth: "+login(), "-d", "kept by Hearth", page+"/api/resources/note.txt?override=true")
	m.hearth("package", "restart", "filebrowser")
	m.healthy("filebrowser")
	if got := m.curl("-H", "X-Auth: "+login(), page+"/api/raw/note.txt"); got != "kept by Hearth" {
		t.Errorf("after a restart the file holds %q", got)
	}
	m.finish(t, "filebrowser")
}

// Gitea takes its own address from the host's, makes its first user by an action, and keeps its repositories.
func TestCompatGitea(t *testing.T) {
	t.Parallel()
	file := compatFile(t, "gitea")
	m := newMachine(t)
	m.lan()
	m.start()
	m.hearth("package", "install", file)
	var form struct {
		Spec struct {
			URL struct {
				Values map[string]string `json:"values"`
			} `json:"url"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(m.hearth("package", "action", "input", "gitea", "set-primary-url")), &form); err != nil {
		t.Fatal(err)
	}
	var page string
	for u := range form.Spec.URL.Values {
		if strings.HasPrefix(u, "https://") {
			page = strings.TrimSuffix(u, "/")
		}
	}
	if page == "" {
		t.Fatalf("the form offers no https address: %v", form.Spec.URL.Values)
	}
	m.runAction("gitea", "set-primary-url", fmt.Sprintf(`{"url":%q}`, page))
	m.hearth("package", "start", "gitea", "--no-wait")
	m.healthy("gitea")
	password := member(t, m.runAction("gitea", "create-admin", `{"username":"ada","email":"ada@example.com"}`), "Password")
	repos := func(method, path string, more ...string) string {
		return m.curl(append([]string{"-u", "ada:" + password, "-X", method, "-H", "Content-Type: application/json", page + path}, more...)...)
	}
	repos("POST", "/api/v1/user/repos", "-d", `{"name":"first","auto_init":true}`)
	m.hearth("package", "restart", "gitea", "--no-wait")
	m.eventually(90*time.Second, "the repository is there after a restart", func() error {
		_, err := m.run("curl", "-sS", "--fail", "--max-time", "5", "--cacert", m.root(), "-u", "ada:"+password, page+"/api/v1/repos/ada/first")
		return err
	})
	clone := filepath.Join(t.TempDir(), "first")
	at := strings.Replace(page, "https://", "https://ada:"+url.QueryEscape(password)+"@", 1)
	m.must("env", "GIT_SSL_CAINFO="+m.root(), "git", "clone", "-q", at+"/ada/first.git", clone)
	if _, err := os.Stat(filepath.Join(clone, "README.md")); err != nil {
		t.Errorf("the clone is empty: %v", err)
	}
	m.finish(t, "gitea")
}
