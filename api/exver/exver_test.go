package exver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/exver"
	"pgregory.net/rapid"
)

func plainText() *rapid.Generator[string] {
	return rapid.StringMatching(`(0|[1-3])(\.(0|[1-3])){0,3}(-(alpha|rc1|0|2)(\.(beta|3))?)?`)
}

func versionText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		flavor := rapid.SampledFrom([]string{"", "", "", "#a:", "#b:", "#:"}).Draw(t, "flavor")
		return flavor + plainText().Draw(t, "upstream") + ":" + plainText().Draw(t, "downstream")
	})
}

func rangeText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return drawRange(t, 4) })
}

func drawRange(t *rapid.T, depth int) string {
	if depth == 0 {
		op := rapid.SampledFrom([]string{"", ">=", "<=", "<", ">", "=", "!=", "^", "~"}).Draw(t, "op")
		return op + versionText().Draw(t, "bound")
	}
	switch rapid.IntRange(0, 6).Draw(t, "shape") {
	case 0:
		return rapid.SampledFrom([]string{"*", "!", "#", "#a", "#b"}).Draw(t, "leaf")
	case 1:
		return "!(" + drawRange(t, depth-1) + ")"
	case 2, 3:
		join := rapid.SampledFrom([]string{" ", " && ", "||"}).Draw(t, "join")
		return "(" + drawRange(t, depth-1) + ")" + join + "(" + drawRange(t, depth-1) + ")"
	}
	return drawRange(t, 0)
}

func mustParse(t rapid.TB, s string) exver.Version {
	v, err := exver.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustParseRange(t rapid.TB, s string) exver.Range {
	r, err := exver.ParseRange(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPrintedVersionsParseToTheSameVersion(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := mustParse(t, versionText().Draw(t, "v"))
		if again := mustParse(t, v.String()); !again.Equal(v) || again.String() != v.String() {
			t.Fatalf("%s became %s", v, again)
		}
	})
}

func TestOrderIsTotalAndAgreesWithCompare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		vs := make([]exver.Version, 3)
		for i := range vs {
			vs[i] = mustParse(t, versionText().Draw(t, "v"))
		}
		a, b, c := vs[0], vs[1], vs[2]
		if a.Order(b) != -b.Order(a) || (a.Order(b) == 0) != a.Equal(b) {
			t.Fatalf("%s and %s have no consistent order", a, b)
		}
		if a.Order(b) <= 0 && b.Order(c) <= 0 && a.Order(c) > 0 {
			t.Fatalf("%s, %s, %s are not transitive", a, b, c)
		}
		if order, ok := a.Compare(b); ok && order != a.Order(b) {
			t.Fatalf("%s and %s: Compare %d, Order %d", a, b, order, a.Order(b))
		}
	})
}

func TestVersionsWithoutFlavorSortLast(t *testing.T) {
	t.Parallel()
	vs := []exver.Version{mustParse(t, "1:0"), mustParse(t, "#knots:9:0"), mustParse(t, "0.9:3"), mustParse(t, "#core:1:0")}
	slices.SortFunc(vs, exver.Version.Order)
	if got := fmt.Sprint(vs); got != "[#core:1:0 #knots:9:0 0.9:3 1:0]" {
		t.Fatal(got)
	}
}

func TestRangesObeySetAlgebra(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := mustParse(t, versionText().Draw(t, "v"))
		r := mustParseRange(t, rangeText().Draw(t, "r"))
		s := mustParseRange(t, rangeText().Draw(t, "s"))
		inR, inS := v.Satisfies(r), v.Satisfies(s)
		for name, got := range map[string]bool{
			"and":     v.Satisfies(r.And(s)) == (inR && inS),
			"or":      v.Satisfies(r.Or(s)) == (inR || inS),
			"not":     v.Satisfies(r.Not()) == !inR,
			"printed": v.Satisfies(mustParseRange(t, r.String())) == inR,
			"any":     v.Satisfies(exver.Any()) && !v.Satisfies(exver.None()) && !v.Satisfies(exver.Range{}),
			"exactly": v.Satisfies(exver.Exactly(v)),
		} {
			if !got {
				t.Fatalf("%s is wrong for %s in %s and %s", name, v, r, s)
			}
		}
		if inR && !r.Satisfiable() || inR && inS && !r.Intersects(s) {
			t.Fatalf("%s lies in %s and %s, which are called empty", v, r, s)
		}
		if r.Intersects(r.Not()) {
			t.Fatalf("%s intersects its complement", r)
		}
	})
}

func TestCanonicalRangeIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := mustParseRange(t, rangeText().Draw(t, "r"))
		if again := mustParseRange(t, r.String()); again.String() != r.String() {
			t.Fatalf("%s became %s", r, again)
		}
	})
}

func TestEmptyFlavorOfABoundIsNone(t *testing.T) {
	t.Parallel()
	r := mustParseRange(t, "^#:1.2 || =#a:3:1")
	if r.String() != "(>=1.2:0 <2:0) || =#a:3:1" {
		t.Error(r)
	}
	if mustParse(t, "#:1.2:0").Satisfies(r) || !mustParse(t, "1.2:0").Satisfies(r) {
		t.Error("the version with an empty flavor is one of its own")
	}
}

func TestHostileRangesAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for _, s := range []string{
		strings.Repeat("!(", 60), strings.Repeat("!(", 2000), strings.Repeat("(", 4000), strings.Repeat("!", 4096),
		strings.Repeat("1 ", 2000), "1" + strings.Repeat("||1", 1300), strings.Repeat("1", 5000),
		"^18446744073709551615", ">=18446744073709551616:0", "~1.18446744073709551615", ">=1-01", "", " ", "\x00",
	} {
		r, err := exver.ParseRange(s)
		if err == nil && len(s) > 200 {
			t.Errorf("%.20q… of %d bytes was accepted as %.40s", s, len(s), r)
		}
		var refused *exver.Error
		if err != nil && (!errors.As(err, &refused) || len(err.Error()) > 400) {
			t.Errorf("%.20q: untyped or endless error of %d bytes", s, len(err.Error()))
		}
	}
	if spent := time.Since(began); spent > 2*time.Second {
		t.Errorf("it took %s", spent)
	}
}

func TestNumbersBeyondTheirWidthAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"18446744073709551616:0", "1:18446744073709551616", "1-18446744073709551616:0", "1-01:0", "1_0:0", "0x1:0", "++1:0", strings.Repeat("1.", 300) + "1:0"} {
		if v, err := exver.Parse(s); err == nil {
			t.Errorf("%q was accepted as %s", s, v)
		}
	}
	if got := mustParse(t, "18446744073709551615:0").String(); got != "18446744073709551615:0" {
		t.Error(got)
	}
}

func TestTextMarshalling(t *testing.T) {
	t.Parallel()
	var got struct {
		V exver.Version
		P exver.Plain
		R exver.Range
	}
	in := `{"V":"#a:1.0:2","P":"0.4.0-beta.10","R":"^1.2"}`
	if err := json.Unmarshal([]byte(in), &got); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(got)
	if err != nil || string(out) != `{"V":"#a:1.0:2","P":"0.4.0-beta.10","R":"\u003e=1.2:0 \u003c2:0"}` {
		t.Fatalf("%s, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"V":"1"}`), &got); err == nil {
		t.Error("a version without downstream part was accepted")
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.Op == "parse_exver" || v.Op == "parse_version" {
			f.Add(v.Input)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := exver.Parse(s)
		if err != nil {
			return
		}
		again, err := exver.Parse(v.String())
		if err != nil || !again.Equal(v) || again.Order(v) != 0 || again.String() != v.String() {
			t.Fatalf("%q -> %s -> %s, %v", s, v, again, err)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.Range != "" {
			f.Add(v.Range)
		} else if v.Op == "parse_range" {
			f.Add(v.Input)
		}
	}
	f.Add("!(!(!(!(1")
	probe := exver.Make(exver.Plain{}, exver.Plain{})
	f.Fuzz(func(t *testing.T, s string) {
		r, err := exver.ParseRange(s)
		if err != nil {
			return
		}
		again, err := exver.ParseRange(r.String())
		if err != nil || again.String() != r.String() || probe.Satisfies(r) != probe.Satisfies(again) {
			t.Fatalf("%q -> %s -> %s, %v", s, r, again, err)
		}
		if r.Intersects(r.Not()) {
			t.Fatalf("%q intersects its complement", s)
		}
	})
}
