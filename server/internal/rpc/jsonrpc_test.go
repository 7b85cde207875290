package rpc_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJSONRPC(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const start = `{"jsonrpc":"2.0","id":%s,"method":"package.start","params":{"id":"hello"}}`
	cases := []struct {
		name, body string
		status     int
		want       []string // "id code" or "id ok"
	}{
		{"by the full name", `{"jsonrpc":"2.0","id":1,"method":"hearth.packages.v1.PackageService.StartPackage","params":{"id":"a"}}`, 200, []string{"1 ok"}},
		{"by the old name", fmt.Sprintf(start, `"x"`), 200, []string{`"x" ok`}},
		{"without parameters", `{"jsonrpc":"2.0","id":null,"method":"hearth.packages.v1.PackageService.ListPackages"}`, 200, []string{"null ok"}},
		{"no JSON", `{"jsonrpc":`, 200, []string{"null -32700"}},
		{"nothing", ``, 200, []string{"null -32700"}},
		{"too deep", strings.Repeat("[", 65) + strings.Repeat("]", 65), 200, []string{"null -32700"}},
		{"no version", `{"id":1,"method":"package.start"}`, 200, []string{"1 -32600"}},
		{"no method", `{"jsonrpc":"2.0","id":7}`, 200, []string{"7 -32600"}},
		{"id is an object", `{"jsonrpc":"2.0","id":{},"method":"package.start"}`, 200, []string{"null -32600"}},
		{"a number", `1`, 200, []string{"null -32600"}},
		{"unknown method", `{"jsonrpc":"2.0","id":1,"method":"nope"}`, 200, []string{"1 -32601"}},
		{"parameters by position", `{"jsonrpc":"2.0","id":1,"method":"package.start","params":["a"]}`, 200, []string{"1 -32602"}},
		{"unknown parameter", `{"jsonrpc":"2.0","id":1,"method":"package.start","params":{"nope":1}}`, 200, []string{"1 -32602"}},
		{"refused by the service", `{"jsonrpc":"2.0","id":1,"method":"hearth.packages.v1.PackageService.GetPackage","params":{"id":"none"}}`, 200, []string{"1 -32005"}},
		{"streams", `{"jsonrpc":"2.0","id":1,"method":"package.logs","params":{"packageId":"a"}}`, 200, []string{"1 -32012"}},
		{"streams, by the full name", `{"jsonrpc":"2.0","id":1,"method":"hearth.state.v1.StateService.Watch","params":{}}`, 200, []string{"1 -32012"}},
		{"notification", `{"jsonrpc":"2.0","method":"package.start","params":{"id":"a"}}`, 204, nil},
		{"refused notification", `{"jsonrpc":"2.0","method":"nope"}`, 204, nil},
		{"batch", "[" + fmt.Sprintf(start, "1") + `,{"jsonrpc":"2.0","method":"nope"},2,` + fmt.Sprintf(start, "3") + "]", 200, []string{"1 ok", "null -32600", "3 ok"}},
		{"batch of notifications", `[{"jsonrpc":"2.0","method":"nope"}]`, 204, nil},
		{"empty batch", `[]`, 200, []string{"null -32600"}},
		{"too large a batch", "[" + strings.Repeat("1,", 100) + "1]", 200, []string{"null -32600"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, data, err := send(httpUnix(t, s.unix), "POST", "http://x/jsonrpc", "", "application/json", []byte(c.body))
			if err != nil || resp.StatusCode != c.status {
				t.Fatalf("status %v, %v: %s", resp, err, data)
			}
			if diff := cmp.Diff(c.want, answers(t, data)); diff != "" {
				t.Errorf("%s\n%s", diff, data)
			}
		})
	}
	for _, target := range []struct {
		method, contentType string
		status              int
	}{{"GET", "application/json", 405}, {"POST", "text/plain", 415}} {
		resp, data, err := send(httpUnix(t, s.unix), target.method, "http://x/jsonrpc", "", target.contentType, nil)
		if err != nil || resp.StatusCode != target.status {
			t.Errorf("%v: %v %s", target, resp, data)
		}
	}
}

func answers(t testing.TB, data []byte) []string {
	t.Helper()
	if len(data) == 0 {
		return nil
	}
	type answer struct {
		ID     json.RawMessage
		Result json.RawMessage
		Error  *struct{ Code int }
	}
	var list []answer
	if data[0] != '[' {
		data = append(append([]byte("["), data...), ']')
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	var got []string
	for _, a := range list {
		if a.Error != nil {
			got = append(got, fmt.Sprintf("%s %d", a.ID, a.Error.Code))
			continue
		}
		got = append(got, string(a.ID)+" ok")
	}
	return got
}
