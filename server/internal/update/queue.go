package update

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// byPolicy is who asks for what a policy wants; no account has a name with a blank.
const byPolicy = "update policy"

// busyAgain is how soon an update is tried again that another operation was in the way of.
const busyAgain = 30 * time.Second

const queueKey = "queue"

// queueController begins the updates that are wanted, one after the other:
//
//	wanted → its operation has an id → the operation has begun → it has ended: nothing is wanted
//
// A crash between two of these leaves the row from which it goes on.
func (s *Service) queueController() reconcile.Controller {
	queue := func(store.Change) []string { return []string{queueKey} }
	return reconcile.Controller{
		Name: "update-queue", Area: "update",
		Sources: []reconcile.Source{
			{Selector: store.Selector{Kind: "packageupdate"}, Keys: queue},
			{Selector: store.Selector{Kind: "operation"}, Keys: queue},
		},
		Reads: []string{"updatepolicy"}, Writes: []string{"packageupdate"}, Drives: []string{"operations"},
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) { return s.Next(ctx) },
	}
}

// wantByPolicy wants what the policies say that may be installed now.
func (s *Service) wantByPolicy(ctx context.Context) error {
	rows, policies, err := s.Offers()
	if err != nil {
		return err
	}
	now := s.clock()
	for _, row := range rows {
		id := row.GetMeta().GetId()
		if !mayByPolicy(policies[id].GetSpec(), row, now) {
			continue
		}
		_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
			row, there, err := store.Lookup[*packagesv1.PackageUpdate](tx, id)
			if err != nil || !there {
				return err
			}
			policy, err := policyOf(tx, id)
			if err != nil || !mayByPolicy(policy.GetSpec(), row, now) {
				return err
			}
			why, err := s.packages.Failed(tx, id, row.GetStatus().GetVersion())
			if err != nil {
				return err
			}
			if failedForGood(why) { // somebody has tried it by hand
				row.Status.FailedVersion, row.Status.Failure = row.GetStatus().GetVersion(), why
				return store.Put(tx, row)
			}
			row.Spec = &packagesv1.PackageUpdateSpec{
				WantedVersion: row.GetStatus().GetVersion(), WantedRegistry: row.GetStatus().GetRegistry(), AskedBy: byPolicy, AskedTime: timestamppb.New(now),
			}
			return store.Put(tx, row)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mayByPolicy tells whether what was found is to be installed now without anybody.
func mayByPolicy(policy *packagesv1.UpdatePolicySpec, row *packagesv1.PackageUpdate, now time.Time) bool {
	st := row.GetStatus()
	if st.GetVersion() == "" || len(st.GetHeldBy()) > 0 || hasFailed(st) || row.GetSpec().GetWantedVersion() != "" {
		return false
	}
	switch policy.GetMode() {
	case packagesv1.UpdatePolicySpec_MODE_AUTOMATIC:
		return true
	case packagesv1.UpdatePolicySpec_MODE_WINDOW:
		return open(policy.GetWindow(), now)
	}
	return false
}

// Update wants packages updated to what was found, all where none is named, and answers which will be, and which are not
// since something speaks against it. A version that has failed is tried again where its package is named.
func (s *Service) Update(ctx context.Context, now time.Time, by string, names []string, acceptChanges bool) (begun, held []*packagesv1.PackageUpdate, err error) {
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		begun, held = nil, nil
		list, err := offered(tx, names)
		if err != nil {
			return err
		}
		for i, row := range list {
			if row.GetSpec().GetWantedVersion() == "" {
				if stands(row, acceptChanges) || len(names) == 0 && hasFailed(row.GetStatus()) {
					held = append(held, row)
					continue
				}
				row.Spec = &packagesv1.PackageUpdateSpec{
					WantedVersion: row.GetStatus().GetVersion(), WantedRegistry: row.GetStatus().GetRegistry(),
					AskedBy: by, AskedTime: timestamppb.New(now.Add(time.Duration(i))), AcceptChanges: acceptChanges,
				}
				if err := store.Put(tx, row); err != nil {
					return err
				}
			}
			begun = append(begun, row)
		}
		return nil
	})
	return begun, held, err
}

// offered are the packages named for which there is a newer version, or all of them.
func offered(tx *store.Tx, names []string) ([]*packagesv1.PackageUpdate, error) {
	if len(names) == 0 {
		rows, err := store.List[*packagesv1.PackageUpdate](tx, "")
		return slices.DeleteFunc(rows, func(r *packagesv1.PackageUpdate) bool { return r.GetStatus().GetVersion() == "" }), err
	}
	names = slices.Sorted(slices.Values(names))
	var rows []*packagesv1.PackageUpdate
	for _, pkg := range slices.Compact(names) {
		if _, err := installed(tx, pkg); err != nil {
			return nil, err
		}
		row, err := updateOf(tx, pkg)
		if err != nil {
			return nil, err
		}
		if row.GetStatus().GetVersion() == "" {
			return nil, fault.New(metav1.Reason_REASON_UPDATE_NOT_FOUND, "no newer version of %q was found", pkg).With("package", pkg)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// hasFailed tells whether the version that was found is one that has failed.
func hasFailed(st *packagesv1.PackageUpdateStatus) bool {
	return st.GetVersion() != "" && st.GetVersion() == st.GetFailedVersion()
}

// stands tells whether something speaks against an update that a person asks for.
func stands(row *packagesv1.PackageUpdate, acceptChanges bool) bool {
	return slices.ContainsFunc(row.GetStatus().GetHeldBy(), func(f *metav1.Fault) bool {
		return !acceptChanges || f.GetReason() != metav1.Reason_REASON_UPDATE_NEEDS_WORD
	})
}

// Next takes the queue a step further, and answers how soon to look again where nothing tells.
func (s *Service) Next(ctx context.Context) (time.Duration, error) {
	for {
		row, op, err := s.first()
		if err != nil || row == nil {
			return 0, err
		}
		id := row.GetMeta().GetId()
		switch {
		case row.GetSpec().GetOperation() == "":
			err = s.prepare(ctx, id)
		case op == nil:
			if err = s.begin(ctx, row); fault.Is(err, metav1.Reason_REASON_OPERATION_CONFLICT) {
				return busyAgain, nil
			}
			if err == nil {
				return 0, nil // its end wakes the queue
			}
			if ctx.Err() != nil {
				return 0, err
			}
			s.log.Warn("cannot begin an update", "pkg", id, "version", row.GetSpec().GetWantedVersion(), "error", err)
			err = s.end(ctx, id, row.GetSpec().GetWantedVersion(), fault.Proto(err))
		case op.GetStatus().GetEndTime() == nil:
			return 0, nil
		default:
			err = s.end(ctx, id, row.GetSpec().GetWantedVersion(), whyNot(op))
		}
		if err != nil {
			return 0, err
		}
	}
}

// first is the update that is next, nil where none is wanted, with its operation, nil where that has not begun: one that
// has an operation comes before all others.
func (s *Service) first() (row *packagesv1.PackageUpdate, op *operationsv1.Operation, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.PackageUpdate](tx, "")
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(r *packagesv1.PackageUpdate) bool { return r.GetSpec().GetWantedVersion() == "" })
		if len(rows) == 0 {
			return nil
		}
		row = slices.MinFunc(rows, func(a, b *packagesv1.PackageUpdate) int {
			waits := func(r *packagesv1.PackageUpdate) int {
				if r.GetSpec().GetOperation() == "" {
					return 1
				}
				return 0
			}
			return cmp.Or(waits(a)-waits(b), a.GetSpec().GetAskedTime().AsTime().Compare(b.GetSpec().GetAskedTime().AsTime()))
		})
		if row.GetSpec().GetOperation() == "" {
			return nil
		}
		found, there, err := store.Lookup[*operationsv1.Operation](tx, row.GetSpec().GetOperation())
		if there {
			op = found
		}
		return err
	})
	return row, op, err
}

// prepare gives the operation of an update its id, or drops the update where the window has closed over it.
func (s *Service) prepare(ctx context.Context, pkg string) error {
	now := s.clock()
	made, err := ids.NewULID(now, rand.Reader)
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, there, err := store.Lookup[*packagesv1.PackageUpdate](tx, pkg)
		if err != nil || !there || row.GetSpec().GetWantedVersion() == "" || row.GetSpec().GetOperation() != "" {
			return err
		}
		policy, err := policyOf(tx, pkg)
		if err != nil {
			return err
		}
		row.Spec.Operation = string(made)
		if row.GetSpec().GetAskedBy() == byPolicy {
			spec := row.GetSpec()
			row.Spec = &packagesv1.PackageUpdateSpec{}
			if mayByPolicy(policy.GetSpec(), row, now) {
				row.Spec = spec
			}
		}
		return store.Put(tx, row)
	})
	return err
}

// begin begins the operation of an update.
func (s *Service) begin(ctx context.Context, row *packagesv1.PackageUpdate) error {
	spec := row.GetSpec()
	_, err := s.packages.Begin(ctx, s.clock(), operation.Asked{ID: spec.GetOperation(), By: spec.GetAskedBy()}, Wanted{
		Package: row.GetMeta().GetId(), Registry: spec.GetWantedRegistry(), Version: spec.GetWantedVersion(), Unattended: !spec.GetAcceptChanges(),
	})
	return err
}

// whyNot is why an operation did not succeed; nil where it did.
func whyNot(op *operationsv1.Operation) *metav1.Fault {
	switch {
	case op.GetStatus().GetState() == operationsv1.OperationStatus_STATE_SUCCEEDED:
		return nil
	case op.GetStatus().GetFault() != nil:
		return op.GetStatus().GetFault()
	}
	return fault.Proto(fault.New(metav1.Reason_REASON_CANCELLED, "the operation was cancelled"))
}

// failedForGood tells whether an update would fail again for the same reason. Code that takes too long takes a service away each time
// for as long as it may.
func failedForGood(why *metav1.Fault) bool {
	return why != nil && (!fault.Info(why.GetReason()).GetRetryable() || why.GetReason() == metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT)
}

// end records what became of an update.
func (s *Service) end(ctx context.Context, pkg, version string, why *metav1.Fault) error {
	_, err := s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		row, there, err := store.Lookup[*packagesv1.PackageUpdate](tx, pkg)
		if err != nil || !there {
			return err
		}
		row.Spec = &packagesv1.PackageUpdateSpec{}
		st := row.GetStatus()
		switch {
		case why == nil:
			st = &packagesv1.PackageUpdateStatus{}
		case !failedForGood(why): // such as a registry that is away
			st.Version, st.Registry, st.HeldBy, st.Unknown = "", "", nil, why
		default:
			st.FailedVersion, st.Failure = version, why
		}
		row.Status = st
		if err := store.Put(tx, row); err != nil {
			return fmt.Errorf("cannot record what became of the update of %q: %w", pkg, err)
		}
		return nil
	})
	return err
}
