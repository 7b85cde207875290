package door

import (
	"net/http"
	"strings"
)

// ownCookies is how the names of the cookies of servers' own pages begin. Browsers send a host's cookies to all its ports, so
// also to the services, whom they are no business of.
const ownCookies = "__Host-hearth-"

// withoutOwnCookies takes our cookies out of a request. All else of the header stays as it came.
func withoutOwnCookies(h http.Header) {
	values := h["Cookie"]
	if !contain(values) {
		return
	}
	kept := make([]string, 0, len(values))
	for _, v := range values {
		var pairs []string
		for pair := range strings.SplitSeq(v, ";") {
			if !own(pair) {
				pairs = append(pairs, strings.TrimSpace(pair))
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	if len(kept) == 0 {
		h.Del("Cookie")
		return
	}
	h["Cookie"] = kept
}

// withoutOwnCookiesSet keeps a service from setting cookies of ours: at the same host it could put one of its own in the place
// of a person's session.
func withoutOwnCookiesSet(h http.Header) {
	values := h["Set-Cookie"]
	if !contain(values) {
		return
	}
	kept := make([]string, 0, len(values))
	for _, v := range values {
		if !own(v) {
			kept = append(kept, v)
		}
	}
	h["Set-Cookie"] = kept
}

func contain(values []string) bool {
	for _, v := range values {
		if len(v) >= len(ownCookies) && strings.Contains(strings.ToLower(v), strings.ToLower(ownCookies)) {
			return true
		}
	}
	return false
}

// own tells whether a cookie is ours. Some servers take names whatever their case.
func own(pair string) bool {
	pair = strings.TrimSpace(pair)
	return len(pair) >= len(ownCookies) && strings.EqualFold(pair[:len(ownCookies)], ownCookies)
}
