package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// compat is a run of a public package that server/compat/run has built, on a machine of its own. Its steps are subtests:
// the names and what they print are what docs/compatibility.md tells.
type compat struct {
	*machine
	id  string
	dir string
	at  *testing.T // the test of the package, which ends with a step that failed
}

// TestCompat runs the public packages that HEARTH_COMPAT_ONLY names.
func TestCompat(t *testing.T) {
	dir := os.Getenv("HEARTH_COMPAT_PACKAGES")
	if dir == "" {
		t.Skip("needs public packages: make compat PACKAGES_DIR=…")
	}
	flows := map[string]func(*compat){
		"filebrowser": compatFileBrowser, "ghost": compatGhost, "gitea": compatGitea, "hello-world": compatHelloWorld,
		"isso": compatIsso, "start9-pages": compatPages,
	}
	for _, id := range strings.Fields(os.Getenv("HEARTH_COMPAT_ONLY")) {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			flow := flows[id]
			if flow == nil {
				t.Skip("nothing here knows how to use it")
			}
			flow(&compat{machine: newMachine(t), id: id, dir: dir, at: t})
		})
	}
}

// step does one step. A step that fails is the last.
func (c *compat) step(name string, do func(t *testing.T)) {
	c.at.Helper()
	ok := c.at.Run(name, func(t *testing.T) {
		c.t = t
		defer func() { c.t = c.at }()
		do(t)
	})
	if !ok {
		c.at.FailNow()
	}
}

// file is the package file of a package. One that this package depends on may not have been built.
func (c *compat) file(id string) string {
	c.t.Helper()
	file := filepath.Join(c.dir, id+".s9pk")
	if _, err := os.Stat(file); err != nil {
		c.t.Skipf("needs the package %s, which was not built", id)
	}
	return file
}

// backUp has the package make a backup of its own, after which the service runs as before.
func (c *compat) backUp() {
	c.at.Helper()
	c.step("backup", func(t *testing.T) {
		dir := t.TempDir()
		c.hearth("package", "backup", c.id, dir)
		c.healthy(c.id)
		written, err := os.ReadDir(filepath.Join(dir, c.id, "data"))
		if err != nil || len(written) == 0 {
			t.Errorf("the backup holds %v, %v", written, err)
		}
	})
}

// ends does the last steps: a backup is made, the service is stopped, and removed.
func (c *compat) ends() {
	c.at.Helper()
	c.backUp()
	page := c.address(c.id)
	c.step("stop", func(t *testing.T) {
		c.hearth("package", "stop", c.id)
		if row := c.pkg(c.id); row["state"] != "stopped" {
			t.Errorf("it is %v", row["state"])
		}
		if out, err := c.run("curl", "-sS", "--fail", "--max-time", "5", "--cacert", c.root(), page); err == nil {
			t.Errorf("it still answers: %.200s", out)
		}
	})
	c.step("uninstall", func(t *testing.T) {
		for _, row := range c.rows("package", "list") {
			c.hearth("package", "uninstall", row["id"].(string), "--yes")
		}
		c.leftNothing(t)
	})
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

// refusesStart checks that a critical task keeps a package from starting.
func (c *compat) refusesStart(pkg string) {
	c.t.Helper()
	if _, err := c.tryHearth("package", "start", pkg); err == nil || !strings.Contains(err.Error(), "TASK_BLOCKS_START") {
		c.t.Errorf("started before its critical task: %v", err)
	}
}

// isWell waits until all health checks of a service succeed or are disabled, and one succeeds.
func (c *compat) isWell(limit time.Duration, pkg string) {
	c.t.Helper()
	c.eventually(limit, pkg+" is well", func() error {
		well := errors.New("no health check succeeds yet")
		for _, check := range c.rows("package", "health", pkg) {
			switch check["result"] {
			case "success":
				well = nil
			case "disabled":
			default:
				return fmt.Errorf("%v is %v: %v", check["id"], check["result"], check["message"])
			}
		}
		return well
	})
}

// httpsAt is the https address on this machine of the interface of a package, if it has one.
func (c *compat) httpsAt(pkg, iface string) string {
	c.t.Helper()
	for _, row := range c.rows("package", "addresses", pkg) {
		if row["interfaceId"] == iface && row["kind"] == "localhost" && row["ssl"] == true {
			return row["url"].(string)
		}
	}
	return ""
}

// says waits until the page at an address says something. The address may not be there yet.
func (c *compat) says(at func() string, want string) {
	c.t.Helper()
	c.eventually(3*time.Minute, "the page says "+want, func() error {
		url := at()
		if url == "" {
			return errors.New("it has no address")
		}
		out, err := c.run("curl", "-sS", "-L", "--fail", "--max-time", "20", "--cacert", c.root(), url)
		if err == nil && !strings.Contains(out, want) {
			err = fmt.Errorf("it says %.200s", out)
		}
		return err
	})
}

// form is the form of an action.
func (c *compat) form(pkg, action string, into any) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.hearth("package", "action", "input", pkg, action)), into); err != nil {
		c.t.Fatal(err)
	}
}

// offeredURL is the first https address that a field of a form offers.
func (c *compat) offeredURL(pkg, action, field string) string {
	c.t.Helper()
	var form struct {
		Spec map[string]struct {
			Values map[string]string `json:"values"`
		} `json:"spec"`
	}
	c.form(pkg, action, &form)
	for _, u := range slices.Sorted(maps.Keys(form.Spec[field].Values)) {
		if strings.HasPrefix(u, "https://") {
			return strings.TrimSuffix(u, "/")
		}
	}
	c.t.Fatalf("the form offers no https address: %v", form.Spec[field].Values)
	return ""
}

// formValue is what a form is filled with.
func (c *compat) formValue(pkg, action string) map[string]any {
	c.t.Helper()
	var form struct {
		Value map[string]any `json:"value"`
	}
	c.form(pkg, action, &form)
	return form.Value
}
