package codec_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
		}
	})
}
