package update

import (
	"context"
	"slices"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// How often registries are asked about a package, and how soon again where they did not answer.
const (
	lookEvery  = 6 * time.Hour
	lookFailed = time.Hour
)

// lookKey is the key of the controller that stands for all packages; ids of packages have no such letter.
const lookKey = "*"

// ControllerName is the name of the controller that looks for updates.
const ControllerName = "updates"

// lookController looks for newer versions every ten minutes of the wall clock, where it is time: windows are told by that
// clock, which timers do not know of where a machine sleeps.
func (s *Service) lookController() reconcile.Controller {
	return reconcile.Controller{
		Name: ControllerName, Area: "update",
		Sources: []reconcile.Source{
			{Selector: store.Selector{Kind: "updatepolicy"}, Keys: func(store.Change) []string { return []string{lookKey} }},
			{Selector: store.Selector{Kind: "package"}},
			{Selector: store.Selector{Kind: "packageupdate"}, Keys: forgotten},
		},
		Times: []reconcile.Time{{Key: lookKey, Calendar: reconcile.MustCalendar("*/10 * * * *")}},
		Reads: []string{"package", "operation"}, Writes: []string{"packageupdate"},
		Reconcile: func(ctx context.Context, key string) (time.Duration, error) {
			if key == lookKey {
				return 0, s.Look(ctx)
			}
			return 0, s.outdate(ctx, key)
		},
	}
}

// forgotten wakes the look at packages of which nothing is known any more.
func forgotten(c store.Change) []string {
	if row, ok := c.Row.(*packagesv1.PackageUpdate); ok && row.GetStatus().GetLookedTime() == nil {
		return []string{lookKey}
	}
	return nil
}

// outdate forgets what was found for another version than the one that is installed now.
func (s *Service) outdate(ctx context.Context, pkg string) error {
	stale := func(tx *store.Tx) (bool, error) {
		row, there, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if err != nil || !there {
			return false, err
		}
		found, there, err := store.Lookup[*packagesv1.PackageUpdate](tx, pkg)
		st := found.GetStatus()
		return there && st.GetLookedTime() != nil && st.GetInstalledVersion() != row.GetSpec().GetVersion(), err
	}
	is := false
	if err := s.store.View(func(tx *store.Tx) (err error) { is, err = stale(tx); return err }); err != nil || !is {
		return err
	}
	_, err := s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		if is, err := stale(tx); err != nil || !is {
			return err
		}
		return s.forgetFound(tx, pkg)
	})
	return err
}

// Look looks for newer versions of the packages whose turn it is, and has those installed whose policies say so.
func (s *Service) Look(ctx context.Context) error {
	now := s.clock()
	var due []string
	err := s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		if err != nil {
			return err
		}
		for _, row := range rows {
			policy, err := policyOf(tx, row.GetMeta().GetId())
			if err != nil {
				return err
			}
			found, err := updateOf(tx, row.GetMeta().GetId())
			if err != nil {
				return err
			}
			if policy.GetSpec().GetMode() != packagesv1.UpdatePolicySpec_MODE_MANUAL && row.GetSpec().GetOperation() == "" && lookIsDue(found, now) {
				due = append(due, row.GetMeta().GetId())
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, pkg := range due {
		if _, err := s.find(ctx, pkg); err != nil {
			return err
		}
	}
	return s.wantByPolicy(ctx)
}

func lookIsDue(row *packagesv1.PackageUpdate, now time.Time) bool {
	last, every := row.GetStatus().GetLookedTime(), lookEvery
	if row.GetStatus().GetUnknown() != nil {
		every = lookFailed
	}
	return last == nil || last.AsTime().After(now) || now.Sub(last.AsTime()) >= every
}

// find asks for the newest version of a package and records it; nil where the package is gone.
func (s *Service) find(ctx context.Context, pkg string) (*packagesv1.PackageUpdate, error) {
	plan, err := s.packages.Plan(ctx, pkg)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if fault.Is(err, metav1.Reason_REASON_REGISTRY_NOT_FOUND) {
		err = fault.New(metav1.Reason_REASON_OFFER_NOT_FOUND, "there is no registry to ask: %w", err)
	}
	var after *packagesv1.PackageUpdate
	_, commit := s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		after = nil
		have, there, lookup := store.Lookup[*packagesv1.Package](tx, pkg)
		if lookup != nil || !there {
			return lookup
		}
		row, lookup := updateOf(tx, pkg)
		if lookup != nil {
			return lookup
		}
		st := &packagesv1.PackageUpdateStatus{
			LookedTime: timestamppb.New(s.clock()), InstalledVersion: have.GetSpec().GetVersion(),
			FailedVersion: row.GetStatus().GetFailedVersion(), Failure: row.GetStatus().GetFailure(),
		}
		switch {
		case fault.Is(err, metav1.Reason_REASON_OFFER_NOT_FOUND), fault.Is(err, metav1.Reason_REASON_PACKAGE_UP_TO_DATE):
		case err != nil:
			st.Unknown = fault.Proto(err)
		case plan.GetFromVersion() == have.GetSpec().GetVersion():
			st.Version, st.Registry, st.HeldBy = plan.GetToVersion(), plan.GetToRegistry(), plan.GetObstacles()
		}
		row.Status = st
		if lookup = store.Put(tx, row); lookup == nil {
			after, lookup = store.Get[*packagesv1.PackageUpdate](tx, pkg)
		}
		return lookup
	})
	return after, commit
}

// Find looks for newer versions of packages, of all where none is named, and answers those that have one and those of
// which that could not be found out.
func (s *Service) Find(ctx context.Context, names []string) ([]*packagesv1.PackageUpdate, error) {
	err := s.store.View(func(tx *store.Tx) error {
		for _, pkg := range names {
			if _, err := installed(tx, pkg); err != nil {
				return err
			}
		}
		if len(names) > 0 {
			return nil
		}
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, row := range rows {
			names = append(names, row.GetMeta().GetId())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var list []*packagesv1.PackageUpdate
	for _, pkg := range slices.Compact(names) {
		row, err := s.find(ctx, pkg)
		if err != nil {
			return nil, err
		}
		if row.GetStatus().GetVersion() != "" || row.GetStatus().GetUnknown() != nil {
			list = append(list, row)
		}
	}
	return list, nil
}

// Offers lists what was found, by package, with the policies of those packages.
func (s *Service) Offers() (found []*packagesv1.PackageUpdate, policies map[string]*packagesv1.UpdatePolicy, err error) {
	policies = make(map[string]*packagesv1.UpdatePolicy)
	err = s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.PackageUpdate](tx, "")
		if err != nil {
			return err
		}
		for _, row := range rows {
			id := row.GetMeta().GetId()
			have, there, err := store.Lookup[*packagesv1.Package](tx, id)
			if err != nil {
				return err
			}
			if !there || row.GetStatus().GetVersion() == "" || have.GetSpec().GetVersion() != row.GetStatus().GetInstalledVersion() {
				continue
			}
			if policies[id], err = policyOf(tx, id); err != nil {
				return err
			}
			found = append(found, row)
		}
		return nil
	})
	slices.SortFunc(found, func(a, b *packagesv1.PackageUpdate) int {
		return strings.Compare(a.GetMeta().GetId(), b.GetMeta().GetId())
	})
	return found, policies, err
}
