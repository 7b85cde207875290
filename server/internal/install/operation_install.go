package install

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
)

// KindInstall is the kind of the operation that installs a package that is not installed.
const KindInstall = "install"

// What the steps of an installation remember, besides what those of an update do.
const (
	memoData    = "data"    // "yes" where data of an earlier installation were there
	memoVersion = "version" // of an update or a rollback: which version was installed
)

// Parameters of installations and updates.
const (
	paramTimeLimit = "time_limit" // how long the package's code may take
	paramFrom      = "from"       // the version that is replaced
	// paramHealthLimit is how long an updated service may take to be well.
	paramHealthLimit = "health_limit"
)

// Wish asks for a package file to be installed.
type Wish struct {
	operation.Asked
	Ticket string // of the upload
	// Listed names the file in a registry, instead of an upload.
	Listed *Listed
	// Start has the service started when it is installed. An update leaves it as it was.
	Start bool
	// AcceptSigner allows an update by a file that somebody else has signed, and data that were kept to be given to it.
	AcceptSigner bool
	// TimeLimit is how long the package's code may take to set itself up; 0: as long as usual.
	TimeLimit time.Duration
	// Unattended refuses an update of which a person should see what it changes: another registry or flavor, more permissions.
	Unattended bool
	// AcceptBreakage allows an update that packages which need this one do not take.
	AcceptBreakage bool
	// HealthLimit is how long an updated service may take to be well; nil: as long as usual.
	HealthLimit *time.Duration
	// RestoreFrom is a folder with a backup that the package takes its data from; empty for none.
	RestoreFrom string
	// Known, if not nil, hears which package it is as soon as that is known, also where the file is then refused.
	Known func(pkg string)
}

func (w Wish) known(pkg string) {
	if w.Known != nil {
		w.Known(pkg)
	}
}

// Install begins the installation of an uploaded file, or the update of the package by it. What the file says it is has
// been checked when it returns; a file that is refused is discarded. The ticket is used up then: the operation knows the
// file by its own id, so that no row holds a credential. Asking again with the same id answers the operation.
func (s *Service) Install(ctx context.Context, now time.Time, engine *operation.Engine, w Wish) (*operationsv1.Operation, error) {
	if w.Listed == nil {
		s.claims.Lock()
		defer s.claims.Unlock()
	}
	if old, err := s.begun(w.ID); err != nil || old != nil {
		if err != nil {
			return nil, err
		}
		kind := old.GetSpec().GetKind()
		if kind != KindUpdate {
			kind = KindInstall
		}
		return engine.Begin(ctx, now, operation.Request{Asked: w.Asked, Kind: kind, Target: old.GetSpec().GetTarget()})
	}
	if w.Listed != nil {
		w.known(w.Listed.Package)
		return s.installListed(ctx, now, engine, w)
	}
	if err := s.artifacts.Claim(w.Ticket, w.ID); err != nil {
		return nil, err
	}
	art, err := s.artifacts.Inspect(ctx, w.ID)
	if err != nil {
		return nil, s.refused(w.Ticket, w.ID, err)
	}
	w.known(art.GetSpec().GetPackageId())
	request, err := s.admit(ctx, w, art)
	if err != nil {
		return nil, s.refused(w.Ticket, w.ID, err)
	}
	op, err := engine.Begin(ctx, now, request)
	if err != nil {
		return nil, s.refused(w.Ticket, w.ID, err)
	}
	return op, nil
}

// admit is plan for a file that nothing speaks against; the first thing that does refuses it.
func (s *Service) admit(ctx context.Context, w Wish, art *packagesv1.Artifact) (operation.Request, error) {
	request, err := s.plan(w, art)
	if err != nil {
		return request, err
	}
	list, err := s.obstacles(ctx, art, w, request)
	if err == nil && len(list) > 0 {
		err = list[0]
	}
	return request, err
}

// plan decides whether a file is an installation or an update, and holds that decision in the commit that begins it.
func (s *Service) plan(w Wish, art *packagesv1.Artifact) (operation.Request, error) {
	pkg := art.GetSpec().GetPackageId()
	request := operation.Request{
		Asked: w.Asked, Kind: KindInstall, Target: pkg,
		Parameters: map[string]string{"version": art.GetSpec().GetVersion()},
		Prepare: func(tx *store.Tx) error {
			_, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
			if err == nil && ok {
				err = fault.New(metav1.Reason_REASON_CONFLICT, "package %q was installed meanwhile", pkg).With("package", pkg)
			}
			return err
		},
	}
	if w.TimeLimit > 0 {
		request.Parameters[paramTimeLimit] = w.TimeLimit.String()
	}
	if w.Start {
		request.Parameters["start"] = "yes"
	}
	err := s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if err != nil || !ok {
			return err
		}
		delete(request.Parameters, "start")
		request.Kind, request.Parameters[paramFrom] = KindUpdate, row.GetSpec().GetVersion()
		return nil
	})
	if err != nil {
		return request, err
	}
	if w.RestoreFrom != "" {
		return request, s.planRestore(&request, w.RestoreFrom)
	}
	if request.Kind == KindInstall {
		return request, nil
	}
	if w.HealthLimit != nil {
		request.Parameters[paramHealthLimit] = w.HealthLimit.String()
	}
	version, err := s.data.Version(pkg)
	if err != nil {
		return request, err
	}
	there, err := s.data.Exists(pkg)
	if err != nil {
		return request, err
	}
	request.Prepare = func(tx *store.Tx) error { return s.mayUpdate(tx, art, version, there, w.AcceptSigner) }
	return request, nil
}

// Replaces tells which version of the package is installed, empty for none, and whether the file's signer is another than
// that of what is installed, or else of the data that were kept.
func (s *Service) Replaces(art *packagesv1.Artifact) (version string, otherSigner bool, err error) {
	pkg, signer := art.GetSpec().GetPackageId(), art.GetSpec().GetSigner()
	there := false
	err = s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if err != nil || !ok {
			return err
		}
		there, version = true, row.GetSpec().GetVersion()
		have, ok, err := store.Lookup[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
		otherSigner = ok && have.GetSpec().GetSigner() != signer
		return err
	})
	if err != nil || there {
		return version, otherSigner, err
	}
	kept, err := s.data.KeptOf(pkg)
	return "", kept != "" && kept != signer, err
}

// planRestore refuses to put data of a backup where there are some, and notes the folder that they come from.
func (s *Service) planRestore(request *operation.Request, dir string) error {
	pkg := request.Target
	there, err := s.data.Exists(pkg)
	switch {
	case err != nil:
		return err
	case request.Kind != KindInstall || there:
		return fault.New(metav1.Reason_REASON_CONFLICT, "cannot restore %q: it is installed, or has data; remove them first", pkg).With("package", pkg)
	}
	folder, err := s.folder(dir)
	if err == nil {
		_, err = folder.Look(pkg)
	}
	request.Parameters[paramDirectory] = dir
	return err
}

// mayTakeOver refuses to give data that were kept to a package that somebody else has signed.
func (s *Service) mayTakeOver(art *packagesv1.Artifact, acceptSigner bool) error {
	pkg := art.GetSpec().GetPackageId()
	kept, err := s.data.KeptOf(pkg)
	if err != nil || kept == "" || kept == art.GetSpec().GetSigner() || acceptSigner {
		return err
	}
	return fault.New(metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT,
		"cannot give the data that were kept of %q to a package file that somebody else has signed", pkg).
		With("package", pkg).With("kept", kept).With("offered", art.GetSpec().GetSigner())
}

// mayUpdate refuses an update from which the data would not come out whole.
func (s *Service) mayUpdate(tx *store.Tx, art *packagesv1.Artifact, data string, there, acceptSigner bool) error {
	pkg := art.GetSpec().GetPackageId()
	if err := mayReplace(tx, pkg); err != nil {
		return err
	}
	row, err := installed(tx, pkg)
	if err != nil {
		return err
	}
	have, err := store.Get[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
	if err != nil {
		return err
	}
	// The same content signed by somebody else would take the place of the installed file, which there is a way back to.
	same := have.GetMeta().GetId() == art.GetMeta().GetId()
	if have.GetSpec().GetSigner() != art.GetSpec().GetSigner() && (!acceptSigner || same) {
		return fault.New(metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT, "cannot replace %s %s by a package file that somebody else has signed", pkg, row.GetSpec().GetVersion()).
			With("package", pkg).With("installed", have.GetSpec().GetSigner()).With("offered", art.GetSpec().GetSigner())
	}
	if !there {
		return fault.New(metav1.Reason_REASON_PACKAGE_DATA_MISSING, "cannot update %q: its data are not where they were", pkg).With("package", pkg)
	}
	_, err = passageOf(data, have, art)
	return err
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
// has ended, or when it is accepted that somebody else has signed it. It leaves alone what belongs to an operation that was
// recorded all the same.
func (s *Service) refused(ticket, id string, err error) error {
	if op, look := s.begun(id); op != nil || look != nil {
		return errors.Join(err, look)
	}
	later := fault.Is(err, metav1.Reason_REASON_OPERATION_CONFLICT) || fault.Is(err, metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT) ||
		fault.Is(err, metav1.Reason_REASON_DEPENDENT_BROKEN) || fault.Is(err, metav1.Reason_REASON_BACKUP_FOLDER_UNFIT)
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

func (s *Service) installDefinition() operation.Definition {
	return operation.Definition{
		Kind:  KindInstall,
		Locks: locks,
		// Its file is discarded when it is undone, so it cannot be begun anew.
		Release: release,
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
				Name: "verify", Weight: 30, Timeout: time.Hour, Do: s.takeArtifact, Undo: s.dropArtifact,
				Leaves: "the package file, which no package uses",
			},
			{
				Name: "snapshot", Weight: 5, Timeout: 24 * time.Hour, Do: s.snapshot, Undo: s.restore,
				Leaves: "the data, which the package may have changed; those from before are a snapshot: 'hearth package snapshots list' tells it",
			},
			{
				Name: "container", Weight: 55, Do: s.setUp, Undo: s.tearDown,
				Leaves: "the service, half set up, with its container and data: uninstall the package to remove them",
			},
			{
				Name: "finish", Weight: 10, Timeout: time.Minute, Do: s.finishInstall, Final: true,
				Leaves: "the uploaded file, and the note that the data were kept; the service is set up and not started",
			},
		},
	}
}

// convert makes a file of today's format of an upload of the first.
func (s *Service) convert(ctx context.Context, r *operation.Run) error {
	r.Progress(0, 0, "", "converting the package file where it is one of StartOS 0.3")
	return s.artifacts.Convert(ctx, r.ID())
}

func (s *Service) takeArtifact(ctx context.Context, r *operation.Run) error {
	_, err := s.artifacts.Take(ctx, r.ID(), func(done, total uint64) {
		r.Progress(done, total, "bytes", "verifying the package file")
	})
	return err
}

// taken is the id of the file that the operation is about.
func (s *Service) taken(r *operation.Run) (string, error) {
	return s.artifacts.Taken(r.ID())
}

// discard forgets the upload.
func (s *Service) discard(r *operation.Run) error { return s.artifacts.Discard(r.ID()) }

// dropArtifact leaves a file alone that a package runs from, or could go back to. The file is found by the operation:
// Take may have been cut off before its result was remembered.
func (s *Service) dropArtifact(ctx context.Context, r *operation.Run) error {
	id, err := s.taken(r)
	if err != nil {
		return err
	}
	if err := s.discard(r); err != nil {
		return err
	}
	return s.dropFile(ctx, id, "")
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
	id, err := s.taken(r)
	if err != nil {
		return err
	}
	err = r.Commit(ctx, func(tx *store.Tx) error {
		_, ok, err := store.Lookup[*packagesv1.Package](tx, r.Target())
		if err != nil || ok {
			return err // written before a crash
		}
		art, err := store.Get[*packagesv1.Artifact](tx, id)
		if err != nil {
			return err
		}
		row := &packagesv1.Package{
			Meta: &metav1.Meta{Id: r.Target()},
			Spec: &packagesv1.PackageSpec{Desired: packagesv1.PackageSpec_DESIRED_STOPPED, Operation: r.ID(), InitKind: initKind(version)},
		}
		want(row.Spec, id, art, r)
		if dir := r.Param(paramDirectory); dir != "" {
			folder, err := s.folder(dir)
			if err != nil {
				return err
			}
			row.Spec.InitKind = packagesv1.PackageSpec_INIT_KIND_RESTORE
			row.Spec.RestoreFrom = filepath.Join(folder.Path(), folder.Whole(r.Target()))
		}
		if hasData {
			r.SetMemoIn(tx, memoData, "yes")
			r.SetMemoIn(tx, memoTouched, "yes")
		}
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	return s.awaitInit(ctx, r, id)
}

// tearDown takes the package off again. Data that were there before stay, to be made what they were.
func (s *Service) tearDown(ctx context.Context, r *operation.Run) error {
	if err := s.takeDown(ctx, r); err != nil {
		return err
	}
	gone := false
	err := s.store.View(func(tx *store.Tx) error {
		_, ok, err := store.Lookup[*packagesv1.Package](tx, r.Target())
		gone = !ok // not written before the failure, or removed already
		return err
	})
	if err != nil || gone {
		return err
	}
	return s.forgetPackage(ctx, r, r.Memo(memoData) == "yes")
}

func (s *Service) finishInstall(ctx context.Context, r *operation.Run) error {
	err := r.Commit(ctx, func(tx *store.Tx) error {
		row, err := installed(tx, r.Target())
		if err != nil {
			return err
		}
		if row.GetSpec().GetOperation() != r.ID() {
			return nil // written before a crash
		}
		row.Spec.Operation = ""
		row.Spec.InitKind, row.Spec.RestoreFrom = packagesv1.PackageSpec_INIT_KIND_UNSPECIFIED, ""
		if r.Param("start") == "yes" && s.gate(tx, r.Target()) == nil {
			row.Spec.Desired = packagesv1.PackageSpec_DESIRED_RUNNING
		}
		return store.Put(tx, row)
	})
	if err != nil {
		return err
	}
	if err := s.dropSnapshots(ctx, r, func(string) bool { return true }); err != nil {
		return err
	}
	if err := s.data.Unkeep(r.Target()); err != nil {
		return err
	}
	return s.discard(r)
}
