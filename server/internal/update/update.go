// Package update keeps installed packages up to date: it looks for newer versions in the background, remembers which of
// them people do not want, and has those installed that a package's policy or a person asks for.
//
// It deliberately installs nothing itself and reads no registry: Packages does. What an update changes, and whether it may
// be done while nobody watches, is decided there, once, for the file that is then installed.
//
// Invariants: nothing is begun that somebody should decide about, but for a person who has; updates are begun one after the
// other, each by an operation whose id was recorded before; a version that failed, whoever tried it, is not tried again by itself.
//
//	update.go  what people choose            find.go   looking for newer versions
//	queue.go   beginning what is wanted      window.go when a window is open
package update

import (
	"context"
	"log/slog"
	"slices"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/durationpb"
)

// maxSkipped bounds how many versions of a package are skipped; the oldest choice goes.
const maxSkipped = 64

// Wanted is an update that is to be begun.
type Wanted struct {
	Package, Registry, Version string
	// Unattended: nobody has seen what changes.
	Unattended bool
}

// Packages installs packages.
type Packages interface {
	// Plan tells what an update to the newest version that is not skipped would do while nobody watches; it is
	// REASON_OFFER_NOT_FOUND or REASON_PACKAGE_UP_TO_DATE where there is none.
	Plan(ctx context.Context, pkg string) (*packagesv1.InstallPlan, error)
	// Begin begins an update by an operation of this id. Asked again it answers that operation.
	Begin(ctx context.Context, now time.Time, asked operation.Asked, w Wanted) (*operationsv1.Operation, error)
	// Failed is why the last update to a version failed, whoever asked for it; nil where none did.
	Failed(tx *store.Tx, pkg, version string) (*metav1.Fault, error)
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	store    *store.Store
	packages Packages
	log      *slog.Logger
	clock    func() time.Time
}

// New returns the area.
func New(st *store.Store, packages Packages, log *slog.Logger, clock func() time.Time) *Service {
	return &Service{store: st, packages: packages, log: log, clock: clock}
}

// Controllers are what looks for updates and what begins them.
func (s *Service) Controllers() []reconcile.Controller {
	return []reconcile.Controller{s.lookController(), s.queueController()}
}

// policyOf is the policy of a package, which may not be chosen yet.
func policyOf(tx *store.Tx, pkg string) (*packagesv1.UpdatePolicy, error) {
	row, there, err := store.Lookup[*packagesv1.UpdatePolicy](tx, pkg)
	if !there {
		row = &packagesv1.UpdatePolicy{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.UpdatePolicySpec{Mode: packagesv1.UpdatePolicySpec_MODE_NOTIFY}}
	}
	return row, err
}

// updateOf is what is known of updates of a package; a new row where nothing is.
func updateOf(tx *store.Tx, pkg string) (*packagesv1.PackageUpdate, error) {
	row, there, err := store.Lookup[*packagesv1.PackageUpdate](tx, pkg)
	if !there {
		row = &packagesv1.PackageUpdate{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageUpdateSpec{}, Status: &packagesv1.PackageUpdateStatus{}}
	}
	return row, err
}

func installed(tx *store.Tx, pkg string) (*packagesv1.Package, error) {
	row, there, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err == nil && !there {
		err = fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
	}
	return row, err
}

// Policy answers the policy of a package, what was found last, nil where nobody has looked, and when its window opens next.
func (s *Service) Policy(now time.Time, pkg string) (policy *packagesv1.UpdatePolicy, found *packagesv1.PackageUpdate, next time.Time, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		if _, err := installed(tx, pkg); err != nil {
			return err
		}
		if policy, err = policyOf(tx, pkg); err != nil {
			return err
		}
		row, there, err := store.Lookup[*packagesv1.PackageUpdate](tx, pkg)
		if there {
			found = row
		}
		return err
	})
	if err == nil && policy.GetSpec().GetMode() == packagesv1.UpdatePolicySpec_MODE_WINDOW {
		var calendar reconcile.Calendar
		if calendar, err = calendarOf(policy.GetSpec().GetWindow()); err == nil {
			next = calendar.Next(now)
		}
	}
	return policy, found, next, err
}

// Choice is how a package shall be kept up to date.
type Choice struct {
	Mode   packagesv1.UpdatePolicySpec_Mode // unspecified: as before
	Window *packagesv1.UpdateWindow         // belongs to its mode alone
	// KeepPrevious is for how long the version before an update is kept; 0: until the next, nil: as before.
	KeepPrevious *time.Duration
}

// SetPolicy chooses how a package is kept up to date.
func (s *Service) SetPolicy(ctx context.Context, now time.Time, pkg string, c Choice) (*packagesv1.UpdatePolicy, error) {
	mode, window := c.Mode, c.Window
	if (mode == packagesv1.UpdatePolicySpec_MODE_WINDOW) != (window != nil) {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot set the policy of %q: a window goes with the mode of that name, and with no other", pkg).
			Violation("window", "must be given with MODE_WINDOW, and only then")
	}
	if window != nil {
		if _, err := calendarOf(window); err != nil {
			return nil, err
		}
	}
	return s.choose(ctx, now, pkg, func(spec *packagesv1.UpdatePolicySpec) {
		if mode != packagesv1.UpdatePolicySpec_MODE_UNSPECIFIED {
			spec.Mode, spec.Window = mode, window
		}
		if keep := c.KeepPrevious; keep != nil {
			spec.KeepPrevious = nil
			if *keep > 0 {
				spec.KeepPrevious = durationpb.New(*keep)
			}
		}
	})
}

// Skip has a version not offered any more, or again.
func (s *Service) Skip(ctx context.Context, now time.Time, pkg, version string, undo bool) (*packagesv1.UpdatePolicy, error) {
	parsed, err := exver.Parse(version)
	if err != nil {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot skip %.80q: %w", version, err).Violation("version", "must be a version")
	}
	version = parsed.String()
	return s.choose(ctx, now, pkg, func(spec *packagesv1.UpdatePolicySpec) {
		spec.Skipped = slices.DeleteFunc(spec.GetSkipped(), func(v string) bool { return v == version })
		if undo {
			return
		}
		spec.Skipped = append(spec.Skipped, version)
		spec.Skipped = spec.Skipped[max(0, len(spec.Skipped)-maxSkipped):]
	})
}

// choose changes what was chosen for a package. What was found may be another thing by the new choice, so it is looked for anew.
func (s *Service) choose(ctx context.Context, now time.Time, pkg string, change func(*packagesv1.UpdatePolicySpec)) (after *packagesv1.UpdatePolicy, err error) {
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		if _, err := installed(tx, pkg); err != nil {
			return err
		}
		row, err := policyOf(tx, pkg)
		if err != nil {
			return err
		}
		change(row.Spec)
		if err := store.Put(tx, row); err != nil {
			return err
		}
		if err := s.forgetFound(tx, pkg); err != nil {
			return err
		}
		after, err = store.Get[*packagesv1.UpdatePolicy](tx, pkg)
		return err
	})
	return after, err
}

// forgetFound has a package looked at anew. What is being installed goes on; what has not begun is not wanted any more.
func (s *Service) forgetFound(tx *store.Tx, pkg string) error {
	row, there, err := store.Lookup[*packagesv1.PackageUpdate](tx, pkg)
	if err != nil || !there {
		return err
	}
	if _, begun, err := store.Lookup[*operationsv1.Operation](tx, row.GetSpec().GetOperation()); err != nil || !begun {
		if err != nil {
			return err
		}
		row.Spec = &packagesv1.PackageUpdateSpec{}
	}
	st := row.GetStatus()
	row.Status = &packagesv1.PackageUpdateStatus{FailedVersion: st.GetFailedVersion(), Failure: st.GetFailure()}
	return store.Put(tx, row)
}

// Forget deletes what is known of updates of a package, and what was chosen where its data do not stay.
func Forget(tx *store.Tx, pkg string, dataStay bool) error {
	if _, there, err := store.Lookup[*packagesv1.PackageUpdate](tx, pkg); err != nil {
		return err
	} else if there {
		if err := store.Delete[*packagesv1.PackageUpdate](tx, pkg); err != nil {
			return err
		}
	}
	_, there, err := store.Lookup[*packagesv1.UpdatePolicy](tx, pkg)
	if err != nil || !there || dataStay {
		return err
	}
	return store.Delete[*packagesv1.UpdatePolicy](tx, pkg)
}
