// Package artifact keeps package files: it takes uploads, verifies every byte of them once, and keeps each file under
// the hash of its content for as long as a package runs from it. Other parts use a kept file in place and never check
// it again; so nothing may write to one.
//
//	<dir>/<id>.s9pk                     kept, verified
//	<dir>/incoming/<ticket>.<size>      an upload, complete when it has its size
//	<dir>/claimed/<operation>.<size>    a complete upload, or download, that an operation is to use
//	<dir>/fetching/<operation>          what has arrived of a download
//
// Uploads survive a restart of the daemon: their name is all there is to know of them. A ticket is a credential, so it is
// in no row and in no file's content: whoever uses an upload claims it first, and knows it by the operation from then on.
// The package does not decide what is installed.
package artifact

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/store"
	"golang.org/x/sys/unix"
)

const (
	// maxUpload bounds an announced size: 1 TiB.
	maxUpload = 1 << 40
	// maxUploads bounds how many uploads may be under way.
	maxUploads = 64
	// reserve stays free on the disk, for the server itself.
	reserve = 512 << 20
	// uploadLife is how long an upload may lie unused.
	uploadLife = time.Hour
)

var (
	ticketPattern    = regexp.MustCompile(`^[0-9a-f]{32}$`)
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

	mu      sync.Mutex      // guards writing
	writing map[string]bool // uploads with a writer
}

// New returns a keeper over dir for packages of one architecture. The folder is made when it is absent; uploads that
// have lain unused are removed.
func New(dir, architecture string, st *store.Store, log *slog.Logger, clock func() time.Time) (*Keeper, error) {
	k := &Keeper{dir: dir, architecture: architecture, store: st, log: log, clock: clock, writing: map[string]bool{}}
	for _, dir := range []string{k.incoming(), k.claimed(), k.fetching()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the folder for package files: %w", err)
		}
	}
	if _, err := k.expire(k.incoming(), uploadLife, k.isWriting); err != nil {
		return nil, err
	}
	// What a server claimed that then ended before it recorded the operation, nobody can use any more.
	if _, err := k.expire(k.claimed(), 0, k.isUnderWay); err != nil {
		return nil, err
	}
	_, err := k.expire(k.fetching(), 0, k.isUnderWay)
	return k, err
}

func (k *Keeper) incoming() string { return filepath.Join(k.dir, "incoming") }

func (k *Keeper) claimed() string { return filepath.Join(k.dir, "claimed") }

func (k *Keeper) fetching() string { return filepath.Join(k.dir, "fetching") }

// Path is where a kept file is.
func (k *Keeper) Path(id string) string { return filepath.Join(k.dir, id+".s9pk") }

// expire counts the files in a folder of uploads and removes those that have lain unused for a time, unless they are held.
func (k *Keeper) expire(dir string, life time.Duration, held func(name string) bool) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	count := 0
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		name, _, _ := strings.Cut(e.Name(), ".")
		if life > 0 && k.clock().Sub(info.ModTime()) < life || held(name) {
			count++
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return count, nil
}

func (k *Keeper) isWriting(ticket string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.writing[ticket]
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

// CreateUpload opens an upload of the given size and returns its ticket. It is refused where the disk has no room.
func (k *Keeper) CreateUpload(_ context.Context, now time.Time, size uint64) (string, error) {
	if size > maxUpload {
		return "", fault.New(metav1.Reason_REASON_PACKAGE_FILE_LIMIT, "cannot take a file of %d bytes: at most %d are allowed", size, uint64(maxUpload))
	}
	var fsStat unix.Statfs_t
	if err := unix.Statfs(k.dir, &fsStat); err != nil {
		return "", err
	}
	if free := fsStat.Bavail * uint64(fsStat.Bsize); free < size+reserve {
		return "", fault.New(metav1.Reason_REASON_DISK_FULL, "cannot take a file of %d bytes: %d bytes are free and %d stay reserved", size, free, uint64(reserve)).
			With("needed", size+reserve).With("free", free)
	}
	count, err := k.expire(k.incoming(), uploadLife, k.isWriting)
	if err != nil {
		return "", err
	}
	if count >= maxUploads {
		return "", fault.New(metav1.Reason_REASON_PACKAGE_STATE, "cannot begin an upload: %d are under way", count)
	}
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	ticket := hex.EncodeToString(raw[:])
	f, err := os.OpenFile(k.uploadPath(ticket, int64(size)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	return ticket, f.Close()
}

func (k *Keeper) uploadPath(ticket string, size int64) string {
	return filepath.Join(k.incoming(), ticket+"."+strconv.FormatInt(size, 10))
}

// find returns path and announced size of an upload, or of what an operation claimed.
func (k *Keeper) find(dir, name string) (string, int64, error) {
	unknown := fault.New(metav1.Reason_REASON_TRANSFER_NOT_FOUND, "the upload is unknown, used up or expired")
	known := ticketPattern
	if dir == k.claimed() {
		known = operationPattern
	}
	if !known.MatchString(name) {
		return "", 0, unknown
	}
	matches, err := filepath.Glob(filepath.Join(dir, name+".*"))
	if err != nil || len(matches) != 1 {
		return "", 0, unknown
	}
	size, err := strconv.ParseInt(strings.TrimPrefix(filepath.Ext(matches[0]), "."), 10, 64)
	if err != nil {
		return "", 0, unknown
	}
	return matches[0], size, nil
}

// Claim takes an upload that has all its bytes away from its ticket and keeps it for an operation, for as long as that is
// under way. Nobody can write to it any more. It is durable when Claim returns, and repeating it is harmless.
func (k *Keeper) Claim(ticket, operation string) error {
	if _, _, err := k.find(k.claimed(), operation); err == nil {
		return nil
	}
	if !operationPattern.MatchString(operation) {
		return fmt.Errorf("cannot claim an upload for an operation with the id %q", operation)
	}
	u, err := k.OpenUpload(ticket)
	if err != nil {
		return err
	}
	defer u.Close()
	have, err := u.Received()
	if err != nil {
		return err
	}
	if have != u.size {
		return fault.New(metav1.Reason_REASON_TRANSFER_INCOMPLETE, "cannot use the upload: %d of %d bytes have arrived", have, u.size).
			With("received", have).With("size", u.size)
	}
	return k.move(u.file.Name(), filepath.Join(k.claimed(), fmt.Sprintf("%s.%d", operation, u.size)))
}

// Unclaim gives an upload back to its ticket, when the operation was not begun. Repeating it is harmless.
func (k *Keeper) Unclaim(ticket, operation string) error {
	path, size, err := k.find(k.claimed(), operation)
	if err != nil {
		return nil // it was not claimed, or is given back already
	}
	return k.move(path, k.uploadPath(ticket, size))
}

// move moves an upload between its folders; how long it may lie unused begins anew.
func (k *Keeper) move(from, to string) error {
	now := k.clock()
	if err := errors.Join(os.Chtimes(from, now, now), os.Rename(from, to)); err != nil {
		return fmt.Errorf("cannot move an upload: %w", err)
	}
	return errors.Join(atomicfile.SyncDir(k.claimed()), atomicfile.SyncDir(k.incoming()))
}

// open opens what an operation claimed.
func (k *Keeper) open(operation string) (*os.File, int64, error) {
	path, size, err := k.find(k.claimed(), operation)
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
	file, err := s9pk.Open(f, size, s9pk.Options{})
	if err != nil {
		return nil, refusal(err)
	}
	return k.describe(file, size)
}

// InspectUpload reads what an upload that has all its bytes says it is, as Inspect does, and its icon.
func (k *Keeper) InspectUpload(ticket string) (*packagesv1.Artifact, *packagesv1.Document, error) {
	path, size, err := k.find(k.incoming(), ticket)
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
	file, err := s9pk.Open(f, size, s9pk.Options{})
	if err != nil {
		return nil, nil, refusal(err)
	}
	art, err := k.describe(file, size)
	if err != nil {
		return nil, nil, err
	}
	icon, err := k.document(file, packagesv1.Document_KIND_ICON)
	if err != nil { // an icon that cannot be read is no reason not to show the rest; the installation verifies all
		icon = &packagesv1.Document{Kind: packagesv1.Document_KIND_ICON}
	}
	return art, icon, nil
}

// maxDocument bounds what is read of a package for people to see; larger ones count as absent.
const maxDocument = 1 << 20

// Document reads what a kept file brings for people to see.
func (k *Keeper) Document(id string, kind packagesv1.Document_Kind) (*packagesv1.Document, error) {
	if !idPattern.MatchString(id) {
		return nil, fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no package file %q", id)
	}
	f, err := os.Open(k.Path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no package file %q", id)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
	if err != nil {
		return nil, refusal(err)
	}
	return k.document(file, kind)
}

func (k *Keeper) document(file *s9pk.File, kind packagesv1.Document_Kind) (*packagesv1.Document, error) {
	layout, err := file.Layout(k.architecture)
	if err != nil {
		return nil, refusal(err)
	}
	path, mediaType := "", "text/markdown"
	switch kind {
	case packagesv1.Document_KIND_ICON:
		path = layout.Icon
		mediaType = s9pk.IconType(path)
	case packagesv1.Document_KIND_INSTRUCTIONS:
		path = layout.Instructions
	case packagesv1.Document_KIND_LICENSE:
		path = s9pk.PathLicense
	}
	if e, ok := file.Lookup(path); path == "" || !ok || e.Size > maxDocument {
		return nil, fault.New(metav1.Reason_REASON_NOT_FOUND, "the package has no such document").With("kind", kind)
	}
	content, err := file.ReadFile(path, maxDocument)
	if err != nil {
		return nil, refusal(err)
	}
	return &packagesv1.Document{Kind: kind, MediaType: mediaType, Content: content}, nil
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
	if _, _, err := k.find(k.claimed(), operation); err == nil {
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
	if err := file.VerifyAll(ctx, func(done, total int64) { progress(uint64(done), uint64(total)) }); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, refusal(err)
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
		if err := os.Remove(filepath.Join(k.fetching(), operation)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	path, _, err := k.find(k.claimed(), operation)
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

// Upload is an upload with its one writer.
type Upload struct {
	keeper *Keeper
	ticket string
	file   *os.File
	size   int64
}

// OpenUpload opens an upload for writing; only one writer at a time may have it.
func (k *Keeper) OpenUpload(ticket string) (*Upload, error) {
	path, size, err := k.find(k.incoming(), ticket)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.writing[ticket] {
		return nil, fault.New(metav1.Reason_REASON_CONFLICT, "another transfer writes to this upload")
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	k.writing[ticket] = true
	return &Upload{keeper: k, ticket: ticket, file: f, size: size}, nil
}

// Size is the announced size.
func (u *Upload) Size() int64 { return u.size }

// Received is how many bytes have arrived.
func (u *Upload) Received() (int64, error) {
	info, err := u.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Append writes what r yields behind the bytes that have arrived, up to the announced size, and makes it durable.
func (u *Upload) Append(r io.Reader) (int64, error) {
	have, err := u.Received()
	if err != nil {
		return 0, err
	}
	if _, err := u.file.Seek(have, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.Copy(u.file, io.LimitReader(r, u.size-have))
	if errors.Is(err, unix.ENOSPC) {
		err = fault.New(metav1.Reason_REASON_DISK_FULL, "cannot take the file: the disk is full: %w", err)
	}
	return n, errors.Join(err, u.file.Sync())
}

// Truncate forgets all but the first bytes that have arrived.
func (u *Upload) Truncate(size int64) error { return u.file.Truncate(size) }

// Close gives the upload free for the next writer.
func (u *Upload) Close() error {
	u.keeper.mu.Lock()
	delete(u.keeper.writing, u.ticket)
	u.keeper.mu.Unlock()
	return u.file.Close()
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
