package exver_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/exver"
	"pgregory.net/rapid"
)

// codeVector is a recorded request to the SDK's own version library, with its answer.
type codeVector struct {
	ID              int
	Op, Input, A, B string
	Version, Range  string
	Agree           bool
	Expect          struct {
		OK                   bool `json:"ok"`
		String, Major, Minor string
		Satisfiable          bool
		Result               json.RawMessage
	}
}

func (v codeVector) want() string {
	switch {
	case !v.Expect.OK:
		return "refused"
	case v.Op == "normalize":
		return fmt.Sprint(v.Expect.String, " ", v.Expect.Satisfiable)
	case v.Op == "increment":
		return v.Expect.Major + " " + v.Expect.Minor
	case v.Op == "intersects" || v.Op == "satisfies":
		return string(v.Expect.Result)
	}
	return v.Expect.String
}

var codeChecks = map[string]func(testing.TB, codeVector) string{
	"parse_range": func(t testing.TB, v codeVector) string {
		r, err := exver.ParseCodeRange(v.Input)
		return orRefused(err, r)
	},
	"parse_emver_range": func(t testing.TB, v codeVector) string {
		r, err := exver.ParseEmverRange(v.Input)
		return orRefused(err, r)
	},
	"normalize": func(t testing.TB, v codeVector) string {
		r, err := exver.ParseCodeRange(v.Input)
		return orRefused(err, fmt.Sprint(r.Normal(), " ", r.Satisfiable()))
	},
	"intersects": func(t testing.TB, v codeVector) string {
		a, errA := exver.ParseCodeRange(v.A)
		b, errB := exver.ParseCodeRange(v.B)
		return orRefused(firstError(errA, errB), a.Intersects(b))
	},
	"satisfies": func(t testing.TB, v codeVector) string {
		version, errA := exver.Parse(v.Version)
		r, errB := exver.ParseCodeRange(v.Range)
		return orRefused(firstError(errA, errB), r.Contains(version))
	},
	// The SDK counts up where it makes a caret or tilde into bounds, which the normal form shows.
	"increment": func(t testing.TB, v codeVector) string {
		bound := func(op, next string) string {
			r, err := exver.ParseCodeRange(op + v.Input)
			if err != nil {
				return err.Error()
			}
			want := ">=" + v.Input + " && <" + next
			if next, err := exver.Parse(next); err != nil || next.Order(mustParse(t, v.Input)) <= 0 {
				want = "!"
			}
			if got := r.Normal().String(); got != want {
				return got
			}
			return next
		}
		return bound("^", v.Expect.Major) + " " + bound("~", v.Expect.Minor)
	},
}

func TestVectorsOfThePackageCodeDialect(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/exver.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []codeVector }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	ran := make(map[string]int)
	for _, v := range file.Cases {
		check, ok := codeChecks[v.Op]
		if !ok {
			continue
		}
		ran[v.Op]++
		if got, want := check(t, v), v.want(); got != want {
			t.Errorf("case %d %s %q %q %q %q %q (agree %t): got %s, want %s", v.ID, v.Op, v.Input, v.A, v.B, v.Version, v.Range, v.Agree, got, want)
		}
	}
	for op := range codeChecks {
		if ran[op] == 0 {
			t.Errorf("no vector exercised %s", op)
		}
	}
}

func TestNormalFormHoldsTheSameVersions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rangeText().Draw(t, "r")
		r, err := exver.ParseCodeRange(text)
		if err != nil {
			t.Skip("package code cannot read it")
		}
		v := mustParse(t, versionText().Draw(t, "v"))
		again, err := exver.ParseCodeRange(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%s was printed as %s: %s, %v", text, r, again, err)
		}
		if r.Contains(v) && !r.Satisfiable() {
			t.Fatalf("%s holds %s and is called empty", text, v)
		}
		if r.Contains(v) && !r.Normal().Contains(v) {
			t.Fatalf("%s holds %s, its normal form %s does not", text, v, r.Normal())
		}
	})
}

func TestEmverVersionsBecomeVersions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"0.3.5.1": "0.3.5:1", "1.2.3": "1.2.3:0", "1.2.3.": "1.2.3:0", "1.2.3:9": "1.2.3:0", "01.2.3": "1.2.3:0"} {
		if v, err := exver.ParseEmver(text); err != nil || v.String() != want {
			t.Errorf("%q: %s, %v", text, v, err)
		}
	}
	for _, text := range []string{"", "1", "1.2", "1.2.3.4.5", "a.b.c", "1.2.99999999999999999999", "-1.2.3"} {
		if v, err := exver.ParseEmver(text); err == nil {
			t.Errorf("%q was read as %s", text, v)
		}
	}
}

func TestLintWarnsOfWhatIsAmbiguous(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]exver.WarningCode{
		">=1.2:0 <2:0":               nil,
		"^1.2.3":                     nil,
		"(>=1:0 <2:0) || =3:0":       nil,
		"#knots || >=#knots:1":       nil,
		"!=1:0":                      nil,
		">=1.0:0, <2.0:0":            {exver.UnreadByCode, exver.IgnoredRest},
		">=1:0)":                     {exver.UnreadByCode, exver.IgnoredRest},
		"=1:0 || =2:0 >=0:0":         {exver.MixedJoins},
		"=1:0 || =2:0 && =2:0":       {exver.MixedJoins},
		"(=1:0 || (=2:0 =3:0))":      nil,
		"#":                          {exver.EmptyFlavor},
		"^0":                         {exver.NoNextVersion},
		"~1":                         {exver.NoNextVersion},
		"~0.0.3":                     {exver.NoNextVersion},
		"~0.2.3":                     nil,
		"^1.0-beta.1":                {exver.TagOnBound},
		">=1.0-rc1:0":                {exver.MixedTag},
		">=1.0-2:0":                  {exver.NumberTag},
		">=01.2:0":                   {exver.LeadingZero},
		"01.2":                       {exver.LeadingZero},
		"01.2 || 2":                  {exver.LeadingZero},
		">=1.10:0 <=1.20.100:0":      nil,
		"1\t2":                       {exver.IgnoredRest},
		">=1:0 ":                     {exver.UnreadByCode, exver.IgnoredRest},
		"\t1:0":                      {exver.UnreadByServer},
		"#a #b #c #d #e #f #g #h #i": {exver.UnreadByCode},
	} {
		warnings, err := exver.Lint(text)
		var got []exver.WarningCode
		for _, w := range warnings {
			got = append(got, w.Code)
			if w.Why == "" || w.At < 0 || w.At > len(text) {
				t.Errorf("%q: %+v", text, w)
			}
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	if _, err := exver.Lint("nonsense"); err == nil {
		t.Error("nonsense was accepted")
	}
}

// What is not warned of means the same to both.
func TestWhatIsNotWarnedOfIsReadAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rangeText().Draw(t, "r")
		warnings, err := exver.Lint(text)
		if err != nil || len(warnings) > 0 {
			return
		}
		v := mustParse(t, versionText().Draw(t, "v"))
		code, err := exver.ParseCodeRange(text)
		if err != nil || code.Contains(v) != v.Satisfies(mustParseRange(t, text)) {
			t.Fatalf("%q reads differently for %s, %v", text, v, err)
		}
	})
}

func FuzzCodeRange(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.Range != "" {
			f.Add(v.Range)
		} else if v.Op == "parse_range" || v.Op == "normalize" || v.Op == "parse_emver_range" {
			f.Add(v.Input)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = exver.ParseEmver(s)
		if r, err := exver.ParseEmverRange(s); err == nil {
			_ = r.Normal().String()
		}
		if warnings, err := exver.Lint(s); err == nil {
			for _, w := range warnings {
				if w.At < 0 || w.At > len(s) {
					t.Fatalf("%q: %+v", s, w)
				}
			}
		}
		r, err := exver.ParseCodeRange(s)
		if err != nil {
			return
		}
		again, err := exver.ParseCodeRange(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q -> %s -> %s, %v", s, r, again, err)
		}
	})
}
