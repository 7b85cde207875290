package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// compat is a public package that server/compat/run has built, and what was seen of it so far.
type compat struct {
	t     *testing.T
	file  string
	steps map[string]string
}

// newCompat is skipped where the package was not built. What was seen is written beside the package file, also when the
// test ends at a step.
func newCompat(t *testing.T, id string) *compat {
	t.Helper()
	dir := os.Getenv("HEARTH_COMPAT_PACKAGES")
	if dir == "" {
		t.Skip("needs public packages: make compat PACKAGES_DIR=…")
	}
	if !slices.Contains(strings.Fields(os.Getenv("HEARTH_COMPAT_ONLY")), id) {
		t.Skipf("%s is not among the packages that were built", id)
	}
	c := &compat{t: t, file: filepath.Join(dir, id+".s9pk"), steps: map[string]string{}}
	results := filepath.Join(dir, id+".steps.json")
	if err := os.RemoveAll(results); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		raw, err := json.Marshal(c.steps)
		if err := errors.Join(err, os.WriteFile(results, raw, 0o644)); err != nil {
			t.Error(err)
		}
	})
	return c
}

// step does one step; it has failed unless do returns and the test has not failed in it.
func (c *compat) step(name string, do func()) {
	c.t.Helper()
	c.steps[name] = "failed"
	before := c.t.Failed()
	do()
	if before || !c.t.Failed() {
		c.steps[name] = "ok"
	}
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
	c := newCompat(t, "hello-world")
	m := newMachine(t)
	m.start()
	c.step("install", func() { m.hearth("package", "install", c.file) })
	if tasks := m.rows("package", "tasks", "hello-world"); len(tasks) == 0 {
		c.steps["configure"] = "nothing to do"
	}
	page := func() string { return m.curl(m.address("hello-world")) }
	// The stand-in for its image counts in its volume how often it was started, and says so.
	starts := func() int {
		digits := regexp.MustCompile(`[0-9]+ times`).FindString(page())
		n, err := strconv.Atoi(strings.TrimSuffix(digits, " times"))
		if err != nil {
			t.Fatalf("the page does not count: %s", page())
		}
		return n
	}
	var before int
	c.step("healthy", func() {
		m.healthy("hello-world")
		if text := page(); !strings.Contains(text, "Hello") {
			t.Errorf("the page says:\n%s", text)
		}
		before = starts()
	})
	c.step("restart", func() {
		m.hearth("package", "restart", "hello-world")
		m.healthy("hello-world")
		if now := starts(); now != before+1 {
			t.Errorf("it counts %d starts after %d", now, before)
		}
	})
	c.step("uninstall", func() { m.finish(t, "hello-world") })
}

// File Browser does not start before its critical task, and keeps what people upload.
func TestCompatFileBrowser(t *testing.T) {
	t.Parallel()
	c := newCompat(t, "filebrowser")
	m := newMachine(t)
	m.start()
	c.step("install", func() { m.hearth("package", "install", c.file) })
	var password, page string
	c.step("configure", func() {
		if _, err := m.tryHearth("package", "start", "filebrowser"); err == nil || !strings.Contains(err.Error(), "TASK_BLOCKS_START") {
			t.Errorf("started before its critical task: %v", err)
		}
		password = member(t, m.runAction("filebrowser", "reset-admin-user", ""), "Password")
	})
	login := func() string {
		body, _ := json.Marshal(map[string]string{"username": "admin", "password": password, "recaptcha": ""})
		return m.curl("-X", "POST", "-H", "Content-Type: application/json", "-d", string(body), page+"/api/login")
	}
	c.step("healthy", func() {
		m.hearth("package", "start", "filebrowser")
		m.healthy("filebrowser")
		page = m.address("filebrowser")
		m.curl("-X", "POST", "-H", "X-Auth: "+login(), "-d", "kept by Hearth", page+"/api/resources/note.txt?override=true")
	})
	c.step("restart", func() {
		m.hearth("package", "restart", "filebrowser")
		m.healthy("filebrowser")
		if got := m.curl("-H", "X-Auth: "+login(), page+"/api/raw/note.txt"); got != "kept by Hearth" {
			t.Errorf("after a restart the file holds %q", got)
		}
	})
	c.step("uninstall", func() { m.finish(t, "filebrowser") })
}

// Gitea takes its own address from the host's, makes its first user by an action, and keeps its repositories.
func TestCompatGitea(t *testing.T) {
	t.Parallel()
	c := newCompat(t, "gitea")
	m := newMachine(t)
	m.lan()
	m.start()
	c.step("install", func() { m.hearth("package", "install", c.file) })
	var page, password string
	c.step("configure", func() {
		page = m.giteaURL()
		m.runAction("gitea", "set-primary-url", fmt.Sprintf(`{"url":%q}`, page))
	})
	repos := func(method, path string, more ...string) string {
		return m.curl(append([]string{"-u", "ada:" + password, "-X", method, "-H", "Content-Type: application/json", page + path}, more...)...)
	}
	c.step("healthy", func() {
		m.hearth("package", "start", "gitea", "--no-wait")
		m.healthy("gitea")
		password = member(t, m.runAction("gitea", "create-admin", `{"username":"ada","email":"ada@example.com"}`), "Password")
		repos("POST", "/api/v1/user/repos", "-d", `{"name":"first","auto_init":true}`)
	})
	c.step("restart", func() {
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
	})
	c.step("uninstall", func() { m.finish(t, "gitea") })
}

// giteaURL is the https address that Gitea's form offers.
func (m *machine) giteaURL() string {
	m.t.Helper()
	var form struct {
		Spec struct {
			URL struct {
				Values map[string]string `json:"values"`
			} `json:"url"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(m.hearth("package", "action", "input", "gitea", "set-primary-url")), &form); err != nil {
		m.t.Fatal(err)
	}
	for u := range form.Spec.URL.Values {
		if strings.HasPrefix(u, "https://") {
			return strings.TrimSuffix(u, "/")
		}
	}
	m.t.Fatalf("the form offers no https address: %v", form.Spec.URL.Values)
	return ""
}
