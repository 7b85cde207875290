package accountsrpc_test

import (
	"net/http"
	"strings"
	"testing"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

func header(pairs ...string) func(*http.Request) {
	return func(r *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Set(pairs[i], pairs[i+1])
		}
	}
}

func without(names ...string) func(*http.Request) {
	return func(r *http.Request) {
		for _, name := range names {
			r.Header.Del(name)
		}
	}
}

func TestSessionOfABrowser(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p := &page{s: s}
	p.login("alex")
	if c := p.set; c.Name != cookieName || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("the cookie is %s", c)
	}
	if who, err := p.who(nil); err != nil || who != "alex" {
		t.Errorf("both halves are %q, %v", who, err)
	}
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   metav1.Reason
	}{
		"cookie alone":             {without(access.HalfHeader), metav1.Reason_REASON_UNAUTHENTICATED},
		"half alone":               {without("Cookie"), metav1.Reason_REASON_UNAUTHENTICATED},
		"half as bearer":           {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+p.half); r.Header.Del("Cookie") }, metav1.Reason_REASON_UNAUTHENTICATED},
		"cookie as bearer":         {header("Authorization", "Bearer "+p.cookie), metav1.Reason_REASON_UNAUTHENTICATED},
		"page of another port":     {header("Sec-Fetch-Site", "same-site", "Origin", "https://127.0.0.1:1"), metav1.Reason_REASON_PERMISSION_DENIED},
		"page of another site":     {header("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), metav1.Reason_REASON_PERMISSION_DENIED},
		"a name made to lead here": {func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("Origin", "https://evil.example") }, metav1.Reason_REASON_REQUEST_FOREIGN},
		"no word of the page":      {without("Sec-Fetch-Site", "Origin"), metav1.Reason_REASON_REQUEST_FOREIGN},
	} {
		if who, err := p.who(c.change); !fault.Is(err, c.want) {
			t.Errorf("%s: %q, %v, want %s", name, who, err, c.want)
		}
	}
	// The same on the other wires of the web port.
	for path, body := range map[string][]byte{
		"/api/v1/caller": nil, "/jsonrpc": []byte(`{"jsonrpc":"2.0","id":1,"method":"hearth.accounts.v1.AccountService.GetCaller","params":{}}`),
	} {
		if got := p.text(path, body, nil); !strings.Contains(got, `"alex"`) {
			t.Errorf("%s says %s", path, got)
		}
		for name, change := range map[string]func(*http.Request){
			"cookie alone": without(access.HalfHeader), "half alone": without("Cookie"), "another port": header("Sec-Fetch-Site", "same-site", "Origin", "https://127.0.0.1:1"),
		} {
			if got := p.text(path, body, change); strings.Contains(got, `"alex"`) {
				t.Errorf("%s, %s: says %s", path, name, got)
			}
		}
	}
}

func TestNobodyLogsABrowserInFromElsewhere(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	req := &accountsv1.LoginRequest{Account: "alex", Password: password, Client: accountsv1.Session_CLIENT_BROWSER}
	for name, change := range map[string]func(*http.Request){
		"another port": header("Sec-Fetch-Site", "same-site", "Origin", "https://127.0.0.1:1"), "a program": without("Sec-Fetch-Site", "Origin"),
		"another name": func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("Origin", "https://evil.example") },
	} {
		p := &page{s: s}
		if err := p.call("Login", req, &accountsv1.LoginResponse{}, change); err == nil || p.set != nil {
			t.Errorf("%s: logged in, cookie %v (%v)", name, p.set, err)
		}
	}
	if _, err := accountsv1.NewAccountServiceClient(s.conn).Login(t.Context(), req); !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_REQUEST_FOREIGN) {
		t.Errorf("on the port of gRPC: %v", err)
	}
}

func TestRotationAndLogoutOfABrowser(t *testing.T) {
	t.Parallel()
	p := &page{s: newServer(t)}
	p.login("alex")
	before := *p
	out := &accountsv1.RotateSessionResponse{}
	if err := p.call("RotateSession", &accountsv1.RotateSessionRequest{}, out, nil); err != nil {
		t.Fatal(err)
	}
	p.cookie, p.half = p.set.Value, out.GetSecret()
	if p.cookie == before.cookie || p.half == before.half {
		t.Error("the secrets are the same as before")
	}
	for name, page := range map[string]*page{"new": p, "old": &before, "old cookie, new half": {s: p.s, cookie: before.cookie, half: p.half}} {
		if who, err := page.who(nil); err != nil || who != "alex" {
			t.Errorf("%s secrets a moment later: %q, %v", name, who, err)
		}
	}
	if err := p.call("Logout", &accountsv1.LogoutRequest{}, &accountsv1.LogoutResponse{}, nil); err != nil {
		t.Fatal(err)
	}
	if p.set.Value != "" || p.set.MaxAge >= 0 {
		t.Errorf("the logout leaves the cookie %s", p.set)
	}
	for name, page := range map[string]*page{"new": p, "old": &before} {
		if who, err := page.who(nil); !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("%s secrets after the logout: %q, %v", name, who, err)
		}
	}
}
