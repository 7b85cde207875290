package operationtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

type artifact = *packagesv1.Artifact

const toyID = "01arz3ndektsv4rrffq69g5fav"

// toy is an operation on a folder and rows, done as a real one should be.
type toy struct {
	fails    string // name of a step whose Do fails after its work
	careless bool   // the counting step does not look whether it has counted already
	cancelAt string
	stuck    string // name of a step that can neither be done nor undone, and is given up
}

func (y toy) build(_ testing.TB, dir string, st *store.Store) World {
	data := filepath.Join(dir, "data")
	fail := func(name string) error {
		if y.fails == name || y.stuck == name {
			return errors.New("told to fail")
		}
		return nil
	}
	never := func(name string) error {
		if y.stuck == name {
			return errors.New("never")
		}
		return nil
	}
	return World{
		CancelAt: y.cancelAt, GiveUp: y.stuck != "",
		Request: operation.Request{Asked: operation.Asked{ID: toyID}, Kind: "toy", Target: "x", Parameters: map[string]string{"text": "hello"}},
		Definitions: []operation.Definition{{Kind: "toy", Release: release, Steps: []operation.Step{
			{Name: "write", Do: func(ctx context.Context, r *operation.Run) error {
				if err := os.MkdirAll(data, 0o750); err != nil {
					return err
				}
				if err := atomicfile.Write(filepath.Join(data, r.ID()), []byte(r.Param("text")), 0o640); err != nil {
					return err
				}
				return errors.Join(r.SetMemo(ctx, "file", r.ID()), fail("write"))
			}, Undo: func(context.Context, *operation.Run) error { return os.RemoveAll(data) }},
			{Name: "count", Leaves: "the counter", Do: func(ctx context.Context, r *operation.Run) error {
				err := r.Commit(ctx, func(tx *store.Tx) error {
					row, there, err := store.Lookup[artifact](tx, "counter")
					if err != nil {
						return err
					}
					if !there {
						row = &packagesv1.Artifact{Meta: &metav1.Meta{Id: "counter"}, Spec: &packagesv1.ArtifactSpec{}}
					}
					if r.Memo("counted") == "yes" && !y.careless {
						return nil
					}
					r.SetMemoIn(tx, "counted", "yes")
					row.Spec.Size++
					row.Spec.Title = r.Memo("file")
					return store.Put(tx, row)
				})
				return errors.Join(err, fail("count"))
			}, Undo: func(ctx context.Context, r *operation.Run) error {
				if err := never("count"); err != nil {
					return err
				}
				return r.Commit(ctx, func(tx *store.Tx) error {
					if r.Memo("counted") != "yes" {
						return nil
					}
					r.SetMemoIn(tx, "counted", "undone")
					return store.Delete[artifact](tx, "counter")
				})
			}},
			{Name: "rename", Final: true, Do: func(context.Context, *operation.Run) error {
				if err := never("rename"); err != nil {
					return err
				}
				err := os.Rename(filepath.Join(data, toyID), filepath.Join(data, "final"))
				if _, there := os.Stat(filepath.Join(data, "final")); there == nil {
					return nil
				}
				return err
			}},
		}}},
	}
}

// release counts how often an operation gives back what it holds.
func release(tx *store.Tx, _ *operationsv1.Operation) error {
	row, there, err := store.Lookup[artifact](tx, "released")
	if err != nil {
		return err
	}
	if !there {
		row = &packagesv1.Artifact{Meta: &metav1.Meta{Id: "released"}, Spec: &packagesv1.ArtifactSpec{}}
	}
	row.Spec.Size++
	return store.Put(tx, row)
}

func TestToySurvivesEveryCrash(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		toy  toy
		want []string
		kept bool // the folder
	}{
		{"succeeds", toy{}, []string{"folder data drwxr-x---", "file data/final -rw-r----- 5 bytes", "size:1", "STATE_SUCCEEDED"}, true},
		{"fails late", toy{fails: "count"}, []string{"STATE_FAILED", `metadata:{key:"step" value:"count"}`}, false},
		{"fails early", toy{fails: "write"}, []string{"STATE_FAILED", `metadata:{key:"step" value:"write"}`}, false},
		{"is cancelled", toy{cancelAt: "after do write"}, []string{"STATE_CANCELLED"}, false},
		{"is given up while it is undone", toy{stuck: "count"}, []string{
			"STATE_FAILED", "STATE_LEFT", `left_behind:"the counter"`, `metadata:{key:"step" value:"count"}`, `id:"released"} spec:{size:1}`,
		}, false},
		{"is given up past the point of return", toy{stuck: "rename"}, []string{
			"STATE_FAILED", "STATE_LEFT", `left_behind:"what step \"rename\" did"`, `metadata:{key:"step" value:"rename"}`, `id:"released"} spec:{size:1}`,
			"file data/" + toyID,
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			CrashMatrix(t, c.toy.build)
			// The text form of a message has spaces that depend on the build.
			plain := strings.NewReplacer(" ", "")
			state := plain.Replace(run(t, c.toy.build, nil).state)
			for _, want := range c.want {
				if !strings.Contains(state, plain.Replace(want)) {
					t.Errorf("%q is not in\n%s", want, state)
				}
			}
			if left := strings.Contains(state, "folderdata"); left != c.kept {
				t.Errorf("the folder is there: %v", left)
			}
		})
	}
}

func TestCarelessOperationIsFound(t *testing.T) {
	t.Parallel()
	_, differences := matrix(t, toy{careless: true}.build)
	if len(differences) == 0 {
		t.Fatal("counting twice after a crash was not noticed")
	}
	if !strings.Contains(differences[0], "after commit") || !strings.Contains(strings.ReplaceAll(differences[0], " ", ""), "size:2") {
		t.Errorf("the report does not say what happened: %s", differences[0])
	}
}

func TestDrawIsTheSameForTheSameSeed(t *testing.T) {
	t.Setenv("HEARTH_SOAK", "")
	t.Setenv("HEARTH_SEED", "7")
	first := fmt.Sprint(draw(t, 20))
	if fmt.Sprint(draw(t, 20)) != first || len(draw(t, 20)) != drawn() {
		t.Error("the same seed draws something else")
	}
	t.Setenv("HEARTH_SEED", "8")
	if fmt.Sprint(draw(t, 20)) == first {
		t.Error("another seed draws the same")
	}
	t.Setenv("HEARTH_SOAK", "1")
	if len(draw(t, 20)) != 400 {
		t.Error("a soak does not try all")
	}
}
