package door_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/protobuf/proto"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// firstMessage is what a caller of the standard library sends first.
func firstMessage(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	go func() { _ = tls.Client(here, cfg).Handshake() }()
	must(t, there.SetReadDeadline(time.Now().Add(5*time.Second)))
	header := make([]byte, 5)
	_, err := io.ReadFull(there, header)
	must(t, err)
	body := make([]byte, int(header[3])<<8|int(header[4]))
	_, err = io.ReadFull(there, body)
	must(t, err)
	there.Close()
	return append(header, body...)
}

func TestHelloIsReadHoweverItComes(t *testing.T) {
	t.Parallel()
	whole := firstMessage(t, &tls.Config{ServerName: "Hello.Test", NextProtos: []string{"h2", "http/1.1"}})
	var pieces []byte // the same message in records of 100 bytes
	for part := range slices.Chunk(whole[5:], 100) {
		pieces = append(append(pieces, 22, 3, 1, 0, byte(len(part))), part...)
	}
	for name, sent := range map[string][]byte{"one record": whole, "many records": pieces} {
		after := "what follows"
		r := iotest.OneByteReader(io.MultiReader(bytes.NewReader(sent), strings.NewReader(after)))
		got, alpn, raw, err := door.ReadHello(r)
		if err != nil || got != "hello.test" || !slices.Equal(alpn, []string{"h2", "http/1.1"}) || !bytes.Equal(raw, sent) {
			t.Errorf("%s: name %q, protocols %v, %d of %d bytes, %v", name, got, alpn, len(raw), len(sent), err)
		}
		if rest, _ := io.ReadAll(r); string(rest) != after {
			t.Errorf("%s: took %d bytes too many", name, len(after)-len(rest))
		}
	}
	for n := range len(whole) {
		if _, _, raw, err := door.ReadHello(bytes.NewReader(whole[:n])); err == nil || len(raw) != n {
			t.Errorf("the first %d bytes pass for a message: %v", n, err)
		}
	}
}

// errPeeked ends the library's handshake once it has told what it read.
var errPeeked = errors.New("peeked")

// FuzzHello checks that reading never fails badly, stays in bounds, and sees the name the library sees.
func FuzzHello(f *testing.F) {
	f.Add(firstMessage(f, &tls.Config{ServerName: "a.test", NextProtos: []string{"h2"}}))
	f.Add(firstMessage(f, &tls.Config{ServerName: "b.test", MaxVersion: tls.VersionTLS12}))
	f.Add(firstMessage(f, &tls.Config{InsecureSkipVerify: true}))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, sent []byte) {
		name, alpn, raw, err := door.ReadHello(bytes.NewReader(sent))
		if !bytes.HasPrefix(sent, raw) || len(raw) > door.MaxHelloRaw {
			t.Fatalf("%d bytes read of %d", len(raw), len(sent))
		}
		var seen *tls.ClientHelloInfo
		library := tls.Server(script{bytes.NewReader(sent)}, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			seen = h
			return nil, errPeeked
		}})
		_ = library.Handshake()
		if seen == nil || err != nil {
			return // what the library does not understand is refused by it after us, what we do not by us
		}
		if !strings.EqualFold(seen.ServerName, name) {
			t.Errorf("name %q, the library sees %q", name, seen.ServerName)
		}
		if !slices.Equal(seen.SupportedProtos, alpn) {
			t.Errorf("protocols %q, the library sees %q", alpn, seen.SupportedProtos)
		}
	})
}

// script is a connection that says what it was given and takes everything.
type script struct{ io.Reader }

func (script) Write(p []byte) (int, error)      { return len(p), nil }
func (script) Close() error                     { return nil }
func (script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (script) SetDeadline(time.Time) error      { return nil }
func (script) SetReadDeadline(time.Time) error  { return nil }
func (script) SetWriteDeadline(time.Time) error { return nil }

// FuzzTable reads tables as from disk: each is refused or can be used, and one that can be used is the same after a way
// to the disk and back.
func FuzzTable(f *testing.F) {
	r := &rig{cert: identity(f, "all", "a.test")}
	for _, t := range []*doorv1.Table{
		{}, r.table(&doorv1.Route{Names: []string{"a.test", "*.b.test"}, Certificate: "all", Upstream: "10.0.3.2:80", Http: true, Alpn: []string{"h2"}}),
		{Listeners: []*doorv1.Listener{{Address: "[::]:443", Routes: []*doorv1.Route{{Upstream: "unix:/run/x", ProxyProtocol: true, AllowedSources: []string{"10.0.0.0/8"}}}}}},
		{Resolver: &doorv1.Resolver{Addresses: []string{"10.0.3.1:53"}, Zones: []string{"startos"}, Records: []*doorv1.Record{{Name: "a.startos", Ipv4: []string{"10.0.3.2"}}}, Upstreams: []string{"1.1.1.1:53"}}},
		{Resolver: &doorv1.Resolver{FirewallTag: "1a2b", Named: []*doorv1.Named{{Set: "named_0123456789abcdef", Sources: []string{"10.0.3.7"}, Names: []string{"*.example.org:443"}}}}},
		{Redirects: []*doorv1.Redirect{{Address: "0.0.0.0:80", TlsPort: 443, RootCertificate: []byte("x")}}},
	} {
		b, err := proto.Marshal(t)
		must(f, err)
		f.Add(append([]byte(door.StateMagic), b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := door.DecodeState(b)
		if err != nil || door.Check(table) != nil {
			return
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(table)
		must(t, err)
		back, err := door.DecodeState(append([]byte(door.StateMagic), again...))
		must(t, err)
		if door.Digest(back) != door.Digest(table) {
			t.Error("the table changed on its way")
		}
	})
}

// FuzzSecureURL checks that a plain request is never led to another host than it names.
func FuzzSecureURL(f *testing.F) {
	f.Add("home.local:80", "/a?b", "443")
	f.Add("[fd00::1%25eth0]:80", "//evil.test/", "8443")
	f.Add("user@evil.test", "/", "443")
	f.Fuzz(func(t *testing.T, host, uri, port string) {
		if strings.Trim(port, "0123456789") != "" || strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return // these come from the table and from the library's parser
		}
		to, ok := door.SecureURL(host, uri, port)
		if !ok {
			return
		}
		u, err := url.Parse(to)
		if err != nil {
			return // a path that is no URL goes back as it came
		}
		name := strings.ToLower(u.Hostname())
		if u.Scheme != "https" || u.User != nil || !strings.Contains(strings.ToLower(host), strings.TrimSuffix(name, ".")) && net.ParseIP(name) == nil {
			t.Errorf("%q leads to %q", host, to)
		}
	})
}
