package action

import (
	"bytes"
	"encoding/json"
	"testing"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	"google.golang.org/protobuf/testing/protocmp"
)

func TestMetadataIsReadAsPackagesMeanIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		raw  string
		want *actionsv1.ActionSpec // nil: refused
	}{
		"whole": {
			`{"name":"Set","description":"d","warning":"w","visibility":"hidden","allowedStatuses":"only-stopped","hasInput":true,"group":"g","access":"dependent"}`,
			&actionsv1.ActionSpec{
				Name: "Set", Description: "d", Warning: "w", Visibility: actionsv1.ActionSpec_VISIBILITY_HIDDEN, HasInput: true, Group: "g",
				AllowedStatuses: actionsv1.ActionSpec_ALLOWED_STATUSES_ONLY_STOPPED, Access: actionsv1.ActionSpec_ACCESS_LEVEL_DEPENDENT,
			},
		},
		"members of older SDKs are missing, newer ones unknown": {
			`{"name":"Set","description":null,"warning":null,"group":null,"later":[1]}`,
			&actionsv1.ActionSpec{
				Name: "Set", Visibility: actionsv1.ActionSpec_VISIBILITY_ENABLED,
				AllowedStatuses: actionsv1.ActionSpec_ALLOWED_STATUSES_ANY, Access: actionsv1.ActionSpec_ACCESS_LEVEL_USER,
			},
		},
		"disabled with a reason": {
			`{"name":"Set","visibility":{"disabled":"not today"},"allowedStatuses":"only-running","access":"public"}`,
			&actionsv1.ActionSpec{
				Name: "Set", Visibility: actionsv1.ActionSpec_VISIBILITY_DISABLED, DisabledReason: "not today",
				AllowedStatuses: actionsv1.ActionSpec_ALLOWED_STATUSES_ONLY_RUNNING, Access: actionsv1.ActionSpec_ACCESS_LEVEL_PUBLIC,
			},
		},
		"visibility of another word":   {`{"name":"Set","visibility":"seen"}`, nil},
		"visibility without a reason":  {`{"name":"Set","visibility":{"disabled":null}}`, nil},
		"visibility of another type":   {`{"name":"Set","visibility":[1]}`, nil},
		"statuses of another word":     {`{"name":"Set","allowedStatuses":"never"}`, nil},
		"access of another word":       {`{"name":"Set","access":"root"}`, nil},
		"a name that is no text":       {`{"name":1}`, nil},
		"not an object":                {`[]`, nil},
		"not JSON":                     {`{`, nil},
		"nothing":                      {``, nil},
		"an object and something else": {`{"name":"Set"}{}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseMetadata([]byte(c.raw))
			if c.want == nil {
				if !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
					t.Fatalf("%v, %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(`{"name":"Set","visibility":{"disabled":"no"},"allowedStatuses":"any","hasInput":true,"access":"user"}`))
	f.Add([]byte(`{"visibility":"hidden","group":null}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		spec, err := parseMetadata(raw)
		if err != nil {
			if !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
				t.Fatalf("refused without saying what is wrong: %v", err)
			}
			return
		}
		if spec.GetVisibility() == 0 || spec.GetAllowedStatuses() == 0 || spec.GetAccess() == 0 {
			t.Fatalf("a value is not given: %v", spec)
		}
	})
}

func FuzzParseTask(f *testing.F) {
	f.Add("critical", []byte(`{"condition":"input-not-matches","once":true}`), []byte(`{"kind":"partial","accept":[{"a":1}],"set":{"a":1}}`))
	f.Add("", []byte(nil), []byte(`{"value":{"a":[1,{"b":null}]}}`))
	f.Add("optional", []byte(`null`), []byte(`null`))
	f.Fuzz(func(t *testing.T, severity string, when, input []byte) {
		spec, err := parseTask(TaskRequest{ReplayID: "r", PackageID: "p", ActionID: "a", Severity: severity, When: when, Input: input})
		if err != nil {
			if !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
				t.Fatalf("refused without saying what is wrong: %v", err)
			}
			return
		}
		if spec.GetSeverity() == 0 {
			t.Fatal("a task without a severity")
		}
		if spec.GetWhenInputNotMatches() && len(bytes.TrimSpace(input)) == 0 {
			t.Fatal("a condition on the input without an input")
		}
		for _, value := range []any{nil, 1.0, "a", []any{map[string]any{}}, map[string]any{"a": []any{1.0}}} {
			accepted(spec, value)
			conflictsWithAll(spec, value)
		}
	})
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPartOfAndConflicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, have      string
		part, conflicts bool
	}{
		{`{}`, `{"a":1}`, true, false},
		{`{"a":1}`, `{"a":1,"b":2}`, true, false},
		{`{"a":1}`, `{"a":2}`, false, true},
		{`{"a":1}`, `{}`, false, false},
		{`{"a":1}`, `null`, false, true},
		{`{"a":{"b":1}}`, `{"a":{"b":1,"c":2}}`, true, false},
		{`{"a":{"b":1}}`, `{"a":{"c":2}}`, false, false},
		{`{"a":{"b":1}}`, `{"a":7}`, false, true},
		{`{"a":[1]}`, `{"a":[2,1]}`, true, false},
		{`{"a":[1,1]}`, `{"a":[1]}`, true, false},
		{`{"a":[1]}`, `{"a":[2]}`, false, true},
		{`{"a":[{"b":1}]}`, `{"a":[{"b":1,"c":2}]}`, true, false},
		{`{"a":[1]}`, `{"a":1}`, false, true},
		{`{"a":null}`, `{"a":null}`, true, false},
		{`{"a":null}`, `{"a":{}}`, false, true},
		{`"x"`, `"x"`, true, false},
		{`"1"`, `1`, false, true},
	} {
		want, have := decode(t, c.want), decode(t, c.have)
		if got := partOf(want, have); got != c.part {
			t.Errorf("partOf(%s, %s) = %v", c.want, c.have, got)
		}
		if got := conflicts(want, have); got != c.conflicts {
			t.Errorf("conflicts(%s, %s) = %v", c.want, c.have, got)
		}
	}
}

// A value that holds what is wanted never conflicts with it, whatever the two are.
func FuzzPartNeverConflicts(f *testing.F) {
	f.Add(`{"a":[1,{"b":2}]}`, `{"a":[{"b":2,"c":3},1]}`)
	f.Add(`[]`, `[1]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		var want, have any
		if json.Unmarshal([]byte(a), &want) != nil || json.Unmarshal([]byte(b), &have) != nil {
			return
		}
		if partOf(want, have) && conflicts(want, have) {
			t.Fatalf("%s is part of %s and conflicts with it", a, b)
		}
		if !partOf(want, want) {
			t.Fatalf("%s is not part of itself", a)
		}
	})
}

func TestResultsComeInTheNewestForm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ raw, want string }{
		"nothing":              {``, ``},
		"null":                 {` null `, ``},
		"the newest as it is":  {`{"version":"1","title":"T","message":null,"result":null,"later":1}`, `{"version":"1","title":"T","message":null,"result":null,"later":1}`},
		"the old with a value": {`{"version":"0","message":"m","value":"v","copyable":true,"qr":true}`, `{"version":"1","title":"Action Complete","message":"m","result":{"type":"single","value":"v","copyable":true,"qr":true,"masked":false}}`},
		"the old without one":  {`{"version":"0","message":"m","value":null,"copyable":false,"qr":false}`, `{"version":"1","title":"Action Complete","message":"m","result":null}`},
	} {
		got, err := newestResult([]byte(c.raw))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, raw := range []string{`7`, `"text"`, `[]`, `{`} {
		if _, err := newestResult([]byte(raw)); !fault.Is(err, metav1.Reason_REASON_PACKAGE_CODE_FAILED) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
