package servertest_test

import (
	"net/http"
	"strings"
	"testing"
)

// Who names no path by plain HTTP is met by what explains trust, and all else leads to TLS.
func TestPlainHTTPMeetsPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(host, path string) (status int, to, policy string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+w.Address("0.0.0.0:8080")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		resp, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Location"), resp.Header.Get("Content-Security-Policy")
	}
	if status, _, policy := get("home.example", "/"); status != http.StatusOK || !strings.Contains(policy, "connect-src 'self' https://home.example:8443;") {
		t.Errorf("the root is answered with %d, %q", status, policy)
	}
	if status, _, policy := get("[fd00::1]", "/trust"); status != http.StatusOK || !strings.Contains(policy, "connect-src 'self' https://*:8443;") {
		t.Errorf("the page by an IPv6 address is answered with %d, %q", status, policy)
	}
	for path, want := range map[string]string{"/?": "/", "/trusted": "/trusted", "/?a=b": "/?a=b", "/services/x": "/services/x"} {
		if status, to, _ := get("home.example", path); status != http.StatusTemporaryRedirect || to != "https://home.example:8443"+want {
			t.Errorf("%s leads to %q (%d)", path, to, status)
		}
	}
}
