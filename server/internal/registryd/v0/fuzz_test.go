package v0_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
	"github.com/hearthos/hearth/server/internal/registryd/v0"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// FuzzRequest sends requests of strangers and of an administrator, whose signature is in order whatever he sends. Each has an
// answer that is JSON, and a stranger changes nothing.
func FuzzRequest(f *testing.F) {
	for _, x := range exchanges(f) {
		f.Add([]byte(x.Request.Body), x.Request.Headers["x-startos-device-info"], x.Request.Headers["x-startos-auth-sig"])
	}
	for _, body := range []string{
		`[]`, `[{"method":"info","params":{}},7]`, `{"method":"package","params":{}}`, `{"method":"admin.signer.add","params":{"name":"x","contact":[{"email":"a"}],"keys":["k"]}}`,
		`{"method":"package.get","params":{"id":"hello","targetVersion":"(^1.0 && !=1.2) || #a:2","otherVersions":"full"}}`,
		`{"method":"package.category.add","params":{"id":"a","name":{"en_US":"A","de_DE":"B"}}}`,
		`{"method":"os.asset.add.iso","params":{"version":"0.4.0","platform":"x86_64","url":"http://a","signature":"s","commitment":{"hash":"AAAA","size":1}}}`,
	} {
		f.Add([]byte(body), "os.version=0.4.0&os.compat=*&os.platform=x86_64&hardware.ram=1", "")
	}
	refuse := func(context.Context, string, s9pk.Commitment, registryd.Admit) (*registryd.Inspected, error) {
		return nil, fault.New(metav1.Reason_REASON_DOWNLOAD_FAILED, "nothing lies there")
	}
	now := time.Unix(1_790_000_000, 0)
	service := newService(f, registryd.Options{Clock: func() time.Time { return now }, Inspect: refuse})
	key := sign.FromSeed([32]byte{4})
	public := key.Public()
	row, err := service.AddSigner(f.Context(), registryd.Who{}, &registryv1.RegistrySignerSpec{Name: "admin", Keys: [][]byte{public[:]}})
	if err == nil {
		err = service.AddAdmin(f.Context(), registryd.Who{}, row.GetMeta().GetId())
	}
	if err != nil {
		f.Fatal(err)
	}
	h := v0.New(service, []string{hostOfVectors}, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	var nonce uint64
	f.Fuzz(func(t *testing.T, body []byte, device, signature string) {
		before := ask(t, h, []byte(`{"method":"package.get","params":{}}`), "", "")
		ask(t, h, body, device, signature)
		if after := ask(t, h, []byte(`{"method":"package.get","params":{}}`), "", ""); !bytes.Equal(after, before) {
			t.Errorf("a stranger changed %s to %s", before, after)
		}
		nonce++
		signed, err := sign.SignRequest(key, hostOfVectors, body, now, nonce)
		if err != nil {
			t.Fatal(err)
		}
		ask(t, h, body, device, signed.Header())
	})
}

// ask sends a request and answers the answer, which must be JSON.
func ask(t *testing.T, h http.Handler, body []byte, device, signature string) []byte {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, registry.Path, bytes.NewReader(body))
	if device != "" {
		req.Header.Set(registry.DeviceHeader, device)
	}
	if signature != "" {
		req.Header.Set(sign.RequestHeader, signature)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%q is answered with %d %q", body, w.Code, w.Body)
	}
	return w.Body.Bytes()
}
