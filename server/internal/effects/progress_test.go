package effects

import "testing"

func TestProgressIsMadeFlat(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]progress{
		`null`:                                  {},
		`false`:                                 {},
		`true`:                                  {done: 1, total: 1, units: "steps"},
		`{"done":3,"total":10,"units":"bytes"}`: {done: 3, total: 10, units: "bytes"},
		`{"done":3,"total":null,"units":null}`:  {done: 3},
		`{"done":-3,"total":1e300}`:             {total: 1 << 53},
		`{"overall":{"done":1,"total":2},"phases":[{"name":"a","progress":true},{"name":"b","progress":null}]}`: {done: 1, total: 2, message: "b"},
		`{"overall":true,"phases":[]}`:                              {done: 1, total: 1, units: "steps"},
		`{"overall":null,"phases":[{"name":"a","progress":false}]}`: {message: "a"},
	} {
		if got, err := parseProgress([]byte(raw)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{``, `[]`, `"x"`, `7`, `{"done":"x"}`, `{"overall":7}`} {
		if got, err := parseProgress([]byte(raw)); err == nil {
			t.Errorf("%s is read as %+v", raw, got)
		}
	}
}

func FuzzParseProgress(f *testing.F) {
	f.Add([]byte(`{"overall":{"done":1.5,"total":2},"phases":[{"name":"a","progress":true}]}`))
	f.Add([]byte(`{"overall":{"overall":{"overall":true}}}`))
	f.Add([]byte(`true`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := parseProgress(raw); err == nil && (p.done > 1<<53 || p.total > 1<<53) {
			t.Fatalf("a counter is out of its range: %+v", p)
		}
	})
}
