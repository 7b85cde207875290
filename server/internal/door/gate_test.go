package door_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/fault"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// mirror answers what identity a request has when it reaches the service.
func mirror(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "__Host-hearth-ab12=forged; Secure; Path=/")
		w.Header().Add("Set-Cookie", "own=1")
		for _, name := range []string{"X-Forwarded-User", "X-Forwarded-For", "X_Forwarded_User", "Remote-User", "Cookie"} {
			io.WriteString(w, name+"="+strings.Join(r.Header.Values(name), "|")+"\n")
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func secret(text, user string) *doorv1.Credential {
	sum := sha256.Sum256([]byte(text))
	return &doorv1.Credential{Digest: sum[:], User: user}
}

func TestGateLetsOnlyThosePassWhoKnowASecret(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	up := mirror(t)
	basic := &doorv1.Gate{Scheme: doorv1.Gate_SCHEME_BASIC, Realm: "my \"ho\\me\"\r\nX: y", Credentials: []*doorv1.Credential{
		secret("basic anna:s3cret", "anna"), secret("basic bo:", "bo"),
	}}
	bearer := &doorv1.Gate{Scheme: doorv1.Gate_SCHEME_BEARER, Credentials: []*doorv1.Credential{secret("bearer t0ken", "")}}
	route := func(name string, g *doorv1.Gate, h2 bool) *doorv1.Route {
		alpn := []string{"http/1.1"}
		if h2 {
			alpn = []string{"h2", "http/1.1"}
		}
		return &doorv1.Route{Names: []string{name}, Certificate: "all", Upstream: up, Http: true, Alpn: alpn, Gate: g}
	}
	addr := r.apply(t, r.table(
		route("a.test", basic, true), route("b.test", bearer, false),
		route("none.w.test", &doorv1.Gate{Scheme: doorv1.Gate_SCHEME_BASIC}, false),
	))["tcp "+tlsAddress]
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct {
		name, authorization string
		status              int
		user                string
	}{
		{"a.test", "Basic " + b64("anna:s3cret"), 200, "anna"},
		{"a.test", "basic  " + b64("anna:s3cret"), 200, "anna"},
		{"a.test", "Basic " + b64("bo:"), 200, "bo"},
		{"a.test", "Basic " + b64("anna:S3cret"), 401, ""},
		{"a.test", "Basic " + b64("anna"), 401, ""},
		{"a.test", "Basic anna:s3cret", 401, ""},
		{"a.test", "Bearer " + b64("anna:s3cret"), 401, ""},
		{"a.test", "Basic", 401, ""},
		{"a.test", "", 401, ""},
		{"b.test", "Bearer t0ken", 200, ""},
		{"b.test", "Bearer t0ken2", 401, ""},
		{"b.test", "Basic t0ken", 401, ""},
		{"none.w.test", "Basic " + b64(":"), 401, ""},
	} {
		for _, http2 := range []bool{false, true} {
			req, err := http.NewRequest("GET", "https://"+c.name+"/", nil)
			must(t, err)
			if c.authorization != "" {
				req.Header.Set("Authorization", c.authorization)
			}
			req.Header.Set("X-Forwarded-User", "root")
			req.Header["X_Forwarded_User"] = []string{"root"}
			req.Header.Set("Remote-User", "root")
			if http2 && c.name != "a.test" {
				continue
			}
			resp, err := r.client(addr, c.name, http2).Do(req)
			must(t, err)
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("%s with %q: %s", c.name, c.authorization, resp.Status)
			}
			if c.status == 200 && (!strings.HasPrefix(string(body), "X-Forwarded-User="+c.user+"\n") || strings.Contains(string(body), "root")) {
				t.Errorf("%s with %q: the service sees\n%s", c.name, c.authorization, body)
			}
			if challenge := resp.Header.Get("Www-Authenticate"); c.status == 401 && (challenge == "" || c.name == "a.test" && challenge != `Basic realm="my homeX: y"`) {
				t.Errorf("%s is asked for %q", c.name, challenge)
			}
		}
	}
	two, err := http.NewRequest("GET", "https://b.test/", nil)
	must(t, err)
	two.Header["Authorization"] = []string{"Bearer t0ken", "Bearer other"}
	resp, err := r.client(addr, "b.test", false).Do(two)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("two credentials at once: %s", resp.Status)
	}
}

func TestAnotherGateHoldsForOpenConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	up := mirror(t)
	table := func(token string) *doorv1.Table {
		return r.table(&doorv1.Route{
			Certificate: "all", Upstream: up, Http: true, Alpn: []string{"http/1.1"},
			Gate: &doorv1.Gate{Scheme: doorv1.Gate_SCHEME_BEARER, Credentials: []*doorv1.Credential{secret("bearer "+token, "")}},
		})
	}
	addr := r.apply(t, table("old"))["tcp "+tlsAddress]
	client := r.client(addr, "a.test", false)
	status := func(token string) int {
		req, err := http.NewRequest("GET", "https://a.test/", nil)
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		must(t, err)
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if got := status("old"); got != 200 {
		t.Fatalf("before: %d", got)
	}
	r.apply(t, table("new"))
	if old, fresh := status("old"), status("new"); old != 401 || fresh != 200 {
		t.Errorf("after: %d with the old token, %d with the new one", old, fresh)
	}
}

func TestOurCookiesAreNobodyElses(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	addr := r.apply(t, r.table(&doorv1.Route{
		Certificate: "all", Upstream: mirror(t), Http: true, Alpn: []string{"h2", "http/1.1"}, WithoutForwarded: true,
	}))["tcp "+tlsAddress]
	for _, http2 := range []bool{false, true} {
		for sent, want := range map[string]string{
			"a=1; __Host-hearth-ab12=secret; b=2": "a=1; b=2",
			"__host-HEARTH-ab12=secret":           "",
			"a=__Host-hearth-x; b=2":              "a=__Host-hearth-x; b=2",
			"x=\"y z\"; q":                        "x=\"y z\"; q",
		} {
			req, err := http.NewRequest("GET", "https://a.test/", nil)
			must(t, err)
			req.Header.Set("Cookie", sent)
			req.Header.Set("X-Forwarded-For", "203.0.113.9")
			resp, err := r.client(addr, "a.test", http2).Do(req)
			must(t, err)
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !strings.Contains(string(body), "Cookie="+want+"\n") {
				t.Errorf("of %q the service sees\n%s", sent, body)
			}
			if !strings.Contains(string(body), "X-Forwarded-For=\n") {
				t.Errorf("where came from is told, or forged:\n%s", body)
			}
			if set := resp.Header.Values("Set-Cookie"); len(set) != 1 || set[0] != "own=1" {
				t.Errorf("the service sets %q", set)
			}
		}
	}
}

func TestUpstreamsCertificateIsCheckedAsTheRouteSays(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	own := identity(t, "own", "service.startos")
	pair, err := tls.X509KeyPair(own.GetChain(), own.GetKey())
	must(t, err)
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	up.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	up.StartTLS()
	t.Cleanup(up.Close)
	stranger := identity(t, "stranger", "service.startos")
	for what, c := range map[string]struct {
		check *doorv1.UpstreamCheck
		good  bool
	}{
		"none":           {nil, true},
		"pinned":         {&doorv1.UpstreamCheck{Roots: own.GetChain()}, true},
		"by name":        {&doorv1.UpstreamCheck{Roots: own.GetChain(), Names: []string{"10.0.3.9", "service.startos"}}, true},
		"by address":     {&doorv1.UpstreamCheck{Roots: own.GetChain(), Names: []string{"127.0.0.1"}}, true},
		"another's name": {&doorv1.UpstreamCheck{Roots: own.GetChain(), Names: []string{"other.startos"}}, false},
		"another root":   {&doorv1.UpstreamCheck{Roots: stranger.GetChain(), Names: []string{"service.startos"}}, false},
	} {
		for _, http := range []bool{true, false} {
			route := &doorv1.Route{Certificate: "all", Upstream: up.Listener.Addr().String(), UpstreamTls: true, UpstreamCheck: c.check, Http: http}
			if http {
				route.Alpn = []string{"http/1.1"}
			}
			addr := r.apply(t, r.table(route))["tcp "+tlsAddress]
			resp, err := r.client(addr, "a.test", false).Get("https://a.test/")
			good := err == nil && resp.StatusCode == 200
			if err == nil {
				resp.Body.Close()
			}
			if good != c.good {
				t.Errorf("%s, http %t: %v, %v", what, http, resp, err)
			}
		}
	}
}

func TestGatesAndChecksThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	for field, change := range map[string]func(*doorv1.Route){
		"gate.scheme": func(m *doorv1.Route) { m.Gate = &doorv1.Gate{} },
		"gate.credentials[0].digest": func(m *doorv1.Route) {
			m.Gate = &doorv1.Gate{Scheme: 1, Credentials: []*doorv1.Credential{{Digest: []byte("x")}}}
		},
		"gate.credentials[0].user": func(m *doorv1.Route) {
			m.Gate = &doorv1.Gate{Scheme: 1, Credentials: []*doorv1.Credential{secret("x", "a\nb")}}
		},
		"gate":           func(m *doorv1.Route) { m.Gate, m.Http, m.Alpn = &doorv1.Gate{Scheme: 1}, false, nil },
		"upstream_check": func(m *doorv1.Route) { m.UpstreamCheck = &doorv1.UpstreamCheck{Roots: r.cert.GetChain()} },
		"upstream_check.roots": func(m *doorv1.Route) {
			m.UpstreamTls, m.UpstreamCheck = true, &doorv1.UpstreamCheck{Roots: []byte("x")}
		},
	} {
		route := &doorv1.Route{Certificate: "all", Upstream: "127.0.0.1:1", Http: true}
		change(route)
		_, _, err := r.Apply(t.Context(), r.table(route))
		e := fault.FromStatus(err)
		if !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) || !strings.Contains(e.Error(), "routes[0]."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// FuzzRequestHeader holds what is read of requests to its word: nobody passes a gate but with its secret, no cookie of ours is
// left, however it is written, and every other one is.
func FuzzRequestHeader(f *testing.F) {
	for _, seed := range [][2]string{
		{"Basic YW5uYTpzM2NyZXQ=", "a=1; __Host-hearth-ab12=x; b=2"}, {"basic  YW5uYTpzM2NyZXQ=", "__host-HEARTH-"}, {"Basic YW5uYTpzM2NyZXQ", ";;"},
		{"Bearer anna:s3cret", " __Host-hearth-x = y ;a"}, {"", ""}, {"Basic \x00", "a=\"__Host-hearth-\"; =; ,"},
	} {
		f.Add(seed[0], seed[1])
	}
	gate := &doorv1.Gate{Scheme: doorv1.Gate_SCHEME_BASIC, Credentials: []*doorv1.Credential{secret("basic anna:s3cret", "anna")}}
	f.Fuzz(func(t *testing.T, authorization, cookie string) {
		r := &http.Request{Header: http.Header{"Authorization": {authorization}, "Cookie": {cookie}}}
		user, ok := door.Admits(gate, r)
		scheme, rest, _ := strings.Cut(authorization, " ")
		once := &http.Request{Header: http.Header{"Authorization": {scheme + " " + strings.Trim(rest, " ")}}} // more than one space is allowed
		name, password, given := once.BasicAuth()
		if knows := given && name == "anna" && password == "s3cret"; ok && !knows || ok != (user == "anna") {
			t.Errorf("%q passes %t as %q", authorization, ok, user)
		}
		count := func(ours bool) (n int) {
			for _, v := range r.Header["Cookie"] {
				for pair := range strings.SplitSeq(v, ";") {
					pair = strings.ToLower(strings.TrimSpace(pair))
					if strings.HasPrefix(pair, "__host-hearth-") == ours && pair != "" {
						n++
					}
				}
			}
			return n
		}
		others := count(false)
		door.WithoutOwnCookies(r.Header)
		if count(true) != 0 || count(false) != others {
			t.Errorf("of %q is left %q", cookie, r.Header["Cookie"])
		}
	})
}
