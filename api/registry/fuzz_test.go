package registry_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/registry"
)

// answering is a transport that has one answer to everything.
type answering []byte

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(bytes.NewReader(a))}, nil
}

const wellAnswer = `{"jsonrpc":"2.0","id":0,"result":{"hello":{"categories":["media"],"best":{"1.0.0:0":{"title":"Hello","icon":"data:,","description":{"short":"x","long":{"en_US":"x","de_DE":"y"}},
"releaseNotes":"","license":"MIT","packageRepo":"","upstreamRepo":"","osVersion":"0.4.0-beta.9","sdkVersion":"2.0.9","hardwareAcceleration":false,"plugins":["url-v0"],"satisfies":["#a:1.0:0"],
"dependencyMetadata":{"other":{"title":"Other","icon":null,"description":null,"optional":true}},"sourceVersion":"^1.0 || !","s9pks":[[{"device":[{"class":"display","vendor":"0x8086"}],"ram":4096,"arch":["x86_64"]},
{"publishedAt":"2026-01-01T00:00:00Z","urls":["https://example.org/f"],"commitment":{"rootSighash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","rootMaxsize":7},"signatures":{"key":"signature"}}]]}},
"otherVersions":{"0.9:0":{"releaseNotes":""}}}}}`

// FuzzAnswer reads what a registry answers in each way in which a client does, and chooses among it.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(wellAnswer))
	f.Add([]byte(strings.Replace(wellAnswer, `{"hello":`, "", 1)))
	for _, s := range []string{`{"error":{"code":6,"message":"no","data":{"details":"d"}}}`, `{"result":null}`, `{"result":{"a":{},"a":{}}}`, `[`, `{"result":{"name":"R","icon":"data:,","categories":{"a":{"name":{"en_US":"A"}}}}}`, `{"id":{"a":[1,{"b":2}]},"result":{}}`} {
		f.Add([]byte(s))
	}
	old, err := exver.Parse("0.9:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		choose := func(l registry.Listing) {
			all := registry.Candidates(l.Best)
			best, others := registry.Choose(all, registry.Question{Source: &old, Device: &registry.Device{Hardware: &registry.HardwareInfo{Arch: "x86_64", RAM: 1 << 30}}})
			if len(best)+len(others) > len(all) {
				t.Errorf("of %d versions %d are the best and %d are others", len(all), len(best), len(others))
			}
			for _, c := range best {
				for _, file := range c.Version.Files {
					_, _ = file.Asset.Verify()
				}
				_ = c.Version.In("de_DE")
			}
		}
		c, err := registry.NewClient("https://registry.example", registry.Options{Transport: answering(raw)})
		if err != nil {
			t.Fatal(err)
		}
		id := "hello"
		if l, err := c.Get(t.Context(), registry.GetParams{ID: &id}); err == nil {
			choose(l)
		}
		_, _ = c.Info(t.Context())
		count := 0
		streamed := c.All(t.Context(), func(_ string, l registry.Listing) error {
			count++
			choose(l)
			return nil
		})
		// Both ways of reading agree where the whole is an answer; the stream is not bothered by what comes after it.
		var whole map[string]registry.Listing
		if err := c.Call(t.Context(), "package.get", registry.GetParams{}, &whole); err == nil && whole != nil && (streamed != nil || count < len(whole)) {
			t.Errorf("the whole has %d packages, the stream %d, %v", len(whole), count, streamed)
		}
	})
}

// FuzzDevice reads what a client tells of its machine. What was understood is understood again.
func FuzzDevice(f *testing.F) {
	for _, s := range []string{"os.version=0.4.0&os.compat=%3E%3D0.3.0&os.platform=x86_64", "os.version=0.4.0-beta.9&os.compat=*&os.platform=aarch64&os.language=de_DE&hardware.arch=aarch64&hardware.ram=8589934592", "os.version=&os.compat=&os.platform=", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		d, err := registry.ParseDevice(header)
		if err != nil {
			return
		}
		again, err := registry.ParseDevice(d.Header())
		if err != nil && len(d.Header()) <= 4096 {
			t.Fatalf("%q was understood, and not as %q: %v", header, d.Header(), err)
		}
		if err == nil && toJSON(t, again) != toJSON(t, d) {
			t.Errorf("%+v became %+v", d, again)
		}
	})
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
