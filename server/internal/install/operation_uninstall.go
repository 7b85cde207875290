package install

import (
	"context"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// KindUninstall is the kind of the operation that takes a package off the server.
const KindUninstall = "uninstall"

const memoDesired = "desired" // what was wanted before

// Uninstall begins the removal of a package and, unless keepData, of its data. With force it goes on when the
// package's own clean-up fails.
func (s *Service) Uninstall(ctx context.Context, now time.Time, engine *operation.Engine, asked operation.Asked, pkg string, force, keepData bool) (*operationsv1.Operation, error) {
	params := map[string]string{}
	if force {
		params["force"] = "yes"
	}
	if keepData {
		params["keep_data"] = "yes"
	}
	return engine.Begin(ctx, now, operation.Request{
		Asked: asked, Kind: KindUninstall, Target: pkg, Parameters: params,
		Prepare: func(tx *store.Tx) error {
			_, err := installed(tx, pkg)
			return err
		},
	})
}

func (s *Service) uninstallDefinition() operation.Definition {
	return operation.Definition{
		Kind:    KindUninstall,
		Locks:   locks,
		Release: release,
		Repeat: func(tx *store.Tx, op *operationsv1.Operation) error {
			_, err := installed(tx, op.GetSpec().GetTarget())
			return err
		},
		Steps: []operation.Step{
			{
				Name: "exit", Weight: 60, Timeout: time.Hour, Do: s.exit, Undo: s.comeBack,
				Leaves: "the service, stopped or on its way out: start it, or uninstall it again",
			},
			{
				Name: "remove", Weight: 40, Timeout: time.Hour, Do: s.remove, Final: true,
				Leaves: "the package, of which data, log and file may be there still: uninstall it again",
			},
		},
	}
}

// exit wants the container gone, after the package's own clean-up, and waits until it is.
func (s *Service) exit(ctx context.Context, r *operation.Run) error {
	err := r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil {
			return err
		}
		if row.GetSpec().GetOperation() == r.ID() {
			return nil // written before a crash
		}
		r.SetMemoIn(tx, memoDesired, row.GetSpec().GetDesired().String())
		row.Spec.Operation = r.ID()
		row.Spec.Desired = packagesv1.PackageSpec_DESIRED_ABSENT
		row.Spec.ExitTarget = ""
		if r.Param("keep_data") == "yes" {
			// The data stay what they are, and their version with them: the next installation goes on with them.
			row.Spec.ExitTarget = row.GetSpec().GetVersion()
		}
		row.Spec.ExitForce = r.Param("force") == "yes"
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	r.Progress(0, 0, "", "stopping the service")
	return awaitAbsent(ctx, s.store, r.Target())
}

func awaitAbsent(ctx context.Context, st *store.Store, pkg string) error {
	return await(ctx, st, pkg, func(row *packagesv1.Package) (bool, error) {
		if row == nil {
			return true, nil
		}
		absent := row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_ABSENT &&
			row.GetStatus().GetObservedGeneration() >= row.GetMeta().GetGeneration()
		return absent, failed(row)
	})
}

// comeBack wants again what was wanted before.
func (s *Service) comeBack(ctx context.Context, r *operation.Run) error {
	return r.Commit(ctx, func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, r.Target())
		if err != nil || !ok || row.GetSpec().GetOperation() != r.ID() {
			return err
		}
		row.Spec.Operation = ""
		row.Spec.Desired = packagesv1.PackageSpec_Desired(packagesv1.PackageSpec_Desired_value[r.Memo(memoDesired)])
		row.Spec.ExitTarget, row.Spec.ExitForce = row.GetSpec().GetVersion(), false
		return store.Put(tx, row)
	})
}

func (s *Service) remove(ctx context.Context, r *operation.Run) error {
	keep := r.Param("keep_data") == "yes"
	if keep {
		if err := s.keepData(r); err != nil {
			return err
		}
	}
	if err := s.dropSnapshots(ctx, r, func(string) bool { return true }); err != nil {
		return err
	}
	r.Progress(0, 0, "", "removing the data")
	return s.forgetPackage(ctx, r, keep)
}

// keepData records whose data stay behind. When it is repeated after a crash the file that told the signer may be gone, and
// the record is there.
func (s *Service) keepData(r *operation.Run) error {
	var signer string
	err := s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, r.Target())
		if err != nil || !ok {
			return err
		}
		art, _, err := store.Lookup[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
		signer = art.GetSpec().GetSigner()
		return err
	})
	if err != nil || signer == "" {
		return err
	}
	return s.data.Keep(r.Target(), signer, ids.ULID(r.ID()).Time())
}

// forgetPackage removes a package whose container is gone: data first, rows last, so that a crash between leaves a
// row from which it goes on.
func (s *Service) forgetPackage(ctx context.Context, r *operation.Run, keepData bool) error {
	pkg := r.Target()
	if !keepData {
		if err := s.data.Remove(ctx, pkg, r.ID()); err != nil {
			return err
		}
	}
	if err := s.logs.Remove(ctx, pkg); err != nil {
		return err
	}
	var artifact string
	err := s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if ok {
			artifact = row.GetSpec().GetArtifact()
		}
		return err
	})
	if err != nil {
		return err
	}
	if artifact != "" {
		if err := s.artifacts.Remove(ctx, s.clock(), artifact); err != nil && !fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
			return err
		}
	}
	return s.forgetRows(ctx, r, keepData)
}

// forgetRows deletes the rows of a package, its own last.
func (s *Service) forgetRows(ctx context.Context, r *operation.Run, keepData bool) error {
	for all := false; !all; {
		err := r.Commit(ctx, func(tx *store.Tx) (err error) {
			if all, err = s.forget(tx, r.Target(), keepData); err != nil || !all {
				return err
			}
			return store.Delete[*packagesv1.Package](tx, r.Target())
		})
		if err != nil {
			return err
		}
	}
	return nil
}
