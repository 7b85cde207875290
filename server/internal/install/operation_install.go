package install

import (
	"context"
	"errors"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// KindInstall is the kind of the operation that installs a package or replaces it in place.
const KindInstall = "install"

// What the steps of an installation remember.
const (
	memoFresh   = "fresh"   // "yes" where the package was not installed before
	memoData    = "data"    // "yes" where data of an earlier installation were there
	memoVersion = "version" // which these were of, where that was recorded
)

// Install begins the installation of an uploaded file. What the file says it is has been checked when it returns; a
// file that is refused is discarded. The ticket is used up then: the operation knows the file by its own id, so that no
// row holds a credential. Asking again with the same id answers the operation.
func (s *Service) Install(ctx context.Context, now time.Time, engine *operation.Engine, id, ticket, requestedBy string, start bool) (*operationsv1.Operation, error) {
	s.claims.Lock()
	defer s.claims.Unlock()
	if old, err := s.begun(id); err != nil || old != nil {
		if err != nil {
			return nil, err
		}
		return engine.Begin(ctx, now, operation.Request{ID: id, Kind: KindInstall, Target: old.GetSpec().GetTarget()})
	}
	if err := s.artifacts.Claim(ticket, id); err != nil {
		return nil, err
	}
	art, err := s.artifacts.Inspect(ctx, id)
	if err != nil {
		return nil, s.refused(ticket, id, err)
	}
	params := map[string]string{"version": art.GetSpec().GetVersion()}
	if start {
		params["start"] = "yes"
	}
	op, err := engine.Begin(ctx, now, operation.Request{
		ID: id, Kind: KindInstall, Target: art.GetSpec().GetPackageId(), RequestedBy: requestedBy, Parameters: params,
		Prepare: func(tx *store.Tx) error { return s.mayInstall(tx, art) },
	})
	if err != nil {
		return nil, s.refused(ticket, id, err)
	}
	return op, nil
}

// begun is the operation of this id, or nil.
func (s *Service) begun(id string) (op *operationsv1.Operation, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*operationsv1.Operation](tx, id)
		if ok {
			op = row
		}
		return err
	})
	return op, err
}

// refused discards an upload, or gives it back to its ticket when the same one may be taken later: when what is in the way
// has ended. It leaves alone what belongs to an operation that was recorded all the same.
func (s *Service) refused(ticket, id string, err error) error {
	if op, look := s.begun(id); op != nil || look != nil {
		return errors.Join(err, look)
	}
	later := fault.Reason(err) == metav1.Reason_REASON_OPERATION_CONFLICT
	switch fault.Info(fault.Reason(err)).GetCode() {
	case optionsv1.Code_CODE_INTERNAL, optionsv1.Code_CODE_UNAVAILABLE, optionsv1.Code_CODE_CANCELLED, optionsv1.Code_CODE_DEADLINE_EXCEEDED:
		later = true
	}
	if later {
		return errors.Join(err, s.artifacts.Unclaim(ticket, id))
	}
	if discard := s.artifacts.Discard(id); discard != nil {
		return errors.Join(err, discard)
	}
	return err
}

// mayInstall refuses another version of an installed package: replacing it would change data that could not be
// brought back. The same content signed by somebody else is another file too.
func (s *Service) mayInstall(tx *store.Tx, art *packagesv1.Artifact) error {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, art.GetSpec().GetPackageId())
	if err != nil || !ok {
		return err
	}
	have, known, err := store.Lookup[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
	if err != nil {
		return err
	}
	if known && have.GetSpec().GetSigner() != art.GetSpec().GetSigner() {
		return fault.New(metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT, "cannot replace %s %s by a package file that somebody else has signed",
			row.GetMeta().GetId(), row.GetSpec().GetVersion()).
			With("package", row.GetMeta().GetId()).With("installed", have.GetSpec().GetSigner()).With("offered", art.GetSpec().GetSigner())
	}
	if row.GetSpec().GetArtifact() != art.GetMeta().GetId() {
		return fault.New(metav1.Reason_REASON_PACKAGE_VERSION_CONFLICT, "cannot replace %s %s by another package file (%s, %.12s instead of %.12s): only the same file can be installed again",
			row.GetMeta().GetId(), row.GetSpec().GetVersion(), art.GetSpec().GetVersion(), art.GetMeta().GetId(), row.GetSpec().GetArtifact()).
			With("installed", row.GetSpec().GetVersion()).With("offered", art.GetSpec().GetVersion())
	}
	return nil
}

func (s *Service) installDefinition() operation.Definition {
	return operation.Definition{
		Kind:  KindInstall,
		Locks: locks,
		// Its file is discarded when it is undone, so it cannot be begun anew.
		Release: release,
		Steps: []operation.Step{
			{
				Name: "verify", Weight: 30, Timeout: time.Hour, Do: s.takeArtifact, Undo: s.dropArtifact,
				Leaves: "the package file, which no package uses",
			},
			{
				Name: "container", Weight: 60, Timeout: 12 * time.Hour, Do: s.setUp, Undo: s.tearDown,
				Leaves: "the service, half set up, with its container and data: uninstall the package to remove them",
			},
			{
				Name: "finish", Weight: 10, Timeout: time.Minute, Do: s.finishInstall, Final: true,
				Leaves: "the uploaded file, and the note that the data were kept; the service is set up and not started",
			},
		},
	}
}

func (s *Service) takeArtifact(ctx context.Context, r *operation.Run) error {
	_, err := s.artifacts.Take(ctx, r.ID(), func(done, total uint64) {
		r.Progress(done, total, "bytes", "verifying the package file")
	})
	return err
}

// dropArtifact leaves a file alone that a package runs from. The file is found by the operation: Take may have been
// cut off before its result was remembered.
func (s *Service) dropArtifact(ctx context.Context, r *operation.Run) error {
	id, err := s.artifacts.Taken(r.ID())
	if err != nil {
		return err
	}
	if err := s.artifacts.Discard(r.ID()); err != nil || id == "" {
		return err
	}
	used := false
	err = s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, row := range rows {
			used = used || row.GetSpec().GetArtifact() == id
		}
		return err
	})
	if err != nil || used {
		return err
	}
	return s.artifacts.Remove(ctx, s.clock(), id)
}

// setUp wants a container of the new file and waits until the package's init in it has ended.
func (s *Service) setUp(ctx context.Context, r *operation.Run) error {
	version, err := s.data.Version(r.Target())
	if err != nil {
		return err
	}
	hasData, err := s.data.Exists(r.Target())
	if err != nil {
		return err
	}
	id, err := s.artifacts.Taken(r.ID())
	if err != nil {
		return err
	}
	err = r.Commit(ctx, func(tx *store.Tx) error {
		art, err := store.Get[*packagesv1.Artifact](tx, id)
		if err != nil {
			return err
		}
		row, ok, err := store.Lookup[*packagesv1.Package](tx, r.Target())
		if err != nil {
			return err
		}
		if ok && row.GetSpec().GetOperation() == r.ID() {
			return nil // written before a crash
		}
		if !ok {
			row = &packagesv1.Package{
				Meta: &metav1.Meta{Id: r.Target()},
				Spec: &packagesv1.PackageSpec{Desired: packagesv1.PackageSpec_DESIRED_STOPPED},
			}
			r.SetMemoIn(tx, memoFresh, "yes")
		}
		if hasData {
			r.SetMemoIn(tx, memoData, "yes")
		}
		row.Spec.Artifact, row.Spec.Version, row.Spec.Title = id, art.GetSpec().GetVersion(), art.GetSpec().GetTitle()
		row.Spec.ExitTarget = art.GetSpec().GetVersion()
		row.Spec.Operation = r.ID()
		row.Spec.InitKind = packagesv1.PackageSpec_INIT_KIND_INSTALL
		if version != "" {
			r.SetMemoIn(tx, memoVersion, version)
			row.Spec.InitKind = packagesv1.PackageSpec_INIT_KIND_UPDATE
		}
		row.Spec.Rebuilds++
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	r.Progress(0, 0, "", "setting up the service")
	return await(ctx, s.store, r.Target(), func(row *packagesv1.Package) (bool, error) {
		if row == nil {
			return false, fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "package %q vanished while it was being installed", r.Target())
		}
		status := row.GetStatus()
		done := status.GetInitializedArtifact() == id && status.GetObservedRebuilds() >= row.GetSpec().GetRebuilds()
		return done, failed(row)
	})
}

// tearDown takes a package off again that was not there before, but not the data an earlier installation left; one that
// was there is let go as it is, with a new container.
func (s *Service) tearDown(ctx context.Context, r *operation.Run) error {
	fresh := r.Memo(memoFresh) == "yes"
	gone := false
	err := r.Commit(ctx, func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, r.Target())
		if err != nil || !ok {
			gone = true
			return err
		}
		if row.GetSpec().GetOperation() != r.ID() {
			gone = true // not written before the failure, or let go already
			return nil
		}
		if fresh {
			row.Spec.Desired = packagesv1.PackageSpec_DESIRED_ABSENT
			// Data that were there before go back to the version they had, where the package can do that.
			row.Spec.ExitTarget, row.Spec.ExitForce = r.Memo(memoVersion), true
		} else {
			row.Spec.Operation = ""
			row.Spec.InitKind = packagesv1.PackageSpec_INIT_KIND_UNSPECIFIED
			row.Spec.Rebuilds++
		}
		return store.Put(tx, row)
	})
	if err != nil || gone || !fresh {
		return err
	}
	if err := awaitAbsent(ctx, s.store, r.Target()); err != nil {
		return err
	}
	// A version that this installation recorded tells of an init that did not come to its end. Where there was one
	// before, what the package's code made of it tells what the data are.
	if r.Memo(memoData) == "yes" && r.Memo(memoVersion) == "" {
		if err := s.data.SetVersion(r.Target(), ""); err != nil {
			return err
		}
	}
	return s.forgetPackage(ctx, r, r.Memo(memoData) == "yes")
}

func (s *Service) finishInstall(ctx context.Context, r *operation.Run) error {
	err := r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil {
			return err
		}
		row.Spec.Operation = ""
		row.Spec.InitKind = packagesv1.PackageSpec_INIT_KIND_UNSPECIFIED
		if r.Param("start") == "yes" && s.gate(tx, r.Target()) == nil {
			row.Spec.Desired = packagesv1.PackageSpec_DESIRED_RUNNING
		}
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	if err := s.data.Unkeep(r.Target()); err != nil {
		return err
	}
	return s.artifacts.Discard(r.ID())
}
