package rpc_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// What the Connect server refuses before it reads has a fault too, and the answer arrives whole.
func TestConnectRefusesWhatItCannotReadWithAFault(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	list, watch := procedure(methodOf("ListPackages")), "/hearth.state.v1.StateService/Watch"
	cases := []struct {
		name, method, path, contentType, body string
		status                                int
		reason                                metav1.Reason
		says                                  string
	}{
		{"a form", "POST", list, "application/x-www-form-urlencoded", "{}", 415, metav1.Reason_REASON_INVALID_ARGUMENT, "application/json"},
		{"text", "POST", list, "text/plain", "x", 415, metav1.Reason_REASON_INVALID_ARGUMENT, "application/json"},
		{"no type", "POST", list, "", "{}", 415, metav1.Reason_REASON_INVALID_ARGUMENT, "application/json"},
		{"no type, much", "POST", list, "", strings.Repeat("x", 60<<10), 415, metav1.Reason_REASON_INVALID_ARGUMENT, "application/json"},
		{"not UTF-8", "POST", list, "application/json; charset=latin1", "{}", 415, metav1.Reason_REASON_INVALID_ARGUMENT, "application/json"},
		{"one message to a stream", "POST", watch, "application/json", "{}", 415, metav1.Reason_REASON_INVALID_ARGUMENT, "application/connect+json"},
		{"no encoding", "GET", list + "?message=%7B%7D", "", "", 415, metav1.Reason_REASON_INVALID_ARGUMENT, "encoding=json"},
		{"GET of effects", "GET", procedure(methodOf("StartPackage")) + "?encoding=json&message=%7B%7D", "", "", 405, metav1.Reason_REASON_METHOD_NOT_FOUND, "POST"},
		{"no such method", "POST", "/hearth.packages.v1.PackageService/None", "text/plain", "x", 404, metav1.Reason_REASON_METHOD_NOT_FOUND, "None"},
	}
	for version, client := range map[string]*http.Client{"HTTP/1.1": s.httpOne(t), "HTTP/2.0": s.httpTLS(t)} {
		for _, c := range cases {
			t.Run(version+"/"+c.name, func(t *testing.T) {
				for range 20 {
					req, err := http.NewRequestWithContext(t.Context(), c.method, "https://"+s.web+c.path, strings.NewReader(c.body))
					if err != nil {
						t.Fatal(err)
					}
					req.Header["Content-Type"] = []string{c.contentType}
					req.Header.Set("Authorization", "Bearer admin")
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					data, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || resp.Proto != version || resp.StatusCode != c.status || resp.Header.Get("Content-Type") != "application/json" {
						t.Fatalf("%s %d %v: %s, %v", resp.Proto, resp.StatusCode, resp.Header, data, err)
					}
					f := faultOf(t, jsonFault(data))
					if f.GetReason() != c.reason || !strings.Contains(f.GetMessage(), c.says) {
						t.Fatalf("got %v", f)
					}
				}
			})
		}
	}
}

// Whoever sends without end is read so far and no further.
func TestConnectReadsLittleOfWhatItCannotRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	body, w := io.Pipe()
	defer body.Close()
	go func() {
		for chunk := make([]byte, 32<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+s.web+procedure(methodOf("ListPackages")), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Authorization", "Bearer admin")
	resp, err := s.httpTLS(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 415 || !fault.Is(jsonFault(data), metav1.Reason_REASON_INVALID_ARGUMENT) {
		t.Errorf("%d %s (%v)", resp.StatusCode, data, err)
	}
}

// httpOne is a client of HTTP/1.1.
func (s *server) httpOne(t testing.TB) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}
