package door_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

const socksAddress = "127.0.0.1:0"

// newSocks is a door with a way out for callers of this machine.
func newSocks(t *testing.T, l door.Limits) (*rig, *doorv1.Table, string) {
	t.Helper()
	r := newRig(t, door.Options{Limits: l})
	table := &doorv1.Table{Socks: &doorv1.Socks{Addresses: []string{socksAddress}, AllowedSources: []string{"127.0.0.0/8"}}}
	return r, table, r.apply(t, table)["tcp "+socksAddress]
}

func anywhere(string, string, syscall.RawConn) error { return nil }

// by connects by SOCKS.
func by(t *testing.T, at, target string) (net.Conn, error) {
	t.Helper()
	d, err := proxy.SOCKS5("tcp", at, nil, &net.Dialer{Timeout: 10 * time.Second})
	must(t, err)
	return d.(proxy.ContextDialer).DialContext(t.Context(), "tcp", target)
}

func TestSocksLeadsOut(t *testing.T) {
	t.Parallel()
	_, _, at := newSocks(t, door.Limits{Outward: anywhere})
	far := echoServer(t)
	_, port, err := net.SplitHostPort(far)
	must(t, err)
	for _, target := range []string{far, "localhost:" + port} {
		c, err := by(t, at, target)
		must(t, err)
		must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = io.WriteString(c, "there and back")
		must(t, err)
		got := make([]byte, len("there and back"))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "there and back" {
			t.Errorf("%s: %q, %v", target, got, err)
		}
		c.Close()
	}
}

// echoServer answers with what it is sent, and ends its own way when the caller's has ended.
func echoServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

// For a name that is the server's own nobody else is asked: who is could lead it to himself.
func TestSocksAsksNobodyForNamesOfTheServer(t *testing.T) {
	t.Parallel()
	r, table, at := newSocks(t, door.Limits{Outward: anywhere})
	_, port, err := net.SplitHostPort(echoServer(t))
	must(t, err)
	if c, err := by(t, at, "localhost:"+port); err != nil {
		t.Fatal(err)
	} else {
		c.Close()
	}
	table.Resolver = &doorv1.Resolver{Zones: []string{"localhost"}} // a name that the machine's resolver knows
	r.apply(t, table)
	for _, name := range []string{"localhost", "LocalHost."} {
		if c, err := by(t, at, name+":"+port); err == nil || !strings.Contains(err.Error(), "host unreachable") {
			t.Errorf("%s: %v", name, err)
			if c != nil {
				c.Close()
			}
		}
	}
}

func TestSocksReachesNothingOfTheMachineOrItsNetworks(t *testing.T) {
	t.Parallel()
	_, _, at := newSocks(t, door.Limits{})
	far := echoServer(t)
	_, port, err := net.SplitHostPort(far)
	must(t, err)
	targets := []string{
		far, "localhost:" + port, "[::1]:" + port, "[::ffff:127.0.0.1]:" + port, "0.0.0.0:" + port, "127.1.2.3:" + port,
		"10.0.3.2:80", "192.168.1.1:80", "172.16.0.1:80", "169.254.169.254:80", "100.64.0.1:80", "[fe80::1]:80", "[fd00::1]:80",
		"[64:ff9b::7f00:1]:80", "[2002:7f00:1::]:80", "224.0.0.1:80",
	}
	own, err := net.InterfaceAddrs()
	must(t, err)
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			targets = append(targets, net.JoinHostPort(p.Addr().String(), port))
		}
	}
	for _, target := range targets {
		c, err := by(t, at, target)
		if err == nil {
			c.Close()
			t.Errorf("%s is reached", target)
		} else if !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%s: %v", target, err)
		}
	}
	if _, err := by(t, at, "no such name.test:80"); err == nil || !strings.Contains(err.Error(), "host unreachable") {
		t.Errorf("what is no name: %v", err)
	}
}

func TestSocksSpeaksVersionFiveAndConnectsAlone(t *testing.T) {
	t.Parallel()
	_, _, at := newSocks(t, door.Limits{Outward: anywhere})
	for name, c := range map[string]struct{ sent, want string }{
		"version four":         {"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", ""},
		"with a password only": {"\x05\x01\x02", "\x05\xff"},
		"to listen":            {"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		"datagrams":            {"\x05\x01\x00\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		"an unknown address":   {"\x05\x01\x00\x05\x01\x00\x09\x7f\x00\x00\x01\x00\x50", "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00"},
		"HTTP":                 {"GET / HTTP/1.1\r\n\r\n", ""},
	} {
		conn, err := net.Dial("tcp", at)
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = io.WriteString(conn, c.sent)
		must(t, err)
		_ = conn.(*net.TCPConn).CloseWrite() // it may be over already
		got, _ := io.ReadAll(conn)           // what was not read is answered with a reset
		if string(got) != c.want {
			t.Errorf("%s: answered % x, expected % x", name, got, c.want)
		}
		conn.Close()
	}
}

func TestSocksIsForThoseOfTheTable(t *testing.T) {
	t.Parallel()
	r, table, at := newSocks(t, door.Limits{Outward: anywhere})
	far := echoServer(t)
	open, err := by(t, at, far)
	must(t, err)
	defer open.Close()
	table.Socks.AllowedSources = []string{"192.0.2.0/24"}
	r.apply(t, table)
	must(t, open.SetDeadline(time.Now().Add(10*time.Second)))
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("who may use it no more is still connected")
	}
	if c, err := by(t, at, far); err == nil {
		c.Close()
		t.Error("somebody else was let in")
	}
	table.Socks.AllowedSources = nil
	r.apply(t, table)
	if c, err := by(t, at, far); err == nil {
		c.Close()
		t.Error("somebody was let in where nobody is")
	}
}

func TestSilentCallersOfSocksAreClosed(t *testing.T) {
	t.Parallel()
	_, _, at := newSocks(t, door.Limits{Hello: 50 * time.Millisecond})
	c, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", at)
	must(t, err)
	defer c.Close()
	_, err = c.Write([]byte{5})
	must(t, err)
	must(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
}

// sayer is a caller that says something and keeps what is answered.
type sayer struct {
	io.Reader
	answered bytes.Buffer
}

func (s *sayer) Write(p []byte) (int, error) { return s.answered.Write(p) }

// FuzzSocks gives the way out whatever callers may say: a request is a host and a port, nothing behind it is read, and all else ends
// with an error and a short answer.
func FuzzSocks(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50rest"))
	f.Add([]byte("\x05\x02\x02\x00\x05\x01\x00\x03\x0bexample.com\x01\xbbrest"))
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x04\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50"))
	f.Add([]byte("\x04\x01\x00\x50\x7f\x00\x00\x01\x00"))
	f.Add([]byte("\x05\x00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bytes.NewReader(sent)
		c := &sayer{Reader: r}
		target, err := door.ReadSocks(c)
		if c.answered.Len() > 12 {
			t.Errorf("answered with %d bytes", c.answered.Len())
		}
		if err != nil {
			return
		}
		if len(sent)-r.Len() > 2+255+4+1+255+2 {
			t.Errorf("%d bytes were read", len(sent)-r.Len())
		}
		host, port, err := net.SplitHostPort(target)
		if err != nil || host == "" || port == "" || strings.ContainsAny(host, "%/ \x00") {
			t.Errorf("the target is %q, %v", target, err)
		}
	})
}
