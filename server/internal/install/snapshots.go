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

// KindDeleteSnapshot is the kind of the operation that removes a snapshot.
const KindDeleteSnapshot = "delete-snapshot"

// paramSnapshot names the snapshot that an operation is about, by its own id.
const paramSnapshot = "snapshot"

// failedSuffix makes the name under which data are set aside that a failed update left, until they are removed.
const failedSuffix = "-failed"

// snapshot makes the snapshot of an update, or of an installation over data. Its own id is the operation's.
func (s *Service) snapshot(ctx context.Context, r *operation.Run) error {
	there, err := s.data.Exists(r.Target())
	if err != nil || !there {
		return err
	}
	status, err := s.data.Snapshot(ctx, r.Target(), r.ID(), func(done, total uint64) {
		r.Progress(done, total, "bytes", "snapshotting the data")
	})
	if err != nil {
		return err
	}
	return r.Commit(ctx, func(tx *store.Tx) error {
		row := &packagesv1.Snapshot{
			Meta:   &metav1.Meta{Id: r.Target() + "/" + r.ID()},
			Spec:   &packagesv1.SnapshotSpec{Cause: packagesv1.SnapshotSpec_CAUSE_INSTALL},
			Status: status,
		}
		if r.Memo(memoArtifact) != "" {
			row.Spec.Cause = packagesv1.SnapshotSpec_CAUSE_UPDATE
			row.Spec.Artifact, row.Spec.Version, row.Spec.Title = r.Memo(memoArtifact), r.Memo(memoVersion), r.Memo(memoOldTitle)
		}
		return store.Put(tx, row)
	})
}

// restore makes the data what they were when they were snapshotted, where anything may have written to them since.
func (s *Service) restore(ctx context.Context, r *operation.Run) error {
	pkg, aside := r.Target(), r.ID()+failedSuffix
	touched := r.Memo(memoTouched) == "yes"
	if touched && r.Memo(memoRestored) != "yes" {
		r.Progress(0, 0, "", "bringing back the data")
		if _, err := s.data.Swap(ctx, pkg, r.ID(), aside); err != nil {
			return err
		}
		err := r.Commit(ctx, func(tx *store.Tx) error {
			r.SetMemoIn(tx, memoRestored, "yes")
			return restartDependents(tx, pkg)
		})
		if err != nil {
			return err
		}
	}
	for _, id := range []string{r.ID(), aside} {
		if err := s.data.RemoveSnapshot(ctx, pkg, id); err != nil {
			return err
		}
	}
	return r.Commit(ctx, func(tx *store.Tx) error { return deleteSnapshot(tx, pkg, r.ID()) })
}

func deleteSnapshot(tx *store.Tx, pkg, id string) error {
	_, ok, err := store.Lookup[*packagesv1.Snapshot](tx, pkg+"/"+id)
	if err != nil || !ok {
		return err
	}
	return store.Delete[*packagesv1.Snapshot](tx, pkg+"/"+id)
}

// restartDependents asks for one stop and start of the services that may have mounted volumes of a package: what they
// hold is the folders that were exchanged.
func restartDependents(tx *store.Tx, pkg string) error {
	all, err := store.List[*packagesv1.Dependency](tx, "")
	if err != nil {
		return err
	}
	for _, d := range all {
		of, on, _ := strings.Cut(d.GetMeta().GetId(), "/")
		if on != pkg {
			continue
		}
		row, ok, err := store.Lookup[*packagesv1.Package](tx, of)
		if err != nil {
			return err
		}
		if !ok || row.GetSpec().GetDesired() != packagesv1.PackageSpec_DESIRED_RUNNING {
			continue
		}
		row.Spec.Restarts++
		if err := store.Put(tx, row); err != nil {
			return err
		}
	}
	return nil
}

// dropSnapshots removes those snapshots of a package that are named so by their own ids, and the files that nothing needs
// without them: data first, rows last, so that a crash between leaves a row from which it goes on.
func (s *Service) dropSnapshots(ctx context.Context, r *operation.Run, drop func(snapshot string) bool) error {
	var rows []*packagesv1.Snapshot
	err := s.store.View(func(tx *store.Tx) (err error) {
		rows, err = store.List[*packagesv1.Snapshot](tx, r.Target())
		return err
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		id := strings.TrimPrefix(row.GetMeta().GetId(), r.Target()+"/")
		if !drop(id) {
			continue
		}
		r.Progress(0, 0, "", "removing a snapshot")
		if err := s.data.RemoveSnapshot(ctx, r.Target(), id); err != nil {
			return err
		}
		if err := s.dropFile(ctx, row.GetSpec().GetArtifact(), row.GetMeta().GetId()); err != nil {
			return err
		}
		if err := r.Commit(ctx, func(tx *store.Tx) error { return deleteSnapshot(tx, r.Target(), id) }); err != nil {
			return err
		}
	}
	return nil
}

// dropFile removes a package file that no package runs from and no snapshot but the one named goes with.
func (s *Service) dropFile(ctx context.Context, id, besides string) error {
	if id == "" {
		return nil
	}
	used := false
	err := s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, row := range rows {
			used = used || row.GetSpec().GetArtifact() == id
		}
		if err != nil {
			return err
		}
		snapshots, err := store.List[*packagesv1.Snapshot](tx, "")
		for _, row := range snapshots {
			used = used || row.GetSpec().GetArtifact() == id && row.GetMeta().GetId() != besides
		}
		return err
	})
	if err != nil || used {
		return err
	}
	if err := s.artifacts.Remove(ctx, s.clock(), id); err != nil && !fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
		return err
	}
	return nil
}

// SweepSnapshots removes the snapshots that no row stands for and that no operation is working on.
func (s *Service) SweepSnapshots(ctx context.Context) error {
	return s.data.SweepSnapshots(ctx, func(pkg, id string) (wanted bool, err error) {
		err = s.store.View(func(tx *store.Tx) error {
			if _, wanted, err = store.Lookup[*packagesv1.Snapshot](tx, pkg+"/"+id); err != nil || wanted {
				return err
			}
			all, err := store.List[*operationsv1.Operation](tx, "")
			for _, op := range all {
				wanted = wanted || op.GetSpec().GetTarget() == pkg && op.GetStatus().GetEndTime() == nil
			}
			return err
		})
		return wanted, err
	})
}

// DeleteSnapshot begins the removal of a snapshot, and of the file that goes with it. There is no way back from it.
func (s *Service) DeleteSnapshot(ctx context.Context, now time.Time, engine *operation.Engine, asked operation.Asked, pkg, snapshot string) (*operationsv1.Operation, error) {
	return engine.Begin(ctx, now, operation.Request{
		Asked: asked, Kind: KindDeleteSnapshot, Target: pkg, Parameters: map[string]string{paramSnapshot: snapshot},
		Prepare: func(tx *store.Tx) error {
			_, err := snapshotOf(tx, pkg, snapshot)
			return err
		},
	})
}

func snapshotOf(tx *store.Tx, pkg, id string) (*packagesv1.Snapshot, error) {
	row, ok, err := store.Lookup[*packagesv1.Snapshot](tx, pkg+"/"+id)
	if err == nil && !ok {
		err = fault.New(metav1.Reason_REASON_SNAPSHOT_NOT_FOUND, "there is no snapshot %q of %q", id, pkg).With("package", pkg).With("snapshot", id)
	}
	return row, err
}

func (s *Service) deleteSnapshotDefinition() operation.Definition {
	return operation.Definition{
		Kind: KindDeleteSnapshot, Locks: locks,
		Repeat: func(tx *store.Tx, op *operationsv1.Operation) error {
			_, err := snapshotOf(tx, op.GetSpec().GetTarget(), op.GetSpec().GetParameters()[paramSnapshot])
			return err
		},
		Steps: []operation.Step{{
			Name: "remove", Weight: 1, Timeout: time.Hour, Final: true, Leaves: "the snapshot, of which some may be there still: remove it again",
			Do: func(ctx context.Context, r *operation.Run) error {
				return s.dropSnapshots(ctx, r, func(id string) bool { return id == r.Param(paramSnapshot) })
			},
		}},
	}
}
