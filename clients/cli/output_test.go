package main

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	"github.com/hearthos/hearth/api/text"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// newTestApp is what commands share, in English and with nowhere to print to.
func newTestApp() *app {
	return &app{Streams: Streams{Out: io.Discard, Err: io.Discard}, texts: text.In(text.English), output: "table"}
}

func TestFlatten(t *testing.T) {
	t.Parallel()
	row := &packagesv1.Package{
		Meta:   &metav1.Meta{Id: "hello", Revision: 1 << 40, Labels: map[string]string{"a": "b"}, CreateTime: timestamppb.New(time.Unix(0, 0))},
		Spec:   &packagesv1.PackageSpec{Desired: packagesv1.PackageSpec_DESIRED_STOPPED},
		Status: &packagesv1.PackageStatus{State: 99, Fault: &metav1.Fault{Reason: metav1.Reason_REASON_DISK_FULL, Message: "full"}},
	}
	raw, err := json.Marshal(flatten(row))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": "hello", "revision": float64(1 << 40), "createRevision": 0.0, "generation": 0.0, "createTime": "1970-01-01T00:00:00Z",
		"labels": map[string]any{"a": "b"}, "finalizers": []any{},
		"artifact": "", "version": "", "title": "", "desired": "stopped", "restarts": 0.0, "rebuilds": 0.0, "initKind": "unspecified",
		"exitTarget": "", "exitForce": false, "operation": "", "pastTasks": false, "registry": "", "restoreFrom": "",
		"state": "99", "observedGeneration": 0.0, "initializedArtifact": "", "observedRestarts": 0.0, "observedRebuilds": 0.0,
		"fault": map[string]any{"reason": "disk_full", "message": "full", "metadata": map[string]any{}, "violations": []any{}},
		"ipv4":  "", "ipv6": "", "container": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A row has the members of all parts side by side: none may hide another.
func TestNoKindHasAMemberTwice(t *testing.T) {
	t.Parallel()
	kinds := (&statev1.Resource{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	if kinds.Len() < 5 {
		t.Fatalf("only %d kinds", kinds.Len())
	}
	for i := range kinds.Len() {
		md := kinds.Get(i).Message()
		seen := map[string]protoreflect.Name{}
		for j := range md.Fields().Len() {
			f := md.Fields().Get(j)
			if !part(f) {
				continue
			}
			for k := range f.Message().Fields().Len() {
				name := f.Message().Fields().Get(k).JSONName()
				if other, twice := seen[name]; twice {
					t.Errorf("%s: %q is in %s and in %s", md.FullName(), name, other, f.Name())
				}
				seen[name] = f.Name()
			}
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain äöü 🏠":   "plain äöü 🏠",
		"\x1b[31mred":   "?[31mred",
		"a\tb\nc":       "a b c",
		"\u009b1m":      "?1m",
		"bell\a\x7f":    "bell??",
		"\u202egnp.exe": "?gnp.exe",
		"a\u2028b":      "a?b",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"█░ half", 4, "█░ h"}, {"日本語", 5, "日本"}, {"short", 80, "short"}, {"none", -1, ""}} {
		if got := cut(c.in, c.n); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestTableIsAlignedByWhatATerminalShows(t *testing.T) {
	t.Parallel()
	a := newTestApp()
	var out strings.Builder
	a.Out = &out
	err := a.table([]string{"id", "title", "state"}, [][]string{{"a", "日本語", "running"}, {"bb", "e\u0301té", "stopped"}, {"c", "🏠", ""}, {"", "plain", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	want := "ID  TITLE   STATE\na   日本語  running\nbb  e\u0301té     stopped\nc   🏠\n    plain   x\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 1 << 60: "1048576.0 TiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

// freeArgument tells whether an argument is a new name, a file or a text, which nothing but the shell can complete.
func freeArgument(args string) bool {
	return slices.ContainsFunc([]string{"NAME", "FILE", "DIR", "VERSION", "RANGE", "JSON", "A B", "BEFORE"}, func(free string) bool { return strings.HasPrefix(args, free) })
}

// Every command says what it is for, and one that does something shows how.
func TestHelpIsComplete(t *testing.T) {
	t.Parallel()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: its short help is %q", c.CommandPath(), c.Short)
		}
		if !c.HasSubCommands() && c.Example == "" {
			t.Errorf("%s shows no example", c.CommandPath())
		}
		if c.Example != "" && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: its example is of another command", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  hearth ") {
				t.Errorf("%s: the example %q is no command", c.CommandPath(), line)
			}
		}
		if _, args, _ := strings.Cut(c.Use, " "); args != "" && c.ValidArgsFunction == nil && c.ValidArgs == nil && !freeArgument(args) {
			t.Errorf("%s: its argument %s is not completed", c.CommandPath(), args)
		}
		for line := range strings.Lines(c.Long) {
			if len(strings.TrimRight(line, "\n")) > 96 {
				t.Errorf("%s: a line of its help is too long: %s", c.CommandPath(), line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newTestApp().newRoot())
}

func TestBrief(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"The page is ready":       "The page is ready",
		strings.Repeat("ä", 100):  strings.Repeat("ä", 100),
		strings.Repeat("ä", 4000): strings.Repeat("ä", 99) + "…",
	} {
		if got := brief(in); got != want {
			t.Errorf("brief of %d bytes is %q", len(in), got)
		}
	}
}

// Steps backwards are not told as if they went on.
func TestAStepThatIsUndoneIsToldSo(t *testing.T) {
	t.Parallel()
	a := newTestApp()
	op := removal(operationsv1.OperationStatus_STATE_RUNNING, 0)
	if got := a.step(op, "exit"); got != "letting the service clean up" {
		t.Errorf("a step is told as %q", got)
	}
	op.Status.State = operationsv1.OperationStatus_STATE_UNDOING
	if got := a.step(op, "exit"); got != "undoing: letting the service clean up" {
		t.Errorf("a step that is undone is told as %q", got)
	}
}
