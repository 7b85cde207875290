package rpc_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// jsonWires are the wires on which messages are JSON, each taking the JSON of a RunAction request.
func jsonWires() map[string]func(t testing.TB, s *server, body string) (result json.RawMessage, err error) {
	return map[string]func(t testing.TB, s *server, body string) (json.RawMessage, error){
		"connect": func(t testing.TB, s *server, body string) (json.RawMessage, error) {
			resp, data, err := send(httpUnix(t, s.unix), "POST", "http://x/hearth.actions.v1.ActionService/RunAction", "", "application/json", []byte(body))
			if err == nil && resp.StatusCode != 200 {
				err = connectFault(data)
			}
			return data, err
		},
		"rest": func(t testing.TB, s *server, body string) (json.RawMessage, error) {
			resp, data, err := send(httpUnix(t, s.unix), "POST", "http://x/api/v1/packages/p/actions/a:run", "", "application/json", []byte(body))
			if err == nil && resp.StatusCode != 200 {
				err = jsonFault(data)
			}
			return data, err
		},
		"jsonrpc": func(t testing.TB, s *server, body string) (json.RawMessage, error) {
			_, data, err := send(httpUnix(t, s.unix), "POST", "http://x/jsonrpc", "", "application/json",
				[]byte(`{"jsonrpc":"2.0","id":1,"method":"package.action.run","params":`+body+`}`))
			var answer struct {
				Result json.RawMessage
				Error  *struct{ Data json.RawMessage }
			}
			if err == nil {
				err = json.Unmarshal(data, &answer)
			}
			if err == nil && answer.Error != nil {
				err = jsonFault(answer.Error.Data)
			}
			return answer.Result, err
		},
	}
}

func TestJSONIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	deep := strings.Repeat(`{"x":`, 200) + "1" + strings.Repeat("}", 200)
	cases := []struct {
		name, body string
		want       metav1.Reason
		field      string
	}{
		{"unknown member", `{"packageId":"p","actionId":"a","colour":"red"}`, metav1.Reason_REASON_UNKNOWN_FIELD, "colour"},
		{"wrong type", `{"packageId":"p","input":{}}`, metav1.Reason_REASON_INVALID_ARGUMENT, "input"},
		{"twice", `{"packageId":"p","input":"x","input":"y"}`, metav1.Reason_REASON_INVALID_ARGUMENT, "input"},
	}
	for name, call := range jsonWires() {
		t.Run(name, func(t *testing.T) {
			got, err := call(t, s, `{"packageId":"p","action_id":"a"}`)
			var result map[string]any
			if json.Unmarshal(got, &result); err != nil || len(result) != 1 || result["result"] != "" {
				t.Errorf("a default value is not written out: %s, %v", got, err)
			}
			for _, c := range cases {
				_, err := call(t, s, c.body)
				f := fault.Proto(err)
				if v := f.GetViolations(); f.GetReason() != c.want || len(v) != 1 || v[0].GetField() != c.field || v[0].GetMessage() == "" {
					t.Errorf("%s: got %v (%v)", c.name, f, err)
				}
			}
			if _, err := call(t, s, deep); fault.Info(fault.Reason(err)).GetCode() != optionsv1.Code_CODE_INVALID_ARGUMENT {
				t.Errorf("too deep: got %v", err)
			}
			large := fmt.Sprintf(`{"packageId":"p","actionId":"a","input":%q}`, strings.Repeat("x", 5<<20))
			if _, err := call(t, s, large); !fault.Is(err, metav1.Reason_REASON_MESSAGE_TOO_LARGE) {
				t.Errorf("a message over the limit: got %v", err)
			}
		})
	}
}

func TestRESTFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	cases := []struct {
		name, method, path, token, body string
		status                          int
		reason                          metav1.Reason
	}{
		{"unknown member of the query", "GET", "/api/v1/packages?colour=red", "viewer", "", 400, metav1.Reason_REASON_UNKNOWN_FIELD},
		{"query beside a body", "POST", "/api/v1/packages/p:start?id=x", "admin", "{}", 400, metav1.Reason_REASON_UNKNOWN_FIELD},
		{"unknown member in a stream", "GET", "/api/v1/packages/p/logs?colour=red", "viewer", "", 400, metav1.Reason_REASON_UNKNOWN_FIELD},
		{"wrong type in the query", "GET", "/api/v1/packages?pageSize=many", "viewer", "", 400, metav1.Reason_REASON_INVALID_ARGUMENT},
		{"no JSON", "POST", "/api/v1/packages:install", "admin", "{", 400, metav1.Reason_REASON_INVALID_ARGUMENT},
		{"no route", "GET", "/api/v1/nothing", "viewer", "", 404, metav1.Reason_REASON_METHOD_NOT_FOUND},
		{"no such method of a route", "DELETE", "/api/v1/packages", "viewer", "", 405, metav1.Reason_REASON_METHOD_NOT_FOUND},
		{"nobody", "GET", "/api/v1/packages", "", "", 401, metav1.Reason_REASON_UNAUTHENTICATED},
		{"too small a role", "POST", "/api/v1/packages/p:start", "viewer", "{}", 403, metav1.Reason_REASON_PERMISSION_DENIED},
		{"too large", "POST", "/api/v1/packages:install", "admin", `{"ticket":"` + strings.Repeat("x", 5<<20) + `"}`, 413, metav1.Reason_REASON_MESSAGE_TOO_LARGE},
		{"method override", "POST", "/api/v1/packages", "admin", "", 405, metav1.Reason_REASON_METHOD_NOT_FOUND},
		{"nothing there", "GET", "/elsewhere", "", "", 404, metav1.Reason_REASON_NOT_FOUND},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, data, err := send(s.httpTLS(t), c.method, "https://"+s.web+c.path, c.token, "application/json", []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if err := jsonFault(data); resp.StatusCode != c.status || fault.Reason(err) != c.reason {
				t.Errorf("status %d: %s", resp.StatusCode, data)
			}
		})
	}
}

func TestNumbersOf64BitsAreStrings(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, target := range []struct{ method, path, body string }{
		{"GET", "/api/v1/packages", ""},
		{"POST", "/hearth.packages.v1.PackageService/ListPackages", "{}"},
		{"POST", "/jsonrpc", `{"jsonrpc":"2.0","id":1,"method":"hearth.packages.v1.PackageService.ListPackages"}`},
	} {
		_, data, err := send(httpUnix(t, s.unix), target.method, "http://x"+target.path, "", "application/json", []byte(target.body))
		text := strings.ReplaceAll(string(data), " ", "")
		for _, want := range []string{`"revision":"1152921504606846976"`, `"createRevision":"0"`, `"finalizers":[]`, `"desired":"DESIRED_RUNNING"`, `"nextPageToken":""`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s (%v)", target.path, want, text, err)
			}
		}
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/jsonrpc", "/api/v1/packages:install", "/hearth.packages.v1.PackageService/ListPackages"} {
		req, _ := http.NewRequest("POST", "https://"+s.web+path, strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer admin")
		req.Header.Set("Origin", "https://evil.example")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		resp, err := s.httpTLS(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: status %d, headers %v", path, resp.StatusCode, resp.Header)
		}
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for path, want := range map[string]string{"/openapi.json": `{"openapi":"3.1.0"}`, "/ca.crt": "pem"} {
		resp, data, err := send(s.httpTLS(t), "GET", "https://"+s.web+path, "", "", nil)
		if err != nil || resp.StatusCode != 200 || string(data) != want {
			t.Errorf("%s: %v %q %v", path, resp, data, err)
		}
	}
}

func TestConnectAnswersGET(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	resp, data, err := send(s.httpTLS(t), "GET", "https://"+s.web+procedure(methodOf("ListPackages"))+"?encoding=json&message=%7B%7D", "viewer", "", nil)
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(data), "hello") {
		t.Errorf("%v %s %v", resp, data, err)
	}
	resp, _, err = send(s.httpTLS(t), "GET", "https://"+s.web+procedure(methodOf("StartPackage"))+"?encoding=json&message=%7B%7D", "admin", "", nil)
	if err != nil || resp.StatusCode == 200 {
		t.Errorf("a method with effects answered GET: %v %v", resp, err)
	}
}
