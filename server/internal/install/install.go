// Package install puts packages onto the server and takes them off, and owns what is wanted of each: the spec of the
// kind package has no other writer.
//
// An operation here never runs a service. It writes what is wanted and waits until the runner reports that it is so,
// or that it cannot be. The package knows neither containers nor the code of packages.
package install

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// Artifacts keeps package files.
type Artifacts interface {
	// Claim takes an uploaded file away from its ticket, for an operation. Repeating it is harmless.
	Claim(ticket, operation string) error
	// Unclaim gives it back. Repeating it is harmless.
	Unclaim(ticket, operation string) error
	// Inspect reads what a claimed file says it is: signature and manifest are checked, the content is not.
	Inspect(ctx context.Context, operation string) (*packagesv1.Artifact, error)
	// NeedsConversion tells whether what was inspected is of the first format; Convert makes a file of today's of it, which takes its
	// place. Other files stay as they are, and repeating it is harmless.
	NeedsConversion(art *packagesv1.Artifact) bool
	Convert(ctx context.Context, operation string) error
	// Describe is Inspect for a file that lies elsewhere and must be that of the commitment.
	Describe(r io.ReaderAt, size int64, c s9pk.Commitment) (*packagesv1.Artifact, error)
	// Receive has the file of an operation written, which may hold what was written before, and claims it then. Repeating it
	// is harmless.
	Receive(operation string, write func(f *os.File) error) error
	// Take verifies every byte of a claimed file and takes it into keeping. Repeating it is harmless.
	Take(ctx context.Context, operation string, progress func(done, total uint64)) (*packagesv1.Artifact, error)
	// Taken is the id under which the file of an operation was recorded, "" where it was not.
	Taken(operation string) (string, error)
	// Discard forgets what an operation claimed. Repeating it is harmless.
	Discard(operation string) error
	// Left lists the files that are not in keeping, and who uses them; Tidy removes those that nobody does. Nobody may be between
	// a claim and the record of its operation meanwhile.
	Left() ([]*packagesv1.StoredItem, error)
	Tidy() error
	// Remove removes a file from keeping. Repeating it is harmless.
	Remove(ctx context.Context, now time.Time, id string) error
}

// Sources find package files in registries and fetch them.
type Sources interface {
	// Find finds the file of a version, or of the newest of a range that the installed version can be updated to, in a
	// registry, or the first that has it; its signatures have been verified.
	Find(ctx context.Context, registry string, w registry.Wanted) (id string, chosen exver.Version, asset registry.Asset, err error)
	// Open gives access to a file where it lies.
	Open(ctx context.Context, registry string, asset registry.Asset) (fetch.File, error)
	// Download writes a file into f, which may hold the beginning of it; every byte of it is verified.
	Download(ctx context.Context, registry string, asset registry.Asset, f *os.File, progress func(done, total uint64)) error
}

// Data keeps the volumes of packages.
type Data interface {
	// Packages lists for which packages there are data.
	Packages() ([]string, error)
	// Exists tells whether there are data of the package, Version which version they are of, "" where that is not recorded.
	Exists(pkg string) (bool, error)
	Version(pkg string) (string, error)
	// Whole refuses where data of the package are missing that there were.
	Whole(pkg string) error
	// SetVersion records the version; "" deletes the record.
	SetVersion(pkg, version string) error
	// Keep records whose data these are and since when they are kept without their package; Unkeep deletes the record.
	Keep(pkg, signer string, since time.Time) error
	Unkeep(pkg string) error
	// KeptOf is whose data these are, as Keep recorded it; "" where it did not.
	KeptOf(pkg string) (signer string, err error)
	// Describe tells what is recorded of data, and measures them.
	Describe(ctx context.Context, pkg string) (*packagesv1.PackageData, error)
	// Remove removes all data of a package; id makes it repeatable.
	Remove(ctx context.Context, pkg, id string) error
	// Snapshot makes a snapshot of the data, whole or not at all. Repeating it is harmless.
	Snapshot(ctx context.Context, pkg, id string, progress func(done, total uint64)) (*packagesv1.SnapshotStatus, error)
	// Moment makes a snapshot that lasts for one operation, in next to no time, and answers where it is; "" where it cannot be
	// made. RemoveSnapshot removes it.
	Moment(ctx context.Context, pkg, id string) (path string, err error)
	// Swap makes a snapshot the data, and the data a snapshot by the name of aside, in one instant. Repeating it is
	// harmless, and Swap(pkg, aside, from) undoes it.
	Swap(ctx context.Context, pkg, from, aside string) (*packagesv1.SnapshotStatus, error)
	// SnapshotRoom is how many bytes must be free for a snapshot of the data to be made.
	SnapshotRoom(ctx context.Context, pkg string) (uint64, error)
	// RemoveSnapshot removes a snapshot. Repeating it is harmless.
	RemoveSnapshot(ctx context.Context, pkg, id string) error
	// SweepSnapshots removes the snapshots that are not wanted.
	SweepSnapshots(ctx context.Context, wanted func(pkg, id string) (bool, error)) error
}

// Logs keeps what services printed.
type Logs interface {
	// Remove removes the log of a package. Repeating it is harmless.
	Remove(ctx context.Context, pkg string) error
}

// Gate refuses to let a service start, in the caller's transaction, for as long as something must be done before.
type Gate func(tx *store.Tx, pkg string) error

// Forget deletes the rows that belong to a package, in the caller's transaction, and answers whether those were all: a
// package may have more than one commit takes. What waits for the package beside its data is left where the data stay.
type Forget func(tx *store.Tx, pkg string, dataStay bool) (all bool, err error)

// Folder is a folder of the machine that packages make backups into. Everything in it is repeatable.
type Folder interface {
	Path() string
	// New is where below it a new backup of a package is written, Whole where a finished one is.
	New(pkg string) string
	Whole(pkg string) string
	// Check refuses where Begin would, before anything is done.
	Check(pkg string) error
	// Begin makes New, empty, and copies the file of the package beside it; Drop removes what there is of it.
	Begin(ctx context.Context, pkg, file string) error
	Drop(ctx context.Context, pkg string) error
	// Finish makes the new backup the one that counts.
	Finish(ctx context.Context, pkg, version, dataVersion string, now time.Time) error
	// Look refuses where there is no whole backup of the package, and tells the version of its data, "" where that is not known.
	Look(pkg string) (dataVersion string, err error)
}

// Code runs the code of packages.
type Code interface {
	// Backup has a package make a backup into the folder sub below dir, of its data or, unless moment is "", of a snapshot of
	// them that lies there.
	Backup(ctx context.Context, pkg, event, dir, sub, moment string) error
	// Freeze has the code of a running package make its data quiet, at most for limit: then it thaws them by itself. apart
	// tells that it can make its backup of a snapshot.
	Freeze(ctx context.Context, pkg, event string, limit time.Duration) (apart bool, err error)
	// Thaw ends that, whether or not they are frozen, and tells whether they were since Freeze.
	Thaw(ctx context.Context, pkg, event string) (held bool, err error)
}

// Machine is what the machine offers to packages.
type Machine interface {
	// Fits refuses a package that asks for hardware which the machine does not have.
	Fits(manifest *s9pk.Manifest) error
	// Room is how many bytes of the disk of the state are free.
	Room() (uint64, error)
}

// Deps are what the area needs.
type Deps struct {
	Store     *store.Store
	Clock     func() time.Time
	Artifacts Artifacts
	// File is where the file of an artifact is.
	File func(artifact string) string
	// Sources are the registries that files come from.
	Sources Sources
	Data    Data
	Logs    Logs
	Gate    Gate
	// Forget is called for everything that other areas keep about a package.
	Forget  Forget
	Code    Code
	Machine Machine
	// Folder opens a folder for backups, or refuses it.
	Folder func(dir string) (Folder, error)
	// Settle is for how long an updated service must be well before that is believed.
	Settle time.Duration
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	code    Code
	machine Machine
	folder  func(dir string) (Folder, error)
	file    func(artifact string) string
	settle  time.Duration

	store     *store.Store
	artifacts Artifacts
	sources   Sources
	data      Data
	logs      Logs
	gate      Gate
	forget    Forget
	clock     func() time.Time

	claims sync.Mutex // guards an upload from its claim until its operation is recorded
}

// New returns the area.
func New(d Deps) *Service {
	return &Service{
		code: d.Code, machine: d.Machine, folder: d.Folder, file: d.File, settle: d.Settle,
		store: d.Store, clock: d.Clock, artifacts: d.Artifacts, sources: d.Sources, data: d.Data, logs: d.Logs, gate: d.Gate, forget: d.Forget,
	}
}

// Definitions are the operations of this area.
func (s *Service) Definitions() []operation.Definition {
	return []operation.Definition{
		s.installDefinition(), s.updateDefinition(), s.rollbackDefinition(), s.uninstallDefinition(), s.deleteDataDefinition(), s.deleteSnapshotDefinition(), s.backupDefinition(), s.collectDefinition(),
	}
}

// locks says that operations on one package exclude each other.
func locks(op *operationsv1.Operation) []string {
	return []string{"package/" + op.GetSpec().GetTarget()}
}

// release takes the mark of an operation off its package.
func release(tx *store.Tx, op *operationsv1.Operation) error {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, op.GetSpec().GetTarget())
	if err != nil || !ok || row.GetSpec().GetOperation() != op.GetMeta().GetId() {
		return err
	}
	row.Spec.Operation = ""
	return store.Put(tx, row)
}

// Start asks for the service to run. It is refused while an operation holds the package or the gate is shut; with force the
// gate does not count, until the service is stopped. It is refused where data are missing. One that rests because it has failed is tried at once.
func (s *Service) Start(ctx context.Context, now time.Time, pkg string, force bool) (*packagesv1.Package, error) {
	if err := s.data.Whole(pkg); err != nil {
		return nil, err
	}
	return s.change(ctx, now, pkg, func(tx *store.Tx, row *packagesv1.Package) error {
		if !force {
			if err := s.gate(tx, pkg); err != nil {
				return err
			}
		}
		if wantsRunning(row) && row.GetStatus().GetState() == packagesv1.PackageStatus_STATE_FAILED {
			row.Spec.Restarts++ // something new to answer to
		}
		row.Spec.Desired, row.Spec.PastTasks = packagesv1.PackageSpec_DESIRED_RUNNING, force
		row.Spec.StoppedFor = nil
		return nil
	})
}

func wantsRunning(row *packagesv1.Package) bool {
	return row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_RUNNING
}

// Stop asks for the service not to run. Asking twice changes nothing.
func (s *Service) Stop(ctx context.Context, now time.Time, pkg string) (*packagesv1.Package, error) {
	return s.change(ctx, now, pkg, func(_ *store.Tx, row *packagesv1.Package) error {
		row.Spec.Desired, row.Spec.PastTasks = packagesv1.PackageSpec_DESIRED_STOPPED, false
		row.Spec.StoppedFor = nil
		return nil
	})
}

// Halt wants a service stopped for a reason of the server's own, until somebody starts it, and answers whether that is
// news. Unlike Stop it does not wait for an operation: that one wants it stopped then, or finds it so.
func (s *Service) Halt(ctx context.Context, now time.Time, pkg string, why error) (news bool, err error) {
	_, err = s.store.Update(store.WithUrgency(ctx), now, func(tx *store.Tx) error { // the disk may be full
		row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if err != nil || !ok || !wantsRunning(row) {
			return err
		}
		news = true
		row.Spec.Desired, row.Spec.StoppedFor = packagesv1.PackageSpec_DESIRED_STOPPED, fault.Proto(why)
		return store.Put(tx, row)
	})
	return news, err
}

// Rebuild asks for a new container of the same file; the service runs or rests afterwards as it did. Where data are missing
// it is refused.
func (s *Service) Rebuild(ctx context.Context, now time.Time, pkg string) (*packagesv1.Package, error) {
	if err := s.data.Whole(pkg); err != nil {
		return nil, err
	}
	return s.change(ctx, now, pkg, func(_ *store.Tx, row *packagesv1.Package) error {
		if row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_ABSENT {
			return fault.New(metav1.Reason_REASON_PACKAGE_STATE, "cannot rebuild %q: it shall have no container; start it instead", pkg).With("package", pkg)
		}
		row.Spec.Rebuilds++
		return nil
	})
}

// mayRun is the gate for a service, which is open to one that was started past it.
func (s *Service) mayRun(tx *store.Tx, row *packagesv1.Package) error {
	if row.GetSpec().GetPastTasks() {
		return nil
	}
	return s.gate(tx, row.GetMeta().GetId())
}

// Restart asks for one stop and start of a service that is wanted running; otherwise it is refused.
func (s *Service) Restart(ctx context.Context, now time.Time, pkg string) (*packagesv1.Package, error) {
	return s.change(ctx, now, pkg, func(tx *store.Tx, row *packagesv1.Package) error {
		if !wantsRunning(row) {
			return fault.New(metav1.Reason_REASON_PACKAGE_STATE, "cannot restart %q: the service is not running; start it instead", pkg).With("package", pkg)
		}
		if err := s.mayRun(tx, row); err != nil {
			return err
		}
		row.Spec.Restarts++
		return nil
	})
}

// StopIn is Stop inside the transaction of a caller in another area, for whom a task shuts the gate. A package that is
// being removed stays so, and one that a person started past its tasks.
func (s *Service) StopIn(tx *store.Tx, pkg string) error {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil || !ok || row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_ABSENT || row.GetSpec().GetPastTasks() {
		return err
	}
	row.Spec.Desired = packagesv1.PackageSpec_DESIRED_STOPPED
	return store.Put(tx, row)
}

// RestartIn asks for one stop and start of a service that is wanted running, and does nothing otherwise: it is what
// the code of a package asks for itself.
func (s *Service) RestartIn(tx *store.Tx, pkg string) error {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil || !ok || !wantsRunning(row) {
		return err
	}
	row.Spec.Restarts++
	return store.Put(tx, row)
}

// RebuildIn asks for a new container of a package, in the caller's transaction. A package that is not there, or whose
// container shall go, is none.
func (s *Service) RebuildIn(tx *store.Tx, pkg string) error {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil || !ok || row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_ABSENT {
		return err
	}
	row.Spec.Rebuilds++
	return store.Put(tx, row)
}

// heldBy refuses to change a package that an operation works on.
func heldBy(row *packagesv1.Package) error {
	op := row.GetSpec().GetOperation()
	if op == "" {
		return nil
	}
	return fault.New(metav1.Reason_REASON_OPERATION_CONFLICT, "cannot change %q: operation %s holds it", row.GetMeta().GetId(), op).With("operation", op)
}

// change reads a package, lets fn change its spec and writes it, in one commit.
func (s *Service) change(ctx context.Context, now time.Time, pkg string, fn func(*store.Tx, *packagesv1.Package) error) (*packagesv1.Package, error) {
	var after *packagesv1.Package
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, err := installed(tx, pkg)
		if err != nil {
			return err
		}
		if err := heldBy(row); err != nil {
			return err
		}
		if err := fn(tx, row); err != nil {
			return err
		}
		if err := store.Put(tx, row); err != nil {
			return err
		}
		after, err = installed(tx, pkg)
		return err
	})
	return after, err
}

func installed(tx *store.Tx, pkg string) (*packagesv1.Package, error) {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err == nil && !ok {
		err = fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
	}
	return row, err
}

// await waits until done says so of the package's row; a row that is gone is nil. It holds no lock.
func await(ctx context.Context, st *store.Store, pkg string, done func(*packagesv1.Package) (bool, error)) error {
	watcher, err := st.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "package", ID: pkg}}})
	if err != nil {
		return err
	}
	var row *packagesv1.Package
	for {
		batch, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		for _, c := range batch.Changes {
			row, _ = c.Row.(*packagesv1.Package)
		}
		if !batch.Bookmark {
			continue
		}
		if ok, err := done(row); ok || err != nil {
			return err
		}
	}
}

// failed returns the fault of a package whose runner has answered this generation of the spec with a failure.
func failed(row *packagesv1.Package) error {
	if row.GetStatus().GetState() != packagesv1.PackageStatus_STATE_FAILED ||
		row.GetStatus().GetObservedGeneration() < row.GetMeta().GetGeneration() {
		return nil
	}
	if f := row.GetStatus().GetFault(); f != nil {
		return fault.FromProto(proto.CloneOf(f))
	}
	return fault.New(metav1.Reason_REASON_CONTAINER_FAILED, "the service could not be set up")
}
