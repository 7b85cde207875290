package access

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
	"google.golang.org/grpc/metadata"
)

// HalfHeader is the header by which a page sends its half of a session's secret.
const HalfHeader = "Hearth-Session"

// Browser is what the HTTP request of a call shows and tells. Services share the server's host name on ports of their
// own, and to a browser a port is no border: it sends them the server's cookies, lets them set such cookies, and calls
// their pages "same site". So a cookie is worth nothing here without the other half, which lies in the storage of the
// page's origin, where the port counts; and the call must come from that origin itself.
type Browser struct {
	// Cookie and Half are the halves of a session's secret; empty where they were not sent.
	Cookie, Half string
	// HasCookie tells that a cookie of the session's name was sent, whatever it holds.
	HasCookie bool
	// SameOrigin tells that the browser says that the page which calls is of the origin that is called.
	SameOrigin bool
	// Agent is how the client names itself.
	Agent string
	// Ours tells that the request names the server by a name of its own. Another one was made to lead here.
	Ours bool
}

// FromHTTP reads what a request shows. The cookie has this name; ours tells the server's own host names.
func FromHTTP(r *http.Request, cookie string, ours func(host string) bool) Browser {
	b := session(r.Header, cookie)
	b.SameOrigin, b.Ours, b.Agent = sameOrigin(r), hostIsOurs(r.Host, ours), r.UserAgent()
	return b
}

// FromNative reads what a native call shows of a browser's session, which is no credential there.
func FromNative(ctx context.Context, cookie func() string) Browser {
	half, cookies := metadata.ValueFromIncomingContext(ctx, "hearth-session"), metadata.ValueFromIncomingContext(ctx, "cookie")
	if len(half)+len(cookies) == 0 {
		return Browser{}
	}
	return session(http.Header{HalfHeader: half, "Cookie": cookies}, cookie())
}

// session reads the halves of a session's secret.
func session(headers http.Header, cookie string) Browser {
	var b Browser
	if half := headers.Values(HalfHeader); len(half) == 1 && half[0] != "" {
		b.Half = half[0]
	} else if len(half) > 0 {
		b.Half = " " // given, and not valid
	}
	// A service on another port can set a second cookie of the same name; which is ours cannot be told then.
	found := (&http.Request{Header: headers}).CookiesNamed(cookie)
	if b.HasCookie = cookie != "" && len(found) > 0; b.HasCookie && len(found) == 1 {
		b.Cookie = found[0].Value
	}
	return b
}

// sameOrigin believes the browser alone: headers of these names cannot be set by a page.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return r.Header.Get("Origin") == "https://"+r.Host
}

// hostIsOurs accepts addresses, since no name can be made to lead to them, and the server's own names.
func hostIsOurs(host string, ours func(string) bool) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host == "localhost" || ours != nil && ours(host)
}

// Usable refuses to begin or use a session of a browser anywhere but on a page of the server's own.
func (b Browser) Usable() error {
	switch {
	case !b.Ours:
		return fault.New(metav1.Reason_REASON_REQUEST_FOREIGN, "cannot use a browser's session under a name that is not the server's")
	case !b.SameOrigin:
		return fault.New(metav1.Reason_REASON_REQUEST_FOREIGN, "cannot use a browser's session but from the server's own page")
	}
	return nil
}

// misplaced tells that a session was shown where there are none. A browser sends the cookie unasked, so on the ports it
// can reach a cookie alone shows nothing; on the others it was sent to show who calls.
func (b Browser) misplaced(l origin.Listener) bool {
	return l != origin.Web && l != origin.Door && (b.Half != "" || b.HasCookie)
}

// credential makes a credential of the halves.
func (b Browser) credential() (Credential, error) {
	if err := b.Usable(); err != nil {
		return Credential{}, err
	}
	if b.Cookie == "" || len(b.Half) > maxSecret || len(b.Cookie) > maxSecret {
		return Credential{}, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot accept the session: its cookie is missing")
	}
	return Credential{Cookie: b.Cookie, Half: b.Half}, nil
}

type browserKey struct{}

// WithBrowser puts b into the context of an HTTP request.
func WithBrowser(ctx context.Context, b Browser) context.Context {
	return context.WithValue(ctx, browserKey{}, b)
}

// BrowserOf returns what the HTTP request behind a call told; zero for calls that came by no such request.
func BrowserOf(ctx context.Context) Browser {
	if client := inprocgrpc.ClientContext(ctx); client != nil {
		b, _ := client.Value(browserKey{}).(Browser)
		return b
	}
	return Browser{}
}
