package door_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/pires/go-proxyproto"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// ownTLS is a server that speaks TLS itself: it tells the name it was asked by, then returns what it gets.
func ownTLS(t *testing.T, l net.Listener, cert *doorv1.Certificate) {
	t.Helper()
	pair, err := tls.X509KeyPair(cert.GetChain(), cert.GetKey())
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}})
				defer c.Close()
				if c.Handshake() != nil {
					return
				}
				io.WriteString(c, c.ConnectionState().ServerName+" from "+c.RemoteAddr().String()+"\n")
				io.Copy(c, c)
			}()
		}
	}()
}

func TestAPassedThroughConnectionIsNotOpened(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ownTLS(t, backend, r.cert)
	proxied, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	must(t, err)
	ownTLS(t, &proxyproto.Listener{Listener: proxied, Policy: func(net.Addr) (proxyproto.Policy, error) { return proxyproto.REQUIRE, nil }}, r.cert)
	table := &doorv1.Table{Listeners: []*doorv1.Listener{{Address: tlsAddress, Routes: []*doorv1.Route{
		{Names: []string{"a.test"}, Upstream: backend.Addr().String()},
		{Names: []string{"b.test"}, Upstream: "unix:" + proxied.Addr().String(), ProxyProtocol: true},
	}}}}
	addr := r.apply(t, table)["tcp "+tlsAddress]
	c, got := r.greeting(t, addr, "a.test")
	if !strings.HasPrefix(got, "a.test from 127.0.0.1:") {
		t.Errorf("told %q", got)
	}
	stillEchoes(t, c)
	c, got = r.greeting(t, addr, "b.test")
	if want := "b.test from " + c.LocalAddr().String(); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	stillEchoes(t, c)
}

func TestAPlainListenerCarriesAnyProtocol(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	never, ssh := echo(t, "never"), echo(t, "SSH-2.0-x")
	table := func(sources ...string) *doorv1.Table {
		return &doorv1.Table{Listeners: []*doorv1.Listener{{Address: tlsAddress, Plain: true, Routes: []*doorv1.Route{
			{Upstream: never, AllowedSources: []string{"203.0.113.0/24"}},
			{Upstream: ssh, AllowedSources: sources},
		}}}}
	}
	addr := r.apply(t, table())["tcp "+tlsAddress]
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	if got := line(t, c); got != "SSH-2.0-x" { // the other end speaks first
		t.Errorf("greeted with %q", got)
	}
	stillEchoes(t, c)
	r.apply(t, table("203.0.113.0/24"))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived its right")
	}
	stranger, err := net.Dial("tcp", addr)
	if err != nil {
		return // it was cut off before the kernel said that it stands
	}
	defer stranger.Close()
	if b, _ := io.ReadAll(stranger); len(b) != 0 {
		t.Errorf("a source without a route got %q", b)
	}
}

func TestASocketByPathIsWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	path := filepath.Join(t.TempDir(), "daemon.sock")
	addr := r.apply(t, &doorv1.Table{Listeners: []*doorv1.Listener{{Address: tlsAddress, Routes: []*doorv1.Route{{Upstream: "unix:" + path}}}}})["tcp "+tlsAddress]
	got := make(chan string, 1)
	raw, err := net.Dial("tcp", addr)
	must(t, err)
	defer raw.Close()
	began := make(chan struct{})
	go func() {
		c := tls.Client(raw, r.config("a.test"))
		close(began)
		if err := c.Handshake(); err != nil {
			got <- err.Error()
			return
		}
		s, _ := bufio.NewReader(c).ReadString('\n')
		got <- s
	}()
	<-began
	l, err := net.Listen("unix", path)
	must(t, err)
	ownTLS(t, l, r.cert)
	if s := <-got; !strings.HasPrefix(s, "a.test from") {
		t.Errorf("a caller who came too early got %q", s)
	}
}

func TestAnUpstreamThatDiesBeforeItAnswersIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	path := filepath.Join(t.TempDir(), "daemon.sock")
	l, err := net.Listen("unix", path)
	must(t, err)
	for _, wait := range []bool{false, true} { // it dies at once, or after it has read what was said
		died := make(chan struct{})
		go func() {
			defer close(died)
			c, err := l.Accept()
			if err != nil {
				return
			}
			if wait {
				_, _ = c.Read(make([]byte, 1<<16))
			}
			c.Close()
		}()
		addr := r.apply(t, &doorv1.Table{Listeners: []*doorv1.Listener{{Address: tlsAddress, Routes: []*doorv1.Route{{Upstream: "unix:" + path}}}}})["tcp "+tlsAddress]
		got := make(chan string, 1)
		go func() {
			c, err := tls.Dial("tcp", addr, r.config("a.test"))
			if err != nil {
				got <- err.Error()
				return
			}
			defer c.Close()
			s, _ := bufio.NewReader(c).ReadString('\n')
			got <- s
		}()
		<-died
		l.Close() // and the next process takes its place
		l, err = net.Listen("unix", path)
		must(t, err)
		if !wait {
			go serveOnce(l, r.cert)
		} else {
			ownTLS(t, l, r.cert)
		}
		if s := <-got; !strings.HasPrefix(s, "a.test from") {
			t.Errorf("dying after reading %v: the caller got %q", wait, s)
		}
	}
}

// serveOnce answers one caller as ownTLS does.
func serveOnce(l net.Listener, cert *doorv1.Certificate) {
	raw, err := l.Accept()
	if err != nil {
		return
	}
	pair, _ := tls.X509KeyPair(cert.GetChain(), cert.GetKey())
	c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}})
	defer c.Close()
	if c.Handshake() == nil {
		io.WriteString(c, c.ConnectionState().ServerName+" from here\n")
	}
}

func TestWaitingForASocketByPathEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{Limits: door.Limits{Wait: 100 * time.Millisecond}})
	path := filepath.Join(t.TempDir(), "daemon.sock")
	addr := r.apply(t, &doorv1.Table{Listeners: []*doorv1.Listener{{Address: tlsAddress, Routes: []*doorv1.Route{{Upstream: "unix:" + path}}}}})["tcp "+tlsAddress]
	if _, err := tls.Dial("tcp", addr, r.config("a.test")); err == nil {
		t.Error("somebody answered")
	}
}

func TestTheEndOfOneWayIsPassedOn(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // answers only after it has read all
				defer c.Close()
				b, _ := io.ReadAll(c)
				io.WriteString(c, strings.ToUpper(string(b)))
			}()
		}
	}()
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: l.Addr().String()}))["tcp "+tlsAddress]
	c, err := tls.Dial("tcp", addr, r.config("a.test"))
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "shout")
	must(t, err)
	must(t, c.CloseWrite())
	b, err := io.ReadAll(c)
	if string(b) != "SHOUT" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestProtocolsOfTheHandshake(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	up := echo(t, "hi")
	addr := r.apply(t, r.table(
		&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: up},
		&doorv1.Route{Names: []string{"b.test"}, Certificate: "all", Upstream: up, Alpn: []string{"x", "y"}},
		&doorv1.Route{Names: []string{"c.w.test"}, Certificate: "all", Upstream: up, AlpnReflect: true},
	))["tcp "+tlsAddress]
	for _, c := range []struct {
		name  string
		offer []string
		want  string
	}{
		{"a.test", []string{"y"}, ""}, {"b.test", []string{"y"}, "y"}, {"b.test", nil, ""},
		{"c.w.test", []string{"z", "y"}, "z"}, {"c.w.test", nil, ""},
	} {
		conn, err := tls.Dial("tcp", addr, r.config(c.name, c.offer...))
		must(t, err)
		if got := conn.ConnectionState().NegotiatedProtocol; got != c.want {
			t.Errorf("%s offered %v: %q, want %q", c.name, c.offer, got, c.want)
		}
		if got := line(t, conn); got != "hi" {
			t.Errorf("%s: %q", c.name, got)
		}
		conn.Close()
	}
	if _, err := tls.Dial("tcp", addr, r.config("b.test", "z")); err == nil {
		t.Error("a protocol nobody speaks was agreed on")
	}
}

func TestCallersThatSayNothingAreClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{Limits: door.Limits{Hello: 50 * time.Millisecond, Handshake: 50 * time.Millisecond}})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: echo(t, "hi")}))["tcp "+tlsAddress]
	for name, say := range map[string]string{"nothing": "", "half a record": "\x16\x03\x01\x02", "a strange record": "\x17\x03\x03\x00\x01x", "noise": "\x00\x01\x02"} {
		c, err := net.Dial("tcp", addr)
		must(t, err)
		_, err = io.WriteString(c, say)
		must(t, err)
		must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: read %d, %v", name, n, err)
		}
		c.Close()
	}
}

func TestOneSourceCannotFillTheDoorWithHandshakes(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{Limits: door.Limits{PendingSource: 4}})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: echo(t, "hi")}))["tcp "+tlsAddress]
	for range 4 {
		c, err := net.Dial("tcp", addr)
		must(t, err)
		defer c.Close()
	}
	local := func(ip string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 10 * time.Second}
		return tls.DialWithDialer(&d, "tcp", addr, r.config("a.test"))
	}
	for { // the silent ones are counted once they are accepted
		c, err := local("127.0.0.1")
		if err != nil {
			break
		}
		c.Close()
	}
	c, err := local("127.0.0.9")
	must(t, err)
	defer c.Close()
	if got := line(t, c); got != "hi" {
		t.Errorf("another source got %q", got)
	}
}

func TestTheConnectionsSilentLongestMakeRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{Limits: door.Limits{Descriptors: 64}})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: echo(t, "hi")}))["tcp "+tlsAddress]
	patient, err := tls.DialWithDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}, "tcp", addr, r.config("a.test"))
	must(t, err)
	defer patient.Close()
	line(t, patient)
	silent, _ := r.greeting(t, addr, "a.test")
	time.Sleep(20 * time.Millisecond) // the kernel's clock for it counts milliseconds
	busy, _ := r.greeting(t, addr, "a.test")
	for range 40 {
		r.greeting(t, addr, "a.test")
		stillEchoes(t, busy)
	}
	must(t, silent.SetReadDeadline(time.Now().Add(10*time.Second)))
	if _, err := silent.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection silent longest was left open: %v", err)
	}
	stillEchoes(t, patient) // another source does not pay for it
}

func TestNamesAreAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	table := func(ip string) *doorv1.Table {
		return &doorv1.Table{Resolver: &doorv1.Resolver{
			Addresses: []string{"127.0.0.3:0"}, Zones: []string{"startos"},
			Records: []*doorv1.Record{{Name: "hello.startos", Ipv4: []string{ip}, Subdomains: true}},
		}}
	}
	at := r.apply(t, table("10.0.3.5"))
	ask := func(network string) string {
		m := new(dns.Msg)
		m.SetQuestion("x.hello.startos.", dns.TypeA)
		resp, _, err := (&dns.Client{Net: network}).Exchange(m, at[network+" 127.0.0.3:0"])
		must(t, err)
		if len(resp.Answer) != 1 {
			return resp.String()
		}
		return resp.Answer[0].(*dns.A).A.String()
	}
	for _, network := range []string{"udp", "tcp"} {
		if got := ask(network); got != "10.0.3.5" {
			t.Errorf("over %s: %s", network, got)
		}
	}
	if again := r.apply(t, table("10.0.3.6")); again["udp 127.0.0.3:0"] != at["udp 127.0.0.3:0"] {
		t.Error("the resolver moved")
	}
	if got := ask("udp"); got != "10.0.3.6" {
		t.Errorf("after the change: %s", got)
	}
}

func TestDrainLetsWhatHasBegunEnd(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	upstream := site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-leave
		}
		io.WriteString(w, "complete")
	})
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(
		&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"http/1.1"}},
		&doorv1.Route{Names: []string{"b.test"}, Certificate: "all", Upstream: echo(t, "hi")},
	))["tcp "+tlsAddress]
	stream, _ := r.greeting(t, addr, "b.test")
	var wg sync.WaitGroup
	var answer *http.Response
	wg.Go(func() { answer, _ = r.client(addr, "a.test", false).Get("https://a.test/slow") })
	<-entered
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r.Drain(ctx, 10*time.Millisecond)
	}()
	for { // until it is noticed
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		c.Close()
	}
	stillEchoes(t, stream)
	close(leave)
	wg.Wait()
	if answer == nil || answer.StatusCode != http.StatusOK || !answer.Close {
		t.Errorf("the request under way was answered %+v", answer)
	}
	stream.Close()
	<-drained
	if _, _, err := r.Apply(t.Context(), r.table()); err == nil {
		t.Error("a door that has ended takes a table")
	}
}

func TestOnlyTheOwnerReachesTheService(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		uids []int
		want bool
	}{"owner": {[]int{99999, os.Geteuid()}, true}, "stranger": {[]int{os.Geteuid() + 1}, false}} {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		must(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			c, err := door.OnlyFrom(l, c.uids...).Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "hello\n")
			c.Close()
		}()
		conn, err := net.Dial("unix", l.Addr().String())
		must(t, err)
		b, _ := io.ReadAll(conn)
		if got := string(b) == "hello\n"; got != c.want {
			t.Errorf("%s: let in %v", name, got)
		}
		conn.Close()
	}
}
