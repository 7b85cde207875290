package door_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// oddities is a site whose answers are hard to carry over unchanged.
func oddities(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
		w.Header().Set("X-Query", r.URL.RawQuery)
		w.Header().Set("X-Host", r.Host)
		io.Copy(w, r.Body)
	case "/status":
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
	case "/headers":
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "not really gzip")
	case "/trailers":
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
	case "/early":
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	case "/big":
		b := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
		for range 8 {
			w.Write(b)
		}
	case "/path", "//path//x", "/a%2Fb", "/a b":
		io.WriteString(w, r.URL.EscapedPath())
	case "/cut":
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case "/range":
		http.ServeContent(w, r, "x.txt", time.Unix(1, 0), strings.NewReader("0123456789"))
	default:
		http.NotFound(w, r)
	}
}

// account is what a caller can tell about an answer.
func account(c *http.Client, base, method, path, body string, header http.Header) string {
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	maps.Copy(req.Header, header)
	var early []string
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			early = append(early, fmt.Sprint(code, h.Get("Link")))
			return nil
		},
	}))
	resp, err := c.Do(req)
	if err != nil {
		return "failed"
	}
	defer resp.Body.Close()
	sum := 0
	var head []byte
	b := make([]byte, 4096)
	for {
		n, err2 := resp.Body.Read(b)
		sum += n
		if len(head) < 64 {
			head = append(head, b[:min(n, 64-len(head))]...)
		}
		if err2 != nil {
			if !errors.Is(err2, io.EOF) {
				err = errors.New("cut")
			}
			break
		}
	}
	resp.Header.Del("Date")
	var out strings.Builder
	fmt.Fprintln(&out, resp.StatusCode, resp.ContentLength, sum, string(head), err, early)
	for _, h := range []http.Header{resp.Header, resp.Trailer} {
		for _, k := range slices.Sorted(maps.Keys(h)) {
			fmt.Fprintln(&out, k, h[k])
		}
	}
	return out.String()
}

func TestAnswersAreTheSameAsWithoutTheDoor(t *testing.T) {
	t.Parallel()
	direct := httptest.NewUnstartedServer(http.HandlerFunc(oddities))
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	direct.Config.Protocols = p
	direct.Start()
	t.Cleanup(direct.Close)
	r := newRig(t, door.Options{})
	upstream := direct.Listener.Addr().String()
	addr := r.apply(t, r.table(
		&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"h2", "http/1.1"}},
		&doorv1.Route{Names: []string{"b.test"}, Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"h2", "http/1.1"}, UpstreamHttp2: true},
	))["tcp "+tlsAddress]
	plain := func(http2 bool) *http.Client {
		p := new(http.Protocols)
		p.SetHTTP1(!http2)
		p.SetUnencryptedHTTP2(http2)
		return &http.Client{
			Transport:     &http.Transport{DisableCompression: true, Protocols: p},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	clients := map[bool]*http.Client{false: plain(false), true: plain(true)}
	h := func(pairs ...string) http.Header {
		out := http.Header{"Host": nil}
		for i := 0; i < len(pairs); i += 2 {
			out.Add(pairs[i], pairs[i+1])
		}
		return out
	}
	for name, c := range map[string]struct {
		method, path, body string
		header             http.Header
	}{
		"get":              {"GET", "/echo", "", nil},
		"post":             {"POST", "/echo", "hello", nil},
		"put empty":        {"PUT", "/echo", "", nil},
		"delete with body": {"DELETE", "/echo", "x", nil},
		"head":             {"HEAD", "/big", "", nil},
		"odd query":        {"GET", "/echo?a=%zz;b&&c", "", nil},
		"own method":       {"PROPFIND", "/echo", "<x/>", nil},
		"not modified":     {"GET", "/status?code=304", "", nil},
		"no content":       {"GET", "/status?code=204", "", nil},
		"redirect":         {"GET", "/status?code=302", "", nil},
		"teapot":           {"GET", "/status?code=418", "", nil},
		"headers":          {"GET", "/headers", "", nil},
		"trailers":         {"GET", "/trailers", "", nil},
		"early hints":      {"GET", "/early", "", nil},
		"big":              {"GET", "/big", "", nil},
		"double slashes":   {"GET", "//path//x", "", nil},
		"escaped slash":    {"GET", "/a%2Fb", "", nil},
		"escaped blank":    {"GET", "/a%20b", "", nil},
		"cut":              {"GET", "/cut", "", nil},
		"range":            {"GET", "/range", "", h("Range", "bytes=2-4")},
		"expect":           {"POST", "/echo", "later", h("Expect", "100-continue")},
		"options":          {"OPTIONS", "/echo", "", nil},
		"large body":       {"POST", "/echo", strings.Repeat("y", 1<<20), nil},
	} {
		for _, via := range []struct {
			name  string
			http2 bool
		}{{"a.test", false}, {"a.test", true}, {"b.test", false}, {"b.test", true}} {
			// What counts is the protocol the service speaks: over HTTP/2 it tells lengths where HTTP/1.1 has chunks.
			want := account(clients[via.http2 && via.name == "b.test"], "http://"+upstream, c.method, c.path, c.body, c.header)
			want = strings.ReplaceAll(want, upstream, "a.test")
			cl := r.client(addr, via.name, via.http2)
			cl.Transport.(*http.Transport).DisableCompression = true
			got := strings.ReplaceAll(account(cl, "https://"+via.name, c.method, c.path, c.body, c.header), via.name, "a.test")
			if got != want {
				t.Errorf("%s through %s, h2 %v:\n got %s\nwant %s", name, via.name, via.http2, got, want)
			}
		}
	}
}

func TestWhatCallersClaimAboutThemselvesIsReplaced(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	upstream := site(t, func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		h.Set("Host", r.Host)
		seen <- h
	})
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"h2", "http/1.1"}}))["tcp "+tlsAddress]
	for _, http2 := range []bool{false, true} {
		req, err := http.NewRequest("GET", "https://a.test/", nil)
		must(t, err)
		for _, k := range []string{
			"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-User", "X-Forwarded-Port", "X-Forwarded-Prefix",
			"Forwarded", "X-Real-Ip", "X_Forwarded_For", "x_real_ip", "Proxy",
		} {
			req.Header[k] = []string{"forged"}
		}
		req.Header.Set("Connection", "X-Forwarded-For, Upgrade")
		req.Header.Set("Upgrade", "h2c")
		if http2 {
			req.Header.Del("Connection")
			req.Header.Del("Upgrade")
		}
		req.Header.Set("Authorization", "Bearer kept")
		resp, err := r.client(addr, "a.test", http2).Do(req)
		must(t, err)
		resp.Body.Close()
		got := <-seen
		for k, v := range got {
			if slices.Contains(v, "forged") {
				t.Errorf("h2 %v: %s is %v", http2, k, v)
			}
		}
		for k, want := range map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.test", "Host": "a.test",
			"Authorization": "Bearer kept", "Upgrade": "",
		} {
			if got.Get(k) != want {
				t.Errorf("h2 %v: %s is %q, want %q", http2, k, got.Get(k), want)
			}
		}
	}
}

func TestAnswersComePieceByPiece(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	upstream := site(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush() // headers alone
		for i := range 3 {
			<-next
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
	})
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"h2", "http/1.1"}}))["tcp "+tlsAddress]
	for _, http2 := range []bool{false, true} {
		resp, err := r.client(addr, "a.test", http2).Get("https://a.test/")
		must(t, err)
		lines := bufio.NewReader(resp.Body)
		for i := range 3 {
			next <- struct{}{} // the next piece is made only after the one before was read
			got, err := lines.ReadString('\n')
			must(t, err)
			if got != fmt.Sprintf("data: %d\n", i) {
				t.Errorf("piece %d is %q", i, got)
			}
			_, _ = lines.ReadString('\n')
		}
		resp.Body.Close()
	}
}

func TestARequestInTwoWritesIsNotHeldBack(t *testing.T) {
	t.Parallel()
	upstream := site(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"http/1.1"}}))["tcp "+tlsAddress]
	c, err := tls.Dial("tcp", addr, r.config("a.test", "http/1.1"))
	must(t, err)
	defer c.Close()
	answers := bufio.NewReader(c)
	times := make([]time.Duration, 0, 20)
	for range cap(times) {
		at := time.Now()
		_, err = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n")
		must(t, err)
		_, err = io.WriteString(c, "body")
		must(t, err)
		resp, err := http.ReadResponse(answers, nil)
		must(t, err)
		b, _ := io.ReadAll(resp.Body)
		if string(b) != "body" {
			t.Fatalf("got %q", b)
		}
		times = append(times, time.Since(at))
	}
	slices.Sort(times)
	if median := times[len(times)/2]; median > 20*time.Millisecond {
		t.Errorf("half of the requests took more than %v: a delayed acknowledgement is 40 ms", median)
	}
}

func TestAnUpgradedConnectionCarriesBytesBothWays(t *testing.T) {
	t.Parallel()
	upstream := site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-Websocket-Key") != "k" {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello\n")
		io.Copy(c, rw)
	})
	r := newRig(t, door.Options{})
	table := r.table(&doorv1.Route{Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"h2", "http/1.1"}})
	addr := r.apply(t, table)["tcp "+tlsAddress]
	c, err := tls.Dial("tcp", addr, r.config("a.test", "http/1.1"))
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n")
	must(t, err)
	if got := line(t, c); got != "HTTP/1.1 101 Switching Protocols\r" {
		t.Fatalf("answer is %q", got)
	}
	for line(t, c) != "\r" {
	}
	if got := line(t, c); got != "hello" {
		t.Fatalf("first line is %q", got)
	}
	stillEchoes(t, c)
	table.Listeners[0].Routes = append(table.Listeners[0].Routes, &doorv1.Route{Names: []string{"z.test"}, Certificate: "all", Upstream: upstream})
	r.apply(t, table)
	stillEchoes(t, c)
	table.Listeners[0].Routes = nil
	r.apply(t, table)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("an upgraded connection outlived its route")
	}
}

// A websocket is over when its caller has left, though its service does not heed that: who comes and goes often enough would have all
// there are.
func TestAWebsocketEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	upstream := site(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello\n")
	})
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"http/1.1"}}))["tcp "+tlsAddress]
	c, err := tls.Dial("tcp", addr, r.config("a.test", "http/1.1"))
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
	must(t, err)
	for line(t, c) != "hello" {
	}
	must(t, c.CloseWrite())
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the caller's end there are %d bytes, %v", n, err)
	}
}

// A connection that is there when the end of the door begins may still be made a websocket, which then goes on.
func TestAConnectionIsUpgradedWhileTheDoorDrains(t *testing.T) {
	t.Parallel()
	upstream := site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello\n")
		io.Copy(c, rw)
	})
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"http/1.1"}}))["tcp "+tlsAddress]
	c, err := tls.Dial("tcp", addr, r.config("a.test", "http/1.1"))
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	must(t, err)
	for line(t, c) != "\r" {
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		r.Drain(ctx, 10*time.Second)
	}()
	for { // until it is noticed
		other, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		other.Close()
	}
	_, err = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	must(t, err)
	var head []string
	for l := line(t, c); l != "\r"; l = line(t, c) {
		head = append(head, strings.TrimSpace(l))
	}
	if head[0] != "HTTP/1.1 101 Switching Protocols" || !slices.Contains(head, "Connection: Upgrade") {
		t.Fatalf("the answer is %q", head)
	}
	if got := line(t, c); got != "hello" {
		t.Fatalf("first line is %q", got)
	}
	stillEchoes(t, c)
	c.Close()
	<-drained
}

func TestARequestUnderWayOutlivesItsRoute(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	upstream := site(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "complete")
	})
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"http/1.1"}}))["tcp "+tlsAddress]
	done := make(chan string, 1)
	client := r.client(addr, "a.test", false)
	go func() {
		resp, err := client.Get("https://a.test/")
		if err != nil {
			done <- err.Error()
			return
		}
		b, _ := io.ReadAll(resp.Body)
		done <- string(b)
	}()
	<-entered
	r.apply(t, r.table())
	close(leave)
	if got := <-done; got != "complete" {
		t.Errorf("got %q", got)
	}
	if resp, err := client.Get("https://a.test/"); err == nil {
		t.Errorf("a new request was answered %s", resp.Status)
	}
}

func TestAKeptConnectionFollowsItsRoute(t *testing.T) {
	t.Parallel()
	tell := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, s) }
	}
	first, second := site(t, tell("first")), site(t, tell("second"))
	r := newRig(t, door.Options{})
	table := func(up string) *doorv1.Table {
		return r.table(&doorv1.Route{Certificate: "all", Upstream: up, Http: true, Alpn: []string{"h2", "http/1.1"}})
	}
	addr := r.apply(t, table(first))["tcp "+tlsAddress]
	for _, http2 := range []bool{false, true} {
		client := r.client(addr, "a.test", http2)
		for _, want := range []string{"first", "second", "first", "second"} {
			r.apply(t, table(map[string]string{"first": first, "second": second}[want]))
			resp, err := client.Post("https://a.test/", "text/plain", strings.NewReader("x"))
			must(t, err)
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(b) != want {
				t.Errorf("h2 %v: led to %q, want %q", http2, b, want)
			}
		}
	}
}

func TestAServiceThatIsNotThereIsToldToCallers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l.Close()
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: l.Addr().String(), Http: true, Alpn: []string{"h2", "http/1.1"}}))["tcp "+tlsAddress]
	for _, http2 := range []bool{false, true} {
		for mode, again := range map[string]string{"navigate": "2", "cors": "", "": ""} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.test/", http.NoBody)
			must(t, err)
			req.Header.Set("Sec-Fetch-Mode", mode)
			resp, err := r.client(addr, "a.test", http2).Do(req)
			must(t, err)
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadGateway || !strings.Contains(string(b), "try again") || resp.Header.Get("Refresh") != again {
				t.Errorf("h2 %v, %q: %d %q, %v", http2, mode, resp.StatusCode, b, resp.Header)
			}
		}
	}
}

func TestAnUpstreamMaySpeakTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Proto, r.Header.Get("X-Forwarded-For"))
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	r := newRig(t, door.Options{})
	upstream := s.Listener.Addr().String()
	addr := r.apply(t, r.table(
		&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: upstream, UpstreamTls: true, Http: true, Alpn: []string{"h2", "http/1.1"}, UpstreamHttp2: true},
		&doorv1.Route{Names: []string{"b.test"}, Certificate: "all", Upstream: upstream, UpstreamTls: true, AlpnReflect: true},
	))["tcp "+tlsAddress]
	for _, c := range []struct {
		name  string
		http2 bool
		want  string
	}{{"a.test", false, "HTTP/1.1 127.0.0.1"}, {"a.test", true, "HTTP/2.0 127.0.0.1"}, {"b.test", false, "HTTP/1.1 "}, {"b.test", true, "HTTP/2.0 "}} {
		resp, err := r.client(addr, c.name, c.http2).Get("https://" + c.name + "/")
		must(t, err)
		b, _ := io.ReadAll(resp.Body)
		if string(b) != c.want {
			t.Errorf("%s, h2 %v: %q, want %q", c.name, c.http2, b, c.want)
		}
	}
}

// TestGRPCIsTheSameAsWithoutTheDoor uses the reflection service: it streams both ways.
func TestGRPCIsTheSameAsWithoutTheDoor(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := grpc.NewServer(grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		if slices.Contains(md.Get("fail"), "yes") {
			ss.SetTrailer(metadata.Pairs("why", "asked to"))
			return status.Error(codes.FailedPrecondition, "as you wish")
		}
		return h(srv, ss)
	}))
	reflection.Register(s)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: l.Addr().String(), Http: true, Alpn: []string{"h2"}, UpstreamHttp2: true}))["tcp "+tlsAddress]
	direct := talk(t, l.Addr().String(), insecure.NewCredentials())
	through := talk(t, addr, credentials.NewTLS(r.config("a.test")))
	if direct != through || !strings.Contains(direct, "FailedPrecondition") {
		t.Errorf("direct %q\nthrough the door %q", direct, through)
	}
}

func talk(t *testing.T, addr string, creds credentials.TransportCredentials) string {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	must(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out strings.Builder
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	must(t, err)
	for range 3 { // each answer before the next question
		must(t, stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}))
		resp, err := stream.Recv()
		must(t, err)
		for _, s := range resp.GetListServicesResponse().GetService() {
			fmt.Fprintln(&out, s.GetName())
		}
	}
	must(t, stream.CloseSend())
	_, err = stream.Recv()
	fmt.Fprintln(&out, err)
	failing, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(metadata.AppendToOutgoingContext(ctx, "fail", "yes"))
	must(t, err)
	_, err = failing.Recv()
	fmt.Fprintln(&out, status.Code(err), status.Convert(err).Message(), failing.Trailer().Get("why"))
	return out.String()
}

// A request for a name of another service, on a connection that was made for this one, comes to neither: the certificate of the connection does not
// speak for that one, and this one is not to be asked in its name. Names that are nobody's are the service's own business.
func TestARequestForAnotherServicesNameIsMisdirected(t *testing.T) {
	t.Parallel()
	says := func(word string) string {
		return site(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, word+" "+r.Host) })
	}
	a, b := says("a"), says("b")
	r := newRig(t, door.Options{})
	alpn := []string{"h2", "http/1.1"}
	at := r.apply(t, r.table(
		&doorv1.Route{Names: []string{"a.test", "also-a.test"}, Certificate: "all", Upstream: a, Http: true, Alpn: alpn},
		&doorv1.Route{Names: []string{"b.test", "*.w.test"}, Certificate: "all", Upstream: b, Http: true, Alpn: alpn},
		&doorv1.Route{Names: []string{"off.test"}, Refused: true, Upstream: "255.255.255.255:1"},
	))["tcp "+tlsAddress]
	for _, http2 := range []bool{false, true} {
		c := r.client(at, "a.test", http2)
		for host, want := range map[string]string{
			"a.test": "a a.test", "A.Test": "a A.Test", "a.test:8443": "a a.test:8443", "also-a.test": "a also-a.test", "elsewhere.example": "a elsewhere.example",
			"b.test": "421", "B.test": "421", "b.test:443": "421", "b.test.": "421", "x.w.test": "421", "off.test": "421",
		} {
			req, err := http.NewRequest("GET", "https://a.test/", nil)
			must(t, err)
			req.Host = host
			resp, err := c.Do(req)
			must(t, err)
			body, err := io.ReadAll(resp.Body)
			must(t, err)
			resp.Body.Close()
			got := string(body)
			if resp.StatusCode != http.StatusOK {
				got = fmt.Sprint(resp.StatusCode)
			}
			if got != want {
				t.Errorf("HTTP/2 %t: a request for %s on a connection for a.test is answered with %q, want %q", http2, host, got, want)
			}
		}
	}
}
