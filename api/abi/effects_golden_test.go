package abi_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
)

// The exchanges in testdata/effects are also read, and their bytes written, by runtime/jshost/test/golden.test.ts: what
// one side makes of an effect, the other understands.

type callExchange struct {
	Effect  string         `json:"effect"`
	Params  map[string]any `json:"params"`
	Request []byte         `json:"request"`
}

type resultExchange struct {
	Effect   string `json:"effect"`
	Result   any    `json:"result"`
	Response []byte `json:"response"`
}

func loadExchanges[T any](t *testing.T, name string) []T {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "effects", name))
	if err != nil {
		t.Fatal(err)
	}
	var rows []T
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatalf("%s holds no exchange", name)
	}
	return rows
}

// effectMethods are the methods of the contract by the effect they answer.
func effectMethods(t *testing.T) map[string]protoreflect.MethodDescriptor {
	t.Helper()
	methods := effectsv1.File_hearth_effects_v1_effects_proto.Services().ByName("EffectsService").Methods()
	found := map[string]protoreflect.MethodDescriptor{}
	for i := range methods.Len() {
		m := methods.Get(i)
		if name, _ := proto.GetExtension(m.Options(), optionsv1.E_Effect).(string); name != "" {
			found[name] = m
		}
	}
	return found
}

// jsonValue is a field as the JavaScript side gave it or gets it.
func jsonValue(t *testing.T, m protoreflect.Message, field protoreflect.FieldDescriptor) any {
	t.Helper()
	if field.IsList() {
		list := m.Get(field).List()
		values := make([]any, list.Len())
		for i := range values {
			values[i] = list.Get(i).String()
		}
		return values
	}
	switch field.Kind() {
	case protoreflect.BytesKind:
		raw := m.Get(field).Bytes()
		if len(raw) == 0 {
			return nil
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			t.Fatalf("%s holds no JSON: %v", field.FullName(), err)
		}
		return value
	case protoreflect.StringKind:
		if field.HasPresence() && !m.Has(field) {
			return nil
		}
		return m.Get(field).String()
	case protoreflect.BoolKind:
		return m.Get(field).Bool()
	case protoreflect.Uint32Kind:
		return float64(m.Get(field).Uint())
	default:
		t.Fatalf("%s has a kind that effects do not have", field.FullName())
		return nil
	}
}

func TestRequestsOfPackagesArriveWhole(t *testing.T) {
	t.Parallel()
	methods := effectMethods(t)
	dropped := map[string]bool{"eventId": true, "callback": true, "stack": true}
	for i, exchange := range loadExchanges[callExchange](t, "calls.json") {
		method := methods[exchange.Effect]
		if method == nil {
			t.Errorf("exchange %d: the contract has no effect %q", i, exchange.Effect)
			continue
		}
		request := dynamicpb.NewMessage(method.Input())
		if err := proto.Unmarshal(exchange.Request, request); err != nil {
			t.Errorf("exchange %d: %v", i, err)
			continue
		}
		if unknown := request.GetUnknown(); len(unknown) > 0 {
			t.Errorf("exchange %d: %s has unknown fields", i, exchange.Effect)
		}
		for name, want := range exchange.Params {
			field := method.Input().Fields().ByJSONName(name)
			if field == nil {
				if !dropped[name] {
					t.Errorf("exchange %d: %s loses the parameter %q", i, exchange.Effect, name)
				}
				continue
			}
			if diff := cmp.Diff(want, jsonValue(t, request, field)); diff != "" {
				t.Errorf("exchange %d: %s.%s (-given +arrived):\n%s", i, exchange.Effect, name, diff)
			}
		}
	}
}

func TestResponsesForPackagesHoldTheResult(t *testing.T) {
	t.Parallel()
	methods := effectMethods(t)
	for i, exchange := range loadExchanges[resultExchange](t, "results.json") {
		method := methods[exchange.Effect]
		if method == nil {
			t.Errorf("exchange %d: the contract has no effect %q", i, exchange.Effect)
			continue
		}
		response := dynamicpb.NewMessage(method.Output())
		if err := proto.Unmarshal(exchange.Response, response); err != nil {
			t.Errorf("exchange %d: %v", i, err)
			continue
		}
		var got any
		if field := method.Output().Fields().ByName("value"); field != nil {
			got = jsonValue(t, response, field)
		}
		if diff := cmp.Diff(exchange.Result, got); diff != "" {
			t.Errorf("exchange %d: %s (-result +response):\n%s", i, exchange.Effect, diff)
		}
		if field := method.Output().Fields().ByName("etag"); field != nil && response.Get(field).String() == "" {
			t.Errorf("exchange %d: %s can be watched and its response has no etag", i, exchange.Effect)
		}
	}
}

func TestEveryEffectHasAnExchange(t *testing.T) {
	t.Parallel()
	calls, results := map[string]bool{}, map[string]bool{}
	for _, c := range loadExchanges[callExchange](t, "calls.json") {
		calls[c.Effect] = true
	}
	for _, r := range loadExchanges[resultExchange](t, "results.json") {
		results[r.Effect] = true
	}
	for name, method := range effectMethods(t) {
		if !calls[name] {
			t.Errorf("the effect %s has no call", name)
		}
		if method.Output().Fields().ByName("value") != nil && !results[name] {
			t.Errorf("the effect %s has no result", name)
		}
	}
}
