package effects_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/effects"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// recorded is what is recorded of a package: effect, target and outcome.
func (w *world) recorded(pkg string) (list []string) {
	w.t.Helper()
	_, rows, err := w.Policy(pkg)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		st := r.GetStatus()
		list = append(list, fmt.Sprintf("%s %s %s", st.GetEffect(), st.GetTarget(), st.GetOutcome()))
	}
	return list
}

// mountOf mounts a volume of another package, as the wires call it.
func (w *world) mountOf(from, of string) error {
	return w.Answer(w.t.Context(), from, "mount", func(ctx context.Context) error {
		_, err := w.Mount(ctx, &effectsv1.MountRequest{Location: "/mnt", Target: []byte(`{"packageId":"` + of + `","volumeId":"main"}`)})
		return err
	})
}

func TestWhatGoesBeyondTheManifestIsRefusedAndRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		if err := w.mountOf("alone", "friend"); !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
			t.Fatalf("a package that declares nothing: %v", err)
		}
	}
	if err := w.mountOf("caller", "friend"); err != nil {
		t.Errorf("a declared dependency: %v", err)
	}
	if got := w.recorded("alone"); !slices.Equal(got, []string{"mount friend OUTCOME_DENIED"}) {
		t.Errorf("recorded of the one: %v", got)
	}
	if got := w.recorded("caller"); len(got) != 0 {
		t.Errorf("recorded of the other: %v", got)
	}
	if len(w.mounts.got) != 1 {
		t.Errorf("mounted: %v", w.mounts.got)
	}
}

// A package that says what it asks of the server is held to that, also where it waits for a value.
func TestWhatAPackageDoesNotAskForInItsManifestIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.update(func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Artifact{Meta: &metav1.Meta{Id: "file-of-alone"}, Spec: &packagesv1.ArtifactSpec{PackageId: "alone", Manifest: []byte(`{"hearth":{"permissions":["packages"]}}`)}})
	})
	installed := func(pkg string) error {
		return w.Answer(w.t.Context(), pkg, "get-installed-packages", func(ctx context.Context) error {
			_, err := w.GetInstalledPackages(ctx, &effectsv1.GetInstalledPackagesRequest{})
			return err
		})
	}
	mail := func(pkg string) error {
		return w.Answer(w.t.Context(), pkg, "get-system-smtp", func(ctx context.Context) error {
			_, err := w.GetSystemSmtp(ctx, &effectsv1.GetSystemSmtpRequest{})
			return err
		})
	}
	waits := func(pkg string) error {
		return w.Answer(w.t.Context(), pkg, "", func(ctx context.Context) error {
			_, err := w.Await(ctx, &effectsv1.AwaitRequest{Effect: "get-system-smtp", Etag: "another"})
			return err
		})
	}
	for name, err := range map[string]error{"what it asks for": installed("alone"), "of one that says nothing": mail("friend"), "waiting of one that says nothing": waits("friend")} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{"mail": mail("alone"), "waiting for mail": waits("alone")} {
		if !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.recorded("alone"); !slices.Contains(got, "get-system-smtp mail OUTCOME_DENIED") {
		t.Errorf("recorded: %v", got)
	}
	if _, err := w.SetPolicy(t.Context(), noon, "alone", true); err != nil {
		t.Fatal(err)
	}
	if err := mail("alone"); err != nil {
		t.Errorf("a lenient policy: %v", err)
	}
}

// noted takes note of the tasks that are set.
type noted struct {
	effects.Actions
	tasks []string
}

func (n *noted) CreateTask(_ context.Context, _ time.Time, pkg string, t effects.Task) error {
	n.tasks = append(n.tasks, pkg+" "+t.PackageID)
	return nil
}

// A task tells whether the input of another package's action is what the caller guesses, and runs that package's code.
func TestTasksReachOnlyPackagesThatTheManifestNames(t *testing.T) {
	t.Parallel()
	w, actions := newWorld(t), &noted{}
	w.Service.Actions = actions
	task := func(from, of string) error {
		return w.Answer(w.t.Context(), from, "action.create-task", func(ctx context.Context) error {
			_, err := w.ActionCreateTask(ctx, &effectsv1.ActionCreateTaskRequest{ReplayId: "t", PackageId: of, ActionId: "set", Severity: proto.String("critical")})
			return err
		})
	}
	if err := task("alone", "friend"); !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
		t.Errorf("a package that declares nothing: %v", err)
	}
	for _, c := range [][2]string{{"caller", "friend"}, {"alone", "alone"}} {
		if err := task(c[0], c[1]); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	if want := []string{"caller friend", "alone alone"}; !slices.Equal(actions.tasks, want) {
		t.Errorf("set: %v, want %v", actions.tasks, want)
	}
	if got := w.recorded("alone"); !slices.Equal(got, []string{"action.create-task friend OUTCOME_DENIED"}) {
		t.Errorf("recorded: %v", got)
	}
}

// rebuilt takes note of the packages whose container is made anew.
type rebuilt struct {
	effects.Desires
	pkgs []string
}

func (r *rebuilt) RebuildIn(_ *store.Tx, pkg string) error {
	r.pkgs = append(r.pkgs, pkg)
	return nil
}

// dependencies are the packages that a package depends on.
func (w *world) dependencies(pkg string) (list []string) {
	w.t.Helper()
	if err := w.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Dependency](tx, pkg)
		for _, r := range rows {
			list = append(list, r.GetMeta().GetId())
		}
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestANewVersionLosesDependenciesThatItsManifestDoesNotName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.Answer(t.Context(), "caller", "set-dependencies", func(ctx context.Context) error {
		_, err := w.SetDependencies(ctx, &effectsv1.SetDependenciesRequest{Dependencies: []byte(`[{"kind":"exists","id":"friend","versionRange":"*"}]`)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	hold := func() { w.update(func(tx *store.Tx) error { return effects.HoldToManifest(tx, "caller") }) }
	if hold(); !slices.Equal(w.dependencies("caller"), []string{"caller/friend"}) {
		t.Errorf("of the same version: %v", w.dependencies("caller"))
	}
	w.update(func(tx *store.Tx) error {
		file, err := store.Get[*packagesv1.Artifact](tx, "file-of-caller")
		if err != nil {
			return err
		}
		file.Spec.Manifest = []byte(`{}`)
		return store.Put(tx, file)
	})
	if hold(); len(w.dependencies("caller")) != 0 {
		t.Errorf("of a version that names none: %v", w.dependencies("caller"))
	}
	w.update(func(tx *store.Tx) error { return effects.HoldToManifest(tx, "absent") })
}

func TestVersionsOfDataAreVersionsOrRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Service.Data = versions{}
	for version, ok := range map[string]bool{
		"1.0.0:0": true, "#flavor:1.2:3": true, ">=1.0.0:0 <2.0.0:0": true, "": true,
		"garbage": false, "../../../etc/x": false,
	} {
		err := w.Answer(t.Context(), "alone", "set-data-version", func(ctx context.Context) error {
			_, err := w.SetDataVersion(ctx, &effectsv1.SetDataVersionRequest{Version: proto.String(version)})
			return err
		})
		if (err == nil) != ok || !ok && !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
			t.Errorf("%q: %v", version, err)
		}
	}
}

// versions takes any version.
type versions struct{ effects.Data }

func (versions) SetVersion(ids.Package, string) error { return nil }

func TestALenientPolicyLetsThroughAndRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_ = w.mountOf("alone", "friend")
	if _, err := w.SetPolicy(t.Context(), noon, "alone", true); err != nil {
		t.Fatal(err)
	}
	if err := w.mountOf("alone", "friend"); err != nil {
		t.Errorf("with a lenient policy: %v", err)
	}
	err := w.Answer(t.Context(), "alone", "set-dependencies", func(ctx context.Context) error {
		_, err := w.SetDependencies(ctx, &effectsv1.SetDependenciesRequest{Dependencies: []byte(`[{"kind":"exists","id":"friend","versionRange":"*"}]`)})
		return err
	})
	if err != nil {
		t.Errorf("a dependency of the moment: %v", err)
	}
	want := []string{"mount friend OUTCOME_LET_THROUGH", "set-dependencies friend OUTCOME_LET_THROUGH"}
	if got := w.recorded("alone"); !slices.Equal(got, want) {
		t.Errorf("recorded: %v", got)
	}
	renewed := &rebuilt{}
	w.Service.Desires = renewed
	if _, err := w.SetPolicy(t.Context(), noon, "alone", false); err != nil {
		t.Fatal(err)
	}
	if err := w.mountOf("alone", "friend"); !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
		t.Errorf("strict again: %v", err)
	}
	if left := w.dependencies("alone"); len(left) != 0 || !slices.Equal(renewed.pkgs, []string{"alone"}) {
		t.Errorf("strict again: dependencies %v, made anew %v", left, renewed.pkgs)
	}
	if _, _, err := w.Policy("absent"); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		t.Errorf("a package that is not there: %v", err)
	}
}

func TestWhoTriesEverythingFillsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 100 {
		if err := w.mountOf("alone", fmt.Sprintf("victim-%d", i)); !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
			t.Fatalf("the %dth: %v", i, err)
		}
	}
	if err := w.mountOf("alone", strings.Repeat("a", 4096)); !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
		t.Errorf("a name that is none: %v", err)
	}
	if got := w.recorded("alone"); len(got) != 64 {
		t.Errorf("%d are recorded", len(got))
	}
}

func TestUnknownEffectsAreRecordedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.Refuse(w.as("alone"), &effectsv1.RefuseRequest{Effect: "make-coffee"})
	if !fault.Is(err, metav1.Reason_REASON_EFFECT_UNKNOWN) {
		t.Errorf("%v", err)
	}
	if got := w.recorded("alone"); !slices.Equal(got, []string{"make-coffee  " + packagesv1.RefusedEffectStatus_OUTCOME_UNKNOWN.String()}) {
		t.Errorf("recorded: %v", got)
	}
}

// mail is what a mail server of a test is.
type mail struct {
	spec     *systemv1.SmtpSpec
	password string
}

func (m *mail) SMTPIn(*store.Tx) (*systemv1.SmtpSpec, string, error) { return m.spec, m.password, nil }

func TestMailIsToldWithItsPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want, m := range map[string]*mail{
		``: {},
		`{"host":"mail.example","port":587,"from":"a@b.c","username":"a","password":null,"security":"starttls"}`: {
			spec: &systemv1.SmtpSpec{Host: "mail.example", Port: 587, Sender: "a@b.c", Username: "a"},
		},
		`{"host":"mail.example","port":465,"from":"a@b.c","username":"a","password":"p\"q","security":"tls"}`: {
			spec:     &systemv1.SmtpSpec{Host: "mail.example", Port: 465, Sender: "a@b.c", Username: "a", Security: systemv1.SmtpSpec_SECURITY_TLS},
			password: `p"q`,
		},
	} {
		w.Mail = m
		got, err := w.GetSystemSmtp(w.as("alone"), &effectsv1.GetSystemSmtpRequest{})
		if err != nil || string(got.GetValue()) != want || got.GetEtag() == "" {
			t.Errorf("%s: %s, %v", want, got.GetValue(), err)
		}
	}
}
