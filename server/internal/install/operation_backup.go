package install

import (
	"context"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// KindBackup is the kind of the operation that has a package make a backup.
const KindBackup = "backup"

// paramDirectory is the folder of a backup, memoWriting "yes" from when the package's code may have written to it or frozen
// its data, memoQuiet "yes" where the service runs on with quiet data.
const (
	paramDirectory = "directory"
	memoWriting    = "writing"
	memoQuiet      = "quiet"
)

// Backup begins a backup of a package into a folder of the machine. limit is how long its code may take; 0: as long as usual.
func (s *Service) Backup(ctx context.Context, now time.Time, engine *operation.Engine, asked operation.Asked, pkg, dir string, limit time.Duration) (*operationsv1.Operation, error) {
	params := map[string]string{paramDirectory: dir}
	if limit > 0 {
		params[paramTimeLimit] = limit.String()
	}
	if old, err := s.begun(asked.ID); err != nil {
		return nil, err
	} else if old == nil {
		folder, err := s.folder(dir)
		if err == nil {
			err = folder.Check(pkg)
		}
		if err != nil {
			return nil, err
		}
		if err := s.data.Whole(pkg); err != nil { // an empty backup would take the place of a good one
			return nil, err
		}
	}
	return engine.Begin(ctx, now, operation.Request{
		Asked: asked, Kind: KindBackup, Target: pkg, Parameters: params,
		Prepare: func(tx *store.Tx) error {
			row, err := installed(tx, pkg)
			if err == nil && row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_ABSENT {
				err = fault.New(metav1.Reason_REASON_PACKAGE_STATE, "cannot back up %q: it shall have no container; start it first", pkg).With("package", pkg)
			}
			return err
		},
	})
}

// backupDefinition has the package's own code make a backup while the service rests, or while its data do:
//
//	rest    the service stops, unless its code can freeze its data      undo: what was wanted is wanted again
//	write   the package's code writes beside the backup that is there   undo: a new container, and what was written goes
//	finish  the new backup takes the place of the one before; what was wanted is wanted again
//
// Code that is given up may go on writing, so a new container comes before anything else is done with the folder. Of a
// service that runs on, the data are frozen while write works, or until it has a snapshot of them to read, and thawed then
// however it ends: what a daemon that died had frozen is thawed by its next attempt or its undo, and by the package's host
// when none comes. The snapshot goes with them, and with the next start of the daemon when nobody does that.
func (s *Service) backupDefinition() operation.Definition {
	return operation.Definition{
		Kind: KindBackup, Locks: locks, Release: release,
		Repeat: func(tx *store.Tx, op *operationsv1.Operation) error {
			_, err := installed(tx, op.GetSpec().GetTarget())
			return err
		},
		Steps: []operation.Step{
			{
				Name: "rest", Weight: 10, Timeout: time.Hour, Do: s.rest, Undo: s.goOn,
				Leaves: "the service, stopped: start it",
			},
			{
				Name: "write", Weight: 85, Do: s.writeBackup, Undo: s.dropBackup,
				Leaves: "an unfinished backup in the folder, and a container that may still write to it: rebuild the service",
			},
			{
				Name: "finish", Weight: 5, Timeout: time.Hour, Do: s.finishBackup, Final: true,
				Leaves: "an unfinished backup in the folder",
			},
		},
	}
}

// rest wants the service not to run, and waits until it does not.
func (s *Service) rest(ctx context.Context, r *operation.Run) error {
	if err := s.markAs(ctx, r, func(tx *store.Tx, row *packagesv1.Package) error { return rests(tx, r, row) }); err != nil {
		return err
	}
	if r.Memo(memoQuiet) == "yes" {
		return nil
	}
	r.Progress(0, 0, "", "stopping the service")
	return await(ctx, s.store, r.Target(), func(row *packagesv1.Package) (bool, error) {
		if row == nil {
			return false, vanished(r.Target())
		}
		answered := row.GetStatus().GetObservedGeneration() >= row.GetMeta().GetGeneration()
		return answered && row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_STOPPED, failed(row)
	})
}

// rests decides whether the service stops for its backup. One that does not run as it should is better stopped.
func rests(tx *store.Tx, r *operation.Run, row *packagesv1.Package) error {
	art, ok, err := store.Lookup[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
	if err != nil {
		return err
	}
	freezes := false
	if ok {
		declared, err := s9pk.ParseDeclared(art.GetSpec().GetManifest())
		freezes = err == nil && declared != nil && declared.Freeze
	}
	if freezes && row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_RUNNING && row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING {
		r.SetMemoIn(tx, memoQuiet, "yes")
		return nil
	}
	row.Spec.Desired = packagesv1.PackageSpec_DESIRED_STOPPED
	return nil
}

// goOn wants again what was wanted.
func (s *Service) goOn(ctx context.Context, r *operation.Run) error { return s.resume(ctx, r) }

// writeBackup has the code of the package write the backup.
func (s *Service) writeBackup(ctx context.Context, r *operation.Run) error {
	folder, err := s.folder(r.Param(paramDirectory))
	if err != nil {
		return err
	}
	if r.Memo(memoWriting) == "yes" {
		// A daemon that died had begun: its call of the code may still be running, on frozen data.
		if err := s.renewThawed(ctx, r); err != nil {
			return err
		}
	}
	if err := r.SetMemo(ctx, memoWriting, "yes"); err != nil {
		return err
	}
	if err := folder.Begin(ctx, r.Target(), s.file(r.Memo(memoArtifact))); err != nil {
		return err
	}
	limit, err := s.limit(r)
	if err != nil {
		return err
	}
	late := fault.New(metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT, "the package's code did not make its backup within %s", limit).With("limit", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	write := func(moment string) error {
		r.Progress(0, 0, "", "the package makes its backup")
		return s.code.Backup(ctx, r.Target(), r.ID(), folder.Path(), folder.New(r.Target()), moment)
	}
	if r.Memo(memoQuiet) == "yes" {
		err = s.quietly(ctx, r, limit, write)
	} else {
		err = write("")
	}
	if err != nil && context.Cause(ctx) == late {
		return late
	}
	return err
}

// renew wants a new container and waits until it is set up: then nothing of the one before runs.
func (s *Service) renew(ctx context.Context, r *operation.Run) error {
	var wanted uint64
	err := r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil {
			return err
		}
		row.Spec.Rebuilds++
		wanted = row.Spec.Rebuilds
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	return await(ctx, s.store, r.Target(), func(row *packagesv1.Package) (bool, error) {
		if row == nil {
			return false, vanished(r.Target())
		}
		st := row.GetStatus()
		return st.GetObservedRebuilds() >= wanted && st.GetInitializedArtifact() == row.GetSpec().GetArtifact(), failed(row)
	})
}

func (s *Service) dropBackup(ctx context.Context, r *operation.Run) error {
	if r.Memo(memoWriting) != "yes" {
		return nil
	}
	if err := s.renewThawed(ctx, r); err != nil {
		return err
	}
	folder, err := s.folder(r.Param(paramDirectory))
	if err != nil {
		return nil // it is gone, or somebody else's by now
	}
	return folder.Drop(ctx, r.Target())
}

func (s *Service) finishBackup(ctx context.Context, r *operation.Run) error {
	folder, err := s.folder(r.Param(paramDirectory))
	if err != nil {
		return err
	}
	version, err := s.data.Version(r.Target())
	if err != nil {
		return err
	}
	if err := folder.Finish(ctx, r.Target(), r.Memo(memoVersion), version, s.clock()); err != nil {
		return err
	}
	return s.resume(ctx, r)
}
