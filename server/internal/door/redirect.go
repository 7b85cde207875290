package door

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hearthos/hearth/server/internal/host/handout"
)

// strayLimit bounds the plain request somebody sends to a TLS port.
const strayLimit = 8 << 10

// redirect is what a plain HTTP port does.
type redirect struct {
	port      string
	documents *handout.Set
	// open are the names for which those are redirected, too, who may not use it otherwise.
	open map[string]bool
}

// servePlain answers on the plain HTTP ports by the plan in force.
func (d *Door) servePlain() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(connKey{}).(*conn)
		e := d.current.Load().entries[c.address]
		if e == nil || e.redirect == nil {
			panic(http.ErrAbortHandler)
		}
		stranger := !e.among(c.source)
		if stranger && !e.redirect.open[hostOf(r.Host)] {
			panic(http.ErrAbortHandler)
		}
		// What meets people at the root is about the server; names of services lead on, and so does a question mark behind the root.
		uri := r.URL.RequestURI()
		onward := r.URL.Path == "/" && (uri != "/" || !d.ours(c, hostOf(r.Host), e.redirect.port))
		if !stranger && !onward && e.redirect.documents.Has(r.URL.Path) {
			e.redirect.documents.Serve(w, r, source(r.Host, e.redirect.port))
			return
		}
		to, ok := secureURL(r.Host, strings.TrimSuffix(uri, "?"), e.redirect.port)
		if !ok {
			http.Error(w, "a valid Host is needed", http.StatusBadRequest)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
}

// ours tells whether a name leads to the same, by TLS at a port, as a name that is nobody's.
func (d *Door) ours(c *conn, name, port string) bool {
	host, _, _ := net.SplitHostPort(c.address)
	e := d.current.Load().entries[net.JoinHostPort(host, port)]
	if e == nil {
		return true
	}
	named, other := e.find(name, c.source, c.local()), e.find("", c.source, c.local())
	return named == nil || other == nil || named.backend == other.backend
}

// secureURL is the address of the same thing by TLS. The host comes from the caller, so only one that is a name or an
// address is used.
func secureURL(host, uri, port string) (string, bool) {
	name := hostOf(host)
	if a, err := netip.ParseAddr(name); err == nil {
		name = a.WithZone("").String()
		if a.Is6() {
			name = "[" + name + "]"
		}
	} else if !validName(strings.TrimSuffix(name, ".")) {
		return "", false
	}
	if !strings.HasPrefix(uri, "/") {
		uri = "/"
	}
	if port != "443" {
		name += ":" + port
	}
	return "https://" + name + uri, true
}

// hostOf is the name or number in the Host of a request, in lower case.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// source is the origin by TLS as a browser's policy names it; policies have no form for an IPv6 address, so that is any name.
func source(host, port string) string {
	origin, ok := secureURL(host, "", port)
	switch {
	case !ok:
		return ""
	case strings.HasPrefix(origin, "https://["):
		return "https://*:" + port
	}
	return strings.TrimSuffix(origin, "/")
}

// redirectStray answers somebody who speaks plain HTTP to a TLS port.
func redirectStray(c net.Conn, begun []byte) {
	if len(begun) == 0 || begun[0] < 'A' || begun[0] > 'Z' {
		return
	}
	r, err := http.ReadRequest(bufio.NewReader(io.LimitReader(io.MultiReader(bytes.NewReader(begun), c), strayLimit)))
	if err != nil {
		return
	}
	port := "443"
	if local, err := netip.ParseAddrPort(c.LocalAddr().String()); err == nil {
		port = strconv.Itoa(int(local.Port()))
	}
	to, ok := secureURL(r.Host, r.URL.RequestURI(), port)
	answer := "HTTP/1.1 307 Temporary Redirect\r\nLocation: " + to + "\r\n"
	if !ok {
		answer = "HTTP/1.1 400 Bad Request\r\n"
	}
	_, _ = io.WriteString(c, answer+"Cache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
