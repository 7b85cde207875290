package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// scanned is what a scan of one address found: the ports that take connections, those of them that then serve, and the ports
// that answer datagrams.
type scanned struct {
	Address                 string
	Open, Serving, Datagram []int
}

// datagrams are ports that something on a machine is likely to answer, each with a question it would answer.
func datagrams() map[int][]byte {
	question, _ := new(dns.Msg).SetQuestion("hearth.startos.", dns.TypeA).Pack()
	out := map[int][]byte{53: question, 5353: question, 5355: question}
	for _, port := range []int{67, 68, 69, 123, 137, 161, 500, 546, 547, 1194, 1900, 3478, 4500, 5351, 51820} {
		out[port] = []byte("\x1b" + strings.Repeat("\x00", 47))
	}
	return out
}

// scan looks at ports of addresses, "all" or a list, and prints what it finds, a line of JSON for each address.
func scan(list string, addresses []string) error {
	var ports []int
	for port := 1; port < 1<<16 && list == "all"; port++ {
		ports = append(ports, port)
	}
	for word := range strings.SplitSeq(strings.TrimPrefix(list, "all"), ",") {
		if port, err := strconv.Atoi(word); err == nil {
			ports = append(ports, port)
		}
	}
	for _, text := range addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		found := scanned{Address: text}
		if found.Open, err = connectable(address, ports); err != nil {
			return err
		}
		var each sync.WaitGroup
		var mu sync.Mutex // guards found
		look := func(list *[]int, port int, answers func(at string) bool) {
			each.Go(func() {
				if !answers(net.JoinHostPort(text, strconv.Itoa(port))) {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				*list = append(*list, port)
			})
		}
		for _, port := range found.Open {
			look(&found.Serving, port, serves)
		}
		for port, question := range datagrams() {
			look(&found.Datagram, port, func(at string) bool { return answersDatagram(at, question) })
		}
		each.Wait()
		slices.Sort(found.Serving)
		slices.Sort(found.Datagram)
		line, err := json.Marshal(found)
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
}

// connectable tries ports, some thousands at a time. What has not answered within a second is taken for closed: only the
// kernel is asked.
func connectable(address netip.Addr, all []int) (open []int, err error) {
	for some := range slices.Chunk(all, 8192) {
		var waiting []unix.PollFd
		ports := map[int32]int{}
		for _, port := range some {
			fd, done, err := begin(address, port)
			if err != nil {
				return nil, err
			}
			if done || fd < 0 {
				if done {
					open = append(open, port)
				}
				continue
			}
			waiting, ports[int32(fd)] = append(waiting, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}), port
		}
		for end := time.Now().Add(time.Second); len(waiting) > 0 && time.Now().Before(end); {
			if _, err := unix.Poll(waiting, int(time.Until(end).Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
				return nil, err
			}
			waiting = slices.DeleteFunc(waiting, func(p unix.PollFd) bool {
				if p.Revents == 0 {
					return false
				}
				if code, err := unix.GetsockoptInt(int(p.Fd), unix.SOL_SOCKET, unix.SO_ERROR); err == nil && code == 0 {
					open = append(open, ports[p.Fd])
				}
				_ = unix.Close(int(p.Fd))
				return true
			})
		}
		for _, p := range waiting {
			_ = unix.Close(int(p.Fd))
		}
	}
	slices.Sort(open)
	return open, nil
}

// begin begins a connection. It answers a descriptor where nothing is known yet, and done where it stands already.
func begin(address netip.Addr, port int) (fd int, done bool, err error) {
	family, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: port, Addr: to4(address)})
	if address.Is6() {
		at := &unix.SockaddrInet6{Port: port, Addr: address.As16()}
		if zone := address.Zone(); zone != "" {
			link, err := net.InterfaceByName(zone)
			if err != nil {
				return 0, false, err
			}
			at.ZoneId = uint32(link.Index)
		}
		family, to = unix.AF_INET6, at
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, false, err
	}
	// Ends with a reset: tens of thousands of connections that linger would use up the ports of the caller.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	err = unix.Connect(fd, to)
	if errors.Is(err, unix.EINPROGRESS) {
		return fd, false, nil
	}
	_ = unix.Close(fd)
	return -1, err == nil, nil
}

func to4(a netip.Addr) (out [4]byte) {
	if a.Is4() {
		out = a.As4()
	}
	return out
}

// serves tells whether what takes a connection has anything to say to the caller, over TLS or without.
func serves(at string) bool {
	for _, secured := range []bool{true, false} {
		c, err := net.DialTimeout("tcp", at, 3*time.Second)
		if err != nil {
			continue
		}
		_ = c.SetDeadline(time.Now().Add(3 * time.Second))
		said := false
		if secured {
			said = tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() == nil //nolint:gosec // whoever answers counts
		} else {
			_, _ = io.WriteString(c, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
			n, _ := c.Read(make([]byte, 64))
			said = n > 0
		}
		c.Close()
		if said {
			return true
		}
	}
	return false
}

func answersDatagram(at string, question []byte) bool {
	c, err := net.Dial("udp", at)
	if err != nil {
		return false
	}
	defer c.Close()
	for range 2 { // datagrams may be lost
		if _, err := c.Write(question); err != nil {
			return false
		}
		_ = c.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
		n, err := c.Read(make([]byte, 1500))
		if n > 0 {
			return true
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
	}
	return false
}

// hold listens on ports, or ports of addresses, until standard input ends, and says back what it is told, after a greeting.
func hold(ports []string, greet func(net.Conn)) error {
	for _, port := range ports {
		if !strings.Contains(port, ":") {
			port = ":" + port
		}
		l, err := net.Listen("tcp", port)
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					greet(c)
					_, _ = io.Copy(c, c)
				}()
			}
		}()
	}
	fmt.Println("READY")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// answerDatagrams answers datagrams at ports until standard input ends: with who sent them and what is in them.
func answerDatagrams(ports []string) error {
	for _, port := range ports {
		c, err := net.ListenPacket("udp", ":"+port)
		if err != nil {
			return err
		}
		go func() {
			b := make([]byte, 1500)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = c.WriteTo(fmt.Appendf(nil, "%s %s", from, b[:n]), from)
			}
		}()
	}
	fmt.Println("READY")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// tell sends a datagram until it is answered, a few times, and prints the answer.
func tell(at, what string) error {
	c, err := net.Dial("udp", at)
	if err != nil {
		return err
	}
	defer c.Close()
	b := make([]byte, 1500)
	for range 3 { // datagrams may be lost
		if _, err = c.Write([]byte(what)); err != nil {
			return err
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		var n int
		if n, err = c.Read(b); err == nil {
			fmt.Println(string(b[:n]))
			return nil
		}
	}
	return err
}

// say connects, says something, and prints all that is answered.
func say(at, what string) error {
	c, err := net.DialTimeout("tcp", at, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, what); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, c)
	return err
}

// scans scans addresses by a caller: a command that runs a program where the caller is.
func (m *machine) scans(caller []string, ports string, addresses ...string) map[string]scanned {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	args := slices.Concat(caller[1:], []string{"env", visitorEnv + "=scan", self, ports}, addresses)
	out := map[string]scanned{}
	lines := bufio.NewScanner(strings.NewReader(m.must(caller[0], args...)))
	for lines.Scan() {
		var s scanned
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			m.t.Fatalf("%v in %q", err, lines.Text())
		}
		out[s.Address] = s
	}
	return out
}

// within is a caller in the network of a package's container.
func (m *machine) within(pkg string) []string {
	m.t.Helper()
	return []string{"nsenter", "-t", m.leader(pkg), "-n", "--"}
}

// leader is the first process of a package's container.
func (m *machine) leader(pkg string) string {
	m.t.Helper()
	return strings.TrimSpace(m.must("sh", "-c", eldest+`for d in /sys/fs/cgroup /sys/fs/cgroup/*; do f=$d/$0/cgroup.procs; [ -f "$f" ] && eldest "$f" && break; done`,
		fmt.Sprintf("hearth/%s/payload/%s", m.tag(), pkg)))
}

// from is a caller at a neighbour.
func (n *neighbour) from() []string {
	return []string{"nsenter", "-t", strconv.Itoa(n.holder.Process.Pid), "-n", "--"}
}

// model is what the server says it serves: the addresses of hosts that are on.
type model struct {
	rows  []map[string]any
	heard map[string][]int // the ports that the services of packages listen on
}

// ports are those that the addresses of some packages have at a number. Of ranges, which are forwarded, nothing is open that the
// service does not listen on. By number they are told over IPv4; those that have a name are at all numbers it leads to.
func (m model) ports(number string, packages ...string) (out []int) {
	six := strings.Contains(number, ":")
	for _, row := range m.rows {
		pkg, port, count := row["package"].(string), int(row["port"].(float64)), int(row["numberOfPorts"].(float64))
		byName := six && count > 0 && row["kind"] == "mdns"
		switch {
		case row["access"] == "off" || row["hostname"] != number && !byName || !slices.Contains(packages, pkg):
		case count == 0:
			out = append(out, port)
		default:
			for i := range count {
				if slices.Contains(m.heard[pkg], int(row["internalPort"].(float64))+i) {
					out = append(out, port+i)
				}
			}
		}
	}
	return out
}

// model is what the server says now.
func (n *networks) model() model {
	n.t.Helper()
	known := model{rows: n.rows("host", "address", "list"), heard: map[string][]int{}}
	for _, pkg := range []string{sample, friend, probe} {
		known.heard[pkg] = n.listening(pkg, "ipv4")
	}
	return known
}

// A scan of every port finds what the server says is open, from each container to every other one and from outside, and
// nothing else; also after somebody flushed the firewall, and after the daemon came again.
func TestPortScan(t *testing.T) {
	t.Parallel()
	n := newNetworks(t)
	n.start()
	n.installSample()
	for _, pkg := range []string{friend, probe} {
		n.hearth("package", "install", filepath.Join(n.bin, pkg+".s9pk"))
		n.healthy(pkg)
	}
	n.hearth("package", "action", "run", friend, "expose")
	n.listenWithin(friend, "7777")
	n.listenWithin(sample, "7777")
	n.listenWithin(probe, "7777")
	n.lan.must("ip", "route", "add", "10.0.3.0/24", "via", lanAddress)
	n.lan.must("ip", "-6", "route", "add", "fd00:3::/64", "via", lanAddress6)
	n.public.must("ip", "-6", "route", "add", "fd00:3::/64", "via", wanAddress6, "dev", "eth0", "onlink")
	n.public.must("ip", "route", "add", "10.0.3.0/24", "via", wanAddress, "dev", "eth0", "onlink")
	n.checkServices("at first")
	n.checkOutside("at first")
	n.every("a service", n.within(sample), bridge, bridge6, n.number(friend, "ipv4"), n.number(friend, "ipv6"))
	n.every("a neighbour", n.lan.from(), bridge, lanAddress)

	whole := n.must("nft", "list", "ruleset")
	same := func() error { return errIf(n.must("nft", "list", "ruleset") != whole, "they are others") }
	n.must("nft", "flush", "ruleset")
	n.eventually(30*time.Second, "the rules are back", same)
	n.checkServices("after the rules were flushed")
	n.kill(syscall.SIGKILL)
	n.must("nft", "flush", "ruleset")
	n.start()
	n.eventually(30*time.Second, "the rules are back", same)
	n.checkServices("after the daemon came again")
}

// What the server has at its addresses besides what is a host's: the page, which is one, the way to it, and services' way out.
const (
	pagePort     = 8443
	redirectPort = 8080
	socksPort    = 1080
	bridge       = "10.0.3.1"
	bridge6      = "fd00:3::1"
)

// grants says which packages reach the ports of which others: those they depend on.
var grants = map[string][]string{probe: {friend}}

// checkServices scans by each service every other one, and the server at its addresses.
func (n *networks) checkServices(when string) {
	n.t.Helper()
	known := n.model()
	packages := []string{sample, friend, probe}
	for _, from := range packages {
		entitled := append([]string{from}, grants[from]...)
		want := map[string]scanned{
			bridge:  {Open: append(known.ports(bridge, entitled...), 53, socksPort, pagePort), Datagram: []int{53}},
			bridge6: {Open: append(known.ports(bridge, entitled...), pagePort)}, // people are told one of the two
		}
		for _, number := range []string{lanAddress, wanAddress, lanAddress6, wanAddress6} {
			want[number] = scanned{Open: append(known.ports(number, entitled...), pagePort)}
		}
		for _, to := range packages {
			for _, kind := range []string{"ipv4", "ipv6"} {
				if to != from && slices.Contains(grants[from], to) {
					want[n.number(to, kind)] = scanned{Open: n.listening(to, kind)}
				} else if to != from {
					want[n.number(to, kind)] = scanned{}
				}
			}
		}
		n.check(when+" "+from, n.within(from), want)
	}
}

// checkOutside scans the server and its services from the networks it is in.
func (n *networks) checkOutside(when string) {
	n.t.Helper()
	known := n.model()
	all := []string{"server", sample, friend, probe}
	inside, inside6 := n.number(friend, "ipv4"), n.number(friend, "ipv6")
	want := map[string]scanned{bridge: {}, inside: {}, bridge6: {}, inside6: {}}
	for _, number := range []string{lanAddress, lanAddress6} {
		want[number] = scanned{Open: append(known.ports(number, all...), redirectPort)}
	}
	want[n.linkLocal("lan0")+"%eth0"] = scanned{} // the model has no addresses that need their link to mean something
	n.check(when+" from a network", n.lan.from(), want)

	want = map[string]scanned{bridge: {}, inside: {}, bridge6: {}, inside6: {}}
	for _, number := range []string{wanAddress, wanAddress6} {
		want[number] = scanned{}
	}
	n.checkServing(when+" from the Internet", n.public.from(), want)
}

// every scans all ports there are: what is open is among those that are looked at otherwise.
func (n *networks) every(who string, caller []string, addresses ...string) {
	n.t.Helper()
	begun := time.Now()
	few, all := n.scans(caller, n.ports(), addresses...), n.scans(caller, "all", addresses...)
	n.t.Logf("all ports of %v by %s: %s", addresses, who, time.Since(begun).Round(time.Millisecond))
	for _, a := range addresses {
		if !slices.Equal(few[a].Open, all[a].Open) {
			n.t.Errorf("at %s all that is open to %s is %v, of the ports that something listens on %v", a, who, all[a].Open, few[a].Open)
		}
	}
}

// ports are all ports that anything listens on, on the machine or in a container, with those beside them, and those of ranges.
func (n *networks) ports() string {
	n.t.Helper()
	list := map[int]bool{}
	out := n.must("ss", "-Hltn")
	for _, pkg := range []string{sample, friend, probe} {
		caller := n.within(pkg)
		out += n.must(caller[0], append(caller[1:], "ss", "-Hltn")...)
	}
	for line := range strings.Lines(out) {
		_, port, _ := net.SplitHostPort(strings.Fields(line)[3])
		if number, err := strconv.Atoi(port); err == nil {
			list[number-1], list[number], list[number+1] = true, true, true
		}
	}
	for _, row := range n.rows("host", "address", "list") { // a range is forwarded, and nothing of the machine listens there
		for i := range int(row["numberOfPorts"].(float64)) {
			list[int(row["port"].(float64))+i] = true
		}
	}
	var words []string
	for _, port := range slices.Sorted(maps.Keys(list)) {
		words = append(words, strconv.Itoa(port))
	}
	return strings.Join(words, ",")
}

// check scans addresses and compares what takes connections and what answers datagrams.
func (n *networks) check(who string, caller []string, want map[string]scanned) {
	n.t.Helper()
	begun := time.Now()
	found := n.scans(caller, n.ports(), slices.Sorted(maps.Keys(want))...)
	n.t.Logf("%s: %d addresses in %s", who, len(want), time.Since(begun).Round(time.Millisecond))
	for number, w := range want {
		slices.Sort(w.Open)
		w.Open = slices.Compact(w.Open)
		if f := found[number]; !slices.Equal(f.Open, w.Open) || !slices.Equal(f.Datagram, w.Datagram) {
			n.t.Errorf("%s: at %s are open %v and answer datagrams %v, the server says %v and %v", who, number, f.Open, f.Datagram, w.Open, w.Datagram)
		}
	}
}

// checkServing is check for callers who are heard and then refused: what has a word for them counts.
func (n *networks) checkServing(who string, caller []string, want map[string]scanned) {
	n.t.Helper()
	found := n.scans(caller, n.ports(), slices.Sorted(maps.Keys(want))...)
	for number, w := range want {
		if f := found[number]; !slices.Equal(f.Serving, w.Serving) || !slices.Equal(f.Datagram, w.Datagram) {
			n.t.Errorf("%s: at %s serve %v and answer datagrams %v, the server says %v and %v", who, number, f.Serving, f.Datagram, w.Serving, w.Datagram)
		}
	}
}

// linkLocal is the address that a link of the machine gave itself.
func (n *networks) linkLocal(link string) string {
	n.t.Helper()
	words := strings.Fields(n.must("ip", "-6", "-o", "addr", "show", "dev", link, "scope", "link"))
	if len(words) < 4 {
		n.t.Fatalf("%s has no address of its own: %v", link, words)
	}
	number, _, _ := strings.Cut(words[3], "/")
	return number
}

// number is the address of a container.
func (n *networks) number(pkg, kind string) string {
	n.t.Helper()
	return fmt.Sprint(n.rows("package", "show", pkg)[0][kind])
}

// listening are the ports that anything listens on in a container, at its addresses of a kind.
func (n *networks) listening(pkg, kind string) (out []int) {
	n.t.Helper()
	caller := n.within(pkg)
	for line := range strings.Lines(n.must(caller[0], append(caller[1:], "ss", "-Hltn")...)) {
		words := strings.Fields(line)
		host, port, err := net.SplitHostPort(words[3])
		if number, bad := strconv.Atoi(port); err == nil && bad == nil && !strings.HasPrefix(host, "127.") && host != "::1" &&
			(host == "*" || strings.Contains(host, ":") == (kind == "ipv6")) {
			out = append(out, number)
		}
	}
	return out
}

func (n *networks) listenWithin(pkg string, ports ...string) { n.runWithin("hold", pkg, ports...) }

// runWithin has something listen in a container until the test ends.
func (n *networks) runWithin(what, pkg string, ports ...string) (stop func()) {
	n.t.Helper()
	return n.holds(what, n.within(pkg), ports...)
}

// holds has something listen where a caller is, until it is stopped or the test ends.
func (n *networks) holds(what string, caller []string, ports ...string) (stop func()) {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := n.command(caller[0], slices.Concat(caller[1:], []string{"env", visitorEnv + "=" + what, self}, ports)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() { in.Close(); _ = cmd.Wait() })
	n.t.Cleanup(stop)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "READY\n" {
		n.t.Fatalf("nothing listens by %v: %q %v", caller, line, err)
	}
	return stop
}
