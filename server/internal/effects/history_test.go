package effects_test

import (
	"fmt"
	"strings"
	"testing"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/server/internal/effects"
	"github.com/hearthos/hearth/server/internal/store"
)

// past is what is remembered of the checks of a package, the oldest first.
func (w *world) past(pkg string) (list []string) {
	w.t.Helper()
	err := w.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.HealthChange](tx, pkg)
		for _, r := range rows {
			st := r.GetStatus()
			result := strings.ToLower(strings.TrimPrefix(st.GetResult().String(), "RESULT_"))
			if st.GetEnded() {
				result = "ended"
			}
			list = append(list, st.GetCheck()+" "+result)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) setHealth(pkg, check, result, message string) {
	w.t.Helper()
	ctx := effects.WithCaller(w.t.Context(), pkg)
	if _, err := w.SetHealth(ctx, &effectsv1.SetHealthRequest{Id: check, Name: check, Result: result, Message: &message}); err != nil {
		w.t.Fatal(err)
	}
}

func TestChangesOfHealthAreRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setHealth("alone", "web", "starting", "")
	w.setHealth("alone", "web", "success", "")
	w.setHealth("alone", "web", "success", "another text is no other result")
	w.setHealth("alone", "db", "success", "")
	w.setHealth("alone", "web", "failure", "connection refused")
	w.update(func(tx *store.Tx) error { return effects.ClearHealth(tx, "alone") })
	w.update(func(tx *store.Tx) error { return effects.ClearHealth(tx, "alone") })
	w.setHealth("alone", "web", "success", "")
	want := []string{"web starting", "web success", "db success", "web failure", "db ended", "web ended", "web success"}
	if diff := cmp.Diff(want, w.past("alone")); diff != "" {
		t.Error(diff)
	}
	if got := w.past("friend"); len(got) > 0 {
		t.Errorf("another package has %v", got)
	}
	w.update(func(tx *store.Tx) error { return effects.Forget(tx, "alone", store.NewRoom()) })
	if got := w.past("alone"); len(got) > 0 {
		t.Errorf("of a package that is gone there is %v", got)
	}
}

func TestACheckThatFlapsTakesThePlaceOfItsOwnPast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setHealth("alone", "calm", "success", "")
	for i := range 200 {
		w.setHealth("alone", "wild", []string{"success", "failure"}[i%2], fmt.Sprint(i))
	}
	got := w.past("alone")
	if len(got) != 65 || got[0] != "calm success" || got[64] != "wild failure" {
		t.Errorf("%d changes are kept, from %s to %s", len(got), got[0], got[len(got)-1])
	}
}

// What a service that does not answer said last is not believed, until it says it again.
func TestTheChecksOfAServiceThatDoesNotAnswerFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setHealth("alone", "web", "success", "it answers")
	w.setHealth("alone", "db", "failure", "it is broken")
	w.setHealth("alone", "mail", "disabled", "")
	for range 2 {
		w.update(func(tx *store.Tx) error { return effects.FailHealth(tx, "alone", "it is stuck") })
	}
	w.setHealth("alone", "web", "success", "it answers")
	want := []string{"web success", "db failure", "mail disabled", "web failure", "web success"}
	if diff := cmp.Diff(want, w.past("alone")); diff != "" {
		t.Error(diff)
	}
	w.update(func(tx *store.Tx) error { return effects.FailHealth(tx, "alone", "it is stuck") })
	rows := map[string]string{}
	err := w.store.View(func(tx *store.Tx) error {
		list, err := store.List[*packagesv1.HealthCheck](tx, "alone")
		for _, r := range list {
			rows[r.GetStatus().GetName()] = r.GetStatus().GetMessage()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"web": "it is stuck", "db": "it is broken", "mail": ""}, rows); diff != "" {
		t.Error(diff)
	}
}
