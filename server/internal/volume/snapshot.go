package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"golang.org/x/sys/unix"
)

// reserve stays free on the disk, for the server itself.
const reserve = 512 << 20

// Snapshot is what is known of a snapshot.
type Snapshot struct {
	// Mechanism is how it was made; 0: it is data that were set aside as they were.
	Mechanism tree.Mechanism
	// Size is how large the data are, and not what the snapshot takes on disk: it may share that with the data.
	Size tree.Size
	// Version is of which version the data are, "" where that is not recorded.
	Version string
}

// label is the content of the file .snapshot in the folder of a snapshot, or of data that are about to become one: what
// it is called as such. By it a swap that a crash cut off knows which of two folders is which.
type label struct {
	ID        string         `json:"id"`
	Mechanism tree.Mechanism `json:"mechanism,omitempty"`
	Files     uint64         `json:"files"`
	Bytes     uint64         `json:"bytes"`
}

const labelName = ".snapshot"

func readLabel(dir string) (label, error) {
	var l label
	raw, err := os.ReadFile(filepath.Join(dir, labelName))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &l)
	}
	return l, err
}

// describe reads what a snapshot is.
func describe(dir string) (Snapshot, error) {
	l, err := readLabel(dir)
	if err != nil {
		return Snapshot{}, err
	}
	version, err := readVersion(dir)
	return Snapshot{Mechanism: l.Mechanism, Size: tree.Size{Files: l.Files, Bytes: l.Bytes}, Version: version}, err
}

func (l label) write(dir string) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, labelName), raw, 0o600)
}

func (k *Keeper) dataPath(pkg ids.Package) string { return filepath.Join(k.dir, string(pkg)) }

func (k *Keeper) snapshotsPath(pkg ids.Package) string {
	return filepath.Join(k.dir, ".snapshots", string(pkg))
}

func (k *Keeper) snapshotPath(pkg ids.Package, id string) string {
	return filepath.Join(k.snapshotsPath(pkg), id)
}

func there(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// makeData makes the folder of a package's data, in a way that lets it be snapshotted well. Its name is durable.
func (k *Keeper) makeData(pkg ids.Package) error {
	err := tree.Make(k.dataPath(pkg), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = atomicfile.SyncDir(k.dir)
	}
	if err != nil {
		return fmt.Errorf("cannot make the folder for the data of package %q: %w", pkg, err)
	}
	return nil
}

// Snapshot makes a snapshot of all volumes of a package, with the version of the data, by the best mechanism there is.
// It is whole and durable on return, or not there; repeating it is harmless. Nothing must run on the data: a snapshot is
// refused while they are written to, where data are missing, and where the disk has too little room for it.
func (k *Keeper) Snapshot(ctx context.Context, pkg ids.Package, id string, progress func(done, total uint64)) (Snapshot, error) {
	target := k.snapshotPath(pkg, id)
	if done, err := there(target); err != nil {
		return Snapshot{}, err
	} else if done {
		return describe(target)
	}
	// A snapshot remembers what is in it, and no folder that was emptied since.
	if err := errors.Join(k.Whole(pkg), k.Remember(pkg)); err != nil {
		return Snapshot{}, err
	}
	if err := errors.Join(k.makeData(pkg), os.MkdirAll(k.snapshotsPath(pkg), 0o700), k.removePartial(ctx, pkg, id)); err != nil {
		return Snapshot{}, err
	}
	partial := k.partialPath(pkg, id)
	how, size, err := tree.Snapshot(ctx, k.dataPath(pkg), partial, tree.Options{Reserve: reserve, Progress: progress})
	if err != nil {
		return Snapshot{}, refusal(pkg, err)
	}
	l := label{ID: id, Mechanism: how, Files: size.Files, Bytes: size.Bytes}
	if err := errors.Join(l.write(partial), os.Rename(partial, target)); err != nil {
		return Snapshot{}, fmt.Errorf("cannot keep the snapshot of package %q: %w", pkg, err)
	}
	if err := k.syncSnapshots(pkg); err != nil {
		return Snapshot{}, err
	}
	return describe(target)
}

// Moment makes a snapshot of all volumes of a package by sharing blocks with them, for one operation that reads it while
// the service writes on, and answers where it is; "" where that cannot be: the file system has no such thing or too little
// room, or the data are being written to. It belongs to no list, and whoever made it removes it by RemoveSnapshot; what a
// crash leaves goes with the next Sweep.
func (k *Keeper) Moment(ctx context.Context, pkg ids.Package, id string) (string, error) {
	if err := errors.Join(k.Whole(pkg), k.removePartial(ctx, pkg, id)); err != nil {
		return "", err
	}
	path := k.partialPath(pkg, id)
	err := tree.Moment(ctx, k.dataPath(pkg), path, reserve)
	var full *tree.NoRoom
	switch {
	case err == nil:
		return path, nil
	case errors.As(err, &full), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT),
		errors.Is(err, tree.ErrUnshared), errors.Is(err, tree.ErrBusy), errors.Is(err, tree.ErrMount):
		return "", nil
	}
	return "", fmt.Errorf("cannot snapshot the data of package %q: %w", pkg, err)
}

func (k *Keeper) partialPath(pkg ids.Package, id string) string {
	return filepath.Join(k.dir, ".partial", string(pkg)+"."+id)
}

// removePartial removes what an attempt at a snapshot left that did not come to its end.
func (k *Keeper) removePartial(ctx context.Context, pkg ids.Package, id string) error {
	partial := k.partialPath(pkg, id)
	return errors.Join(tree.Remove(ctx, partial), tree.Remove(ctx, partial+".links"))
}

func (k *Keeper) syncSnapshots(pkg ids.Package) error {
	return errors.Join(atomicfile.SyncDir(k.snapshotsPath(pkg)), atomicfile.SyncDir(filepath.Dir(k.snapshotsPath(pkg))))
}

// refusal turns what keeps a snapshot from being made into what people can do about.
func refusal(pkg ids.Package, err error) error {
	var full *tree.NoRoom
	switch {
	case errors.As(err, &full):
		return fault.New(metav1.Reason_REASON_DISK_FULL, "cannot snapshot the data of %q: %s are needed and %s are free", pkg, fault.Bytes(full.Needed), fault.Bytes(full.Free)).
			With("package", pkg).With("needed", full.Needed).With("free", full.Free)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault.New(metav1.Reason_REASON_DISK_FULL, "cannot snapshot the data of %q: the disk became full: %w", pkg, err).With("package", pkg)
	case errors.Is(err, tree.ErrBusy):
		return fault.New(metav1.Reason_REASON_SNAPSHOT_BUSY, "cannot snapshot the data of %q: they are being written to", pkg).With("package", pkg)
	}
	return fmt.Errorf("cannot snapshot the data of package %q: %w", pkg, err)
}

// Swap makes a snapshot the data of a package, and what were the data a snapshot by the name of aside. The two change
// places in one instant: whenever the machine stops, the data are one or the other, whole. Repeating it is harmless, and
// Swap(pkg, aside, from) undoes it.
func (k *Keeper) Swap(ctx context.Context, pkg ids.Package, from, aside string) (Snapshot, error) {
	data, source, target := k.dataPath(pkg), k.snapshotPath(pkg, from), k.snapshotPath(pkg, aside)
	done, err := there(target)
	if err != nil {
		return Snapshot{}, err
	}
	if !done {
		if err := k.Unheld(pkg); err != nil {
			return Snapshot{}, err
		}
		if err := k.exchange(ctx, pkg, source, aside); err != nil {
			return Snapshot{}, err
		}
		if err := os.Rename(source, target); err != nil {
			return Snapshot{}, fmt.Errorf("cannot set the data of package %q aside: %w", pkg, err)
		}
		if err := k.syncSnapshots(pkg); err != nil {
			return Snapshot{}, err
		}
	}
	if err := os.Remove(filepath.Join(data, labelName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Snapshot{}, err
	}
	return describe(target)
}

// exchange lets the data and a snapshot change places, unless they have: then what lies in the snapshot's place says that
// it is to be set aside.
func (k *Keeper) exchange(ctx context.Context, pkg ids.Package, source, aside string) error {
	if ok, err := there(source); err != nil || !ok {
		return errors.Join(err, fault.New(metav1.Reason_REASON_SNAPSHOT_NOT_FOUND, "the data of the snapshot of %q are gone", pkg).With("package", pkg))
	}
	l, err := readLabel(source)
	if err != nil || l.ID == aside {
		return err
	}
	if err := k.makeData(pkg); err != nil {
		return err
	}
	size, err := tree.Measure(ctx, k.dataPath(pkg))
	if err != nil {
		return err
	}
	if err := (label{ID: aside, Files: size.Files, Bytes: size.Bytes}).write(k.dataPath(pkg)); err != nil {
		return err
	}
	// They count as the package's again when they come back: a container is not made before that.
	if err := k.release(ctx, k.dataPath(pkg)); err != nil {
		return err
	}
	if err := tree.Exchange(k.dataPath(pkg), source); err != nil {
		return err
	}
	return errors.Join(atomicfile.SyncDir(k.dir), k.syncSnapshots(pkg))
}

// Snapshots lists the ids of the snapshots of a package, in ascending order.
func (k *Keeper) Snapshots(pkg ids.Package) ([]string, error) {
	entries, err := os.ReadDir(k.snapshotsPath(pkg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list, err
}

// RemoveSnapshot removes a snapshot for good, also one that did not get whole. It is a no-op where there is none.
func (k *Keeper) RemoveSnapshot(ctx context.Context, pkg ids.Package, id string) error {
	trash := filepath.Join(k.dir, ".trash", string(pkg)+"."+id)
	if err := errors.Join(tree.Remove(ctx, trash), k.removePartial(ctx, pkg, id)); err != nil { // what an attempt before this one did not finish
		return err
	}
	if err := os.Rename(k.snapshotPath(pkg, id), trash); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("cannot remove a snapshot of package %q: %w", pkg, err)
	}
	if err := k.syncSnapshots(pkg); err != nil {
		return err
	}
	err := os.Remove(k.snapshotsPath(pkg))
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(k.snapshotsPath(pkg)))
	}
	if err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return tree.Remove(ctx, trash)
}

// SweepSnapshots removes the snapshots that nobody wants: what an operation left that was given up.
func (k *Keeper) SweepSnapshots(ctx context.Context, wanted func(pkg ids.Package, id string) (bool, error)) error {
	packages, err := os.ReadDir(filepath.Join(k.dir, ".snapshots"))
	if err != nil {
		return err
	}
	for _, p := range packages {
		pkg := ids.Package(p.Name())
		list, err := k.Snapshots(pkg)
		if err != nil {
			return err
		}
		for _, id := range list {
			keep, err := wanted(pkg, id)
			if err == nil && !keep {
				err = k.RemoveSnapshot(ctx, pkg, id)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// measurePatience is how long the data may take to be measured before somebody gets an answer.
const measurePatience = 3 * time.Second

// SnapshotRoom is how many bytes must be free for a snapshot of the data of a package to be made. It is an estimate for
// people: of data that change, or take long to measure, it knows the reserve alone. Snapshot looks again.
func (k *Keeper) SnapshotRoom(ctx context.Context, pkg ids.Package) (uint64, error) {
	if there, err := k.Exists(pkg); err != nil || !there {
		return reserve, err
	}
	ctx, cancel := context.WithTimeout(ctx, measurePatience)
	defer cancel()
	needed, err := tree.SnapshotRoom(ctx, k.dataPath(pkg), k.dir)
	if err != nil {
		return reserve, nil
	}
	return needed + reserve, nil
}
