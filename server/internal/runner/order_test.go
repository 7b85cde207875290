package runner

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsNeededComesFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list  []string
		needs map[string][]string
		want  [][]string
	}{
		"nobody needs anybody":    {[]string{"b", "a"}, nil, [][]string{{"a", "b"}}},
		"a chain":                 {[]string{"wallet", "node", "db"}, map[string][]string{"wallet": {"node"}, "node": {"db"}}, [][]string{{"db"}, {"node"}, {"wallet"}}},
		"what is not there":       {[]string{"a"}, map[string][]string{"a": {"gone"}}, [][]string{{"a"}}},
		"a circle comes together": {[]string{"a", "b", "c"}, map[string][]string{"a": {"b"}, "b": {"a"}, "c": {"a"}}, [][]string{{"a", "b", "c"}}},
		"itself":                  {[]string{"a"}, map[string][]string{"a": {"a"}}, [][]string{{"a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, waves(c.list, c.needs)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// At boot a few come up at a time and what others need before them; whoever hangs does not keep the others for ever.
func TestBootAdmitsAFewAndWhatIsNeededFirst(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	b := newBoot([]string{"wallet", "node", "a", "b", "c", "d"}, map[string][]string{"wallet": {"node"}})
	if b.admit("wallet", now) == 0 {
		t.Error("wallet begins before what it needs")
	}
	for _, p := range []string{"node", "a", "b", "c"} {
		if wait := b.admit(p, now); wait != 0 {
			t.Errorf("%s waits for %s", p, wait)
		}
	}
	if b.admit("d", now) == 0 {
		t.Error("a fifth begins at once")
	}
	if b.admit("stranger", now) != 0 {
		t.Error("a service that was not part of the boot waits")
	}
	next := b.done("node")
	slices.Sort(next)
	if diff := cmp.Diff([]string{"d", "wallet"}, next); diff != "" {
		t.Errorf("who may go on: %s", diff)
	}
	if b.admit("wallet", now) != 0 {
		t.Error("wallet waits although what it needs is up")
	}
	if wait := b.admit("d", now.Add(30*time.Second)); wait != 30*time.Second {
		t.Errorf("d waits for %s", wait)
	}
	if b.admit("d", now.Add(slotTime)) != 0 {
		t.Error("d waits for what hangs")
	}
	if b.done("stranger") != nil {
		t.Error("who is not part of it lets others go on")
	}
}
