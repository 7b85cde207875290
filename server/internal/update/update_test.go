package update_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/update"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	manual    = packagesv1.UpdatePolicySpec_MODE_MANUAL
	notify    = packagesv1.UpdatePolicySpec_MODE_NOTIFY
	window    = packagesv1.UpdatePolicySpec_MODE_WINDOW
	automatic = packagesv1.UpdatePolicySpec_MODE_AUTOMATIC
)

// server is a store with packages, and plays the registries and the installation.
type server struct {
	t     *testing.T
	st    *store.Store
	now   time.Time
	area  *update.Service
	plans map[string]*packagesv1.InstallPlan // what there is of a package; absent: nothing newer
	away  error                              // what the registries answer instead
	asked int
	begun []string         // ids of operations, package and version
	busy  error            // what beginning answers instead
	tried map[string]error // why updates failed that people asked for, by package and version
}

func newServer(t *testing.T, installed ...string) *server {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	s := &server{t: t, st: st, now: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), plans: map[string]*packagesv1.InstallPlan{}}
	s.restart()
	for _, id := range installed {
		put(s, &packagesv1.Package{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.PackageSpec{Version: "1.0.0:0", Registry: "mine"}})
		s.offers(id, "1.1.0:0")
	}
	return s
}

// restart is the next process over the same store.
func (s *server) restart() {
	s.area = update.New(s.st, s, slog.New(slog.DiscardHandler), func() time.Time { return s.now })
}

func put[T store.Row](s *server, row T) {
	s.t.Helper()
	if _, err := s.st.Update(s.t.Context(), s.now, func(tx *store.Tx) error { return store.Put(tx, row) }); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) offers(pkg, version string, against ...metav1.Reason) {
	plan := &packagesv1.InstallPlan{PackageId: pkg, FromVersion: "1.0.0:0", ToVersion: version, FromRegistry: "mine", ToRegistry: "mine"}
	for _, reason := range against {
		plan.Obstacles = append(plan.Obstacles, fault.Proto(fault.New(reason, "something")))
	}
	s.plans[pkg] = plan
}

func (s *server) Plan(_ context.Context, pkg string) (*packagesv1.InstallPlan, error) {
	s.asked++
	if s.away != nil {
		return nil, s.away
	}
	if s.plans[pkg] == nil {
		return nil, fault.New(metav1.Reason_REASON_OFFER_NOT_FOUND, "nothing newer of %q", pkg)
	}
	return s.plans[pkg], nil
}

func (s *server) Failed(_ *store.Tx, pkg, version string) (*metav1.Fault, error) {
	if why := s.tried[pkg+" "+version]; why != nil {
		return fault.Proto(why), nil
	}
	return nil, nil
}

func (s *server) Begin(_ context.Context, _ time.Time, asked operation.Asked, w update.Wanted) (*operationsv1.Operation, error) {
	if s.busy != nil {
		return nil, s.busy
	}
	s.begun = append(s.begun, fmt.Sprintf("%s %s %s by %s unattended %t", w.Package, w.Version, w.Registry, asked.By, w.Unattended))
	op := &operationsv1.Operation{
		Meta: &metav1.Meta{Id: asked.ID}, Spec: &operationsv1.OperationSpec{Kind: "update", Target: w.Package},
		Status: &operationsv1.OperationStatus{State: operationsv1.OperationStatus_STATE_RUNNING},
	}
	put(s, op)
	return op, nil
}

// ends ends the operation of a package, and installs what it was about where it succeeds.
func (s *server) ends(pkg string, why error) {
	s.t.Helper()
	row := s.row(pkg)
	op := &operationsv1.Operation{
		Meta: &metav1.Meta{Id: row.GetSpec().GetOperation()}, Spec: &operationsv1.OperationSpec{Kind: "update", Target: pkg},
		Status: &operationsv1.OperationStatus{State: operationsv1.OperationStatus_STATE_SUCCEEDED, EndTime: timestamppb.New(s.now)},
	}
	if why != nil {
		op.Status.State, op.Status.Fault = operationsv1.OperationStatus_STATE_FAILED, fault.Proto(why)
	} else {
		put(s, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{Version: row.GetSpec().GetWantedVersion(), Registry: "mine"}})
		delete(s.plans, pkg)
	}
	put(s, op)
	s.next()
}

func (s *server) row(pkg string) *packagesv1.PackageUpdate {
	s.t.Helper()
	var row *packagesv1.PackageUpdate
	if err := s.st.View(func(tx *store.Tx) (err error) {
		row, _, err = store.Lookup[*packagesv1.PackageUpdate](tx, pkg)
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	return row
}

func (s *server) policy(pkg string, mode packagesv1.UpdatePolicySpec_Mode, w *packagesv1.UpdateWindow) {
	s.t.Helper()
	if _, err := s.area.SetPolicy(s.t.Context(), s.now, pkg, update.Choice{Mode: mode, Window: w}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) look() {
	s.t.Helper()
	if err := s.area.Look(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.next()
}

func (s *server) next() time.Duration {
	s.t.Helper()
	after, err := s.area.Next(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return after
}

func (s *server) has(begun ...string) {
	s.t.Helper()
	if !slices.Equal(s.begun, begun) {
		s.t.Errorf("begun are %q, should be %q", s.begun, begun)
	}
}

func night() *packagesv1.UpdateWindow {
	return &packagesv1.UpdateWindow{Start: "03:30", Length: durationpb.New(2 * time.Hour), TimeZone: "Europe/Berlin"}
}

func TestAPolicyDecidesWhatHappensByItself(t *testing.T) {
	t.Parallel()
	by := "a 1.1.0:0 mine by update policy unattended true"
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(hour, minute int) time.Time { return time.Date(2026, 3, 10, hour, minute, 0, 0, berlin) }
	for name, c := range map[string]struct {
		mode    packagesv1.UpdatePolicySpec_Mode
		window  *packagesv1.UpdateWindow
		now     time.Time
		against metav1.Reason
		found   bool
		begun   bool
	}{
		"nothing chosen":                    {found: true},
		"notify":                            {mode: notify, found: true},
		"manual":                            {mode: manual},
		"automatic":                         {mode: automatic, found: true, begun: true},
		"automatic with more permissions":   {mode: automatic, against: metav1.Reason_REASON_UPDATE_NEEDS_WORD, found: true},
		"automatic with another signer":     {mode: automatic, against: metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT, found: true},
		"automatic with dependents in need": {mode: automatic, against: metav1.Reason_REASON_DEPENDENT_BROKEN, found: true},
		"before the window":                 {mode: window, window: night(), now: at(3, 29), found: true},
		"as the window opens":               {mode: window, window: night(), now: at(3, 30), found: true, begun: true},
		"late in the window":                {mode: window, window: night(), now: at(5, 29), found: true, begun: true},
		"as the window closes":              {mode: window, window: night(), now: at(5, 30), found: true},
		"on another day":                    {mode: window, window: &packagesv1.UpdateWindow{Start: "03:30", Length: durationpb.New(2 * time.Hour), TimeZone: "Europe/Berlin", Days: []uint32{0, 6}}, now: at(4, 0), found: true},
		"on its day":                        {mode: window, window: &packagesv1.UpdateWindow{Start: "03:30", Length: durationpb.New(2 * time.Hour), TimeZone: "Europe/Berlin", Days: []uint32{2}}, now: at(4, 0), found: true, begun: true},
		"over midnight":                     {mode: window, window: &packagesv1.UpdateWindow{Start: "23:00", Length: durationpb.New(6 * time.Hour), TimeZone: "Europe/Berlin"}, now: at(4, 0), found: true, begun: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "a")
			if !c.now.IsZero() {
				s.now = c.now
			}
			if c.mode != 0 {
				s.policy("a", c.mode, c.window)
			}
			if c.against != 0 {
				s.offers("a", "1.1.0:0", c.against)
			}
			s.look()
			if got := s.row("a").GetStatus().GetVersion() != ""; got != c.found {
				t.Errorf("found: %t", got)
			}
			if c.begun {
				s.has(by)
			} else {
				s.has()
			}
		})
	}
}

func TestRegistriesAreAskedNowAndThen(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a", "b")
	for _, c := range []struct {
		later time.Duration
		asked int
	}{{0, 2}, {time.Hour, 2}, {5 * time.Hour, 4}, {time.Minute, 4}} {
		s.now = s.now.Add(c.later)
		if s.look(); s.asked != c.asked {
			t.Errorf("after %s they were asked %d times, should be %d", c.later, s.asked, c.asked)
		}
	}
	s.away = fault.New(metav1.Reason_REASON_REGISTRY_UNREACHABLE, "away")
	s.now = s.now.Add(6 * time.Hour)
	s.look()
	if st := s.row("a").GetStatus(); st.GetUnknown().GetReason() != metav1.Reason_REASON_REGISTRY_UNREACHABLE || st.GetVersion() != "" {
		t.Errorf("without an answer the row is %v", st)
	}
	s.now, s.away = s.now.Add(time.Hour), nil
	s.look()
	if st := s.row("a").GetStatus(); st.GetUnknown() != nil || st.GetVersion() != "1.1.0:0" {
		t.Errorf("an hour after that it is %v", st)
	}
}

func TestUpdatesGoOneAfterTheOtherAndAFailureKeepsNobody(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a", "b", "c", "d")
	s.offers("c", "1.1.0:0", metav1.Reason_REASON_UPDATE_NEEDS_WORD)
	s.offers("d", "1.1.0:0", metav1.Reason_REASON_UPDATE_NEEDS_WORD, metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT)
	if _, err := s.area.Find(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	begun, held, err := s.area.Update(t.Context(), s.now, "me", nil, false)
	if err != nil || len(begun) != 2 || len(held) != 2 {
		t.Fatalf("begun %v, held %v, %v", begun, held, err)
	}
	s.next()
	s.has("a 1.1.0:0 mine by me unattended true")
	begun, held, err = s.area.Update(t.Context(), s.now.Add(time.Minute), "me", nil, true)
	if err != nil || len(begun) != 3 || len(held) != 1 || held[0].GetMeta().GetId() != "d" {
		t.Fatalf("with a word: begun %v, held %v, %v", begun, held, err)
	}
	s.ends("a", fault.New(metav1.Reason_REASON_UPDATE_UNHEALTHY, "not well"))
	s.has("a 1.1.0:0 mine by me unattended true", "b 1.1.0:0 mine by me unattended true")
	s.ends("b", nil)
	s.has("a 1.1.0:0 mine by me unattended true", "b 1.1.0:0 mine by me unattended true", "c 1.1.0:0 mine by me unattended false")
	if st := s.row("a").GetStatus(); st.GetFailedVersion() != "1.1.0:0" || st.GetFailure().GetReason() != metav1.Reason_REASON_UPDATE_UNHEALTHY {
		t.Errorf("of what failed is known %v", st)
	}
	if row := s.row("b"); row.GetSpec().GetWantedVersion() != "" || row.GetStatus().GetVersion() != "" {
		t.Errorf("of what is installed is left %v", row)
	}
	if _, _, err := s.area.Update(t.Context(), s.now, "me", []string{"b"}, false); !fault.Is(err, metav1.Reason_REASON_UPDATE_NOT_FOUND) {
		t.Errorf("what is up to date: %v", err)
	}
}

func TestAFailedVersionIsNotTriedAgainByItself(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	s.policy("a", automatic, nil)
	s.look()
	s.ends("a", fault.New(metav1.Reason_REASON_UPDATE_UNHEALTHY, "not well"))
	s.now = s.now.Add(7 * time.Hour)
	s.look()
	s.has("a 1.1.0:0 mine by update policy unattended true")
	s.offers("a", "1.2.0:0")
	s.now = s.now.Add(7 * time.Hour)
	s.look()
	s.has("a 1.1.0:0 mine by update policy unattended true", "a 1.2.0:0 mine by update policy unattended true")
	// What a registry that is away keeps from being fetched is no failure of the version.
	s.ends("a", fault.New(metav1.Reason_REASON_REGISTRY_UNREACHABLE, "away"))
	s.now = s.now.Add(time.Hour)
	s.look()
	if len(s.begun) != 3 {
		t.Errorf("begun are %q", s.begun)
	}
}

// Who updates all is told of what has failed, and tries it again by its name.
func TestAFailedVersionIsTriedAgainByItsNameAlone(t *testing.T) {
	t.Parallel()
	for _, why := range []metav1.Reason{metav1.Reason_REASON_UPDATE_UNHEALTHY, metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT} {
		s := newServer(t, "a")
		s.policy("a", automatic, nil)
		s.look()
		s.ends("a", fault.New(why, "no"))
		s.now = s.now.Add(7 * time.Hour)
		s.look()
		begun, held, err := s.area.Update(t.Context(), s.now, "me", nil, true)
		if err != nil || len(begun) != 0 || len(held) != 1 {
			t.Errorf("of all, %v is begun and %v held: %v", begun, held, err)
		}
		begun, _, err = s.area.Update(t.Context(), s.now, "me", []string{"a"}, true)
		if err != nil || len(begun) != 1 {
			t.Errorf("by its name, %v is begun: %v", begun, err)
		}
	}
}

func TestAVersionThatFailedByHandIsNotTriedByItself(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a", "b")
	s.tried = map[string]error{
		"a 1.1.0:0": fault.New(metav1.Reason_REASON_UPDATE_UNHEALTHY, "not well"),
		"b 1.1.0:0": fault.New(metav1.Reason_REASON_REGISTRY_UNREACHABLE, "away"),
	}
	s.policy("a", automatic, nil)
	s.policy("b", automatic, nil)
	s.look()
	s.has("b 1.1.0:0 mine by update policy unattended true")
	if st := s.row("a").GetStatus(); st.GetFailedVersion() != "1.1.0:0" || st.GetFailure().GetReason() != metav1.Reason_REASON_UPDATE_UNHEALTHY {
		t.Errorf("what is known is %v", st)
	}
	s.ends("b", nil)
	s.offers("a", "1.2.0:0")
	s.now = s.now.Add(7 * time.Hour)
	s.look()
	s.has("b 1.1.0:0 mine by update policy unattended true", "a 1.2.0:0 mine by update policy unattended true")
}

func TestTheQueueGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	s.policy("a", automatic, nil)
	s.busy = fault.New(metav1.Reason_REASON_OPERATION_CONFLICT, "another operation")
	s.look()
	if after := s.next(); after == 0 {
		t.Error("a package that is busy is not tried again")
	}
	id := s.row("a").GetSpec().GetOperation()
	if id == "" {
		t.Fatal("the operation has no id before it begins")
	}
	s.busy = nil
	s.restart()
	s.next()
	if got := s.row("a").GetSpec().GetOperation(); got != id || len(s.begun) != 1 {
		t.Errorf("after a restart the operation is %s and was %s; begun: %q", got, id, s.begun)
	}
	s.restart()
	s.next()
	s.has("a 1.1.0:0 mine by update policy unattended true")
}

func TestWhatWaitsHeedsANewChoice(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a", "b")
	s.policy("a", automatic, nil)
	s.policy("b", automatic, nil)
	s.look() // a has begun, b waits
	s.policy("b", notify, nil)
	s.ends("a", nil)
	s.has("a 1.1.0:0 mine by update policy unattended true")

	skipped, err := s.area.Skip(t.Context(), s.now, "b", "1.1.0:0", false)
	if err != nil || !slices.Equal(skipped.GetSpec().GetSkipped(), []string{"1.1.0:0"}) || skipped.GetSpec().GetMode() != notify {
		t.Errorf("skipped: %v, %v", skipped, err)
	}
	again, err := s.area.Skip(t.Context(), s.now, "b", "1.1.0:0", true)
	if err != nil || len(again.GetSpec().GetSkipped()) != 0 {
		t.Errorf("offered again: %v, %v", again, err)
	}
}

func TestChoicesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	for name, c := range map[string]struct {
		pkg    string
		mode   packagesv1.UpdatePolicySpec_Mode
		window *packagesv1.UpdateWindow
		reason metav1.Reason
	}{
		"no window":        {"a", window, nil, metav1.Reason_REASON_INVALID_ARGUMENT},
		"a window besides": {"a", automatic, night(), metav1.Reason_REASON_INVALID_ARGUMENT},
		"no such zone":     {"a", window, &packagesv1.UpdateWindow{Start: "03:00", Length: durationpb.New(time.Hour), TimeZone: "Nowhere/None"}, metav1.Reason_REASON_INVALID_ARGUMENT},
		"not installed":    {"z", automatic, nil, metav1.Reason_REASON_PACKAGE_NOT_FOUND},
	} {
		if _, err := s.area.SetPolicy(t.Context(), s.now, c.pkg, update.Choice{Mode: c.mode, Window: c.window}); !fault.Is(err, c.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.area.Skip(t.Context(), s.now, "a", "one", false); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
		t.Errorf("a version that is none: %v", err)
	}
}

func TestWhatIsKnownGoesWithThePackage(t *testing.T) {
	t.Parallel()
	for _, dataStay := range []bool{true, false} {
		s := newServer(t, "a")
		s.policy("a", automatic, nil)
		s.look()
		if _, err := s.st.Update(t.Context(), s.now, func(tx *store.Tx) error { return update.Forget(tx, "a", dataStay) }); err != nil {
			t.Fatal(err)
		}
		if s.row("a") != nil {
			t.Error("what was found is still there")
		}
		policy, _, _, err := s.area.Policy(s.now, "a")
		if want := map[bool]packagesv1.UpdatePolicySpec_Mode{true: automatic, false: notify}[dataStay]; err != nil || policy.GetSpec().GetMode() != want {
			t.Errorf("with the data kept %t the policy is %v, %v", dataStay, policy, err)
		}
	}
}
