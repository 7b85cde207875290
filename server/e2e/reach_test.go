package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netns"
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
	all := []string{far4, far6, near4, near6, second4}
	reaches := func(what string, open ...string) { t.Helper(); n.reaches(what, all, open...) }
	version := func() string { return fmt.Sprint(n.pkg(twin)["version"]) }

	n.hearth("package", "install", n.declared("1.0.0:0", `["internet"]`))
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

	lan := n.declared("1.0.1:0", `["lan"]`)
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

	n.hearth("package", "install", n.declared("1.0.2:0", `["fd77::/64","192.168.88.9/32"]`), "--yes")
	n.healthy(twin)
	reaches("a package that needs two networks", near6, second4)
	n.hearth("package", "install", n.declared("1.0.3:0", `[]`), "--yes")
	n.healthy(twin)
	reaches("a package that needs nothing")
	if out, err := n.inside(twin, "node", "-e", `require("dns").resolve4("example.org", (err) => console.log(err?.code))`); err != nil || strings.TrimSpace(out) != "EREFUSED" {
		t.Errorf("a name that others would be asked for: %q, %v", out, err)
	}
	if out, err := n.tries(sample, all); err != nil || out[far4]+out[near6]+out["socks"] != "" {
		t.Errorf("the package that declares nothing reaches %v, %v", out, err)
	}
}

// A service reaches by the names that its package declares what the server's resolver tells it of them, and nothing before it has asked; not what
// those names lead to at home. That goes on without the daemon, over a restart of the door, and while rules change; other names come with an
// update.
func TestAServiceReachesTheNamesThatItsPackageDeclares(t *testing.T) {
	t.Parallel()
	n := newNetworks(t)
	const far4, far6, other4, near4 = "93.184.216.9", "2a03:db80::9", "93.184.216.10", "192.168.77.9"
	n.public.must("ip", "addr", "add", other4+"/32", "dev", "eth0")
	for _, who := range []*neighbour{n.lan, n.public} {
		n.serves(who)
	}
	n.public.answersNames(far4+":53",
		"api.example.org. 60 IN A "+far4, "api.example.org. 60 IN AAAA "+far6, "www.example.net. 60 IN CNAME edge.example.com.", "edge.example.com. 60 IN A "+other4,
		"home.example.net. 60 IN A "+near4, "port.example.org. 60 IN A "+other4)
	n.start()
	n.installSample()
	n.hearth("dns", "upstream", "set", far4)
	all := []string{far4, far6, other4, near4}
	reaches := func(what string, open ...string) { t.Helper(); n.reaches(what, all, open...) }
	// told has the service connect to a port of a name as its programs do, and wants the error's code, "" for none.
	told := func(host, port, want string) {
		t.Helper()
		const script = `require("net").connect({ host: process.argv[1], port: +process.argv[2], timeout: 5000 })
			.on("connect", () => (console.log(""), process.exit())).on("error", (e) => (console.log(e.errors?.[0].code ?? e.code), process.exit())).on("timeout", () => (console.log("timeout"), process.exit()));`
		n.eventually(60*time.Second, host+" is asked for", func() error {
			out, err := n.inside(twin, "node", "-e", script, host, port)
			if got := strings.TrimSpace(out); err == nil && got != want {
				err = fmt.Errorf("it ends with %q, not %q", got, want)
			}
			return err
		})
	}

	plan := n.hearth("package", "install", n.declared("1.0.0:0", `["api.example.org","*.example.net:7777"]`), "--validate-only")
	if !strings.Contains(plan, "to reach api.example.org") || !strings.Contains(plan, "to reach *.example.net:7777") {
		t.Errorf("the plan says\n%s", plan)
	}
	n.hearth("package", "install", n.declared("1.0.0:0", `["api.example.org","*.example.net:7777"]`))
	n.healthy(twin)
	reaches("a package that has asked for nothing")
	told("api.example.org", "7777", "")
	reaches("one name was asked for", far4, far6)
	told("www.example.net", "7777", "")
	told("www.example.net", "7778", "ECONNREFUSED")
	told("home.example.net", "7777", "ECONNREFUSED")
	told("edge.example.com", "7777", "EAI_AGAIN")
	reaches("two names were asked for", far4, far6, other4)
	if out, err := n.tries(sample, all); err != nil || out[far4]+out[near4] != "" {
		t.Errorf("the package that declares nothing reaches %v, %v", out, err)
	}

	n.kill(syscall.SIGKILL)
	told("api.example.org", "7777", "")
	reaches("without the daemon", far4, far6, other4)
	n.start()
	n.hearth("host", "domain", "add", sample, "cloud.home.arpa", "--gateway", "lan0") // another table, other rules
	reaches("after a restart of the daemon", far4, far6, other4)
	n.must("sh", "-c", "for p in $(pgrep -x hearth-door); do if [ /proc/$p/ns/net -ef /proc/self/ns/net ]; then kill -9 $p || :; fi; done")
	reaches("while the door starts again", far4, far6, other4)
	told("www.example.net", "7777", "")
	n.must("nft", "flush", "ruleset")
	n.eventually(60*time.Second, "the firewall is there, with what this door has told", func() error {
		out, err := n.run("nft", "list", "ruleset")
		return errors.Join(err, errIf(!strings.Contains(out, "named_") || !strings.Contains(out, other4), out))
	})
	reaches("after somebody has flushed the firewall", other4)
	told("api.example.org", "7777", "")
	reaches("and what the door before had told is asked for again", far4, far6, other4)

	n.hearth("package", "install", n.declared("1.0.1:0", `["port.example.org:7777"]`), "--yes")
	n.healthy(twin)
	reaches("with other names")
	told("api.example.org", "7777", "EAI_AGAIN")
	told("port.example.org", "7777", "")
	reaches("its own was asked for", other4)
}

// answersNames has the neighbour answer for names until the test ends.
func (n *neighbour) answersNames(at string, records ...string) {
	n.m.t.Helper()
	var rrs []dns.RR
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			n.m.t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	opened := make(chan net.PacketConn, 1)
	go func() {
		defer close(opened)
		runtime.LockOSThread() // it must live on: it may be the parent of processes that end with it
		home, err := netns.Get()
		if err != nil {
			return
		}
		defer home.Close()
		ns, err := netns.GetFromPid(n.holder.Process.Pid)
		if err != nil {
			return
		}
		defer ns.Close()
		if netns.Set(ns) == nil {
			if c, err := net.ListenPacket("udp4", at); err == nil {
				opened <- c
			}
		}
		if back := netns.Set(home); back != nil {
			panic(back) // nothing that runs on this thread later would be where it believes to be
		}
		runtime.UnlockOSThread()
	}()
	c := <-opened
	if c == nil {
		n.m.t.Fatalf("the neighbour cannot answer names at %s", at)
	}
	server := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		for range rrs {
			for _, rr := range rrs {
				if alias, ok := rr.(*dns.CNAME); ok && rr.Header().Name == name {
					m.Answer, name = append(m.Answer, rr), alias.Target
				}
			}
		}
		for _, rr := range rrs {
			if rr.Header().Name == name && rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = server.ActivateAndServe() }()
	n.m.t.Cleanup(func() { c.Close() })
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

// declared packs the twin in a version that declares what it reaches on the network, as JSON.
func (n *networks) declared(version, network string) string {
	n.t.Helper()
	return n.packTwin(`"version":"1.0.0:0"`, `"version":"`+version+`"`, `"hardwareRequirements"`, `"hearth":{"network":`+network+`},"hardwareRequirements"`)
}

// reaches waits until the twin reaches those of all addresses that are open, "socks" for the way out by SOCKS, is refused at the others, and finds
// the names that it knows.
func (n *networks) reaches(what string, all []string, open ...string) {
	n.t.Helper()
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
