package install

import (
	"context"
	"errors"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// KindUpdate is the kind of the operation that replaces an installed package by another file of it, or sets it up anew
// from the same one.
const KindUpdate = "update"

// FailedUpdate is why the last update of a package to a version failed; nil where it succeeded, was cancelled, goes on, or there is none
// that is remembered.
func FailedUpdate(tx *store.Tx, pkg, version string) (*metav1.Fault, error) {
	all, err := store.List[*operationsv1.Operation](tx, "")
	var last *operationsv1.Operation
	for _, op := range all { // ids are in the order of time
		if spec := op.GetSpec(); spec.GetKind() == KindUpdate && spec.GetTarget() == pkg && spec.GetParameters()["version"] == version {
			last = op
		}
	}
	if last.GetStatus().GetState() != operationsv1.OperationStatus_STATE_FAILED {
		return nil, err
	}
	return last.GetStatus().GetFault(), err
}

// setUpLimit is how long a package's code may take to set itself up where nobody says otherwise.
const setUpLimit = 12 * time.Hour

// What the steps of an update and a rollback remember: the package as it was, and how far they got.
const (
	memoArtifact = "artifact"
	memoOldTitle = "title"
	memoTouched  = "touched"  // "yes" from when something may have written to the data
	memoRestored = "restored" // "yes" when the data are those of the snapshot again
	memoComing   = "coming"   // "yes" when the container of the new file is wanted
)

// updateDefinition goes from one file of a package to another:
//
//	download   the file is fetched, where a registry has it         undo: it goes
//	convert    one of the first format becomes one of today's       undo: it goes
//	verify     the file is checked and kept                         undo: it goes
//	hold       the service stops                                    undo: the old file is wanted again, as it was
//	snapshot   the data are snapshotted                             undo: they become what they were
//	exit       the old code cleans up, its container goes           undo: no container
//	container  the new code sets itself up, and migrates the data   undo: no container
//	health     the service is well, where it was before             undo: no container
//	finish     what was wanted is wanted again; the snapshot stays
//
// The snapshot comes before the old code is told to leave, since it may be asked to bring the data to another version.
func (s *Service) updateDefinition() operation.Definition {
	return operation.Definition{
		Kind: KindUpdate, Locks: locks, Release: release,
		Steps: []operation.Step{
			{
				Name: "download", Weight: 30, Timeout: 24 * time.Hour, Do: s.download, Undo: s.dropDownload,
				Leaves: "what was fetched of the package file, which no package uses",
			},
			{
				Name: "convert", Weight: 20, Timeout: 6 * time.Hour, Do: s.convert, Undo: s.dropDownload,
				Leaves: "what was made of the package file, which no package uses",
			},
			{
				Name: "verify", Weight: 20, Timeout: time.Hour, Do: s.takeArtifact, Undo: s.dropArtifact,
				Leaves: "the package file, which no package uses",
			},
			{
				Name: "hold", Weight: 5, Timeout: time.Hour, Do: s.hold, Undo: s.letGo,
				Leaves: "the service, stopped: start it",
			},
			{
				Name: "snapshot", Weight: 20, Timeout: 24 * time.Hour, Do: s.snapshot, Undo: s.restore,
				Leaves: "the data, which the new version may have changed; those from before are a snapshot: 'hearth package snapshots list' tells it",
			},
			{
				Name: "exit", Weight: 10, Timeout: 2 * time.Hour, Do: s.leave, Undo: s.takeDown,
				Leaves: "the service, on its way out: start it",
			},
			{
				Name: "container", Weight: 30, Do: s.bringUp, Undo: s.takeDown,
				Leaves: "the service, half set up, with its container",
			},
			{
				Name: "health", Weight: 10, Do: s.awaitWell, Undo: s.takeDown,
				Leaves: "the service, which may not be well, with its container",
			},
			{
				Name: "finish", Weight: 5, Timeout: time.Hour, Do: s.finishUpdate, Final: true,
				Leaves: "the uploaded file, or the snapshot and the file of an earlier version; the service is set up",
			},
		},
	}
}

// hold wants the service not to run and waits until nothing of it does. One that does not get on by itself loses its
// container: nothing must write to the data from now on.
func (s *Service) hold(ctx context.Context, r *operation.Run) error {
	err := s.mark(ctx, r)
	if err != nil {
		return err
	}
	r.Progress(0, 0, "", "stopping the service")
	broken := false
	err = await(ctx, s.store, r.Target(), func(row *packagesv1.Package) (bool, error) {
		if row == nil {
			return false, vanished(r.Target())
		}
		if row.GetStatus().GetObservedGeneration() < row.GetMeta().GetGeneration() {
			return false, nil
		}
		broken = row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_FAILED
		return broken || row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_STOPPED || row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_ABSENT, nil
	})
	if err != nil || !broken {
		return err
	}
	return s.takeDown(ctx, r)
}

// mark takes the package for the operation, wants its service not to run, and remembers what it was.
func (s *Service) mark(ctx context.Context, r *operation.Run) error {
	return s.markAs(ctx, r, func(_ *store.Tx, row *packagesv1.Package) error {
		row.Spec.Desired = packagesv1.PackageSpec_DESIRED_STOPPED
		return nil
	})
}

// markAs does it with what is wanted meanwhile.
func (s *Service) markAs(ctx context.Context, r *operation.Run, want func(tx *store.Tx, row *packagesv1.Package) error) error {
	return r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil || row.GetSpec().GetOperation() == r.ID() {
			return err // written before a crash
		}
		r.SetMemoIn(tx, memoArtifact, row.GetSpec().GetArtifact())
		r.SetMemoIn(tx, memoVersion, row.GetSpec().GetVersion())
		r.SetMemoIn(tx, memoOldTitle, row.GetSpec().GetTitle())
		r.SetMemoIn(tx, memoDesired, row.GetSpec().GetDesired().String())
		ok, err := wellBefore(tx, row)
		if ok {
			r.SetMemoIn(tx, memoWell, "yes")
		}
		row.Spec.Operation = r.ID()
		return errors.Join(err, want(tx, row), store.Put(tx, row))
	})
}

func vanished(pkg string) error {
	return fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "package %q vanished while it was being worked on", pkg).With("package", pkg)
}

// letGo wants again what was wanted before, of the file that was there before. Where somebody gave up bringing back its
// data, nothing of it runs on what is there until somebody starts it.
func (s *Service) letGo(ctx context.Context, r *operation.Run) error {
	return r.Commit(ctx, func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, r.Target())
		if err != nil || !ok || row.GetSpec().GetOperation() != r.ID() {
			return err
		}
		row.Spec.Operation = ""
		row.Spec.Artifact, row.Spec.Version, row.Spec.Title = r.Memo(memoArtifact), r.Memo(memoVersion), r.Memo(memoOldTitle)
		row.Spec.Desired = packagesv1.PackageSpec_Desired(packagesv1.PackageSpec_Desired_value[r.Memo(memoDesired)])
		row.Spec.ExitTarget, row.Spec.ExitForce = row.GetSpec().GetVersion(), false
		row.Spec.InitKind = packagesv1.PackageSpec_INIT_KIND_UNSPECIFIED
		_, left, err := store.Lookup[*packagesv1.Snapshot](tx, r.Target()+"/"+r.ID())
		if left {
			row.Spec.Desired = packagesv1.PackageSpec_DESIRED_ABSENT
		}
		r.RevertedIn(tx, &operationsv1.Reverted{Version: row.GetSpec().GetVersion(), Running: wantsRunning(row)})
		return errors.Join(err, store.Put(tx, row))
	})
}

// leave has the old code clean up and waits until its container is gone.
func (s *Service) leave(ctx context.Context, r *operation.Run) error {
	way, err := s.wayOut(ctx, r)
	if err != nil {
		return err
	}
	err = r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil || r.Memo(memoTouched) == "yes" {
			return err // written before a crash
		}
		r.SetMemoIn(tx, memoTouched, "yes")
		row.Spec.Desired = packagesv1.PackageSpec_DESIRED_ABSENT
		row.Spec.ExitTarget, row.Spec.ExitForce = way.target, false
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	r.Progress(0, 0, "", "the old version cleans up")
	if err = awaitAbsent(ctx, s.store, r.Target()); err == nil || way.back || ctx.Err() != nil {
		return err
	}
	// The data stay what they are, so nothing depends on a clean-up that fails.
	return s.takeDown(ctx, r)
}

// wayOut is what the old code is told when it goes. In a rollback its data are set aside as they are.
func (s *Service) wayOut(ctx context.Context, r *operation.Run) (passage, error) {
	version, err := s.data.Version(r.Target())
	if err != nil {
		return passage{}, err
	}
	if r.Param(paramSnapshot) != "" {
		if version == "" {
			version = r.Memo(memoVersion)
		}
		return passage{target: version}, nil
	}
	_, to, err := s.coming(r)
	if err != nil {
		return passage{}, err
	}
	var way passage
	err = s.store.View(func(tx *store.Tx) error {
		from, err := store.Get[*packagesv1.Artifact](tx, r.Memo(memoArtifact))
		if err == nil {
			way, err = passageOf(version, from, to)
		}
		return err
	})
	return way, err
}

// takeDown wants no container, whatever the code in it says to that, and waits until there is none.
func (s *Service) takeDown(ctx context.Context, r *operation.Run) error {
	mine := false
	err := r.Commit(ctx, func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, r.Target())
		mine = ok && row.GetSpec().GetOperation() == r.ID()
		if err != nil || !mine {
			return err
		}
		row.Spec.Desired, row.Spec.ExitForce = packagesv1.PackageSpec_DESIRED_ABSENT, true
		return store.Put(tx, row)
	})
	if err != nil || !mine {
		return err
	}
	r.Progress(0, 0, "", "taking the container down")
	return awaitAbsent(ctx, s.store, r.Target())
}

// coming is the file that the operation goes to, by its id and its row.
func (s *Service) coming(r *operation.Run) (id string, art *packagesv1.Artifact, err error) {
	if from := r.Param(paramSnapshot); from == "" {
		id, err = s.taken(r)
	} else {
		err = s.store.View(func(tx *store.Tx) error {
			row, err := store.Get[*packagesv1.Snapshot](tx, r.Target()+"/"+from)
			id = row.GetSpec().GetArtifact()
			return err
		})
	}
	if err != nil {
		return "", nil, err
	}
	err = s.store.View(func(tx *store.Tx) error {
		art, err = store.Get[*packagesv1.Artifact](tx, id)
		return err
	})
	return id, art, err
}

// bringUp wants a container of the new file and waits until the package's init in it has ended well.
func (s *Service) bringUp(ctx context.Context, r *operation.Run) error {
	id, art, err := s.coming(r)
	if err != nil {
		return err
	}
	version, err := s.data.Version(r.Target())
	if err != nil {
		return err
	}
	err = r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil || r.Memo(memoComing) == "yes" {
			return err // written before a crash
		}
		r.SetMemoIn(tx, memoComing, "yes")
		want(row.Spec, id, art, r)
		row.Spec.Desired = packagesv1.PackageSpec_DESIRED_STOPPED
		if r.Param(paramSnapshot) == "" {
			row.Spec.InitKind = initKind(version)
		}
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	return s.awaitInit(ctx, r, id)
}

// want asks for a new container of a file.
func want(spec *packagesv1.PackageSpec, id string, art *packagesv1.Artifact, r *operation.Run) {
	if r.Param(paramSnapshot) == "" { // who goes back still has it from where he had it
		spec.Registry = r.Param(paramRegistry)
	}
	spec.Artifact, spec.Version, spec.Title = id, art.GetSpec().GetVersion(), art.GetSpec().GetTitle()
	spec.ExitTarget, spec.ExitForce = art.GetSpec().GetVersion(), false
	spec.Rebuilds++
}

// initKind is why a package's init runs: what tells is whether there are data of a version, not what was installed.
func initKind(version string) packagesv1.PackageSpec_InitKind {
	if version == "" {
		return packagesv1.PackageSpec_INIT_KIND_INSTALL
	}
	return packagesv1.PackageSpec_INIT_KIND_UPDATE
}

// awaitInit waits until the init of a file has ended, for as long as it may take.
func (s *Service) awaitInit(ctx context.Context, r *operation.Run, id string) error {
	limit, err := s.limit(r)
	if err != nil {
		return err
	}
	late := fault.New(metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT, "the package's code did not set itself up within %s", limit).With("limit", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	r.Progress(0, 0, "", "setting up the service")
	err = await(ctx, s.store, r.Target(), func(row *packagesv1.Package) (bool, error) {
		if row == nil {
			return false, vanished(r.Target())
		}
		status := row.GetStatus()
		done := status.GetInitializedArtifact() == id && status.GetObservedRebuilds() >= row.GetSpec().GetRebuilds()
		return done, failed(row)
	})
	if err != nil && context.Cause(ctx) == late {
		return late
	}
	return err
}

// limit is how long the code of the package may take.
func (s *Service) limit(r *operation.Run) (time.Duration, error) {
	if text := r.Param(paramTimeLimit); text != "" {
		return time.ParseDuration(text)
	}
	return setUpLimit, nil
}

// finishUpdate declares the update done and resumes what was wanted, before it removes what was kept for a way back
// from the update before.
func (s *Service) finishUpdate(ctx context.Context, r *operation.Run) error {
	if err := s.resume(ctx, r); err != nil {
		return err
	}
	id, err := s.taken(r)
	if err != nil {
		return err
	}
	// From the same file there is nothing to go back to: what there was before it stays.
	same := id == r.Memo(memoArtifact)
	if err := s.dropSnapshots(ctx, r, func(snapshot string) bool { return (snapshot == r.ID()) == same }); err != nil {
		return err
	}
	return s.discard(r)
}

// resume is the commit that declares success.
func (s *Service) resume(ctx context.Context, r *operation.Run) error {
	return r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil || row.GetSpec().GetOperation() != r.ID() {
			return err
		}
		row.Spec.Operation = ""
		row.Spec.InitKind = packagesv1.PackageSpec_INIT_KIND_UNSPECIFIED
		if r.Memo(memoDesired) == packagesv1.PackageSpec_DESIRED_RUNNING.String() && s.mayRun(tx, row) == nil {
			row.Spec.Desired = packagesv1.PackageSpec_DESIRED_RUNNING
		}
		return store.Put(tx, row)
	})
}
