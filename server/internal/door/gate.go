package door

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
)

// maxCredentials bounds a gate: all of them are compared for each request.
const maxCredentials = 256

// gate lets only those pass who know a secret. It knows digests alone.
type gate struct {
	scheme    string // lower case
	challenge string
	known     []credential
}

type credential struct {
	digest [sha256.Size]byte
	user   string
}

// gate makes a gate ready; nil for none.
func (c *compiler) gate(field string, m *doorv1.Gate) *gate {
	if m == nil {
		return nil
	}
	g := &gate{}
	switch m.GetScheme() {
	case doorv1.Gate_SCHEME_BASIC:
		g.scheme, g.challenge = "basic", "Basic"
	case doorv1.Gate_SCHEME_BEARER:
		g.scheme, g.challenge = "bearer", "Bearer"
	default:
		c.wrong(field+".scheme", "%v is not known", m.GetScheme())
	}
	g.challenge += ` realm="` + quotable(m.GetRealm()) + `"`
	c.limit(field+".credentials", "credentials", len(m.GetCredentials()), maxCredentials)
	for i, k := range m.GetCredentials()[:min(len(m.GetCredentials()), maxCredentials)] {
		one := credential{user: k.GetUser()}
		if copy(one.digest[:], k.GetDigest()) != sha256.Size || len(k.GetDigest()) != sha256.Size {
			c.wrong(fmt.Sprintf("%s.credentials[%d].digest", field, i), "has %d bytes", len(k.GetDigest()))
		}
		if len(one.user) > 256 || quotable(one.user) != one.user {
			c.wrong(fmt.Sprintf("%s.credentials[%d].user", field, i), "cannot stand in a header")
		}
		g.known = append(g.known, one)
	}
	return g
}

// quotable leaves out what cannot stand in a quoted string of a header.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// admits tells whether a request may pass, and as whom. How long it takes does not depend on which secret is known.
func (g *gate) admits(r *http.Request) (user string, ok bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 { // which of several would the service believe?
		return "", false
	}
	scheme, secret, _ := strings.Cut(values[0], " ")
	if secret = strings.Trim(secret, " "); !strings.EqualFold(scheme, g.scheme) || secret == "" {
		return "", false
	}
	if g.scheme == "basic" {
		plain, err := base64.StdEncoding.DecodeString(secret)
		if err != nil {
			return "", false
		}
		secret = string(plain)
	}
	digest := sha256.Sum256([]byte(g.scheme + " " + secret))
	found := 0
	for i := range g.known {
		same := subtle.ConstantTimeCompare(digest[:], g.known[i].digest[:])
		if same == 1 {
			user = g.known[i].user
		}
		found |= same
	}
	return user, found == 1
}

// refuse tells a caller what is asked for.
func (g *gate) refuse(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", g.challenge)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte("401 Unauthorized\n"))
}
