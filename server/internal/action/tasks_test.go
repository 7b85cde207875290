package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// code plays the code of all packages: its form has the value, and it notes what it was asked.
type code struct {
	mu     sync.Mutex
	value  string // JSON; "" cannot be read
	result string
	asked  []string
	broken error // of the disk
}

func (c *code) Execute(ctx context.Context, pkg, event, procedure string, input []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if event == "" {
		return nil, errors.New("no event id")
	}
	c.asked = append(c.asked, pkg+procedure+" "+string(input))
	if strings.HasSuffix(procedure, "/run") {
		return []byte(c.result), nil
	}
	if c.value == "" {
		return nil, errors.New("the form is broken")
	}
	return json.Marshal(map[string]json.RawMessage{"eventId": json.RawMessage(`"` + event + `"`), "spec": json.RawMessage(`{}`), "value": json.RawMessage(c.value)})
}

func (c *code) Secure(string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

func (c *code) requests() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.asked, "\n")
}

// stops notes which services were stopped.
type stops struct{ pkgs []string }

func (s *stops) Stop(_ *store.Tx, pkg string) error {
	s.pkgs = append(s.pkgs, pkg)
	return nil
}

type world struct {
	*Service
	t     *testing.T
	store *store.Store
	code  *code
	stops *stops
}

// newWorld is a server with the package "hello", whose init has ended and which has an action "set" with input.
func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, store: st, code: &code{value: `{"a":1}`}, stops: &stops{}}
	w.Service = New(st, slog.New(slog.DiscardHandler), w.code, w.stops)
	w.put("hello", packagesv1.PackageStatus_STATE_STOPPED)
	w.export("hello", "set", `{"name":"Set","hasInput":true}`)
	return w
}

func (w *world) put(pkg string, state packagesv1.PackageStatus_State) {
	w.t.Helper()
	row := &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{Version: "1"}, Status: &packagesv1.PackageStatus{State: state}}
	if state == packagesv1.PackageStatus_STATE_RUNNING {
		row.Status.StartTime = timestamppb.New(noon)
	}
	if _, err := w.store.Update(w.t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, row) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) export(pkg, id, metadata string) {
	w.t.Helper()
	if err := w.Export(w.t.Context(), noon, pkg, id, []byte(metadata)); err != nil {
		w.t.Fatal(err)
	}
}

// task is how a task stands: absent, active or inactive.
func (w *world) task(id string) string {
	w.t.Helper()
	state := "absent"
	err := w.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*actionsv1.Task](tx, id)
		if ok {
			state = "inactive"
			if row.GetStatus().GetActive() {
				state = "active"
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

func TestTaskSettlesByItsTable(t *testing.T) {
	t.Parallel()
	const holds, clashes, neither = `{"a":1,"b":2}`, `{"a":2}`, `{"b":2}`
	for name, c := range map[string]struct {
		condition, once, ran bool
		input                string
		before               bool
		want                 string
	}{
		"no condition, ran":                         {false, false, true, clashes, true, "absent"},
		"no condition, looked at":                   {false, false, false, holds, true, "active"},
		"accepted":                                  {true, false, true, holds, true, "inactive"},
		"accepted once":                             {true, true, true, holds, true, "absent"},
		"accepted once, looked at":                  {true, true, false, holds, true, "inactive"},
		"conflicts":                                 {true, false, true, clashes, false, "active"},
		"conflicts once":                            {true, true, true, clashes, false, "active"},
		"conflicts, looked at":                      {true, false, false, clashes, false, "active"},
		"neither, was active":                       {true, false, true, neither, true, "active"},
		"neither, was inactive":                     {true, false, true, neither, false, "inactive"},
		"neither, once and looked at":               {true, true, false, neither, false, "inactive"},
		"something that is no object is a conflict": {true, false, true, `null`, false, "active"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			row := &actionsv1.Task{
				Meta: &metav1.Meta{Id: "hello/t"},
				Spec: &actionsv1.TaskSpec{
					PackageId: "hello", ActionId: "set", Severity: actionsv1.TaskSpec_SEVERITY_CRITICAL,
					WhenInputNotMatches: c.condition, Once: c.once, Accept: [][]byte{[]byte(`{"a":1}`), []byte(`{"a":1,"c":3}`)},
				},
				Status: &actionsv1.TaskStatus{Active: c.before},
			}
			if _, err := w.store.Update(t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, row) }); err != nil {
				t.Fatal(err)
			}
			if err := w.settle(t.Context(), noon, "hello", "set", []byte(c.input), c.ran); err != nil {
				t.Fatal(err)
			}
			if got := w.task("hello/t"); got != c.want {
				t.Errorf("the task is %s, want %s", got, c.want)
			}
			if stopped := len(w.stops.pkgs) > 0; stopped != (c.condition && c.want == "active" && !c.before) {
				t.Errorf("stopped = %v", w.stops.pkgs)
			}
		})
	}
}

// A task that is done is never asked for again, so what its action wrote must be on the disk by then.
func TestTaskStaysWhereTheDataOfItsActionAreNotSecured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.CreateTask(t.Context(), noon, "hello", TaskRequest{ReplayID: "t", PackageID: "hello", ActionID: "set"}); err != nil {
		t.Fatal(err)
	}
	w.code.broken = errors.New("the disk is broken")
	if _, err := w.Run(t.Context(), noon, "hello", "set", "", []byte(`{"a":1}`)); !errors.Is(err, w.code.broken) {
		t.Errorf("the action ends with %v", err)
	}
	if got := w.task("hello/t"); got != "active" {
		t.Errorf("the task is %s", got)
	}
	w.code.broken = nil
	if _, err := w.Run(t.Context(), noon, "hello", "set", "", []byte(`{"a":1}`)); err != nil {
		t.Error(err)
	}
	if got := w.task("hello/t"); got != "absent" {
		t.Errorf("in the end the task is %s", got)
	}
}

func TestNewTaskLooksAtThePresentValue(t *testing.T) {
	t.Parallel()
	const when, once = `{"condition":"input-not-matches","once":false}`, `{"condition":"input-not-matches","once":true}`
	for name, c := range map[string]struct {
		value, when, target string
		want                string
	}{
		"no condition":                     {`{"a":1}`, ``, "hello", "active"},
		"the value is accepted":            {`{"a":1}`, when, "hello", "inactive"},
		"the value is accepted once":       {`{"a":1}`, once, "hello", "absent"},
		"the value is another":             {`{"a":2}`, when, "hello", "active"},
		"the form cannot be read":          {``, when, "hello", "active"},
		"the target is not installed":      {`{"a":1}`, when, "other", "active"},
		"the value is null, which is none": {`null`, when, "hello", "active"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.code.value = c.value
			err := w.CreateTask(t.Context(), noon, "hello", TaskRequest{
				ReplayID: "any / name", PackageID: c.target, ActionID: "set", Severity: "critical", When: []byte(c.when), Input: []byte(`{"accept":[{"a":1}]}`),
			})
			if err != nil {
				t.Fatal(err)
			}
			segment, err := ids.Escape("any / name")
			if err != nil {
				t.Fatal(err)
			}
			if got := w.task("hello/" + segment); got != c.want {
				t.Errorf("the task is %s, want %s", got, c.want)
			}
			if blocked := len(w.stops.pkgs) == 1; blocked != (c.want == "active") {
				t.Errorf("stopped = %v", w.stops.pkgs)
			}
		})
	}
}

func TestTaskKeepsItsFlagWhileTheValueIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := TaskRequest{ReplayID: "t", PackageID: "hello", ActionID: "set", When: []byte(`{"condition":"input-not-matches"}`), Input: []byte(`{"accept":[{"a":1}]}`)}
	create := func() {
		t.Helper()
		if err := w.CreateTask(t.Context(), noon, "hello", req); err != nil {
			t.Fatal(err)
		}
	}
	create()
	w.put("hello", packagesv1.PackageStatus_STATE_INITIALIZING)
	before := w.code.requests()
	create()
	if got := w.task("hello/t"); got != "inactive" {
		t.Errorf("the task is %s after its package set it again in its init", got)
	}
	if w.code.requests() != before {
		t.Error("a package in its init was asked, and would wait for its own end")
	}
	w.code.value = `{"a":2}`
	w.put("hello", packagesv1.PackageStatus_STATE_STOPPED)
	if err := w.Initialized(t.Context(), noon, "hello"); err != nil {
		t.Fatal(err)
	}
	if got := w.task("hello/t"); got != "active" {
		t.Errorf("the task is %s after the init of a package with another value", got)
	}
}

func TestTasksOfVanishedActionsGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("other", packagesv1.PackageStatus_STATE_STOPPED)
	for _, pkg := range []string{"hello", "other"} {
		if err := w.CreateTask(t.Context(), noon, pkg, TaskRequest{ReplayID: "t", PackageID: "hello", ActionID: "gone"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Initialized(t.Context(), noon, "hello"); err != nil {
		t.Fatal(err)
	}
	if own, foreign := w.task("hello/t"), w.task("other/t"); own != "absent" || foreign != "active" {
		t.Errorf("own task %s, that of another package %s", own, foreign)
	}
}

func TestClearTasksKeepsOrTakesThoseNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		only, except string
		want         string // of tasks a and b
	}{
		"only":            {`["a"]`, ``, "absent active"},
		"except":          {``, `["a"]`, "active absent"},
		"only nothing":    {`[]`, `null`, "active active"},
		"except nothing":  {`null`, `[]`, "absent absent"},
		"neither":         {``, ``, ""},
		"not a list":      {`"a"`, ``, ""},
		"a list of other": {``, `[1]`, ""},
	} {
		w := newWorld(t)
		for _, id := range []string{"a", "b"} {
			if err := w.CreateTask(t.Context(), noon, "hello", TaskRequest{ReplayID: id, PackageID: "hello", ActionID: "set"}); err != nil {
				t.Fatal(err)
			}
		}
		err := w.ClearTasks(t.Context(), noon, "hello", []byte(c.only), []byte(c.except))
		if c.want == "" {
			if !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if got := w.task("hello/a") + " " + w.task("hello/b"); got != c.want || err != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestActionsAndTasksHaveLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, more := range map[string]func(i int) error{
		"many tasks": func(i int) error {
			return w.CreateTask(t.Context(), noon, "hello", TaskRequest{ReplayID: fmt.Sprint(i), PackageID: "hello", ActionID: "set"})
		},
		"large tasks": func(i int) error {
			return w.CreateTask(t.Context(), noon, "other", TaskRequest{ReplayID: fmt.Sprint(i), PackageID: "hello", ActionID: "set", Reason: strings.Repeat("x", 100<<10)})
		},
		"many actions": func(i int) error {
			return w.Export(t.Context(), noon, "hello", fmt.Sprintf("a%d", i), []byte(`{"name":"a","description":"b","visibility":"enabled","allowedStatuses":"any"}`))
		},
	} {
		i := 0
		for ; i < 1000; i++ {
			if err := more(i); err != nil {
				if !fault.Is(err, metav1.Reason_REASON_EFFECT_LIMIT) {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
		}
		if i == 0 || i == 1000 {
			t.Errorf("%s: %d were accepted", name, i)
		}
		if err := more(0); err != nil {
			t.Errorf("%s, one that is there: %v", name, err)
		}
	}
}
