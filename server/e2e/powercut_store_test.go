package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// storeOptions have the store write its memory down, merge tables and delete files all the time.
var storeOptions = store.Options{RingSize: 4, RetainRevisions: 40, MemTable: 1 << 20, MinFree: 1, Reserve: 1 << 20}

// counted counts up in a row, and in one beside it, both with as many bytes as they have by chance.
func counted(st *store.Store, t *testing.T, chance *rand.Rand) {
	size := 80 << chance.IntN(9)
	_, err := st.Update(t.Context(), time.Now(), func(tx *store.Tx) error {
		row, _, err := store.Lookup[*packagesv1.Artifact](tx, "one")
		if err != nil {
			return err
		}
		n := row.GetSpec().GetSize() + 1
		for _, id := range []string{"one", "two"} {
			err = errors.Join(err, store.Put(tx, &packagesv1.Artifact{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.ArtifactSpec{Size: n, Title: letters(n, size)}}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func letters(n uint64, size int) string { return strings.Repeat(string(rune('a'+n%26)), size) }

// readCount is how far the rows have come, both alike and whole.
func readCount(t *testing.T, st *store.Store) (n uint64) {
	t.Helper()
	err := st.View(func(tx *store.Tx) error {
		for _, id := range []string{"one", "two"} {
			row, _, err := store.Lookup[*packagesv1.Artifact](tx, id)
			if err != nil {
				return err
			}
			spec := row.GetSpec()
			if id == "two" && spec.GetSize() != n || spec.GetTitle() != letters(spec.GetSize(), len(spec.GetTitle())) {
				return fmt.Errorf("row %q has %d and is not whole, or the other has %d", id, spec.GetSize(), n)
			}
			n = spec.GetSize()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The power may go while the store writes its memory down, merges tables or deletes files: it opens without repair, whole,
// with all that was acknowledged.
func TestPowerCutOfTheStore(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the fast lane mounts nothing")
	}
	cuts := 6
	if soak() {
		cuts = 60
	}
	for kind := range fileSystems {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newRecordedDisk(t, kind, stateSize)
			m := newMachine(t)
			m.cleaned = true
			before := d.newRemains(t)
			m.mountState(kind, d.attach(t))
			chance := rand.New(rand.NewPCG(uint64(len(kind)), 21))
			st, err := store.Open(m.ofState("store"), storeOptions)
			if err != nil {
				t.Fatal(err)
			}
			first := d.now()
			var acknowledged []int // after how many events each count was
			for range 400 {
				counted(st, t, chance)
				acknowledged = append(acknowledged, d.now())
			}
			last := d.now()
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			at := first
			for seed := range cuts {
				at = min(last, at+1+chance.IntN(max(1, 2*(last-at)/(cuts-seed)-1)))
				how := []loss{lossOfAll, lossOfWrites, lossOfSectors, lossOfNone}[chance.IntN(4)]
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { openAfterCut(t, kind, before, at, how, acknowledged, chance) })
			}
		})
	}
}

func openAfterCut(t *testing.T, kind string, before *remains, events int, how loss, acknowledged []int, chance *rand.Rand) {
	image := before.after(t, events, how, chance)
	m := newMachine(t)
	m.cleaned = true
	m.mountState(kind, blockDevice(t, int(image.Fd())))
	st, err := store.Open(m.ofState("store"), storeOptions)
	if err != nil {
		t.Fatalf("after event %d and a loss of %s: %v", events, how, err)
	}
	defer st.Close()
	least := uint64(0)
	for i, at := range acknowledged {
		if at <= events {
			least = uint64(i + 1)
		}
	}
	if n := readCount(t, st); n < least || n > least+1 {
		t.Errorf("after event %d and a loss of %s there is %d, and %d was acknowledged", events, how, n, least)
	}
	counted(st, t, chance)
	if report, err := st.Check(); err != nil || len(report.Defects) > 0 {
		t.Errorf("after event %d and a loss of %s: %v, %+v", events, how, err, report)
	}
}
