package install

import (
	"context"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// KindRollback is the kind of the operation that brings back the file and the data from before an update.
const KindRollback = "rollback"

// Rollback begins the way back to what the newest snapshot of a package holds.
func (s *Service) Rollback(ctx context.Context, now time.Time, engine *operation.Engine, asked operation.Asked, pkg string) (*operationsv1.Operation, error) {
	if old, err := s.begun(asked.ID); err != nil {
		return nil, err
	} else if old != nil {
		return engine.Begin(ctx, now, operation.Request{Asked: asked, Kind: KindRollback, Target: pkg})
	}
	var previous *packagesv1.Snapshot
	var row *packagesv1.Package
	err := s.store.View(func(tx *store.Tx) (err error) {
		if row, err = installed(tx, pkg); err == nil {
			previous, err = previousOf(tx, pkg)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.data.Whole(pkg); err != nil {
		return nil, err
	}
	own := strings.TrimPrefix(previous.GetMeta().GetId(), pkg+"/")
	return engine.Begin(ctx, now, operation.Request{
		Asked: asked, Kind: KindRollback, Target: pkg,
		Parameters: map[string]string{paramSnapshot: own, paramFrom: row.GetSpec().GetVersion(), "version": previous.GetSpec().GetVersion()},
		Prepare: func(tx *store.Tx) error {
			if _, err := snapshotOf(tx, pkg, own); err != nil {
				return err
			}
			return mayReplace(tx, pkg)
		},
	})
}

// previousOf is the newest snapshot of a package that has a file with it.
func previousOf(tx *store.Tx, pkg string) (*packagesv1.Snapshot, error) {
	rows, err := store.List[*packagesv1.Snapshot](tx, pkg)
	if err != nil {
		return nil, err
	}
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].GetSpec().GetArtifact() != "" {
			return rows[i], nil
		}
	}
	return nil, fault.New(metav1.Reason_REASON_PACKAGE_NO_PREVIOUS, "cannot roll back %q: no version from before is kept", pkg).With("package", pkg)
}

// mayReplace refuses to replace a package that is on its way out.
func mayReplace(tx *store.Tx, pkg string) error {
	row, err := installed(tx, pkg)
	if err != nil || row.GetSpec().GetDesired() != packagesv1.PackageSpec_DESIRED_ABSENT {
		return err
	}
	if err := heldBy(row); err != nil {
		return err
	}
	return fault.New(metav1.Reason_REASON_PACKAGE_STATE, "cannot replace %q: an operation that took it down was given up; start it first", pkg).With("package", pkg)
}

// rollbackDefinition is the way of an update, with a swap in the place of the snapshot: nothing is copied, and what is
// there now stays whole as the snapshot to which the next rollback goes.
func (s *Service) rollbackDefinition() operation.Definition {
	return operation.Definition{
		Kind: KindRollback, Locks: locks, Release: release,
		Repeat: func(tx *store.Tx, op *operationsv1.Operation) error {
			if _, err := snapshotOf(tx, op.GetSpec().GetTarget(), op.GetSpec().GetParameters()[paramSnapshot]); err != nil {
				return err
			}
			return mayReplace(tx, op.GetSpec().GetTarget())
		},
		Steps: []operation.Step{
			{
				Name: "hold", Weight: 5, Timeout: time.Hour, Do: s.hold, Undo: s.letGo,
				Leaves: "the service, stopped: start it",
			},
			{
				Name: "exit", Weight: 20, Timeout: 2 * time.Hour, Do: s.leave, Undo: s.takeDown,
				Leaves: "the service, on its way out: start it",
			},
			{
				Name: "swap", Weight: 10, Timeout: time.Hour, Do: s.swap, Undo: s.swapBack,
				Leaves: "the data of the one version or the other; the others are a snapshot: 'hearth package snapshots list' tells it",
			},
			{
				Name: "container", Weight: 60, Do: s.bringUp, Undo: s.takeDown,
				Leaves: "the service, half set up, with its container",
			},
			{
				Name: "finish", Weight: 5, Timeout: time.Minute, Do: s.finishRollback, Final: true,
				Leaves: "the note of a snapshot that is gone; the service is set up",
			},
		},
	}
}

// swap makes the snapshot the data, and the data a snapshot with the operation's id. The row of the one it was stays
// until the end: it tells the file that comes.
func (s *Service) swap(ctx context.Context, r *operation.Run) error {
	status, err := s.data.Swap(ctx, r.Target(), r.Param(paramSnapshot), r.ID())
	if err != nil {
		return err
	}
	return r.Commit(ctx, func(tx *store.Tx) error {
		id := r.Target() + "/" + r.ID()
		if _, ok, err := store.Lookup[*packagesv1.Snapshot](tx, id); err != nil || ok {
			return err // written before a crash
		}
		row := &packagesv1.Snapshot{
			Meta: &metav1.Meta{Id: id},
			Spec: &packagesv1.SnapshotSpec{
				Cause: packagesv1.SnapshotSpec_CAUSE_ROLLBACK, Artifact: r.Memo(memoArtifact), Version: r.Memo(memoVersion), Title: r.Memo(memoOldTitle),
			},
			Status: status,
		}
		if err := store.Put(tx, row); err != nil {
			return err
		}
		return restartDependents(tx, r.Target())
	})
}

func (s *Service) swapBack(ctx context.Context, r *operation.Run) error {
	if _, err := s.data.Swap(ctx, r.Target(), r.ID(), r.Param(paramSnapshot)); err != nil {
		return err
	}
	return r.Commit(ctx, func(tx *store.Tx) error {
		if _, ok, err := store.Lookup[*packagesv1.Snapshot](tx, r.Target()+"/"+r.ID()); err != nil || !ok {
			return err
		}
		if err := deleteSnapshot(tx, r.Target(), r.ID()); err != nil {
			return err
		}
		return restartDependents(tx, r.Target())
	})
}

func (s *Service) finishRollback(ctx context.Context, r *operation.Run) error {
	if err := s.resume(ctx, r); err != nil {
		return err
	}
	return r.Commit(ctx, func(tx *store.Tx) error { return deleteSnapshot(tx, r.Target(), r.Param(paramSnapshot)) })
}
