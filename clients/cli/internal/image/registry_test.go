package image_test

import (
	"net/http"
	"testing"

	"github.com/hearthos/hearth/clients/cli/internal/image"
)

type asked map[string]bool

func (a asked) RoundTrip(req *http.Request) (*http.Response, error) {
	a[req.URL.String()] = true
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestCredentialsGoToNobodyWithoutTLS(t *testing.T) {
	t.Parallel()
	for address, allowed := range map[string]bool{
		"https://192.168.7.1:5000/v2/": true, "https://registry.example/v2/": true,
		"http://127.0.0.1:5000/v2/": true, "http://[::1]:5000/v2/": true, "http://localhost/v2/": true,
		"http://192.168.7.1:5000/v2/": false, "http://10.0.0.1/v2/": false, "http://registry.local/v2/": false, "http://localhost.example/v2/": false, "http://[fd00::1]/v2/": false,
	} {
		seen := asked{}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("user", "secret")
		resp, err := image.Encrypted(seen).RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != allowed || seen[address] != allowed {
			t.Errorf("%s: %v, asked %v", address, err, seen)
		}
	}
}
