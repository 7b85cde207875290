package effects

import (
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

func TestMetricsAreReadInTheOrderOfTheirIds(t *testing.T) {
	t.Parallel()
	got, err := parseMetrics([]byte(`[{"id":"b.total","name":"Total","unit":"MB","value":1.5},{"id":"a","value":-2,"later":true}]`))
	if err != nil || len(got) != 2 || got[0].GetId() != "a" || got[0].GetName() != "a" || got[0].GetValue() != -2 || got[1].GetUnit() != "MB" || got[1].GetValue() != 1.5 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := parseMetrics([]byte(`[]`)); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
}

func TestWhatIsNoMetricIsRefused(t *testing.T) {
	t.Parallel()
	many := "[" + strings.Repeat(`{"id":"a","value":1},`, maxMetrics) + `{"id":"b","value":1}]`
	for raw, want := range map[string]metav1.Reason{
		`{}`: metav1.Reason_REASON_EFFECT_INVALID, `[{"id":"A","value":1}]`: metav1.Reason_REASON_EFFECT_INVALID, `[{"id":"a"}]`: metav1.Reason_REASON_EFFECT_INVALID,
		`[{"id":"a","value":1},{"id":"a","value":2}]`: metav1.Reason_REASON_EFFECT_INVALID, `[{"id":"a","value":1e999}]`: metav1.Reason_REASON_EFFECT_INVALID,
		many: metav1.Reason_REASON_EFFECT_LIMIT, `["` + strings.Repeat("x", maxMetricsJSON) + `"]`: metav1.Reason_REASON_EFFECT_LIMIT,
	} {
		if got, err := parseMetrics([]byte(raw)); !fault.Is(err, want) {
			t.Errorf("%.80s: %v, %v", raw, got, err)
		}
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add([]byte(`[{"id":"b.total","name":"Total","unit":"MB","value":1.5},{"id":"a","value":-2}]`))
	f.Add([]byte(`[{"id":"a","name":"\ud800","unit":null,"value":1e308}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := parseMetrics(raw)
		for _, m := range list {
			if err != nil || len(m.GetName()) > maxMetricName || len(m.GetUnit()) > maxMetricUnit || m.GetValue() != m.GetValue() {
				t.Fatalf("%v, %v", m, err)
			}
		}
	})
}
