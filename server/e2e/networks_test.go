package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hearthos/hearth/server/internal/testenv"
)

const (
	greeting     = "Hello from the test"
	privateName  = "cloud.home.arpa"
	publicName   = "cloud.example.org"
	serversName  = "hearth.home.arpa"
	lanAddress   = "192.168.77.5"
	lanAddress6  = "fd77::5"
	lan2Address  = "192.168.88.5"
	lan2Address6 = "fd88::5"
	wanAddress   = "81.2.69.5"
	wanAddress6  = "2a02:db80::5"
)

// networks is a machine with three networks, and a caller in each: two private ones whose neighbours are let in, and the
// Internet, in which the caller is no neighbour.
type networks struct {
	*machine
	lan, second, public *neighbour
}

func newNetworks(t *testing.T) *networks {
	t.Helper()
	m := newMachine(t)
	n := &networks{
		machine: m,
		lan:     m.newNetwork("lan0", []string{lanAddress + "/24", lanAddress6 + "/64"}, []string{"192.168.77.9/24", "fd77::9/64"}),
		second:  m.newNetwork("lan1", []string{lan2Address + "/24", lan2Address6 + "/64"}, []string{"192.168.88.9/24", "fd88::9/64"}),
		public:  m.newNetwork("wan0", []string{wanAddress + "/24", wanAddress6 + "/64"}, []string{"93.184.216.9/32", "2a03:db80::9/128"}),
	}
	m.must("ip", "route", "add", "default", "dev", "wan0")
	m.must("ip", "-6", "route", "add", "default", "dev", "wan0")
	return n
}

func errIf(bad bool, text string) error {
	if bad {
		return errors.New(text)
	}
	return nil
}

// asksServer has the caller resolve names as its network told it: by the server's resolver alone.
func (n *neighbour) asksServer(resolver string) {
	n.m.t.Helper()
	dir := n.m.t.TempDir()
	for name, text := range map[string]string{"resolv.conf": "nameserver " + resolver + "\noptions timeout:2 attempts:1\n", "nsswitch.conf": "hosts: files dns\n"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			n.m.t.Fatal(err)
		}
		n.must("mount", "--bind", path, "/etc/"+name)
	}
}

// gets asks for the page of a service as curl does, which trusts the server's root alone.
func (n *neighbour) gets(page string, resolved ...string) error {
	args := []string{"--silent", "--show-error", "--fail", "--globoff", "--max-time", "5", "--cacert", n.m.root()}
	for _, r := range resolved {
		u, err := url.Parse(page)
		if err != nil {
			return err
		}
		args = append(args, "--resolve", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443"))+":"+r)
	}
	out, err := n.run("curl", append(args, page)...)
	if err == nil && !strings.Contains(out, greeting) {
		err = errors.New("the page does not greet")
	}
	return errors.Join(err, errIf(err != nil, out))
}

// home makes a folder for a browser's user; trusting has the user trust the server's root.
func (n *neighbour) home(trusting bool) string {
	n.m.t.Helper()
	home := n.m.t.TempDir()
	if trusting {
		n.m.trust(home)
	}
	return home
}

// shows opens a page in a browser and tells whether the page greets.
func (n *neighbour) shows(home, page string, flags ...string) (bool, string) {
	n.m.t.Helper()
	args := append([]string{"HOME=" + home, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + filepath.Join(home, "profile"),
		"--disable-background-networking", "--no-first-run", "--virtual-time-budget=3000", "--dump-dom"}, flags...)
	out, err := n.run("env", append(args, page)...)
	return err == nil && strings.Contains(out, greeting), out
}

// page is the address of the sample's page over TLS that begins with a host; "" where it has none.
func (n *networks) page(host string) string {
	n.t.Helper()
	for _, row := range n.rows("host", "address", "list", sample) {
		if u, _ := row["url"].(string); strings.HasPrefix(u, "https://"+host+":") || strings.HasPrefix(u, "https://"+host+"/") || u == "https://"+host {
			return u
		}
	}
	return ""
}

// known waits until the sample has an address with a host, and returns it.
func (n *networks) known(host string) (page string) {
	n.t.Helper()
	n.eventually(30*time.Second, "the service has an address at "+host, func() error {
		if page = n.page(host); page == "" {
			return fmt.Errorf("it has %v", n.rows("host", "address", "list", sample))
		}
		return nil
	})
	return page
}

// reached waits until a caller gets the page; what has just been switched on takes a moment to be in force.
func (n *networks) reached(who *neighbour, page string, resolved ...string) {
	n.t.Helper()
	n.eventually(30*time.Second, page+" is reached", func() error { return who.gets(page, resolved...) })
}

// refused waits until a caller gets the page no more.
func (n *networks) refused(who *neighbour, page string, resolved ...string) {
	n.t.Helper()
	n.eventually(30*time.Second, page+" is refused", func() error { return errIf(who.gets(page, resolved...) == nil, "it is reached") })
}

// The page of a service is reached in the networks it is for, by its name in .local, by names of its own and by number, over
// IPv4 and IPv6, and by nobody else.
func TestThreeNetworks(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "browser")
	n := newNetworks(t)
	n.start("--web-port", "443", "--http-port", "80")
	n.installSample()
	n.hearth("host", "domain", "add", sample, privateName, "--gateway", "lan0")
	n.hearth("host", "domain", "add", "server", serversName, "--gateway", "lan0")
	n.lan.asksServer(lanAddress)
	local := n.rows("status")[0]["hostname"].(string) + ".local"

	n.byLocalName(local)
	if own := sample + ".local"; n.known(own) != "https://"+own {
		n.t.Errorf("the service's own name is reached at %s", n.known(own))
	}
	n.byLocalName(sample + ".local")
	n.byPrivateName()
	n.byNumber()
	n.nameOff(local)
	n.internet()
	n.switchedOff()
	n.closedCalls()
}

func (n *networks) byLocalName(local string) {
	page := n.known(local)
	for kind, address := range map[uint16]string{dns.TypeA: lanAddress, dns.TypeAAAA: lanAddress6} {
		n.eventually(30*time.Second, "the name is answered for", func() error {
			got, err := n.lan.askFor(local, kind)
			return errors.Join(err, errIf(got != address, "the answer is "+got))
		})
		n.reached(n.lan, page, bracketed(address))
	}
	home := n.lan.home(true)
	for _, address := range []string{lanAddress, lanAddress6} {
		if ok, out := n.lan.shows(home, page, "--host-resolver-rules=MAP "+local+" "+bracketed(address)); !ok {
			n.t.Errorf("the browser shows at %s:\n%.2000s", address, out)
		}
	}
	n.refused(n.public, page, wanAddress)
	n.refused(n.public, page, bracketed(wanAddress6))
}

func (n *networks) byPrivateName() {
	page := n.known(privateName)
	n.reached(n.lan, page)
	if ok, out := n.lan.shows(n.lan.home(true), page); !ok {
		n.t.Errorf("the browser shows:\n%.2000s", out)
	}
	if ok, _ := n.lan.shows(n.lan.home(false), page); ok {
		n.t.Error("a browser that does not trust the root shows the page")
	}
	n.reached(n.lan, page, bracketed(lanAddress6))
	n.refused(n.public, page, wanAddress)
	n.refused(n.public, page, bracketed(wanAddress6))
	if out, err := n.lan.run("curl", "--silent", "--show-error", "--max-time", "5", "--cacert", n.root(), "https://"+serversName+"/"); err != nil {
		n.t.Errorf("the server's own page is not reached by its name: %v\n%s", err, out)
	}
	if err := n.second.gets(page, lan2Address); err == nil {
		n.t.Error("a name of one network is served in another")
	}
}

func (n *networks) byNumber() {
	for who, numbers := range map[*neighbour][]string{n.lan: {lanAddress, lanAddress6}, n.second: {lan2Address, lan2Address6}} {
		for _, number := range numbers {
			n.reached(who, n.known(bracketed(number)))
		}
	}
	if ok, out := n.lan.shows(n.lan.home(true), n.known(bracketed(lanAddress6))); !ok {
		n.t.Errorf("the browser shows:\n%.2000s", out)
	}
}

// nameOff switches off a name of which the number is on: nobody comes by the name, and everybody by the number.
func (n *networks) nameOff(local string) {
	page, number := n.page(local), n.page(lanAddress)
	n.hearth("host", "address", "disable", sample, page)
	for _, address := range []string{lanAddress, lanAddress6} {
		n.refused(n.lan, page, bracketed(address))
	}
	n.reached(n.lan, number)
	if out, err := n.lan.run("curl", "--silent", "--insecure", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}",
		"--header", "Host: "+strings.TrimPrefix(page, "https://"), number); err != nil || out != "421" {
		n.t.Errorf("a request for the name at the number is answered with %s, %v", out, err)
	}
	n.hearth("host", "address", "enable", sample, page)
	n.reached(n.lan, page, bracketed(lanAddress))
}

// internet switches addresses on for everybody, and names: what is not switched on stays closed.
func (n *networks) internet() {
	for _, number := range []string{wanAddress, wanAddress6} {
		host := bracketed(number)
		page := n.known(host)
		n.refused(n.public, page)
		n.hearth("host", "address", "enable", sample, page, "--internet")
		n.reached(n.public, page)
	}
	n.hearth("host", "domain", "add", sample, publicName, "--public", "--gateway", "wan0")
	page := n.known(publicName)
	n.reached(n.public, page, wanAddress)
	n.reached(n.public, page, bracketed(wanAddress6))
	n.plainly(page)
	n.refused(n.public, n.page(privateName), wanAddress)
	if out, err := n.public.run("curl", "--silent", "--insecure", "--max-time", "5", "https://"+wanAddress+"/"); err == nil {
		n.t.Errorf("the Internet sees the server's own page:\n%.300s", out)
	}
	for _, number := range []string{wanAddress, wanAddress6} {
		page := n.page(bracketed(number))
		n.hearth("host", "address", "disable", sample, page)
		n.refused(n.public, page)
	}
	n.reached(n.public, page, wanAddress)
	n.hearth("host", "domain", "remove", sample, publicName, "--public")
	n.refused(n.public, page, wanAddress)
}

// plainly asks by plain HTTP: the Internet is led to what is open to it, a neighbour to all but the root, which is a page that
// helps to trust the server.
func (n *networks) plainly(open string) {
	asks := func(who *neighbour, at, host, path string) string {
		out, _ := who.run("curl", "--silent", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code} %{redirect_url}",
			"--resolve", host+":80:"+at, "http://"+host+path)
		return strings.TrimSpace(out)
	}
	n.eventually(30*time.Second, "plain HTTP leads on", func() error {
		got := asks(n.public, wanAddress, publicName, "/x?y=z")
		return errIf(got != "307 "+open+"/x?y=z", got)
	})
	for _, what := range [][2]string{{privateName, "/"}, {serversName, "/"}, {wanAddress, "/"}, {wanAddress, "/ca.crt"}, {publicName, "/ca.crt"}} {
		want := "000"
		if what[0] == publicName {
			want = "307 " + open + "/ca.crt"
		}
		if got := asks(n.public, wanAddress, what[0], what[1]); got != want {
			n.t.Errorf("plain HTTP answers the Internet at %s%s with %s", what[0], what[1], got)
		}
	}
	for path, want := range map[string]string{
		"/": "200", "/?": "307 https://" + serversName + "/", "/services": "307 https://" + serversName + "/services", "/ca.crt": "200",
	} {
		if got := asks(n.lan, lanAddress, serversName, path); got != want {
			n.t.Errorf("plain HTTP answers a neighbour at %s with %s", path, got)
		}
	}
}

// switchedOff switches all addresses in a network off: nobody there reaches the service, also not at its other addresses.
func (n *networks) switchedOff() {
	pages := []string{n.page(lan2Address), n.page(bracketed(lan2Address6))}
	other := n.page(lanAddress)
	n.must("sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.reached(n.second, pages[0])
	n.reached(n.second, other) // a private source, by way of the server
	for _, row := range n.rows("host", "address", "list", sample) {
		if gateway := fmt.Sprint(row["gateway"]); strings.Contains(gateway, "lan1") && row["access"] != "off" {
			n.hearth("host", "address", "disable", sample, row["url"].(string))
		}
	}
	for _, page := range append(pages, other) {
		n.refused(n.second, page)
	}
	n.reached(n.lan, other)
	n.hearth("host", "address", "enable", sample, pages[0])
	n.reached(n.second, pages[0])
}

// closedCalls has a service ask for what is the server's alone.
func (n *networks) closedCalls() {
	for _, at := range []string{"10.0.3.1", lanAddress, lan2Address, wanAddress} {
		for what, script := range map[string]string{
			"calls without a token": "curl -ksf --max-time 5 https://" + at + "/api/v1/packages",
			"native gRPC":           "curl -ksf --max-time 5 --http2-prior-knowledge http://" + at + ":5961/",
			"calls of Connect":      "curl -ksf --max-time 5 -H 'Content-Type: application/json' -d '{}' https://" + at + "/hearth.packages.v1.PackageService/ListPackages",
			"calls of JSON-RPC":     "curl -ks --max-time 5 -H 'Content-Type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"package.list\"}' https://" + at + "/jsonrpc | grep '\"result\"'",
		} {
			if out, err := n.inside(sample, "sh", "-c", script); err == nil {
				n.t.Errorf("%s at %s are open to a service: %.300s", what, at, out)
			}
		}
	}
}

// A name leads to another machine of a network, from the networks and, where it is said, from the Internet: with that machine's own
// certificate, unopened. No service comes there by way of the server's name.
func TestANameLeadsToAnotherMachine(t *testing.T) {
	t.Parallel()
	n := newNetworks(t)
	n.start("--web-port", "443", "--http-port", "80")
	n.installSample()
	const name = "nas.home.arpa"
	dir := t.TempDir()
	n.hearth("cert", "issue", name, "--out", filepath.Join(dir, "nas"))
	serving := n.lan.command("openssl", "s_server", "-accept", "5001", "-cert", filepath.Join(dir, "nas.crt"), "-cert_chain", filepath.Join(dir, "nas.crt"), "-key", filepath.Join(dir, "nas.key"), "-www", "-quiet")
	if err := serving.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = serving.Process.Kill(); _ = serving.Wait() })
	n.hearth("host", "passthrough", "add", name, "192.168.77.9:5001")
	gets := func(who []string, at string) error {
		out, err := n.machine.run(who[0], slices.Concat(who[1:], []string{
			"curl", "--silent", "--show-error", "--fail", "--globoff", "--max-time", "5", "--cacert", n.root(), "--resolve", name + ":443:" + at, "https://" + name + "/",
		})...)
		return errors.Join(err, errIf(err != nil || !strings.Contains(out, "s_server"), fmt.Sprintf("%.300s", out)))
	}
	for _, at := range []string{lan2Address, bracketed(lan2Address6)} {
		n.eventually(30*time.Second, "the other machine is reached at "+at, func() error { return gets(n.second.from(), at) })
	}
	for who, caller := range map[string][]string{"the Internet": n.public.from(), "a service": n.within(sample)} {
		if gets(caller, wanAddress) == nil {
			t.Errorf("%s reaches the other machine", who)
		}
	}
	n.hearth("host", "passthrough", "add", name, "192.168.77.9:5001", "--internet", "--gateway", "wan0")
	for _, at := range []string{wanAddress, bracketed(wanAddress6)} {
		n.eventually(30*time.Second, "the Internet reaches the other machine at "+at, func() error { return gets(n.public.from(), at) })
	}
	if gets(n.second.from(), lan2Address) == nil {
		t.Error("it is reached at a gateway it is not for")
	}
	if gets(n.within(sample), wanAddress) == nil {
		t.Error("a service reaches the other machine")
	}
	n.hearth("host", "passthrough", "remove", name+":443")
	n.eventually(30*time.Second, "the other machine is not reached", func() error { return errIf(gets(n.public.from(), wanAddress) == nil, "it is") })
}

// bracketed is a number as it stands in URLs.
func bracketed(number string) string {
	if strings.Contains(number, ":") {
		return "[" + number + "]"
	}
	return number
}

// A service whose connections the front door does not open sees who calls, from networks and from the Internet, and reaches
// those who have the address as before. One that listens on IPv4 alone is reached by IPv6, too, and then sees the machine.
func TestServicesSeeWhoCalls(t *testing.T) {
	t.Parallel()
	n := newNetworks(t)
	n.start()
	n.hearth("package", "install", filepath.Join(n.bin, friend+".s9pk"))
	n.healthy(friend)
	n.hearth("package", "action", "run", friend, "raw")
	stop := n.runWithin("greet", friend, "9002")
	address := func(number string) (page, at string) {
		n.eventually(30*time.Second, "the port has an address at "+number, func() error {
			for _, row := range n.rows("host", "address", "list", friend) {
				if row["interfaceId"] == "raw" && row["hostname"] == number {
					page, at = row["url"].(string), net.JoinHostPort(number, fmt.Sprint(row["port"]))
				}
			}
			return errIf(at == "", "it has none")
		})
		return page, at
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sees := func(caller []string, at, want string) {
		t.Helper()
		n.eventually(30*time.Second, "the service sees "+want, func() error {
			out, err := n.machine.run(caller[0], append(caller[1:], "env", visitorEnv+"=say", self, at, "and answers")...)
			ok := strings.HasPrefix(out, want+":") && strings.Contains(out, "and answers")
			return errIf(!ok, fmt.Sprintf("it says %q (%v)", out, err))
		})
	}
	_, lan := address(lanAddress)
	sees(n.lan.from(), lan, "192.168.77.9")
	page, wan := address(wanAddress)
	n.hearth("host", "address", "enable", friend, page, "--internet")
	sees(n.public.from(), wan, "93.184.216.9")
	_, six := address(lanAddress6)
	sees(n.lan.from(), six, "[fd77::9]")

	n.holds("greet", n.public.from(), "7070")
	sees(n.within(friend), "93.184.216.9:7070", wanAddress)
	n.must("nft", "flush", "ruleset")
	sees(n.lan.from(), lan, "192.168.77.9")
	sees(n.lan.from(), six, "[fd77::9]")

	n.holds("greet", n.public.from(), "[2a03:db80::9]:7071")
	sees(n.within(friend), "[2a03:db80::9]:7071", "["+wanAddress6+"]")
	stop()
	n.runWithin("greet", friend, n.number(friend, "ipv4")+":9002")
	sees(n.lan.from(), six, bridge)
}
