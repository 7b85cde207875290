package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A service reaches of the world what its package declares, by both protocols, from the first moment of its container, whatever is
// done to the firewall and to the daemon; an update changes it, a rollback changes it back. Its name is known all the while.
func TestAServiceReachesWhatItsPackageDeclares(t *testing.T) {
	t.Parallel()
	n := newNetworks(t)
	const (
		far4, far6   = "93.184.216.9", "2a03:db80::9"
		near4, near6 = "192.168.77.9", "fd77::9"
		second4      = "192.168.88.9"
	)
	for _, who := range []*neighbour{n.lan, n.second, n.public} {
		n.serves(who)
	}
	n.start()
	n.installSample()
	declared := func(version, network string) string {
		return n.packTwin(`"version":"1.0.0:0"`, `"version":"`+version+`"`, `"hardwareRequirements"`, `"hearth":{"network":`+network+`},"hardwareRequirements"`)
	}
	all := []string{far4, far6, near4, near6, second4}
	reaches := func(what string, open ...string) {
		t.Helper()
		want := map[string]string{"name": "", "socks": "ECONNREFUSED"}
		for _, address := range all {
			want[address] = "ECONNREFUSED"
		}
		for _, address := range open {
			want[address] = ""
		}
		n.eventually(60*time.Second, what, func() error {
			got, err := n.tries(twin, all)
			if err == nil && !maps.Equal(got, want) {
				err = fmt.Errorf("it reaches %v, not %v", got, want)
			}
			return err
		})
	}
	version := func() string { return fmt.Sprint(n.pkg(twin)["version"]) }

	n.hearth("package", "install", declared("1.0.0:0", `["internet"]`))
	n.healthy(twin)
	reaches("a package that needs the Internet", far4, far6, "socks")
	if shown := n.hearth("package", "show", twin); !strings.Contains(shown, "to reach the Internet") || strings.Contains(shown, "local networks") {
		t.Errorf("it is shown as\n%s", shown)
	}
	n.must("nft", "flush", "ruleset")
	reaches("after somebody has flushed the firewall", far4, far6, "socks")
	n.kill(syscall.SIGKILL)
	n.start()
	reaches("after a restart of the daemon", far4, far6, "socks")

	lan := declared("1.0.1:0", `["lan"]`)
	plan := n.hearth("package", "install", lan, "--validate-only")
	if !strings.Contains(plan, "it may from then on: to reach local networks") || !strings.Contains(plan, "it may no longer: to reach the Internet") {
		t.Errorf("the plan says\n%s", plan)
	}
	n.hearth("package", "install", lan, "--yes")
	n.healthy(twin)
	reaches("a package that needs local networks", near4, near6, second4)
	n.hearth("package", "rollback", twin, "--yes")
	n.healthy(twin)
	if version() != "1.0.0:0" {
		t.Fatalf("it is rolled back to %s", version())
	}
	reaches("rolled back", far4, far6, "socks")

	n.hearth("package", "install", declared("1.0.2:0", `["fd77::/64","192.168.88.9/32"]`), "--yes")
	n.healthy(twin)
	reaches("a package that needs two networks", near6, second4)
	n.hearth("package", "install", declared("1.0.3:0", `[]`), "--yes")
	n.healthy(twin)
	reaches("a package that needs nothing")
	if out, err := n.inside(twin, "node", "-e", `require("dns").resolve4("example.org", (err) => console.log(err?.code))`); err != nil || strings.TrimSpace(out) != "EREFUSED" {
		t.Errorf("a name that others would be asked for: %q, %v", out, err)
	}
	if out, err := n.tries(sample, all); err != nil || out[far4]+out[near6]+out["socks"] != "" {
		t.Errorf("the package that declares nothing reaches %v, %v", out, err)
	}
}

// serves has a neighbour answer at a port by both protocols.
func (n *networks) serves(who *neighbour) {
	n.t.Helper()
	cmd := who.command("node", "-e", `require("net").createServer((s) => s.end()).listen(7777, "::")`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	n.eventually(30*time.Second, "the neighbour serves", func() error {
		out, err := who.run("sh", "-c", "ss -Hltn | grep -c 7777")
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
}

// tries has a service connect to a port of others, to the way out by SOCKS ("socks") and to itself by its name ("name"), and
// answers the error of each, "" for none.
func (n *networks) tries(pkg string, addresses []string) (map[string]string, error) {
	n.t.Helper()
	script := `
const net = require("net"), out = {};
const tried = process.argv.slice(1).map((address) => [address, address, 7777]).concat([["socks", "10.0.3.1", 1080], ["name", "` + pkg + `.startos", 80]]);
Promise.all(tried.map(([name, host, port]) => new Promise((done) => {
  const s = net.connect({ host, port, timeout: 5000 }, () => end(""));
  const end = (code) => { out[name] = code; s.destroy(); done(); };
  s.on("error", (err) => end(err.code)).on("timeout", () => end("timeout"));
}))).then(() => console.log(JSON.stringify(out)));`
	out, err := n.inside(pkg, append([]string{"node", "-e", script}, addresses...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var got map[string]string
	return got, json.Unmarshal([]byte(out), &got)
}
