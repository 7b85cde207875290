package door_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// identity is a self-made certificate for some names.
func identity(t testing.TB, id string, names ...string) *doorv1.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	k, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return &doorv1.Certificate{
		Id: id, Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k}),
	}
}

// rig is a door with a caller that trusts its certificate.
type rig struct {
	*door.Door
	cert *doorv1.Certificate
	pool *x509.CertPool
}

func newRig(t testing.TB, o door.Options) *rig {
	t.Helper()
	if o.Sockets == nil {
		o.Sockets = door.DirectSockets{}
	}
	d := door.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d.Drain(ctx, time.Millisecond)
	})
	r := &rig{Door: d, cert: identity(t, "all", "a.test", "b.test", "*.w.test"), pool: x509.NewCertPool()}
	r.pool.AppendCertsFromPEM(r.cert.Chain)
	return r
}

const tlsAddress = "127.0.0.1:0"

// table has one TLS listener.
func (r *rig) table(routes ...*doorv1.Route) *doorv1.Table {
	return &doorv1.Table{
		Certificates: []*doorv1.Certificate{r.cert},
		Listeners:    []*doorv1.Listener{{Address: tlsAddress, Routes: routes}},
	}
}

// apply puts a table in force and returns where the sockets are, by what the table calls them.
func (r *rig) apply(t testing.TB, table *doorv1.Table) map[string]string {
	t.Helper()
	_, sockets, err := r.Apply(t.Context(), table)
	must(t, err)
	out := map[string]string{}
	for _, s := range sockets {
		if s.GetError() != "" {
			t.Fatalf("%s: %s", s.GetAddress(), s.GetError())
		}
		out[s.GetAddress()] = s.GetBound()
	}
	return out
}

func (r *rig) config(name string, alpn ...string) *tls.Config {
	return &tls.Config{RootCAs: r.pool, ServerName: name, NextProtos: alpn}
}

// get asks for a path with the name in the handshake and returns status and body.
func (r *rig) client(addr, name string, http2 bool) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2)
	tr := &http.Transport{
		TLSClientConfig: r.config(name), Protocols: p,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	return &http.Client{Transport: tr, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// echo is a plain TCP server that says its greeting and then returns what it gets.
func echo(t testing.TB, greeting string) string {
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
			go func() {
				defer c.Close()
				io.WriteString(c, greeting+"\n")
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func site(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// greeting opens a connection with a name and returns it with the first line it says.
func (r *rig) greeting(t testing.TB, addr, name string) (*tls.Conn, string) {
	t.Helper()
	c, err := tls.Dial("tcp", addr, r.config(name))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c, line(t, c)
}

func line(t testing.TB, c net.Conn) string {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	var out []byte
	for b := make([]byte, 1); ; {
		if _, err := c.Read(b); err != nil {
			t.Fatalf("after %q: %v", out, err)
		}
		if b[0] == '\n' {
			return string(out)
		}
		out = append(out, b[0])
	}
}

func stillEchoes(t testing.TB, c net.Conn) {
	t.Helper()
	_, err := io.WriteString(c, "still there\n")
	must(t, err)
	if got := line(t, c); got != "still there" {
		t.Fatalf("echoed %q", got)
	}
}

func TestConnectionsGoByTheNameInTheHandshake(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(
		&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: echo(t, "a")},
		&doorv1.Route{Names: []string{"b.test"}, Certificate: "all", Upstream: echo(t, "never"), AllowedSources: []string{"203.0.113.0/24"}},
		&doorv1.Route{Names: []string{"b.test", "a.test"}, Certificate: "all", Upstream: echo(t, "b")},
		&doorv1.Route{Names: []string{"*.w.test"}, Certificate: "all", Upstream: echo(t, "wild")},
		&doorv1.Route{Names: []string{"x.w.test"}, Certificate: "all", Upstream: echo(t, "too late")},
	))["tcp "+tlsAddress]
	for name, want := range map[string]string{"a.test": "a", "A.TEST": "a", "b.test": "b", "x.w.test": "wild", "y.w.test": "wild"} {
		c, got := r.greeting(t, addr, name)
		if got != want {
			t.Errorf("%s led to %q, want %q", name, got, want)
		}
		stillEchoes(t, c)
	}
	for _, name := range []string{"absent.test", "x.y.w.test", "w.test"} {
		_, err := tls.Dial("tcp", addr, r.config(name))
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("a name without a route got %v", err)
		}
	}
}

// A name that is refused is nobody's, also where a route takes all names, and whoever came by it before is cut off.
func TestARefusedNameLeadsNowhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	all := &doorv1.Route{Certificate: "all", Upstream: echo(t, "all")}
	addr := r.apply(t, r.table(all))["tcp "+tlsAddress]
	cut, _ := r.greeting(t, addr, "a.test")
	kept, _ := r.greeting(t, addr, "b.test")
	refused := &doorv1.Route{Names: []string{"a.test"}, Refused: true, Upstream: "255.255.255.255:1"}
	r.apply(t, r.table(refused, all))
	if _, err := cut.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived its name")
	}
	stillEchoes(t, kept)
	if _, err := tls.Dial("tcp", addr, r.config("a.test")); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a refused name got %v", err)
	}
	if _, got := r.greeting(t, addr, "b.test"); got != "all" {
		t.Errorf("another name led to %q", got)
	}
	// It lets nobody in by itself.
	r.apply(t, r.table(refused))
	if _, err := tls.Dial("tcp", addr, r.config("b.test")); err == nil {
		t.Error("somebody came in where nothing but a refusal is")
	}
}

func TestAChangeOfTheTableLeavesWhatStaysAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{StatePath: filepath.Join(t.TempDir(), "table")})
	keep := &doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: echo(t, "a")}
	gone := &doorv1.Route{Names: []string{"b.test"}, Certificate: "all", Upstream: echo(t, "b")}
	addr := r.apply(t, r.table(keep, gone))["tcp "+tlsAddress]
	kept, _ := r.greeting(t, addr, "a.test")
	cut, _ := r.greeting(t, addr, "b.test")

	next := r.table(&doorv1.Route{Names: []string{"c.test"}, Certificate: "all", Upstream: echo(t, "c")}, keep)
	next.Certificates = append(next.Certificates, identity(t, "new", "c.test"))
	if again := r.apply(t, next)["tcp "+tlsAddress]; again != addr {
		t.Fatalf("the listener moved from %s to %s", addr, again)
	}
	stillEchoes(t, kept)
	if _, err := cut.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived its route")
	}
	// A route that keeps its way but not its callers ends their connections as well.
	keep = proto.Clone(keep).(*doorv1.Route)
	keep.AllowedSources = []string{"203.0.113.0/24"}
	r.apply(t, r.table(keep))
	if _, err := kept.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived its right")
	}
}

func TestTheSameTableChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	table := r.table(&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: echo(t, "a")})
	first, _, err := r.Apply(t.Context(), table)
	must(t, err)
	second, _, err := r.Apply(t.Context(), proto.Clone(table).(*doorv1.Table))
	must(t, err)
	if first != second || first != door.Digest(table) {
		t.Errorf("digests are %s, %s, %s", first, second, door.Digest(table))
	}
}

func TestADoorStartsFromTheTableOfTheLastTime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "table")
	first := newRig(t, door.Options{StatePath: path})
	table := first.table(&doorv1.Route{Certificate: "all", Upstream: echo(t, "a")})
	first.apply(t, table)
	second := newRig(t, door.Options{StatePath: path})
	must(t, second.Load(t.Context()))
	digest, sockets := second.Status()
	if digest != door.Digest(table) || len(sockets) != 1 {
		t.Fatalf("digest %s, sockets %v", digest, sockets)
	}
	if _, got := first.greeting(t, sockets[0].GetBound(), "a.test"); got != "a" {
		t.Errorf("led to %q", got)
	}
}

func TestASocketThatCannotBeBoundIsToldAndTheRestServes(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := newRig(t, door.Options{})
	table := r.table(&doorv1.Route{Certificate: "all", Upstream: echo(t, "a")})
	table.Redirects = []*doorv1.Redirect{{Address: busy.Addr().String(), TlsPort: 443}}
	_, sockets, err := r.Apply(t.Context(), table)
	must(t, err)
	good := ""
	for _, s := range sockets {
		if s.GetAddress() == "tcp "+busy.Addr().String() {
			if !strings.Contains(s.GetError(), "in use") {
				t.Errorf("the busy address is told as %v", s)
			}
		} else {
			good = s.GetBound()
		}
	}
	if _, got := r.greeting(t, good, "a.test"); got != "a" {
		t.Errorf("led to %q", got)
	}
	busy.Close()
	_, sockets, err = r.Apply(t.Context(), table)
	must(t, err)
	for _, s := range sockets {
		if s.GetError() != "" {
			t.Errorf("after the address is free: %v", s)
		}
	}
}

func TestTablesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	good := func() *doorv1.Table {
		return r.table(&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: "10.0.3.2:80"})
	}
	must(t, door.Check(good()))
	for field, change := range map[string]func(*doorv1.Table){
		"listeners[0].address":               func(t *doorv1.Table) { t.Listeners[0].Address = "localhost:443" },
		"listeners[1].address":               func(t *doorv1.Table) { t.Listeners = append(t.Listeners, t.Listeners[0]) },
		"listeners[0].routes[0].names":       func(t *doorv1.Table) { t.Listeners[0].Routes[0].Names = []string{"A.test"} },
		"listeners[0].routes[0].certificate": func(t *doorv1.Table) { t.Listeners[0].Routes[0].Certificate = "absent" },
		"listeners[0].routes[0].upstream":    func(t *doorv1.Table) { t.Listeners[0].Routes[0].Upstream = "unix:relative" },
		"listeners[0].routes[0].alpn": func(t *doorv1.Table) {
			t.Listeners[0].Routes[0].Http, t.Listeners[0].Routes[0].Alpn = true, []string{"x"}
		},
		"listeners[0].routes[0].proxy_protocol": func(t *doorv1.Table) { t.Listeners[0].Routes[0].ProxyProtocol = true },
		"listeners[0].routes[0].upstream_http2": func(t *doorv1.Table) { t.Listeners[0].Routes[0].UpstreamHttp2 = true },
		"listeners[0].routes[0]":                func(t *doorv1.Table) { t.Listeners[0].Routes[0].Certificate, t.Listeners[0].Routes[0].Http = "", true },
		"listeners[0].routes[0].refused": func(t *doorv1.Table) {
			t.Listeners[0].Routes[0] = &doorv1.Route{Refused: true}
		},
		"listeners[0].routes[0].allowed_sources": func(t *doorv1.Table) { t.Listeners[0].Routes[0].AllowedSources = []string{"all"} },
		"listeners[1].routes[0]": func(t *doorv1.Table) {
			t.Listeners = append(t.Listeners, &doorv1.Listener{Address: "127.0.0.9:0", Plain: true, Routes: t.Listeners[0].Routes})
		},
		"certificates[0]": func(t *doorv1.Table) {
			t.Certificates[0] = &doorv1.Certificate{Id: "all", Chain: []byte("x"), Key: []byte("y")}
		},
		"certificates[1].id":    func(t *doorv1.Table) { t.Certificates = append(t.Certificates, t.Certificates[0]) },
		"redirects[0].tls_port": func(t *doorv1.Table) { t.Redirects = []*doorv1.Redirect{{Address: "127.0.0.1:80"}} },
		"redirects[0].address":  func(t *doorv1.Table) { t.Redirects = []*doorv1.Redirect{{Address: tlsAddress, TlsPort: 443}} },
		"resolver.addresses[0]": func(t *doorv1.Table) { t.Resolver = &doorv1.Resolver{Addresses: []string{"53"}} },
		"resolver.upstreams[0]": func(t *doorv1.Table) { t.Resolver = &doorv1.Resolver{Upstreams: []string{"dns.test"}} },
		"resolver.records[0].ipv4": func(t *doorv1.Table) {
			t.Resolver = &doorv1.Resolver{Records: []*doorv1.Record{{Name: "a", Ipv4: []string{"x"}}}}
		},
		"resolver": func(t *doorv1.Table) { t.Resolver = &doorv1.Resolver{Records: []*doorv1.Record{{Name: "A"}}} },
		"resolver.named[0].names[0]": func(t *doorv1.Table) {
			t.Resolver = &doorv1.Resolver{Named: []*doorv1.Named{{Set: "a", Sources: []string{"10.0.3.7"}, Names: []string{"example"}}}}
		},
		"resolver.named[0].sources[0]": func(t *doorv1.Table) {
			t.Resolver = &doorv1.Resolver{Named: []*doorv1.Named{{Set: "a", Sources: []string{"10.0.3.0/24"}, Names: []string{"example.org"}}}}
		},
	} {
		table := good()
		change(table)
		_, _, err := r.Apply(t.Context(), table)
		if !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("%s: %v", field, err)
			continue
		}
		if v := fault.Proto(err).GetViolations(); len(v) == 0 || v[0].GetField() != field {
			t.Errorf("want a violation of %s, got %v", field, v)
		}
	}
	if digest, _ := r.Status(); digest != "" {
		t.Error("a table that cannot be used is in force")
	}
}

func TestPlainHTTPIsLedToTLS(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	table := r.table(&doorv1.Route{Certificate: "all", Upstream: "127.0.0.1:9"})
	table.Redirects = []*doorv1.Redirect{{Address: "127.0.0.2:0", TlsPort: 8443, RootCertificate: r.cert.Chain, Documents: []*doorv1.Document{
		{Path: "/trust", Language: "en", ContentType: "text/html", Content: []byte("Trust")},
		{Path: "/trust", Language: "de", ContentType: "text/html", Content: []byte("Vertrauen")},
	}}}
	at := r.apply(t, table)
	plain, secure := at["tcp 127.0.0.2:0"], at["tcp "+tlsAddress]
	_, securePort, _ := net.SplitHostPort(secure)
	for _, c := range []struct{ to, host, path, status, location string }{
		{plain, "home.local", "/a?b=c", "307", "https://home.local:8443/a?b=c"},
		{plain, "home.local:80", "/", "307", "https://home.local:8443/"},
		{plain, "[fd00::1]:80", "/", "307", "https://[fd00::1]:8443/"},
		{plain, "evil\"><x", "/", "400", ""},
		{secure, "home.local", "/x", "307", "https://home.local:" + securePort + "/x"},
		{secure, "", "/x", "400", ""},
	} {
		conn, err := net.Dial("tcp", c.to)
		must(t, err)
		_, err = io.WriteString(conn, "GET "+c.path+" HTTP/1.1\r\nHost: "+c.host+"\r\nConnection: close\r\n\r\n")
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		if !strings.HasPrefix(resp.Status, c.status) || resp.Header.Get("Location") != c.location {
			t.Errorf("%s%s got %s, %q", c.host, c.path, resp.Status, resp.Header.Get("Location"))
		}
		conn.Close()
	}
	resp, err := http.Get("http://" + plain + "/ca.crt")
	must(t, err)
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); !bytes.Equal(body, r.cert.Chain) || resp.Header.Get("Content-Type") != "application/x-x509-ca-cert" {
		t.Errorf("/ca.crt is %s %q", resp.Header.Get("Content-Type"), body)
	}
	request, err := http.NewRequest("GET", "http://"+plain+"/trust", nil)
	must(t, err)
	request.Header.Set("Accept-Language", "fr,de;q=0.8")
	page, err := http.DefaultClient.Do(request)
	must(t, err)
	defer page.Body.Close()
	if body, _ := io.ReadAll(page.Body); string(body) != "Vertrauen" || page.Header.Get("Content-Language") != "de" {
		t.Errorf("/trust is %v %q", page.Header, body)
	}
}

// What meets people at the root of plain HTTP is about the server: a name that leads to a service by TLS leads there at once.
func TestNamesOfServicesAreLedOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	// The port of TLS is in the table, so it is chosen before: nobody else is at this address.
	chosen, err := net.Listen("tcp", "127.0.0.5:0")
	must(t, err)
	secure := chosen.Addr().String()
	chosen.Close()
	_, port, _ := net.SplitHostPort(secure)
	number, err := strconv.Atoi(port)
	must(t, err)
	table := r.table(&doorv1.Route{Names: []string{"hello.local"}, Certificate: "all", Upstream: "127.0.0.1:10"}, &doorv1.Route{Certificate: "all", Upstream: "127.0.0.1:9"})
	table.Listeners[0].Address = secure
	table.Redirects = []*doorv1.Redirect{{Address: "127.0.0.5:0", TlsPort: uint32(number), Documents: []*doorv1.Document{{Path: "/", ContentType: "text/html", Content: []byte("Trust")}}}}
	plain := r.apply(t, table)["tcp 127.0.0.5:0"]
	for _, c := range []struct {
		host, path, location string
		status               int
	}{
		{"home.local", "/", "", 200},
		{"home.local", "/?", "https://home.local:" + port + "/", 307},
		{"home.local", "/x", "https://home.local:" + port + "/x", 307},
		{"HELLO.local:80", "/", "https://hello.local:" + port + "/", 307},
	} {
		conn, err := net.Dial("tcp", plain)
		must(t, err)
		_, err = io.WriteString(conn, "GET "+c.path+" HTTP/1.1\r\nHost: "+c.host+"\r\nConnection: close\r\n\r\n")
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		if resp.StatusCode != c.status || resp.Header.Get("Location") != c.location {
			t.Errorf("%s%s got %s, %q", c.host, c.path, resp.Status, resp.Header.Get("Location"))
		}
		conn.Close()
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStrangersAreLedToOpenNamesAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	const address = "127.0.0.1:0"
	redirect := &doorv1.Redirect{Address: address, TlsPort: 443, RootCertificate: r.cert.Chain, AllowedSources: []string{"192.0.2.0/24"}}
	at := r.apply(t, &doorv1.Table{Redirects: []*doorv1.Redirect{redirect}})["tcp "+address]
	client := &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ask := func(host, path string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+path, nil)
		must(t, err)
		req.Host = host
		resp, err := client.Do(req)
		if err != nil {
			return "nothing"
		}
		defer resp.Body.Close()
		return resp.Header.Get("Location")
	}
	if got := ask("open.test", "/"); got != "nothing" {
		t.Errorf("a stranger is answered %q", got)
	}
	redirect.OpenNames = []string{"open.test"}
	at = r.apply(t, &doorv1.Table{Redirects: []*doorv1.Redirect{redirect}})["tcp "+address]
	for asked, want := range map[[2]string]string{
		{"open.test", "/a?b"}: "https://open.test/a?b", {"OPEN.test:80", "/ca.crt"}: "https://open.test/ca.crt",
		{"closed.test", "/"}: "nothing", {"127.0.0.1", "/ca.crt"}: "nothing",
	} {
		if got := ask(asked[0], asked[1]); got != want {
			t.Errorf("%v is answered with %q, expected %q", asked, got, want)
		}
	}
	redirect.OpenNames = []string{"Open.test"}
	if err := door.Check(&doorv1.Table{Redirects: []*doorv1.Redirect{redirect}}); err == nil {
		t.Error("a name that nobody asks for is taken")
	}
}
