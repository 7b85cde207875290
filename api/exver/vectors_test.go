package exver_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/hearthos/hearth/api/exver"
)

// vector is one recorded request to the original's two version libraries; only the host's answer is read here.
type vector struct {
	ID      int
	Op      string
	Input   string
	A, B    string
	Version string
	Range   string
	Rust    *struct {
		OK          bool `json:"ok"`
		String      string
		Flavor      *string
		Result      json.RawMessage
		Satisfiable bool
	}
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/exver.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []vector }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

// The vectors hold a few operations that the host lacks; they are checked as package code answers them.
func TestVectorsOfTheHostDialect(t *testing.T) {
	t.Parallel()
	ran := make(map[string]int)
	for _, v := range readVectors(t) {
		check, ok := checks[v.Op]
		if v.Rust == nil || !ok {
			continue
		}
		ran[v.Op]++
		if got, want := check(v), v.want(); got != want {
			t.Errorf("case %d %s %q %q %q %q %q: got %s, want %s", v.ID, v.Op, v.Input, v.A, v.B, v.Version, v.Range, got, want)
		}
	}
	for op := range checks {
		if ran[op] == 0 {
			t.Errorf("no vector exercised %s", op)
		}
	}
	t.Log(ran)
}

func (v vector) want() string {
	if !v.Rust.OK {
		return "refused"
	}
	switch v.Op {
	case "normalize":
		return fmt.Sprint(v.Rust.Satisfiable)
	case "parse_version", "parse_range", "parse_emver":
		return v.Rust.String
	case "parse_exver":
		flavor := "none"
		if v.Rust.Flavor != nil {
			flavor = "#" + *v.Rust.Flavor
		}
		return v.Rust.String + " " + flavor
	}
	return string(v.Rust.Result)
}

var checks = map[string]func(vector) string{
	"parse_version": func(v vector) string {
		p, err := exver.ParsePlain(v.Input)
		return orRefused(err, p)
	},
	"parse_exver": func(v vector) string {
		p, err := exver.Parse(v.Input)
		if err != nil {
			return "refused"
		}
		if name, ok := p.Flavor(); ok {
			return p.String() + " #" + name
		}
		return p.String() + " none"
	},
	"parse_emver": func(v vector) string {
		p, err := exver.ParseEmver(v.Input)
		return orRefused(err, p)
	},
	"parse_range": func(v vector) string {
		r, err := exver.ParseRange(v.Input)
		return orRefused(err, r)
	},
	"compare_version": func(v vector) string {
		a, errA := exver.ParsePlain(v.A)
		b, errB := exver.ParsePlain(v.B)
		return orRefused(firstError(errA, errB), a.Compare(b))
	},
	"compare_exver": func(v vector) string {
		a, errA := exver.Parse(v.A)
		b, errB := exver.Parse(v.B)
		order, ok := a.Compare(b)
		if !ok && firstError(errA, errB) == nil {
			return "null"
		}
		return orRefused(firstError(errA, errB), order)
	},
	"satisfies": func(v vector) string {
		version, errA := exver.Parse(v.Version)
		r, errB := exver.ParseRange(v.Range)
		return orRefused(firstError(errA, errB), version.Satisfies(r))
	},
	"version_satisfies": func(v vector) string {
		version, errA := exver.ParsePlain(v.Version)
		r, errB := exver.ParseRange(v.Range)
		return orRefused(firstError(errA, errB), version.Satisfies(r))
	},
	"normalize": func(v vector) string {
		r, err := exver.ParseRange(v.Input)
		return orRefused(err, r.Satisfiable())
	},
	"intersects": func(v vector) string {
		a, errA := exver.ParseRange(v.A)
		b, errB := exver.ParseRange(v.B)
		return orRefused(firstError(errA, errB), a.Intersects(b))
	},
}

func orRefused(err error, value any) string {
	if err != nil {
		return "refused"
	}
	return fmt.Sprint(value)
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
