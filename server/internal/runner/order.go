package runner

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/store"
)

// How services come up with the machine: a few at a time, and after what they need. One that takes its time holds nobody
// up for ever.
const (
	fewAtOnce   = 4
	slotTime    = time.Minute     // after which another may begin beside it
	neededFirst = 3 * time.Minute // for what others need to come up
)

// waves sorts packages so that each comes after all it needs. Where packages need each other in a circle, they come
// together. Needs of packages that are not in the list do not count.
func waves(list []string, needs map[string][]string) [][]string {
	left := map[string]bool{}
	for _, p := range list {
		left[p] = true
	}
	var out [][]string
	for len(left) > 0 {
		var wave []string
		for p := range left {
			if !slices.ContainsFunc(needs[p], func(n string) bool { return n != p && left[n] }) {
				wave = append(wave, p)
			}
		}
		if len(wave) == 0 {
			wave = slices.Collect(maps.Keys(left))
		}
		slices.Sort(wave)
		for _, p := range wave {
			delete(left, p)
		}
		out = append(out, wave)
	}
	return out
}

// needs are, for each package, the packages that it needs to run.
func (s *Service) needs() (map[string][]string, error) {
	out := map[string][]string{}
	err := s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Dependency](tx, "")
		for _, r := range rows {
			if pkg, on, ok := strings.Cut(r.GetMeta().GetId(), "/"); ok && r.GetSpec().GetRunning() {
				out[pkg] = append(out[pkg], on)
			}
		}
		return err
	})
	return out, err
}

// boot admits the services that come up with the daemon. It is safe for concurrent use.
type boot struct {
	mu       sync.Mutex // guards what follows
	waiting  map[string][]string
	underway map[string]time.Time
}

// newBoot makes the plan: who waits for whom.
func newBoot(list []string, needs map[string][]string) *boot {
	b := &boot{waiting: map[string][]string{}, underway: map[string]time.Time{}}
	var before []string
	for _, wave := range waves(list, needs) {
		for _, p := range wave {
			b.waiting[p] = nil
			for _, n := range needs[p] {
				if slices.Contains(before, n) {
					b.waiting[p] = append(b.waiting[p], n)
				}
			}
		}
		before = append(before, wave...)
	}
	return b
}

// admit tells how long a package has to wait: 0 when its turn has come, and for one that is not part of the plan.
func (b *boot) admit(pkg string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	needs, planned := b.waiting[pkg]
	if !planned {
		return 0
	}
	for _, n := range needs {
		if _, waits := b.waiting[n]; waits {
			return slotTime
		}
		if since, ok := b.underway[n]; ok && now.Sub(since) < neededFirst {
			return neededFirst - now.Sub(since)
		}
	}
	busy, soonest := 0, slotTime
	for _, since := range b.underway {
		if age := now.Sub(since); age < slotTime {
			busy++
			soonest = min(soonest, slotTime-age)
		}
	}
	if busy >= fewAtOnce {
		return soonest
	}
	delete(b.waiting, pkg)
	b.underway[pkg] = now
	return 0
}

// done takes a package that has come up, or failed to, out of the plan and answers who may go on.
func (b *boot) done(pkg string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, waits := b.waiting[pkg]
	_, under := b.underway[pkg]
	delete(b.waiting, pkg)
	delete(b.underway, pkg)
	if !waits && !under {
		return nil
	}
	return slices.Collect(maps.Keys(b.waiting))
}
