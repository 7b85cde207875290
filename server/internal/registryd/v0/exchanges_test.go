package v0_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
	"github.com/hearthos/hearth/server/internal/registryd/v0"
	"github.com/hearthos/hearth/server/internal/store"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// exchange is a request to the original's registry, and what it answered.
type exchange struct {
	Name    string
	Request struct {
		Line    string
		Headers map[string]string
		Body    json.RawMessage
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    any
	}
}

// differs are the exchanges in which ours answers otherwise, with the code that it answers instead and why.
var differs = map[string]struct {
	code int
	why  string
}{
	"replay-identical":         {31, "a signed request passes once; the original lets it pass again for 30 seconds"},
	"replay-identical-2":       {31, "a signed request passes once; the original lets it pass again for 30 seconds"},
	"body-longer-than-size":    {-32700, "bytes behind the signed ones are refused; the original drops them without a word"},
	"body-changed-same-length": {31, "its signature was used before, which is found before the body is looked at"},
}

const (
	hostOfVectors = "registry.oracle.test"
	// The record has another address in the place of that at which the files lay, by which the bodies were signed.
	recordedAddress, signedAddress = "http://files.example.com", "http://127.0.0.1:5980"
)

func exchanges(t testing.TB) []exchange {
	t.Helper()
	raw, err := os.ReadFile("testdata/exchanges.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []exchange
	if err := json.Unmarshal(raw, &list); err != nil || len(list) != 64 {
		t.Fatal(len(list), err)
	}
	return list
}

// recorded inspects the files of the exchanges, which are not there any more, by what the original said of them.
func recorded(t *testing.T, list []exchange) func(context.Context, string, s9pk.Commitment, registryd.Admit) (*registryd.Inspected, error) {
	var index registry.PackageIndex
	for _, x := range list {
		if x.Name == "package-index" {
			raw, _ := json.Marshal(x.Response.Body.(map[string]any)["result"])
			if err := json.Unmarshal(raw, &index); err != nil {
				t.Fatal(err)
			}
		}
	}
	return func(_ context.Context, url string, c s9pk.Commitment, admit registryd.Admit) (*registryd.Inspected, error) {
		for id, p := range index.Packages {
			for version, v := range p.Versions {
				f := v.Files[0]
				if strings.Replace(f.Asset.URLs[0], recordedAddress, signedAddress, 1) != url || f.Asset.Commitment != c {
					continue
				}
				parsed, err := exver.Parse(version)
				if err != nil {
					return nil, err
				}
				out := &registryd.Inspected{Package: id, Version: parsed, Metadata: v.Metadata, Icon: v.Icon, Hardware: f.Hardware}
				for key, signature := range f.Asset.Signatures {
					out.Signer, _ = sign.ParsePublicKey(key)
					out.Signature, _ = sign.ParseSignature(signature)
				}
				for dep, d := range v.DependencyMetadata {
					shown := registryd.Shown{Package: string(dep), Title: d.Title, Description: d.Description, Optional: d.Optional}
					if d.Icon != nil {
						shown.Icon = *d.Icon
					}
					out.Dependencies = append(out.Dependencies, shown)
				}
				return out, admit(id, parsed)
			}
		}
		return nil, fault.New(metav1.Reason_REASON_DOWNLOAD_FAILED, "nothing lies at %s", url)
	}
}

func newService(t testing.TB, o registryd.Options) *registryd.Service {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	o.Store, o.Dir, o.Log = st, t.TempDir(), slog.New(slog.DiscardHandler)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s, err := registryd.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the original answered in 64 exchanges ours answers too, but for the differences listed above.
func TestExchangesWithTheOriginalAreAnsweredAlike(t *testing.T) {
	t.Parallel()
	list := exchanges(t)
	var now time.Time
	clock := func() time.Time { return now }
	s := newService(t, registryd.Options{Clock: clock, Inspect: recorded(t, list)})
	h := v0.New(s, []string{hostOfVectors, "other.test"}, clock, slog.New(slog.DiscardHandler))

	var signer string
	for _, x := range list {
		header := x.Request.Headers["x-startos-auth-sig"]
		if signed, err := sign.ParseRequest(header); err == nil && signed.Timestamp > 1_790_000_000 { // the others are of another time
			now = time.Unix(signed.Timestamp, 0)
		}
		if x.Name == "replay-after-31s" {
			now = now.Add(31 * time.Second)
		}
		if x.Name == "admin-list-by-sig" {
			signer = becomeAdmin(t, s, header)
		}
		got := send(t, h, x)
		if d, ok := differs[x.Name]; ok {
			if code := errorCode(got); code != d.code {
				t.Errorf("%s: the code is %d, and should be %d because %s", x.Name, code, d.code, d.why)
			}
			continue
		}
		if diff := cmp.Diff(comparable(x.Response.Body, signer), comparable(got, signer)); diff != "" {
			t.Errorf("%s: (-original +ours)\n%s", x.Name, diff)
		}
	}
	for name := range differs {
		if !strings.Contains(fmt.Sprint(list), name) {
			t.Errorf("the difference %q is about no exchange", name)
		}
	}
}

// becomeAdmin makes the signer of a request an administrator and answers his id.
func becomeAdmin(t *testing.T, s *registryd.Service, header string) string {
	t.Helper()
	signed, err := sign.ParseRequest(header)
	if err != nil {
		t.Fatal(err)
	}
	row, err := s.AddSigner(t.Context(), registryd.Who{}, &registryv1.RegistrySignerSpec{Name: "oracle", Contacts: []string{"mailto:o@example.com"}, Keys: [][]byte{signed.Signer[:]}})
	if err == nil {
		err = s.AddAdmin(t.Context(), registryd.Who{}, row.GetMeta().GetId())
	}
	if err != nil {
		t.Fatal(err)
	}
	return row.GetMeta().GetId()
}

func send(t *testing.T, h http.Handler, x exchange) any {
	t.Helper()
	var body bytes.Buffer
	var raw struct{ Raw *string }
	switch {
	case string(x.Request.Body) == "null":
	case json.Unmarshal(x.Request.Body, &raw) == nil && raw.Raw != nil:
		body.WriteString(*raw.Raw)
	default:
		if err := json.Compact(&body, x.Request.Body); err != nil {
			t.Fatal(err)
		}
	}
	if strings.HasPrefix(x.Name, "package-add") {
		signed := strings.Replace(body.String(), recordedAddress, signedAddress, 1)
		body.Reset()
		body.WriteString(signed)
	}
	if x.Name == "body-longer-than-size" {
		body.WriteString("   more")
	}
	parts := strings.Fields(x.Request.Line)
	req := httptest.NewRequest(parts[0], parts[1], &body)
	for name, value := range x.Request.Headers {
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	mux := http.NewServeMux()
	mux.Handle("/rpc/", h)
	mux.ServeHTTP(w, req)
	if w.Code != x.Response.Status {
		t.Errorf("%s: the status is %d", x.Name, w.Code)
	}
	for name, value := range x.Response.Headers {
		if got := w.Header().Get(name); got != value {
			t.Errorf("%s: header %s is %q, and %q in the original", x.Name, name, got, value)
		}
	}
	if x.Response.Body == nil {
		return nil
	}
	var got any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Errorf("%s: %v: %s", x.Name, err, w.Body)
	}
	return got
}

func errorCode(answer any) int {
	m, _ := answer.(map[string]any)
	e, _ := m["error"].(map[string]any)
	code, _ := e["code"].(float64)
	return int(code)
}

// comparable leaves out what no two registries have alike: when something was listed, ids that were drawn, and the words of
// refusals, which the record does not have.
func comparable(v any, signer string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			switch {
			case key == "publishedAt":
				value = "some time"
			case key == "error":
				value = map[string]any{"code": value.(map[string]any)["code"]}
			case signer != "" && key == signer, key == "AQ7ZCIV3GP2C7ZWKQCHOH576RKQTLM32":
				key = "the signer"
			}
			out[key] = comparable(value, signer)
		}
		return out
	case []any:
		out := []any{}
		for _, one := range v {
			out = append(out, comparable(one, signer))
		}
		return out
	case string:
		return strings.Replace(v, signedAddress, recordedAddress, 1)
	}
	return v
}
