package effects_test

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
	"unicode/utf8"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/effects"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// mounts notes which volumes were mounted for whom.
type mounts struct {
	effects.Containers
	got []string
}

func (m *mounts) MountVolume(_ context.Context, pkg string, v effects.VolumeMount) error {
	m.got = append(m.got, fmt.Sprintf("%s at %s: %s/%s", pkg, v.Location, v.Package, v.Volume))
	return nil
}

// noMail is a server without a mail server.
type noMail struct{}

func (noMail) SMTPIn(*store.Tx) (*systemv1.SmtpSpec, string, error) { return nil, "", nil }

type world struct {
	*effects.Service
	t      *testing.T
	store  *store.Store
	mounts *mounts
}

// newWorld is a server with the packages "alone", "friend" and "caller"; the last names friend in its manifest.
func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, store: st, mounts: &mounts{}}
	w.Service = effects.New(effects.Deps{
		Store: st, Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return noon }, Containers: w.mounts, BridgeIP: "10.0.3.1", Mail: noMail{},
	})
	for pkg, manifest := range map[string]string{"alone": `{}`, "friend": `{}`, "caller": `{"dependencies":{"friend":{}}}`} {
		w.update(func(tx *store.Tx) error {
			err := store.Put(tx, &packagesv1.Artifact{Meta: &metav1.Meta{Id: "file-of-" + pkg}, Spec: &packagesv1.ArtifactSpec{PackageId: pkg, Manifest: []byte(manifest)}})
			if err != nil {
				return err
			}
			return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{Artifact: "file-of-" + pkg, Version: "1.2:0"}})
		})
	}
	return w
}

func (w *world) update(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if _, err := w.store.Update(w.t.Context(), noon, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) as(pkg string) context.Context { return effects.WithCaller(w.t.Context(), pkg) }

func (w *world) health(pkg, result, message string) {
	w.t.Helper()
	_, err := w.SetHealth(w.as(pkg), &effectsv1.SetHealthRequest{Id: "web ui", Name: "Web", Result: result, Message: proto.String(message)})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestWhoIsNoPackageIsDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, call := range map[string]func(context.Context) error{
		"read": func(ctx context.Context) error { _, err := w.GetStatus(ctx, &effectsv1.GetStatusRequest{}); return err },
		"write": func(ctx context.Context) error {
			_, err := w.SetHealth(ctx, &effectsv1.SetHealthRequest{Id: "a", Result: "success"})
			return err
		},
		"mount": func(ctx context.Context) error {
			_, err := w.Mount(ctx, &effectsv1.MountRequest{Target: []byte(`{"volumeId":"main"}`)})
			return err
		},
		"refuse": func(ctx context.Context) error {
			_, err := w.Refuse(ctx, &effectsv1.RefuseRequest{Effect: "x"})
			return err
		},
	} {
		if err := call(t.Context()); !fault.Is(err, metav1.Reason_REASON_PERMISSION_DENIED) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPackagesReachThemselvesAndWhatTheyDeclare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status := func(from, of string) error {
		_, err := w.GetStatus(w.as(from), &effectsv1.GetStatusRequest{PackageId: &of})
		return err
	}
	for _, c := range []struct{ from, of string }{{"caller", ""}, {"caller", "caller"}, {"caller", "friend"}} {
		if err := status(c.from, c.of); err != nil {
			t.Errorf("%s asks about %q: %v", c.from, c.of, err)
		}
	}
	for _, c := range []struct{ from, of string }{{"caller", "alone"}, {"friend", "caller"}, {"alone", "absent"}, {"alone", "../caller"}} {
		if err := status(c.from, c.of); !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
			t.Errorf("%s asks about %q: %v", c.from, c.of, err)
		}
	}
	_, err := w.SetDependencies(w.as("alone"), &effectsv1.SetDependenciesRequest{Dependencies: []byte(`[{"kind":"exists","id":"friend","versionRange":"*"}]`)})
	if !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
		t.Errorf("a package declares by itself what its manifest does not: %v", err)
	}
	if err := status("alone", "friend"); !fault.Is(err, metav1.Reason_REASON_EFFECT_DENIED) {
		t.Errorf("and reaches it: %v", err)
	}
}

func TestMountsAreOfReachablePackagesAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target string
		want   string // "" denied
		reason metav1.Reason
	}{
		"own, named":     {`{"packageId":"caller","volumeId":"main"}`, "caller at /data: caller/main", 0},
		"own, not named": {`{"packageId":"","volumeId":"main"}`, "caller at /data: caller/main", 0},
		"a volume that has the name of a package": {`{"volumeId":"alone"}`, "caller at /data: caller/alone", 0},
		"of a dependency":                         {`{"packageId":"friend","volumeId":"main","readonly":true}`, "caller at /data: friend/main", 0},
		"of another":                              {`{"packageId":"alone","volumeId":"main"}`, "", metav1.Reason_REASON_EFFECT_DENIED},
		"by a path":                               {`{"packageId":"..","volumeId":"main"}`, "", metav1.Reason_REASON_EFFECT_DENIED},
		"a volume by a path":                      {`{"packageId":"caller","volumeId":"../alone/main"}`, "", metav1.Reason_REASON_EFFECT_INVALID},
		"no volume":                               {`{"packageId":"caller"}`, "", metav1.Reason_REASON_EFFECT_INVALID},
		"a target of no form":                     {`[]`, "", metav1.Reason_REASON_EFFECT_INVALID},
	} {
		w := newWorld(t)
		_, err := w.Mount(w.as("caller"), &effectsv1.MountRequest{Location: "/data", Target: []byte(c.target)})
		if c.want == "" {
			if !fault.Is(err, c.reason) || len(w.mounts.got) > 0 {
				t.Errorf("%s: %v, mounted %v", name, err, w.mounts.got)
			}
			continue
		}
		if diff := cmp.Diff([]string{c.want}, w.mounts.got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestUnknownEffectIsRefusedAndRecordedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refuse := func() {
		t.Helper()
		_, err := w.Refuse(w.as("caller"), &effectsv1.RefuseRequest{Effect: "plugin.url/register"})
		if !fault.Is(err, metav1.Reason_REASON_EFFECT_UNKNOWN) || fault.Proto(err).GetMetadata()["effect"] != "plugin.url/register" {
			t.Fatalf("%v", err)
		}
	}
	refuse()
	after := w.store.Revision()
	refuse()
	if w.store.Revision() != after {
		t.Error("the same refusal was written again")
	}
	err := w.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.RefusedEffect](tx, "caller")
		if len(rows) != 1 || rows[0].GetStatus().GetVersion() != "1.2:0" || !rows[0].GetStatus().GetFirstTime().AsTime().Equal(noon) {
			t.Errorf("recorded: %v", rows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHealthIsWrittenWhenItChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.health("caller", "starting", "")
	first := w.store.Revision()
	for range 5 {
		w.health("caller", "starting", "")
	}
	if w.store.Revision() != first {
		t.Error("a poll without news was written")
	}
	w.health("caller", "success", "ready")
	w.health("caller", "success", "still ready")
	if got := w.store.Revision() - first; got != 2 {
		t.Errorf("two changes made %d revisions", got)
	}
	if _, err := w.SetHealth(w.as("caller"), &effectsv1.SetHealthRequest{Id: "a", Result: "splendid"}); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
		t.Errorf("another word: %v", err)
	}
	resp, err := w.GetStatus(w.as("caller"), &effectsv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ Health map[string]map[string]any }
	if err := json.Unmarshal(resp.GetValue(), &status); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{"web ui": {"name": "Web", "result": "success", "message": "still ready"}}
	if diff := cmp.Diff(want, status.Health); diff != "" {
		t.Error(diff)
	}
}

// However writes and reads interleave, somebody who awaits each new value ends with the last one.
func TestAwaitMissesNoChangeUnderConcurrentWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const writes = 200
	var writer sync.WaitGroup
	defer writer.Wait()
	writer.Go(func() {
		for i := range writes {
			_, err := w.SetHealth(w.as("friend"), &effectsv1.SetHealthRequest{Id: "a", Result: "loading", Message: proto.String(fmt.Sprint(i))})
			if err != nil {
				t.Error(err)
			}
		}
	})
	ctx, cancel := context.WithTimeout(w.as("caller"), 30*time.Second)
	defer cancel()
	req := &effectsv1.GetStatusRequest{PackageId: proto.String("friend")}
	raw, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	for {
		got, err := w.GetStatus(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		var status struct {
			Health map[string]struct{ Message string }
		}
		if err := json.Unmarshal(got.GetValue(), &status); err != nil {
			t.Fatal(err)
		}
		if status.Health["a"].Message == fmt.Sprint(writes-1) {
			return
		}
		next, err := w.Await(ctx, &effectsv1.AwaitRequest{Effect: "get-status", Request: raw, Etag: got.GetEtag()})
		if err != nil {
			t.Fatalf("at %q: %v", status.Health["a"].Message, err)
		}
		if next.GetEtag() == got.GetEtag() {
			t.Fatal("it answers without a change")
		}
	}
}

func TestAwaitAnswersAtOnceWhenTheValueIsAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(w.as("caller"), 10*time.Second)
	defer cancel()
	for _, effect := range []string{"get-status", "get-system-smtp"} {
		got, err := w.Await(ctx, &effectsv1.AwaitRequest{Effect: effect, Etag: "that of a value long ago"})
		if err != nil || got.GetEtag() == "" {
			t.Errorf("%s: %v, %v", effect, got, err)
		}
	}
	for name, req := range map[string]*effectsv1.AwaitRequest{
		"an effect that is none":        {Effect: "set-health"},
		"no effect":                     {},
		"a request that cannot be read": {Effect: "get-status", Request: []byte{0xff}},
	} {
		if _, err := w.Await(ctx, req); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAwaitEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, effect := range []string{"get-system-smtp", "get-service-manifest"} {
		ctx, cancel := context.WithCancel(w.as("caller"))
		var etag string
		if effect == "get-system-smtp" {
			got, err := w.GetSystemSmtp(ctx, &effectsv1.GetSystemSmtpRequest{})
			if err != nil {
				t.Fatal(err)
			}
			etag = got.GetEtag()
		} else {
			got, err := w.GetServiceManifest(ctx, &effectsv1.GetServiceManifestRequest{})
			if err != nil {
				t.Fatal(err)
			}
			etag = got.GetEtag()
		}
		ended := make(chan error, 1)
		go func() {
			_, err := w.Await(ctx, &effectsv1.AwaitRequest{Effect: effect, Etag: etag})
			ended <- err
		}()
		cancel()
		if err := <-ended; err == nil {
			t.Errorf("%s: answers though nothing changed", effect)
		}
	}
}

func TestAwaitTellsThatAPackageWentAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(w.as("caller"), 10*time.Second)
	defer cancel()
	got, err := w.GetServiceManifest(ctx, &effectsv1.GetServiceManifestRequest{PackageId: "friend"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(&effectsv1.GetServiceManifestRequest{PackageId: "friend"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := w.Await(ctx, &effectsv1.AwaitRequest{Effect: "get-service-manifest", Request: raw, Etag: got.GetEtag()})
		ended <- err
	}()
	w.update(func(tx *store.Tx) error { return store.Delete[*packagesv1.Package](tx, "friend") })
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestForgetLeavesNothingOfThePackage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.health("caller", "success", "")
	w.health("friend", "success", "")
	_, _ = w.Refuse(w.as("caller"), &effectsv1.RefuseRequest{Effect: "x"})
	if _, err := w.SetDependencies(w.as("caller"), &effectsv1.SetDependenciesRequest{Dependencies: []byte(`[{"kind":"running","id":"friend","healthChecks":[],"versionRange":">=1"}]`)}); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx *store.Tx) error { return effects.Forget(tx, "caller", store.NewRoom()) })
	err := w.store.View(func(tx *store.Tx) error {
		health, err := store.List[*packagesv1.HealthCheck](tx, "")
		if len(health) != 1 {
			t.Errorf("health left: %v", health)
		}
		if err != nil {
			return err
		}
		refused, err := store.List[*packagesv1.RefusedEffect](tx, "")
		if len(refused) > 0 {
			t.Errorf("refusals left: %v", refused)
		}
		if err != nil {
			return err
		}
		deps, err := store.List[*packagesv1.Dependency](tx, "")
		if len(deps) > 0 {
			t.Errorf("dependencies left: %v", deps)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A package can neither fill the store nor make more than one commit takes away.
func TestWhatAPackageLeavesWithTheServerHasLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := w.as("alone")
	huge := strings.Repeat("é", 64<<10)
	set := func(id string) error {
		_, err := w.SetHealth(ctx, &effectsv1.SetHealthRequest{Id: id, Name: huge, Result: "failure", Message: &huge})
		return err
	}
	accepted, refused := 0, 0
	for i := range 100 {
		switch err := set(fmt.Sprint(i)); {
		case err == nil:
			accepted++
		case fault.Is(err, metav1.Reason_REASON_EFFECT_LIMIT):
			refused++
		default:
			t.Fatal(err)
		}
		_, err := w.Refuse(ctx, &effectsv1.RefuseRequest{Effect: fmt.Sprint(i)})
		if !fault.Is(err, metav1.Reason_REASON_EFFECT_UNKNOWN) {
			t.Fatal(err)
		}
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("%d checks were accepted, %d refused", accepted, refused)
	}
	if err := set("0"); err != nil {
		t.Errorf("a check that is there: %v", err)
	}
	_, err := w.SetDependencies(ctx, &effectsv1.SetDependenciesRequest{Dependencies: []byte(`[{"id":"` + huge + huge + `"}]`)})
	if !fault.Is(err, metav1.Reason_REASON_EFFECT_LIMIT) {
		t.Errorf("dependencies: %v", err)
	}
	err = w.store.View(func(tx *store.Tx) error {
		checks, err := store.List[*packagesv1.HealthCheck](tx, "alone")
		for _, c := range checks {
			if st := c.GetStatus(); !utf8.ValidString(st.GetMessage()+st.GetName()) || proto.Size(c) > 8<<10 {
				t.Errorf("a check has %d bytes", proto.Size(c))
			}
		}
		names, more := store.List[*packagesv1.RefusedEffect](tx, "alone")
		if len(names) == 0 || len(names) == 100 {
			t.Errorf("%d refused effects are recorded", len(names))
		}
		return errors.Join(err, more)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.update(func(tx *store.Tx) error { return effects.ClearHealth(tx, "alone") })
	err = w.store.View(func(tx *store.Tx) error {
		left, err := store.List[*packagesv1.HealthCheck](tx, "alone")
		if len(left) > 0 {
			t.Errorf("%d checks are left in a service that stopped", len(left))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
