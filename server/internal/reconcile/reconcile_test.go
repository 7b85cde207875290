package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"pgregory.net/rapid"
)

type artifact = *packagesv1.Artifact

var quiet = slog.New(slog.DiscardHandler)

// world is a store with a manager that runs until the test function is through.
type world struct {
	t  testing.TB
	st *store.Store
	m  *reconcile.Manager
}

// in runs fn in a bubble of artificial time in which the controllers run.
func in(t *testing.T, fn func(w *world), cs ...reconcile.Controller) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, st: open(t, t.TempDir())}
		w.run(fn, cs...)
	})
}

func open(t testing.TB, dir string) *store.Store {
	st, err := store.Open(dir, store.Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (w *world) run(fn func(w *world), cs ...reconcile.Controller) {
	w.m = reconcile.New(w.st, quiet, cs...)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.m.Run(ctx) }()
	fn(w)
	stop()
	if err := <-ended; err != nil {
		w.t.Error(err)
	}
	if err := w.st.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) put(ids ...string) {
	w.t.Helper()
	_, err := w.st.Update(context.Background(), time.Now(), func(tx *store.Tx) error {
		for _, id := range ids {
			row := &packagesv1.Artifact{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.ArtifactSpec{Size: tx.Revision()}}
			if err := store.Put(tx, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// record gathers what ran.
type record struct {
	mu   sync.Mutex
	keys []string
	at   []time.Time
}

func (r *record) add(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.at = append(r.keys, key), append(r.at, time.Now())
	return len(r.keys)
}

func (r *record) sorted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.keys))
}

var artifacts = []reconcile.Source{{Selector: store.Selector{Kind: "artifact"}}}

func TestRowsWakeTheirKeysOnceEach(t *testing.T) {
	t.Parallel()
	var ran record
	release := make(chan struct{})
	synctest.Test(t, func(t *testing.T) {
		ran, release = record{}, make(chan struct{})
		w := &world{t: t, st: open(t, t.TempDir())}
		w.put("a", "b/child", "b/other")
		w.run(func(w *world) {
			synctest.Wait()
			if diff := cmp.Diff([]string{"a", "b"}, ran.sorted()); diff != "" {
				t.Errorf("at boot: %s", diff)
			}
			for range 10 {
				w.put("a", "c")
			}
			synctest.Wait()
			close(release)
			synctest.Wait()
			// Ten changes during the run of a are one more run of it; c was free to run for each.
			if got := ran.sorted(); !slices.Equal(got[:3], []string{"a", "a", "b"}) || got[3] != "c" {
				t.Errorf("after ten changes during a run: %v", got)
			}
		}, reconcile.Controller{Name: "c", Sources: artifacts, Workers: 4, Reconcile: func(_ context.Context, key string) (time.Duration, error) {
			if ran.add(key) <= 2 {
				<-release
			}
			return 0, nil
		}})
	})
}

func TestFailuresBackOffUntilSuccess(t *testing.T) {
	t.Parallel()
	var ran record
	in(t, func(w *world) {
		w.m.Wake("c", "k")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		want := 500 * time.Millisecond
		for i := 1; i < 9; i++ {
			if gap := ran.at[i].Sub(ran.at[i-1]); gap < want || gap > want*5/4 {
				t.Errorf("run %d came after %v, want %v", i, gap, want)
			}
			want = min(2*want, time.Minute)
		}
		if len(ran.at) != 9 {
			t.Fatalf("%d runs", len(ran.at))
		}
		w.m.Wake("c", "k") // fails again: the ladder begins anew
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if gap := ran.at[10].Sub(ran.at[9]); len(ran.at) != 11 || gap > 700*time.Millisecond {
			t.Errorf("after a success the delay is %v, %d runs", gap, len(ran.at))
		}
	}, reconcile.Controller{Name: "c", Reconcile: func(_ context.Context, key string) (time.Duration, error) {
		if n := ran.add(key); n == 9 || n == 11 {
			return 0, nil
		}
		return 0, errors.New("not yet")
	}})
}

func TestOwnWritesDoNotDefeatTheBackOff(t *testing.T) {
	t.Parallel()
	var ran record
	var w *world
	in(t, func(made *world) {
		w = made
		w.put("k")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		// Each failure writes a row that wakes the key; at most two runs a second are left of that.
		if n := len(ran.at); n < 10 || n > 61 {
			t.Errorf("%d runs in 30 s", n)
		}
	}, reconcile.Controller{Name: "c", Sources: artifacts, Reconcile: func(_ context.Context, key string) (time.Duration, error) {
		ran.add(key)
		w.put(key)
		return 0, errors.New("always")
	}})
}

func TestAskedToComeBack(t *testing.T) {
	t.Parallel()
	var ran record
	in(t, func(w *world) {
		w.m.Wake("c", "k")
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		if len(ran.at) != 1 {
			t.Fatalf("%d runs before it was due", len(ran.at))
		}
		w.m.Wake("c", "k") // a wake takes the place of the visit
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		if len(ran.at) != 2 {
			t.Fatalf("%d runs after a wake", len(ran.at))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(ran.at) != 3 {
			t.Fatalf("%d runs when it is due", len(ran.at))
		}
	}, reconcile.Controller{Name: "c", Reconcile: func(_ context.Context, key string) (time.Duration, error) {
		ran.add(key)
		return time.Minute, nil
	}})
}

func TestListedKeysRunAtBootEvenWhenListingFailsFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran record
		calls := 0
		w := &world{t: t, st: open(t, t.TempDir())}
		w.put("row") // a row wakes its key by itself only where nothing lists keys
		w.run(func(w *world) {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if diff := cmp.Diff([]string{"left-over"}, ran.sorted()); diff != "" {
				t.Error(diff)
			}
		}, reconcile.Controller{
			Name: "c", Sources: artifacts,
			List: func() ([]string, error) {
				if calls++; calls < 3 {
					return nil, errors.New("not yet")
				}
				return []string{"left-over"}, nil
			},
			Reconcile: func(_ context.Context, key string) (time.Duration, error) { ran.add(key); return 0, nil },
		})
	})
}

func TestSuccessEndsTheRowOfFailures(t *testing.T) {
	t.Parallel()
	var ran record
	in(t, func(w *world) {
		w.m.Wake("c", "k")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		// Failures at 0, 0.5 and 1.5 s would make the next delay 4 s; a success that asks for a visit is between.
		if len(ran.at) != 6 {
			t.Fatalf("%d runs", len(ran.at))
		}
		if gap := ran.at[5].Sub(ran.at[4]); gap > 700*time.Millisecond {
			t.Errorf("after a success the delay is %v", gap)
		}
	}, reconcile.Controller{Name: "c", Reconcile: func(_ context.Context, key string) (time.Duration, error) {
		switch ran.add(key) {
		case 3:
			return 10 * time.Millisecond, nil
		case 4:
			return time.Millisecond, nil
		case 6:
			return 0, nil
		}
		return 0, errors.New("not yet")
	}})
}

func TestPanicIsAFailureOfItsKey(t *testing.T) {
	t.Parallel()
	var ran record
	panicked := false
	in(t, func(w *world) {
		w.m.Wake("c", "bad")
		w.m.Wake("c", "good")
		w.m.Wake("other", "k")
		time.Sleep(time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"bad", "bad", "good"}, ran.sorted()); diff != "" {
			t.Error(diff)
		}
	}, reconcile.Controller{Name: "c", Reconcile: func(_ context.Context, key string) (time.Duration, error) {
		ran.add(key)
		if key == "bad" && !panicked {
			panicked = true
			panic("broken")
		}
		return 0, nil
	}})
}

func TestRunWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	var ended bool
	in(t, func(w *world) {
		w.m.Wake("c", "k")
		synctest.Wait()
	}, reconcile.Controller{Name: "c", Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
		<-ctx.Done()
		time.Sleep(time.Second)
		ended = true
		return 0, ctx.Err()
	}})
	if !ended {
		t.Error("Run returned before its controller")
	}
}

func TestSourceOfAnUnknownKindIsRefused(t *testing.T) {
	t.Parallel()
	st := open(t, t.TempDir())
	defer st.Close()
	m := reconcile.New(st, quiet, reconcile.Controller{Name: "c", Sources: []reconcile.Source{{Selector: store.Selector{Kind: "no"}}}})
	if err := m.Run(t.Context()); !fault.Is(err, metav1.Reason_REASON_SELECTOR_INVALID) {
		t.Errorf("got %v", err)
	}
}

// Whatever changes and whatever fails, what each key saw last is what is, no key ran beside itself, and no more workers
// ran than there are.
func TestControllersConverge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		plan := plan{
			workers: rapid.IntRange(1, 3).Draw(rt, "workers"),
			writes:  rapid.SliceOfN(rapid.IntRange(0, 4), 1, 25).Draw(rt, "writes"),
			failing: rapid.SliceOfN(rapid.IntRange(0, 3), 100, 100).Draw(rt, "failing"),
		}
		synctest.Test(t, func(t *testing.T) { plan.converge(t) })
		if t.Failed() {
			rt.FailNow()
		}
	})
}

type plan struct {
	workers         int
	writes, failing []int
}

func (p plan) converge(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "reconcile") // a hundred stores: spare the disk where there is memory
	if err != nil {
		dir = t.TempDir()
	}
	defer os.RemoveAll(dir)
	w := &world{t: t, st: open(t, dir)}
	var mu sync.Mutex
	seen, inside := map[string]uint64{}, map[string]bool{}
	runs := 0
	c := reconcile.Controller{
		Name: "c", Sources: artifacts, Workers: p.workers,
		Reconcile: func(_ context.Context, key string) (time.Duration, error) {
			mu.Lock()
			if inside[key] {
				t.Errorf("%s runs beside itself", key)
			}
			inside[key] = true
			if n := len(inside); n > p.workers {
				t.Errorf("%d run at once", n)
			}
			fails := runs < len(p.failing) && p.failing[runs] == 0
			runs++
			mu.Unlock()
			size := read(t, w.st, key)
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			delete(inside, key)
			if fails {
				return 0, errors.New("by chance")
			}
			seen[key] = size
			return 0, nil
		},
	}
	w.run(func(w *world) {
		want := map[string]uint64{}
		for i, n := range p.writes {
			key := fmt.Sprintf("k%d", n)
			w.put(key)
			want[key] = read(t, w.st, key)
			if i%3 == 0 {
				time.Sleep(7 * time.Millisecond)
			}
		}
		converged := func() bool {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return maps.Equal(seen, want)
		}
		for deadline := time.Now().Add(30 * time.Minute); !converged() && time.Now().Before(deadline); {
			time.Sleep(10 * time.Second)
		}
		if !converged() {
			t.Errorf("saw %v, want %v", seen, want)
		}
	}, c)
}

func read(t testing.TB, st *store.Store, id string) uint64 {
	var size uint64
	err := st.View(func(tx *store.Tx) error {
		row, _, err := store.Lookup[artifact](tx, id)
		size = row.GetSpec().GetSize()
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return size
}
