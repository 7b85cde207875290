package access_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

const cookieName = "__Host-hearth-test"

// session knows one session of a browser.
type session struct{ cookie, half string }

func (s session) Authenticate(_ context.Context, shown access.Credential, _ string) (access.Identity, error) {
	if shown == (access.Credential{Cookie: s.cookie, Half: s.half}) {
		return access.Identity{Kind: access.Session, ID: "s", Account: "alex", Role: optionsv1.Role_ROLE_OWNER}, nil
	}
	return access.Identity{}, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "unknown")
}

func ours(host string) bool { return host == "server.local" }

// request is what the server's own page sends, changed in one thing.
func request(change func(r *http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://server.local:8443/jsonrpc", nil)
	r.Header.Set("Cookie", cookieName+"=cookie")
	r.Header.Set(access.HalfHeader, "half")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", "https://server.local:8443")
	r.Header.Set("User-Agent", "a browser")
	change(r)
	return r
}

// set changes headers; an empty value takes one away.
func set(pairs ...string) func(*http.Request) {
	return func(r *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			if r.Header.Del(pairs[i]); pairs[i+1] != "" {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
	}
}

func host(name string) func(*http.Request) {
	return func(r *http.Request) {
		r.Host = name
		r.Header.Set("Origin", "https://"+name)
	}
}

const (
	none          = metav1.Reason_REASON_UNSPECIFIED
	foreign       = metav1.Reason_REASON_REQUEST_FOREIGN
	notProven     = metav1.Reason_REASON_UNAUTHENTICATED
	fetchSite     = "Sec-Fetch-Site"
	sessionHeader = access.HalfHeader
)

func TestABrowsersSessionNeedsBothHalvesFromTheServersOwnPage(t *testing.T) {
	t.Parallel()
	auth := session{"cookie", "half"}
	for name, c := range map[string]struct {
		change func(*http.Request)
		caller string // who it is; empty for nobody
		reason metav1.Reason
	}{
		"the server's own page": {set(), "alex", none},

		// A cookie alone is as if nothing were shown: it cannot be told whether the page that calls is ours.
		"cookie alone":                {set(sessionHeader, ""), "", none},
		"cookie alone, from anywhere": {set(sessionHeader, "", fetchSite, "cross-site"), "", none},
		"half alone":                  {set("Cookie", ""), "", notProven},
		"half as the cookie":          {set("Cookie", cookieName+"=half"), "", notProven},
		"cookie as the half":          {set(sessionHeader, "cookie"), "", notProven},
		"another half":                {set(sessionHeader, "other"), "", notProven},
		"another cookie":              {set("Cookie", cookieName+"=other"), "", notProven},
		"empty cookie":                {set("Cookie", cookieName+"="), "", notProven},
		"cookie of another name":      {set("Cookie", "hearth=cookie"), "", notProven},
		"cookie of a service beside":  {set("Cookie", cookieName+"=cookie; "+cookieName+"=planted"), "", notProven},
		"cookie of a service before":  {set("Cookie", cookieName+"=planted; "+cookieName+"=cookie"), "", notProven},
		"two halves":                  {func(r *http.Request) { r.Header.Add(sessionHeader, "half") }, "", notProven},
		"a long half":                 {set(sessionHeader, strings.Repeat("h", 5000)), "", notProven},
		"a long cookie":               {set("Cookie", cookieName+"="+strings.Repeat("c", 5000)), "", notProven},

		"a page of another port":                     {set(fetchSite, "same-site", "Origin", "https://server.local:62933"), "", foreign},
		"a page of another site":                     {set(fetchSite, "cross-site", "Origin", "https://example.org"), "", foreign},
		"typed into the address bar":                 {set(fetchSite, "none", "Origin", ""), "", foreign},
		"the browser says one thing, Origin another": {set(fetchSite, "same-site"), "", foreign},
		"no word of where it comes from":             {set(fetchSite, "", "Origin", ""), "", foreign},
		"a browser that tells the origin alone":      {set(fetchSite, ""), "alex", none},
		"origin of another port":                     {set(fetchSite, "", "Origin", "https://server.local:62933"), "", foreign},
		"origin without port":                        {set(fetchSite, "", "Origin", "https://server.local"), "", foreign},
		"origin without TLS":                         {set(fetchSite, "", "Origin", "http://server.local:8443"), "", foreign},
		"a sandboxed frame":                          {set(fetchSite, "", "Origin", "null"), "", foreign},

		"a name that was made to lead here": {host("evil.example:8443"), "", foreign},
		"a name that ends like ours":        {host("evil-server.local"), "", foreign},
		"a name that begins like ours":      {host("server.local.evil.example"), "", foreign},
		"no name":                           {host(""), "", foreign},
		"our name in capitals":              {host("SERVER.local:8443"), "alex", none},
		"our name with the root's dot":      {host("server.local.:8443"), "alex", none},
		"an address":                        {host("192.0.2.1:8443"), "alex", none},
		"an address of version 6":           {host("[2001:db8::1]:8443"), "alex", none},
		"an address of version 6, no port":  {host("[2001:db8::1]"), "alex", none},
		"localhost":                         {host("localhost:8443"), "alex", none},
	} {
		browser := access.FromHTTP(request(c.change), cookieName, ours)
		for _, listener := range []origin.Listener{origin.Web, origin.Door} {
			caller, err := access.Identify(t.Context(), origin.Origin{Listener: listener}, nil, browser, nil, auth)
			if got := fault.Reason(err); err != nil && got != c.reason || err == nil && c.reason != none {
				t.Errorf("%s: %v, want %s", name, err, c.reason)
			}
			if err == nil && caller.Identity.Name() != c.caller {
				t.Errorf("%s: the caller is %q, want %q", name, caller.Identity.Name(), c.caller)
			}
			if err != nil && caller.Identity != (access.Identity{}) {
				t.Errorf("%s: refused, and still %+v", name, caller.Identity)
			}
		}
	}
}

// No header of a browser means anything where no browser calls.
func TestSessionsOfBrowsersAreForTheWebPortAlone(t *testing.T) {
	t.Parallel()
	browser := access.FromHTTP(request(set()), cookieName, ours)
	for name, change := range map[string]func(*http.Request){
		"both": set(), "half alone": set("Cookie", ""), "cookie alone": set(sessionHeader, ""),
		"empty half":  func(r *http.Request) { r.Header.Del("Cookie"); r.Header[sessionHeader] = []string{""} },
		"two cookies": set(sessionHeader, "", "Cookie", cookieName+"=cookie; "+cookieName+"=other"),
	} {
		for _, o := range []origin.Origin{{Listener: origin.Unix, Owner: true}, {Listener: origin.Unix, UID: 1000}, {Listener: origin.GRPC}} {
			caller, err := access.Identify(t.Context(), o, nil, access.FromHTTP(request(change), cookieName, ours), nil, session{"cookie", "half"})
			if !fault.Is(err, notProven) || caller.Identity.ID != "" {
				t.Errorf("%s on %s: %+v, %v", name, o.Listener, caller.Identity, err)
			}
		}
	}
	for _, o := range []origin.Origin{{Listener: origin.Container, Package: "p"}, {Listener: origin.Internal, Owner: true}} {
		caller, err := access.Identify(t.Context(), o, nil, browser, nil, session{"cookie", "half"})
		if err != nil || caller.Identity.ID != "" || caller.Credential != (access.Credential{}) {
			t.Errorf("on %s: %+v, %v", o, caller.Identity, err)
		}
	}
	if b := access.FromHTTP(request(set()), "", ours); b.Cookie != "" {
		t.Errorf("a server without a name for its cookie reads %q", b.Cookie)
	}
}

// A login of a browser is for the server's own page too: a service could otherwise log its visitors in as somebody.
func TestOnlyTheServersOwnPageOpensASession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*http.Request)
		usable bool
	}{
		"own page": {set("Cookie", "", sessionHeader, ""), true}, "another port": {set(fetchSite, "same-site"), false},
		"another name": {host("evil.example"), false}, "a program": {set(fetchSite, "", "Origin", ""), false},
	} {
		err := access.FromHTTP(request(c.change), cookieName, ours).Usable()
		if c.usable != (err == nil) || err != nil && !fault.Is(err, foreign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (access.Browser{}).Usable(); !fault.Is(err, foreign) {
		t.Errorf("a call that came by no HTTP request: %v", err)
	}
}
