package httpsig_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/sign"
)

const nonce = "0123456789abcdef"

var (
	key    = sign.FromSeed([32]byte{7})
	noon   = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	target = httpsig.Target{Method: "POST", Authority: "home.local:8443", Path: "/api/v1/packages/hello:start", Query: "a=b"}
	body   = httpsig.DigestOf([]byte(`{"id":"hello"}`))
)

func signed() httpsig.Headers {
	h, err := httpsig.Sign(key, target, body, noon, nonce)
	if err != nil {
		panic(err)
	}
	return h
}

func TestSignedRequestVerifies(t *testing.T) {
	t.Parallel()
	upper := target
	upper.Authority = "HOME.local:8443"
	for _, at := range []httpsig.Target{target, upper} {
		r, err := httpsig.Parse(at, signed())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Verify(key.Public()), r.CheckBody(body)); err != nil {
			t.Error(err)
		}
		if !r.Created.Equal(noon) || r.Nonce != nonce || r.KeyID != httpsig.KeyID(key.Public()) {
			t.Errorf("read %+v", r)
		}
	}
}

// The base is spelled out here as the standard wants it: another implementation signs the same.
func TestTheStandardsBaseIsSigned(t *testing.T) {
	t.Parallel()
	h := signed()
	params := strings.TrimPrefix(h.Input, "hearth=")
	base := "\"@method\": POST\n\"@authority\": home.local:8443\n\"@path\": /api/v1/packages/hello:start\n\"@query\": ?a=b\n" +
		"\"content-digest\": " + h.Digest + "\n\"@signature-params\": " + params
	want, _ := key.SignPlain([]byte(base))
	r, err := httpsig.Parse(target, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Public().VerifyPlain([]byte(base), want); err != nil {
		t.Error(err)
	}
	if err := r.Verify(key.Public()); err != nil {
		t.Error(err)
	}
	reordered := strings.Replace(strings.Replace(params, `"@path" `, "", 1), `("@method"`, `("@path" "@method"`, 1)
	base = "\"@path\": /api/v1/packages/hello:start\n" + strings.Replace(strings.Replace(base, "\"@path\": /api/v1/packages/hello:start\n", "", 1), params, reordered, 1)
	s, _ := key.SignPlain([]byte(base))
	r, err = httpsig.Parse(target, httpsig.Headers{Digest: h.Digest, Input: "hearth=" + reordered, Signature: "hearth=:" + encode(s[:]) + ":"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(key.Public()); err != nil {
		t.Errorf("in another order: %v", err)
	}
}

func TestAnythingElseIsAnotherRequest(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*httpsig.Target){
		"method": func(at *httpsig.Target) { at.Method = "DELETE" },
		"host":   func(at *httpsig.Target) { at.Authority = "other.local:8443" },
		"port":   func(at *httpsig.Target) { at.Authority = "home.local" },
		"path":   func(at *httpsig.Target) { at.Path += "x" },
		"query":  func(at *httpsig.Target) { at.Query = "" },
	} {
		at := target
		change(&at)
		r, err := httpsig.Parse(at, signed())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(key.Public()); !errors.Is(err, sign.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := httpsig.Parse(target, signed())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(sign.FromSeed([32]byte{8}).Public()); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if err := r.CheckBody(httpsig.DigestOf(nil)); !errors.Is(err, httpsig.ErrBody) {
		t.Errorf("another body: %v", err)
	}
}

func TestWhatIsNotTheProfileIsRefused(t *testing.T) {
	t.Parallel()
	good := signed()
	for name, change := range map[string]func(*httpsig.Headers){
		"nothing":              func(h *httpsig.Headers) { *h = httpsig.Headers{} },
		"no digest":            func(h *httpsig.Headers) { h.Digest = "" },
		"another digest":       func(h *httpsig.Headers) { h.Digest = strings.Replace(h.Digest, "256", "512", 1) },
		"two digests":          func(h *httpsig.Headers) { h.Digest += ", x=:AA==:" },
		"a short digest":       func(h *httpsig.Headers) { h.Digest = "sha-256=:AA==:" },
		"no signature":         func(h *httpsig.Headers) { h.Signature = "" },
		"a cut signature":      func(h *httpsig.Headers) { h.Signature = h.Signature[:40] + ":" },
		"two signatures":       func(h *httpsig.Headers) { h.Signature += ", b=:AA==:" },
		"another label":        func(h *httpsig.Headers) { h.Input = "x" + h.Input },
		"two inputs":           func(h *httpsig.Headers) { h.Input += ", b=()" },
		"without the body":     func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, ` "content-digest"`, "", 1) },
		"without the host":     func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, ` "@authority"`, "", 1) },
		"a component twice":    func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, `"@path"`, `"@path" "@path"`, 1) },
		"a component more":     func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, `"@path"`, `"@path" "date"`, 1) },
		"a component's option": func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, `"@path"`, `"@path";req`, 1) },
		"no nonce":             func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, `;nonce="`+nonce+`"`, "", 1) },
		"a short nonce":        func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, nonce, "1", 1) },
		"a long nonce":         func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, nonce, strings.Repeat("1", 65), 1) },
		"a nonce of number":    func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, `"`+nonce+`"`, "1234567890123", 1) },
		"no time":              func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, ";created=1767355200", "", 1) },
		"time as text":         func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, "1767355200", `"1767355200"`, 1) },
		"a time before time":   func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, "1767355200", "-1", 1) },
		"another algorithm":    func(h *httpsig.Headers) { h.Input = strings.Replace(h.Input, `"ed25519"`, `"hmac-sha256"`, 1) },
		"an end":               func(h *httpsig.Headers) { h.Input += ";expires=1767355200" },
		"a line more":          func(h *httpsig.Headers) { h.Input += "\n" },
		"endless":              func(h *httpsig.Headers) { h.Input += strings.Repeat(" ", 1<<16) },
	} {
		h := good
		change(&h)
		if _, err := httpsig.Parse(target, h); !errors.Is(err, httpsig.ErrEncoding) && !errors.Is(err, httpsig.ErrCoverage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	h := signed()
	f.Add(h.Digest, h.Input, h.Signature)
	f.Add("", "hearth=()", "hearth=:AA==:")
	f.Add(h.Digest, `hearth=("@method" "@authority" "@path" "@query" "content-digest";a=?0);created=1;keyid="";nonce="";alg=""`, h.Signature)
	f.Fuzz(func(t *testing.T, digest, input, signature string) {
		r, err := httpsig.Parse(target, httpsig.Headers{Digest: digest, Input: input, Signature: signature})
		if err != nil {
			if r != nil {
				t.Fatal("an error with a request")
			}
			return
		}
		if err := r.Verify(key.Public()); err == nil && (r.Body != body || !r.Created.Equal(noon) || r.Nonce != nonce) {
			t.Fatalf("made up headers verify: %+v", r)
		}
	})
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
