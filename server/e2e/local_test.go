package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netns"

	"github.com/hearthos/hearth/server/internal/testenv"
)

// neighbour is another machine on a cable of a machine's: a network namespace held open by a process.
type neighbour struct {
	m      *machine
	holder *exec.Cmd
}

// newNeighbour lays a cable: "lan0" on the machine with its address, "eth0" on the neighbour with its own.
func (m *machine) newNeighbour(address, own string) *neighbour {
	m.t.Helper()
	return m.newNetwork("lan0", []string{address}, []string{own})
}

// newNetwork lays a cable: the link on the machine with its addresses, "eth0" on the neighbour with its own. All the neighbour
// sends leaves by the cable.
func (m *machine) newNetwork(link string, addresses, own []string) *neighbour {
	m.t.Helper()
	testenv.Require(m.t, "netns")
	n := &neighbour{m: m, holder: exec.Command("sleep", "infinity")}
	n.holder.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := n.holder.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = n.holder.Process.Kill(); _ = n.holder.Wait() })
	m.must("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(n.holder.Process.Pid))
	n.must("ip", "link", "set", "lo", "up")
	for _, a := range addresses {
		m.must("ip", "addr", "add", a, "dev", link, "nodad")
	}
	for _, a := range own {
		n.must("ip", "addr", "add", a, "dev", "eth0", "nodad")
	}
	m.must("ip", "link", "set", link, "up")
	n.must("ip", "link", "set", "eth0", "up")
	n.must("ip", "route", "add", "default", "dev", "eth0")
	n.must("ip", "-6", "route", "add", "default", "dev", "eth0")
	return n
}

// command is a program that will run on the neighbour.
func (n *neighbour) command(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(n.m.t.Context(), "nsenter", append([]string{"-t", strconv.Itoa(n.holder.Process.Pid), "-n", "-m", "--", name}, args...)...)
}

func (n *neighbour) run(name string, args ...string) (string, error) {
	n.m.t.Helper()
	cmd := n.command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (n *neighbour) must(name string, args ...string) {
	n.m.t.Helper()
	if out, err := n.run(name, args...); err != nil {
		n.m.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// ask resolves a name in .local as a resolver does that knows no mDNS: by a question to the group, from a port of its own.
func (n *neighbour) ask(name string) (string, error) { return n.askFor(name, dns.TypeA) }

// askFor is ask for one of the two kinds of addresses.
func (n *neighbour) askFor(name string, kind uint16) (string, error) {
	type result struct {
		address string
		err     error
	}
	done := make(chan result)
	go func() {
		// The thread must live on: it may be the parent of processes that end with it.
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- result{err: err}
			return
		}
		defer home.Close()
		address, err := n.exchange(dns.Fqdn(name), kind)
		if back := netns.Set(home); back != nil {
			panic(back) // nothing that runs on this thread later would be where it believes to be
		}
		runtime.UnlockOSThread()
		done <- result{address, err}
	}()
	r := <-done
	return r.address, r.err
}

// exchange is askFor on a thread of its own.
func (n *neighbour) exchange(name string, kind uint16) (string, error) {
	ns, err := netns.GetFromPid(n.holder.Process.Pid)
	if err != nil {
		return "", err
	}
	defer ns.Close()
	if err := netns.Set(ns); err != nil {
		return "", err
	}
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	question, err := new(dns.Msg).SetQuestion(name, kind).Pack()
	if err != nil {
		return "", err
	}
	if _, err := c.WriteToUDP(question, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	b := make([]byte, 1500)
	length, _, err := c.ReadFromUDP(b)
	if err != nil {
		return "", err
	}
	m := new(dns.Msg)
	if err := m.Unpack(b[:length]); err != nil {
		return "", err
	}
	for _, rr := range m.Answer {
		switch a := rr.(type) {
		case *dns.A:
			return a.A.String(), nil
		case *dns.AAAA:
			return a.AAAA.String(), nil
		}
	}
	return "", fmt.Errorf("the answer is %v", m)
}

// A neighbour finds the server by its name in .local and trusts its page under it; the addresses of a service have the name
// too, and it stays while the daemon is away.
func TestTheServerHasANameInLocal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	n := m.newNeighbour("192.168.77.5/24", "192.168.77.9/24")
	m.start()
	m.installSample()
	name := m.rows("status")[0]["hostname"].(string) + ".local"
	m.eventually(30*time.Second, "the name is answered for", func() error {
		if got, err := n.ask(name); got != "192.168.77.5" {
			return fmt.Errorf("the answer is %q (%v)", got, err)
		}
		return nil
	})
	page := func(prefix string) string {
		for _, row := range m.rows("package", "addresses", "hello-hearth") {
			if row["kind"] == "mdns" && row["ssl"] == true && strings.HasPrefix(row["url"].(string), prefix) {
				return row["url"].(string)
			}
		}
		return ""
	}
	reached := func(host string) {
		t.Helper()
		m.eventually(30*time.Second, "the page is reached at "+host, func() error {
			url := page("https://" + host + ":")
			if url == "" {
				return fmt.Errorf("it has no such address")
			}
			address, err := n.ask(host)
			if err != nil {
				return err
			}
			at := strings.TrimPrefix(url, "https://")
			at, _, _ = strings.Cut(at, "/")
			out, err := n.run("curl", "--silent", "--show-error", "--fail", "--cacert", m.root(), "--resolve", at+":"+address, url)
			if err != nil || !strings.Contains(out, "Hello") {
				return fmt.Errorf("%v\n%s", err, out)
			}
			return nil
		})
	}
	reached(name)
	reached(sample + ".local")

	// The daemon goes and comes: the name stays, also while it is away.
	m.kill(syscall.SIGKILL)
	if got, err := n.ask(name); got != "192.168.77.5" {
		t.Errorf("without the daemon the answer is %q (%v)", got, err)
	}
	m.start()
	reached(name)
}

// A name that another machine has is left to it: the service takes the next one, is reached there, and people are told. When the
// other machine takes it back the service has it again, by itself.
func TestAServicesNameMayBeAnothersInLocal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	n := m.newNeighbour("192.168.77.5/24", "192.168.77.9/24")
	unclaim := n.claims(sample+".local.", net.IPv4(192, 168, 77, 9))
	m.start()
	m.installSample()
	name := sample + "-2.local"
	m.eventually(30*time.Second, "the service has another name", func() error {
		for _, row := range m.rows("host", "address", "list", sample) {
			if row["hostname"] == sample+".local" {
				m.t.Fatalf("the service has the other's name: %v", row)
			}
			if row["hostname"] == name {
				out, err := n.run("curl", "--silent", "--show-error", "--fail", "--cacert", m.root(), "--resolve", name+":8443:192.168.77.5", row["url"].(string))
				if err != nil || !strings.Contains(out, "Hello") {
					return fmt.Errorf("%v\n%s", err, out)
				}
				return nil
			}
		}
		return errors.New("not yet")
	})
	m.eventually(30*time.Second, "people are told", func() error {
		for _, row := range m.rows("warnings", "list") {
			if text := fmt.Sprint(row); strings.Contains(text, name) && strings.Contains(text, sample+".local") {
				return nil
			}
		}
		return fmt.Errorf("%v", m.rows("warnings", "list"))
	})

	unclaim()
	m.eventually(40*time.Second, "the service has its name back, and nobody is warned", func() error {
		if rows := fmt.Sprint(m.rows("warnings", "list")); strings.Contains(rows, name) {
			return errors.New(rows)
		}
		for _, row := range m.rows("host", "address", "list", sample) {
			if row["hostname"] == sample+".local" {
				_, err := n.run("curl", "--silent", "--show-error", "--fail", "--cacert", m.root(), "--resolve", sample+".local:8443:192.168.77.5", row["url"].(string))
				return err
			}
		}
		return errors.New("not yet")
	})
}

// claims has the neighbour answer for a name in .local until the test ends or it takes the name back.
func (n *neighbour) claims(name string, address net.IP) (unclaim func()) {
	n.m.t.Helper()
	opened := make(chan *net.UDPConn)
	go func() {
		defer close(opened)
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			return
		}
		defer home.Close()
		c, err := n.multicast()
		if back := netns.Set(home); back != nil {
			panic(back) // nothing that runs on this thread later would be where it believes to be
		}
		runtime.UnlockOSThread()
		if err == nil {
			opened <- c
		}
	}()
	c := <-opened
	if c == nil {
		n.m.t.Fatal("the neighbour cannot listen for names in .local")
	}
	n.m.t.Cleanup(func() { c.Close() })
	record := func(ttl uint32) []byte {
		a := new(dns.Msg)
		a.Response, a.Authoritative = true, true
		a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET | 1<<15, Ttl: ttl}, A: address}}
		out, err := a.Pack()
		if err != nil {
			panic(err) // of a test's own making
		}
		return out
	}
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	go func() {
		b := make([]byte, 9000)
		for {
			length, _, err := c.ReadFromUDP(b)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(b[:length]) != nil || q.Response {
				continue
			}
			if slices.ContainsFunc(q.Question, func(question dns.Question) bool { return question.Name == name }) {
				_, _ = c.WriteToUDP(record(120), group)
			}
		}
	}()
	return func() {
		if _, err := c.WriteToUDP(record(0), group); err != nil {
			n.m.t.Error(err)
		}
		c.Close()
	}
}

// multicast listens for questions of mDNS on a thread of its own, which is left at the neighbour.
func (n *neighbour) multicast() (*net.UDPConn, error) {
	ns, err := netns.GetFromPid(n.holder.Process.Pid)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := netns.Set(ns); err != nil {
		return nil, err
	}
	link, err := net.InterfaceByName("eth0")
	if err != nil {
		return nil, err
	}
	return net.ListenMulticastUDP("udp4", link, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
}
