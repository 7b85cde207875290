// Package artifact keeps package files: it takes uploads, verifies every byte of them once, and keeps each file under
// the hash of its content for as long as a package runs from it. Other parts use a kept file in place and never check
// it again; so nothing may write to one.
//
//	<dir>/<id>.s9pk                     kept, verified
//	<dir>/incoming/<ticket>.<size>      an upload, as package inbox has it
//	<dir>/claimed/<operation>.<size>    a complete upload that an operation is to use; a download, of which every byte
//	                                    was verified while it arrived, is <operation>.verified.<size>
//	<dir>/fetching/<operation>          what has arrived of a download
//	<dir>/fetching/<operation>.converting/   where an upload of the first format is converted
//	<dir>/fetching/<operation>.converted     the whole of what that made, on its way to its claim
//	<dir>/conversion.secret             what the keys are made of that sign what is converted
//
// A ticket is a credential, so it is
// in no row and in no file's content: whoever uses an upload claims it first, and knows it by the operation from then on.
// The package does not decide what is installed.
package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/inbox"
	"github.com/hearthos/hearth/server/internal/store"
)

// reserve stays free on the disk, for the server itself.
const reserve = 512 << 20

var (
	operationPattern = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{26}$`)
	idPattern        = regexp.MustCompile(`^[a-z2-7]{52}$`)
)

// Keeper keeps package files. It is safe for concurrent use.
type Keeper struct {
	dir          string
	architecture string
	store        *store.Store
	log          *slog.Logger
	clock        func() time.Time
	uploads      *inbox.Box
	converter    Converter

	mu      sync.Mutex // guards checked
	checked map[checkedKey]bool
}

// New returns a keeper over dir for packages of one architecture; files of the first format become today's by the converter. The
// folder is made when it is absent; uploads that have lain unused are removed.
func New(dir, architecture string, st *store.Store, converter Converter, log *slog.Logger, clock func() time.Time) (*Keeper, error) {
	uploads, err := inbox.Open(filepath.Join(dir, "incoming"), reserve, clock)
	if err != nil {
		return nil, err
	}
	k := &Keeper{dir: dir, architecture: architecture, store: st, log: log, clock: clock, uploads: uploads, converter: converter, checked: map[checkedKey]bool{}}
	// What a server claimed or fetched that then ended before it recorded the operation, nobody can use any more.
	for _, dir := range []string{k.claimed(), k.fetching()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the folder for package files: %w", err)
		}
		if err := k.abandon(dir); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (k *Keeper) claimed() string { return filepath.Join(k.dir, "claimed") }

func (k *Keeper) fetching() string { return filepath.Join(k.dir, "fetching") }

// Path is where a kept file is.
func (k *Keeper) Path(id string) string { return filepath.Join(k.dir, id+".s9pk") }

// abandon removes from a folder what no operation that is under way has there.
func (k *Keeper) abandon(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		operation, _, _ := strings.Cut(e.Name(), ".")
		if k.isUnderWay(operation) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// isUnderWay tells whether an operation may still use what it claimed; where that cannot be read it may.
func (k *Keeper) isUnderWay(operation string) bool {
	under := true
	_ = k.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*operationsv1.Operation](tx, operation)
		under = err != nil || ok && row.GetStatus().GetEndTime() == nil
		return err
	})
	return under
}

// Uploads are the files that arrive.
func (k *Keeper) Uploads() *inbox.Box { return k.uploads }

// find returns path and size of what an operation claimed.
func (k *Keeper) find(operation string) (path string, size int64, err error) {
	if operationPattern.MatchString(operation) {
		path, size, err = inbox.Lookup(k.claimed(), operation)
	}
	if path == "" || err != nil {
		return "", 0, fault.New(metav1.Reason_REASON_TRANSFER_NOT_FOUND, "the upload is unknown, used up or expired")
	}
	return path, size, nil
}

// Claim takes an upload that has all its bytes away from its ticket and keeps it for an operation, for as long as that is
// under way. Nobody can write to it any more. It is durable when Claim returns, and repeating it is harmless.
func (k *Keeper) Claim(ticket, operation string) error {
	if _, _, err := k.find(operation); err == nil {
		return nil
	}
	if !operationPattern.MatchString(operation) {
		return fmt.Errorf("cannot claim an upload for an operation with the id %q", operation)
	}
	u, err := k.uploads.Open(ticket)
	if err != nil {
		return err
	}
	defer u.Close()
	if err := u.Whole(); err != nil {
		return err
	}
	if err := u.TakeTo(filepath.Join(k.claimed(), fmt.Sprintf("%s.%d", operation, u.Size()))); err != nil {
		return err
	}
	return k.syncUploads()
}

// Unclaim gives an upload back to its ticket, when the operation was not begun. Repeating it is harmless.
func (k *Keeper) Unclaim(ticket, operation string) error {
	path, size, err := k.find(operation)
	if err != nil {
		return nil // it was not claimed, or is given back already
	}
	now := k.clock() // how long it may lie unused begins anew
	if err := errors.Join(os.Chtimes(path, now, now), os.Rename(path, k.uploads.Path(ticket, size))); err != nil {
		return fmt.Errorf("cannot give an upload back: %w", err)
	}
	return k.syncUploads()
}

func (k *Keeper) syncUploads() error {
	return errors.Join(atomicfile.SyncDir(k.claimed()), atomicfile.SyncDir(k.uploads.Dir()))
}

// open opens what an operation claimed.
func (k *Keeper) open(operation string) (*os.File, int64, error) {
	path, size, err := k.find(operation)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	return f, size, err
}

// Inspect reads what a claimed file says it is: signature, tables and manifest are checked, and that this machine can
// run it; the content is not.
func (k *Keeper) Inspect(_ context.Context, operation string) (*packagesv1.Artifact, error) {
	f, size, err := k.open(operation)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	art, _, err := k.inspect(f, size)
	return art, err
}

// inspect is Inspect for a file that is open, which may be of the first format; the icon is told with it.
func (k *Keeper) inspect(f *os.File, size int64) (*packagesv1.Artifact, *packagesv1.Document, error) {
	if legacy.Is(f) {
		return k.inspectOld(f, size)
	}
	file, err := s9pk.Open(f, size, s9pk.Options{})
	if err != nil {
		return nil, nil, refusal(err)
	}
	art, err := k.describe(file, size)
	if err != nil {
		return nil, nil, err
	}
	icon, err := k.document(file, packagesv1.Document_KIND_ICON, MaxDocument)
	if err != nil { // an icon that cannot be read is no reason not to show the rest; the installation verifies all
		icon = &packagesv1.Document{Kind: packagesv1.Document_KIND_ICON}
	}
	return art, icon, nil
}

// InspectUpload reads what an upload that has all its bytes says it is, as Inspect does, and its icon.
func (k *Keeper) InspectUpload(ticket string) (*packagesv1.Artifact, *packagesv1.Document, error) {
	path, size, err := k.uploads.Find(ticket)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != size {
		return nil, nil, errors.Join(err, fault.New(metav1.Reason_REASON_TRANSFER_INCOMPLETE, "cannot read the upload: not all of its %d bytes have arrived", size).With("size", size))
	}
	return k.inspect(f, size)
}

// describe makes the row of a file, or refuses a file that this machine cannot run.
func (k *Keeper) describe(file *s9pk.File, size int64) (*packagesv1.Artifact, error) {
	m := file.Manifest()
	if _, err := ids.ParseNewPackage(string(m.ID)); err != nil {
		return nil, fault.New(metav1.Reason_REASON_PACKAGE_FILE_INVALID, "cannot install the package: %s", err.Error())
	}
	if err := m.CheckOSVersion(); err != nil {
		return nil, refusal(err)
	}
	if _, err := file.Layout(k.architecture); err != nil {
		return nil, refusal(err)
	}
	return &packagesv1.Artifact{
		Meta: &metav1.Meta{Id: file.Commitment().Name()},
		Spec: &packagesv1.ArtifactSpec{
			PackageId: string(m.ID), Version: m.Version.String(), Title: m.Title, Description: m.Description.Short.In("en_US"),
			Size: uint64(size), Signer: file.Signer().PEM(), Manifest: file.ManifestJSON(), Architecture: k.architecture,
		},
	}, nil
}

// labelOperation marks the row of a file with the operation that took it, so that taking it again finds it.
const labelOperation = "operation"

// Take verifies every byte of a claimed file, records it and moves it into keeping. Repeating it is harmless, also
// after a crash at any point: until the move the claim is there, after it the row leads to the file. Nobody writes to
// what is claimed, and nobody finds it afterwards, so what was verified is what is kept.
func (k *Keeper) Take(ctx context.Context, operation string, progress func(done, total uint64)) (*packagesv1.Artifact, error) {
	if row, err := k.taken(operation); row != nil || err != nil {
		return row, err
	}
	f, size, err := k.open(operation)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	row, err := k.verify(ctx, f, size, progress)
	if err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("cannot secure the package file: %w", err)
	}
	row.Meta.Labels = map[string]string{labelOperation: operation}
	if _, err := k.store.Update(ctx, k.clock(), func(tx *store.Tx) error { return store.Put(tx, row) }); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), k.Path(row.GetMeta().GetId())); err != nil {
		return nil, fmt.Errorf("cannot keep the package file: %w", err)
	}
	return row, atomicfile.SyncDir(k.dir)
}

// taken is the row of a file that this operation took and that is in keeping, or nil.
func (k *Keeper) taken(operation string) (*packagesv1.Artifact, error) {
	found, err := k.recorded(operation)
	if err != nil || found == nil {
		return nil, err
	}
	if _, _, err := k.find(operation); err == nil {
		return nil, nil // recorded, and not moved yet
	}
	return found, nil
}

// Taken is the id under which the file of an operation was recorded, also when it was not moved into keeping yet; ""
// where it was not.
func (k *Keeper) Taken(operation string) (string, error) {
	row, err := k.recorded(operation)
	return row.GetMeta().GetId(), err
}

func (k *Keeper) recorded(operation string) (*packagesv1.Artifact, error) {
	var found *packagesv1.Artifact
	err := k.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Artifact](tx, "")
		for _, row := range rows {
			if row.GetMeta().GetLabels()[labelOperation] == operation {
				found = row
			}
		}
		return err
	})
	return found, err
}

// verify checks a whole file and makes its row.
func (k *Keeper) verify(ctx context.Context, f *os.File, size int64, progress func(done, total uint64)) (*packagesv1.Artifact, error) {
	file, err := s9pk.Open(f, size, s9pk.Options{})
	if err != nil {
		return nil, refusal(err)
	}
	row, err := k.describe(file, size)
	if err != nil {
		return nil, err
	}
	if !isVerified(f.Name()) {
		if err := file.VerifyAll(ctx, func(done, total int64) { progress(uint64(done), uint64(total)) }); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, refusal(err)
		}
	}
	// Bytes that nobody signed would lie here for as long as the package does.
	if err := file.CheckNoMore(); err != nil {
		return nil, refusal(err)
	}
	return row, nil
}

// Discard forgets what an operation claimed or received.
func (k *Keeper) Discard(operation string) error {
	if operationPattern.MatchString(operation) {
		for _, left := range []string{operation, operation + ".converting", operation + ".converted"} {
			if err := os.RemoveAll(filepath.Join(k.fetching(), left)); err != nil {
				return err
			}
		}
	}
	path, _, err := k.find(operation)
	if err != nil {
		return nil // it is forgotten already
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Remove removes a file from keeping, and its row.
func (k *Keeper) Remove(ctx context.Context, now time.Time, id string) error {
	if !idPattern.MatchString(id) {
		return fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no package file %q", id)
	}
	_, err := k.store.Update(ctx, now, func(tx *store.Tx) error { return store.Delete[*packagesv1.Artifact](tx, id) })
	if err != nil {
		return err
	}
	if err := os.Remove(k.Path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Sweep removes files that no row stands for: what a crash left between keeping and recording.
func (k *Keeper) Sweep() error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".s9pk")
		if !ok {
			continue
		}
		known := false
		err := k.store.View(func(tx *store.Tx) error {
			var err error
			_, known, err = store.Lookup[*packagesv1.Artifact](tx, id)
			return err
		})
		if err != nil {
			return err
		}
		if !known {
			if err := os.Remove(filepath.Join(k.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// refusal turns the reason a package file is refused for into the reason callers know.
func refusal(err error) error {
	reason, ok := s9pk.Fault(s9pk.ReasonOf(err))
	if !ok {
		return err
	}
	var refused *s9pk.Error
	errors.As(err, &refused)
	return fault.New(reason, "cannot use the package file: %s", refused.Error()).With("s9pk_reason", string(refused.Reason))
}
