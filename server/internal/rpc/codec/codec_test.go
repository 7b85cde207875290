package codec_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

func TestUnknownMembersAreNamed(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body string
		msg        proto.Message
		reason     metav1.Reason
		field      string
	}{
		{"at the top", `{"x":1}`, &actionsv1.RunActionRequest{}, metav1.Reason_REASON_UNKNOWN_FIELD, "x"},
		{"in a list", `{"targets":[{"id":"a"},{"selectors":[{"kinde":"x"}]}]}`, &statev1.WatchRequest{}, metav1.Reason_REASON_UNKNOWN_FIELD, "targets[1].selectors[0].kinde"},
		{"in a map", `{"spec":{"bindings":{"80":{"enabled":true,"nope":[1,{"a":2}]}}}}`, &hostsv1.Host{}, metav1.Reason_REASON_UNKNOWN_FIELD, "spec.bindings.80.nope"},
		{"keys of a map are free", `{"meta":{"labels":{"any":"thing"}}, "spec":7}`, &operationsv1.Operation{}, metav1.Reason_REASON_INVALID_ARGUMENT, ""},
		{"behind a well-known type", `{"meta":{"createTime":"2026-01-01T00:00:00Z"},"y":{}}`, &operationsv1.Operation{}, metav1.Reason_REASON_UNKNOWN_FIELD, "y"},
		{"wrong type", `{"targets":7}`, &statev1.WatchRequest{}, metav1.Reason_REASON_INVALID_ARGUMENT, ""},
		{"no JSON", `{"targets":`, &statev1.WatchRequest{}, metav1.Reason_REASON_INVALID_ARGUMENT, ""},
		{"no object", `[]`, &statev1.WatchRequest{}, metav1.Reason_REASON_INVALID_ARGUMENT, ""},
	}
	for _, c := range cases {
		err := codec.Unmarshal([]byte(c.body), c.msg)
		if f := fault.Proto(err); f.GetReason() != c.reason || f.GetMetadata()["field"] != c.field || strings.Contains(f.GetMessage(), "\u00a0") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWrongMembersAreNamed(t *testing.T) {
	t.Parallel()
	token, watch, host := &accountsv1.CreateTokenRequest{}, &statev1.WatchRequest{}, &hostsv1.Host{}
	cases := []struct {
		name, body  string
		msg         proto.Message
		field, says string
	}{
		{"no such value of an enum", `{"name":"x","role":"ROLE_KING"}`, token, "role", "must be one of ROLE_VIEWER"},
		{"a number as text", `{"name":5}`, token, "name", "must be a string"},
		{"text that is not UTF-8", "{\"name\":\"\xff\"}", token, "name", "must be a string"},
		{"half of a character", `{"name":"\ud800"}`, token, "name", "must be a string"},
		{"twice", `{"name":"x","name":"y"}`, token, "name", "once"},
		{"twice, by both names", `{"requestId":"x","request_id":"y"}`, token, "request_id", "once"},
		{"no time", `{"name":"x","expireTime":"tomorrow"}`, token, "expireTime", "must be a time"},
		{"no number", `{"meta":{"revision":"many"}}`, host, "meta.revision", "whole number of 64 bits"},
		{"a value as a message", `{"scope":7}`, token, "scope", "must be an object"},
		{"a value as a list", `{"targets":7}`, watch, "targets", "must be a list"},
		{"nothing in a list of messages", `{"targets":[{},null]}`, watch, "targets[1]", "must be an object"},
		{"in a list", `{"scope":{"packages":["a",null]}}`, token, "scope.packages[1]", "must be a string"},
		{"in a message of a list", `{"targets":[{"id":"a"},{"id":1}]}`, watch, "targets[1].id", "must be a string"},
		{"a key of a map", `{"spec":{"bindings":{"http":{}}}}`, host, "spec.bindings.http", ""},
		{"a key of a map twice", `{"spec":{"bindings":{"80":{},"80":{}}}}`, host, "spec.bindings.80", "once"},
		{"in a map", `{"meta":{"labels":{"a":"b","c":1}}}`, host, "meta.labels.c", "must be a string"},
		{"a map that is none", `{"meta":{"labels":[]}}`, host, "meta.labels", "must be an object"},
		{"the first of several", `{"name":1,"nope":2}`, token, "name", "must be a string"},
		{"behind what is null", `{"name":null,"scope":null,"role":"x"}`, token, "role", "must be one of"},
		{"too many before it to look for it", `{"scope":{"packages":[` + strings.Repeat(`"a",`, 20000) + `1]}}`, token, "", ""},
		{"the end is missing", `{"name":"x"`, token, "", ""},
		{"no object", `7`, token, "", ""},
	}
	for _, c := range cases {
		f := fault.Proto(codec.Unmarshal([]byte(c.body), proto.CloneOf(c.msg)))
		if f.GetReason() != metav1.Reason_REASON_INVALID_ARGUMENT {
			t.Errorf("%s: %v", c.name, f)
		}
		v := f.GetViolations()
		if (c.field == "") != (len(v) == 0) || c.field != "" && (v[0].GetField() != c.field || !strings.Contains(v[0].GetMessage(), c.says)) {
			t.Errorf("%s: %v", c.name, f)
		}
	}
}

func TestBothNamesOfAFieldAreRead(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"packageId":"a"}`, `{"package_id":"a"}`} {
		m := &actionsv1.RunActionRequest{}
		if err := codec.Unmarshal([]byte(body), m); err != nil || m.GetPackageId() != "a" {
			t.Errorf("%s: %v, %v", body, m, err)
		}
	}
}

func TestFaultBody(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	codec.WriteFault(w, fault.New(metav1.Reason_REASON_UNAVAILABLE, "cannot now").With("k", "v").Violation("f", "bad").RetryAfter(1500*time.Millisecond))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	var got struct {
		Code, Reason, Message, RetryAfter string
		Metadata                          map[string]string
		Violations                        []struct{ Field, Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if got.Code != "CODE_UNAVAILABLE" || got.Reason != "REASON_UNAVAILABLE" || got.Message != "cannot now" || got.RetryAfter != "1.500s" ||
		got.Metadata["k"] != "v" || len(got.Violations) != 1 || got.Violations[0].Field != "f" {
		t.Errorf("got %+v", got)
	}
}

// Every reason has a status of its class, so that no client takes a refusal for a success.
func TestEveryReasonHasAStatus(t *testing.T) {
	t.Parallel()
	values := metav1.Reason(0).Descriptor().Values()
	for i := range values.Len() {
		reason := metav1.Reason(values.Get(i).Number())
		if status := codec.HTTPStatus(fault.New(reason, "x")); status < 400 || status > 599 {
			t.Errorf("%s has status %d", reason, status)
		}
	}
}

func TestCheckDepth(t *testing.T) {
	t.Parallel()
	for body, ok := range map[string]bool{
		strings.Repeat("[", 64): true, strings.Repeat("[", 65): false, strings.Repeat("[]", 100): true,
		`"` + strings.Repeat("[", 100) + `"`: true, `"\"` + strings.Repeat("[", 100) + `"`: true, `"\\"` + strings.Repeat("{", 65): false,
	} {
		if err := codec.CheckDepth([]byte(body)); (err == nil) != ok {
			t.Errorf("%.10s… (%d): %v", body, len(body), err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`{"spec":{"bindings":{"80":{"x":1}}}}`, `{"targets":[{"selectors":[{"labels":{"a":"b"}}]}]}`, `{"meta":{"createTime":1}}`, strings.Repeat(`{"a":`, 300), `[[`, `nul`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, m := range []proto.Message{&hostsv1.Host{}, &statev1.WatchRequest{}, &operationsv1.Operation{}} {
			err := codec.Unmarshal([]byte(body), m)
			if err == nil {
				data, err := codec.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				again := m.ProtoReflect().New().Interface()
				if err := codec.Unmarshal(data, again); err != nil || !proto.Equal(m, again) {
					t.Fatalf("%s reads as %v, then as %v: %v", body, m, again, err)
				}
				continue
			}
			if r := fault.Reason(err); r != metav1.Reason_REASON_INVALID_ARGUMENT && r != metav1.Reason_REASON_UNKNOWN_FIELD {
				t.Fatalf("got %v", err)
			}
			// Of an object that is JSON some member must be wrong, unless it is too much to look through.
			if strings.HasPrefix(body, "{") && json.Valid([]byte(body)) && codec.CheckDepth([]byte(body)) == nil && len(fault.Proto(err).GetViolations()) == 0 && len(body) < 10000 {
				t.Fatalf("no member is named: %v", err)
			}
		}
	})
}
