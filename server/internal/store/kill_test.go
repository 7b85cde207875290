package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// growRetain is short, so that the log is shortened, tables are merged and their files deleted all the time.
const growRetain = 40

// childGrows writes rows so large that Badger begins new logs and tables many times a second, and prints what is
// acknowledged.
func childGrows(t *testing.T, dir string) {
	fmt.Println("opening")
	s, err := store.Open(dir, store.Options{RingSize: 4, RetainRevisions: growRetain, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	var out sync.Mutex
	var all sync.WaitGroup
	for w := range childWriters {
		all.Go(func() {
			for {
				var n uint64
				_, err := s.Update(t.Context(), noon, func(tx *store.Tx) (err error) {
					n, err = growUp(tx, fmt.Sprintf("w%d", w))
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				out.Lock()
				fmt.Printf("ack %d %d\n", w, n)
				out.Unlock()
			}
		})
	}
	all.Wait()
}

// growUp is countUp with rows of any size that a store takes, and one that comes and goes.
func growUp(tx *store.Tx, id string) (uint64, error) {
	row, _, err := store.Lookup[*packagesv1.Artifact](tx, id)
	if err != nil {
		return 0, err
	}
	n := row.GetSpec().GetSize() + 1
	size := 80 << rand.IntN(12) // up to 160 KiB, so that a log of memory holds few
	made := func(id string) error {
		text := strings.Repeat(string(rune('a'+n%26)), size)
		return store.Put(tx, &packagesv1.Artifact{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.ArtifactSpec{Size: n, Title: text}})
	}
	if n%3 == 0 {
		if err := store.Delete[*packagesv1.Artifact](tx, id+"/guest"); err != nil {
			return 0, err
		}
	} else if err := made(id + "/guest"); err != nil {
		return 0, err
	}
	return n, errors.Join(made(id), made(id+"/twin"))
}

// A kill may come while the store opens, begins a log, writes its memory down, merges tables or deletes files; in every
// second round the next process finds what the kill left as it is.
func TestKilledStoreThatGrowsLosesNothing(t *testing.T) {
	t.Parallel()
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	soak := os.Getenv("HEARTH_SOAK") == "full"
	if soak {
		rounds = 3000
	}
	var dir string
	var counts []uint64
	for round := range rounds {
		if round%50 == 0 {
			dir, counts = filepath.Join(t.TempDir(), "store"), make([]uint64, childWriters)
		}
		p, out := start(t, "grows", dir, nil)
		lines := bufio.NewScanner(out)
		acks := rand.IntN(40)
		for lines.Scan() {
			var w int
			var n uint64
			if _, err := fmt.Sscanf(lines.Text(), "ack %d %d", &w, &n); err == nil {
				counts[w] = n
				acks--
			} else if lines.Text() != "opening" {
				said := lines.Text()
				for lines.Scan() {
					said += "\n" + lines.Text()
				}
				t.Fatalf("round %d: the child says %s", round, said)
			} else if soak && round%3 == 0 {
				time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = p.Kill() })
			}
			if acks <= 0 {
				if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
					t.Fatal(err)
				}
			}
		}
		if state, err := p.Wait(); err != nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("round %d: the child ended by itself: %v, %v", round, state, err)
		}
		verifyGrown(t, dir, round, counts)
		if round%50 == 49 {
			t.Logf("%d rounds, %v acknowledged", round+1, counts)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		if t.Failed() {
			if kept := os.Getenv("HEARTH_KEEP"); kept != "" {
				t.Log(os.CopyFS(kept, os.DirFS(dir)))
			}
			return
		}
	}
}

// verifyGrown looks at what a killed process left.
func verifyGrown(t *testing.T, dir string, round int, counts []uint64) {
	t.Helper()
	known := slices.Max(counts) > 0
	s, err := store.Open(dir, store.Options{ReadOnly: round%2 == 0 && known, Known: known, RetainRevisions: growRetain})
	if err != nil {
		t.Errorf("round %d: %v", round, err)
		return
	}
	defer closeStore(t, s)
	if r, err := s.Check(); err != nil || r.Err() != nil {
		t.Errorf("round %d: %v, %v", round, err, r.Err())
	}
	err = s.View(func(tx *store.Tx) error {
		for i, acked := range counts {
			id := fmt.Sprintf("w%d", i)
			row, there, err := store.Lookup[*packagesv1.Artifact](tx, id)
			if err != nil {
				return err
			}
			twin, _, err := store.Lookup[*packagesv1.Artifact](tx, id+"/twin")
			if err != nil {
				return err
			}
			_, guest, err := store.Lookup[*packagesv1.Artifact](tx, id+"/guest")
			n := row.GetSpec().GetSize()
			if n < acked || n > acked+1 || n != twin.GetSpec().GetSize() || there && guest != (n%3 != 0) {
				t.Errorf("round %d: %s is %d, its twin %d, a guest %t; %d was acknowledged", round, id, n, twin.GetSpec().GetSize(), guest, acked)
			}
			counts[i] = n
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("round %d: %v", round, err)
	}
}
