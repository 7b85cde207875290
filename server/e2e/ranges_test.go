package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A range of ports leads to its service: for the machine, for the service itself and for those that depend on it. Any other service
// is refused at once.
func TestRangesLeadToTheirService(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.must("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
	m.must("ip", "link", "set", "lan0", "up")
	m.must("ip", "link", "set", "lan1", "up")
	m.must("ip", "addr", "add", "192.168.77.5/24", "dev", "lan0")
	m.start()
	for _, pkg := range []string{friend, probe, sample} {
		m.hearth("package", "install", filepath.Join(m.bin, pkg+".s9pk"))
	}
	m.healthy(friend)
	m.healthy(probe)
	const at = "192.168.77.5:47300"
	m.eventually(30*time.Second, "the range is forwarded", func() error {
		rows := m.rows("forward", "list")
		for _, row := range rows {
			if row["address"] == at && row["mode"] == "packets" && row["numberOfPorts"] == 2.0 && strings.HasSuffix(fmt.Sprint(row["upstream"]), ":8080") {
				return nil
			}
		}
		return fmt.Errorf("the forwards are %v", rows)
	})
	if table := m.hearth("forward", "list"); !strings.Contains(table, at+"-47301") {
		t.Errorf("for people the forwards are\n%s", table)
	}
	if page := m.must("curl", "-sS", "--fail", "http://"+at); !strings.Contains(page, "hello from a friend") {
		t.Errorf("the machine itself gets %q", page)
	}
	const ask = `$s = IO::Socket::INET->new(PeerAddr => "` + at + `", Timeout => 5) or print("no: $!"), exit; print $s "GET / HTTP/1.0\r\n\r\n"; print <$s>`
	for pkg, want := range map[string]string{friend: "hello from a friend", probe: "hello from a friend", sample: "no: Connection refused"} {
		if got := m.hearth("package", "attach", pkg, "--", "perl", "-MIO::Socket::INET", "-e", ask); !strings.Contains(got, want) {
			t.Errorf("%s gets %q, want %q", pkg, got, want)
		}
	}
}

// A range is reached from each network that the machine is in, whichever is the way out, over TCP and UDP, with the caller's address; from the
// Internet when it was switched on; and by services that may. The machine leads from no network into another.
func TestRangesAreReachedFromEachNetwork(t *testing.T) {
	t.Parallel()
	n := newNetworks(t)
	n.must("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
	n.start()
	for _, pkg := range []string{friend, probe, sample} {
		n.hearth("package", "install", filepath.Join(n.bin, pkg+".s9pk"))
		n.healthy(pkg)
	}
	n.runWithin("datagrams", friend, "8081")
	for who, at := range map[*neighbour][2]string{n.lan: {lanAddress, "192.168.77.9"}, n.second: {lan2Address, "192.168.88.9"}} {
		n.eventually(30*time.Second, "the range is reached over TCP at "+at[0], func() error {
			out, err := who.run("curl", "-sS", "--fail", "--max-time", "5", "http://"+at[0]+":47300")
			return errors.Join(err, errIf(!strings.Contains(out, "hello from a friend"), out))
		})
		n.told(who.from(), at[0]+":47301", at[1]+":")
	}
	n.told(n.within(probe), lanAddress+":47301", fmt.Sprint(n.pkg(probe)["ipv4"])+":")
	n.told(n.within(friend), lan2Address+":47301", bridge+":")
	n.untold(n.within(sample), lanAddress+":47301")

	n.untold(n.public.from(), wanAddress+":47301")
	n.hearth("host", "address", "enable", friend, wanAddress+":47300", "--internet")
	n.told(n.public.from(), wanAddress+":47301", "93.184.216.9:")
	n.hearth("host", "address", "disable", friend, wanAddress+":47300")
	n.untold(n.public.from(), wanAddress+":47301")
	n.told(n.lan.from(), lanAddress+":47301", "192.168.77.9:")
	for _, row := range n.rows("host", "address", "list", friend) { // by number ranges are told over IPv4, as in StartOS
		if row["numberOfPorts"] != 0.0 && strings.Contains(fmt.Sprint(row["hostname"]), ":") {
			t.Errorf("a range has the address %v", row)
		}
	}
	six := func(pkg string) string { return "[" + fmt.Sprint(n.pkg(pkg)["ipv6"]) + "]" }
	n.told(n.lan.from(), "["+lanAddress6+"]:47301", "[fd77::9]:") // where the name in .local leads, too
	n.told(n.within(probe), "["+lanAddress6+"]:47301", six(probe)+":")
	n.told(n.within(friend), "["+lanAddress6+"]:47301", "[fd00:3::1]:")
	n.told(n.within(probe), six(friend)+":8081", six(probe)+":")
	n.untold(n.within(sample), "["+lanAddress6+"]:47301")
	n.untold(n.within(sample), six(friend)+":8081")
	n.untold(n.public.from(), "["+wanAddress6+"]:47301")

	n.hearth("host", "address", "disable", friend, lanAddress+":47300")
	n.untold(n.lan.from(), lanAddress+":47301")
	n.untold(n.lan.from(), "["+lanAddress6+"]:47301")
	n.told(n.second.from(), lan2Address+":47301", "192.168.88.9:")
	n.hearth("host", "address", "enable", friend, lanAddress+":47300")
	n.told(n.lan.from(), lanAddress+":47301", "192.168.77.9:")

	n.holds("greet", n.second.from(), "7070")
	n.second.must("ip", "route", "replace", "default", "via", lan2Address)
	n.lan.must("ip", "route", "replace", "default", "via", lanAddress)
	if out, err := n.says(n.within(sample), "192.168.88.9:7070"); err != nil || !strings.HasPrefix(out, lan2Address+":") {
		t.Errorf("a service reaches the second network: %q, %v", out, err)
	}
	if out, err := n.says(n.within(sample), "[fd88::9]:7070"); err != nil || !strings.HasPrefix(out, "["+lan2Address6+"]:") {
		t.Errorf("a service reaches the second network by IPv6: %q, %v", out, err)
	}
	n.second.must("ip", "-6", "route", "replace", "default", "via", lan2Address6)
	n.lan.must("ip", "-6", "route", "replace", "default", "via", lanAddress6)
	for _, at := range []string{"192.168.88.9:7070", "[fd88::9]:7070"} {
		if out, err := n.says(n.lan.from(), at); err == nil {
			t.Errorf("the machine leads from one network into another: %q", out)
		}
	}
}

// says has a caller connect and answers what it is greeted with.
func (n *networks) says(caller []string, at string) (string, error) {
	n.t.Helper()
	return n.asVisitor(caller, "say", at, "hello")
}

// told waits until datagrams of a caller are answered by who sees the caller as said.
func (n *networks) told(caller []string, at, as string) {
	n.t.Helper()
	n.eventually(30*time.Second, at+" answers", func() error {
		out, err := n.asVisitor(caller, "tell", at, "hello")
		return errors.Join(err, errIf(!strings.HasPrefix(out, as) || !strings.Contains(out, "hello"), fmt.Sprintf("the answer is %q, want one to %s", out, as)))
	})
}

// untold waits until datagrams of a caller are answered no more.
func (n *networks) untold(caller []string, at string) {
	n.t.Helper()
	n.eventually(30*time.Second, at+" answers nobody", func() error {
		out, err := n.asVisitor(caller, "tell", at, "hello")
		return errIf(err == nil, "the answer is "+out)
	})
}

// asVisitor runs the test's own program where a caller is.
func (n *networks) asVisitor(caller []string, kind string, args ...string) (string, error) {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	return n.machine.run(caller[0], slices.Concat(caller[1:], []string{"env", visitorEnv + "=" + kind, self}, args)...)
}
