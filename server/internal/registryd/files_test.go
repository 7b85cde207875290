package registryd_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/registryd"
)

// An icon is to be had in parts and by its tag, with the digest of its bytes, and is a picture that runs nothing.
func TestIconsAreServedWithTagAndDigest(t *testing.T) {
	t.Parallel()
	const picture = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	icon := registryd.DataURL("image/svg+xml", []byte(picture))
	name := hex.EncodeToString(digest([]byte(icon)))
	seed := seedPart(t)
	storage := holding(seed, seed)
	storage.files["icons/"+name] = []byte(icon)
	storage.files["icons/"+strings.Repeat("0", 64)] = []byte(icon) // it is not what it is named
	service, err := replica(storage)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(picture))
	for _, c := range []struct {
		name, header, value string
		status              int
		body                string
	}{
		{name, "X-None", "", 200, picture},
		{name, "Range", "bytes=1-3", 206, "svg"},
		{name, "If-None-Match", `"` + name + `"`, 304, ""},
		{strings.Repeat("0", 64), "X-None", "", 404, "404 page not found\n"},
	} {
		r := httptest.NewRequest("GET", "/icons/"+c.name, nil)
		r.Header.Set(c.header, c.value)
		w := httptest.NewRecorder()
		service.Files().ServeHTTP(w, r)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s %s: %d %q", c.header, c.value, w.Code, w.Body)
		}
		if w.Code < 300 && (w.Header().Get("Repr-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox")) {
			t.Errorf("%s %s: %v", c.header, c.value, w.Header())
		}
	}
}
