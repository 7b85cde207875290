// Package volume keeps the data of packages: one folder for each volume, with plain owners on disk.
//
// A volume is made when its package is installed and lives until the package is uninstalled; no restart and no new
// container touches it. Before an update the data are snapshotted, and a swap brings a snapshot back. Removal first
// renames, so that a crash leaves either the data or nothing under its name, and Sweep finishes what a crash left. The
// package does not mount anything.
//
//	<dir>/<package>/<volume>/       the data, owners as the container sees them
//	<dir>/<package>/.version        the version of the data, written by the package
//	<dir>/<package>/.filled         which volumes held something, and in which folder
//	<dir>/<package>/.kept           whose data these are and since when, while the package is not installed
//	<dir>/.snapshots/<package>/<id>/ a snapshot: the data and version as they were, and .snapshot, what it is
//	<dir>/.partial/…                snapshots being made
//	<dir>/.held/<package>           locked by what runs on the data
//	<dir>/.trash/…                  being removed
package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/host/tree"
)

// maxVersion bounds the text of a data version; real ones have a few dozen bytes.
const maxVersion = 4096

// Keeper keeps the volumes under one folder. It is safe for concurrent use on different packages.
type Keeper struct {
	dir     string
	release func(ctx context.Context, dir string) error
}

// New returns a keeper over dir, which is made when it is absent. Data that are about to be set aside are given to release,
// so that they no longer count as a package's.
func New(dir string, release func(ctx context.Context, dir string) error) (*Keeper, error) {
	for _, sub := range []string{".trash", ".partial", ".snapshots", ".held"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the folder for volumes: %w", err)
		}
	}
	data, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
	for _, of := range data { // what kills left of records that were being replaced
		err = errors.Join(err, atomicfile.Sweep(filepath.Join(of, keptName)), atomicfile.Sweep(filepath.Join(of, versionName)), atomicfile.Sweep(filepath.Join(of, filledName)))
	}
	return &Keeper{dir: dir, release: release}, err
}

// Path is the folder of a volume; it may not exist.
func (k *Keeper) Path(pkg ids.Package, vol ids.Volume) string {
	return filepath.Join(k.dir, string(pkg), string(vol))
}

// Ensure makes the volumes that do not exist yet, empty and owned by the container's root. One of those that were there
// before is never made anew: where it is missing, so are data, and where it is empty and was not, as Whole says.
func (k *Keeper) Ensure(pkg ids.Package, vols, before []ids.Volume) error {
	for _, v := range vols {
		if !slices.Contains(before, v) {
			continue
		}
		if is, err := there(k.Path(pkg, v)); err != nil {
			return err
		} else if !is {
			return missing(pkg, v, k.Path(pkg, v))
		}
	}
	if err := k.whole(pkg, vols); err != nil {
		return err
	}
	if err := k.makeData(pkg); err != nil {
		return err
	}
	for _, v := range vols {
		if err := os.MkdirAll(k.Path(pkg, v), 0o755); err != nil {
			return fmt.Errorf("cannot make volume %q of package %q: %w", v, pkg, err)
		}
	}
	if err := k.Remember(pkg); err != nil {
		return err
	}
	return atomicfile.SyncDir(k.dataPath(pkg))
}

// Secure makes durable what anybody wrote to the data of a package: programs seldom wait for the disk, and what is recorded
// of their work must not be there without it. It remembers which volumes hold something.
func (k *Keeper) Secure(pkg ids.Package) error {
	if err := tree.Secure(k.dataPath(pkg)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return k.Remember(pkg)
}

// Exists tells whether the package has volumes on disk.
func (k *Keeper) Exists(pkg ids.Package) (bool, error) {
	return there(k.dataPath(pkg))
}

// Remove removes all volumes of a package and its data version. It is a no-op where there are none. The id names the
// removal and makes it repeatable. Data that something runs on stay.
func (k *Keeper) Remove(ctx context.Context, pkg ids.Package, id string) error {
	if err := k.Unheld(pkg); err != nil {
		return err
	}
	trash := filepath.Join(k.dir, ".trash", id)
	if err := tree.Remove(ctx, trash); err != nil { // what an attempt before this one did not finish
		return err
	}
	if err := os.Rename(filepath.Join(k.dir, string(pkg)), trash); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the volumes of package %q: %w", pkg, err)
	}
	if err := atomicfile.SyncDir(k.dir); err != nil {
		return err
	}
	return tree.Remove(ctx, trash)
}

// Sweep removes what a crash left of removals, and of snapshots that were being made.
func (k *Keeper) Sweep(ctx context.Context) error {
	for _, sub := range []string{".trash", ".partial"} {
		entries, err := os.ReadDir(filepath.Join(k.dir, sub))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := tree.Remove(ctx, filepath.Join(k.dir, sub, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

const versionName = ".version"

func readVersion(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, versionName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(raw)), err
}

// Version reads the version of a package's data, "" where there is none.
func (k *Keeper) Version(pkg ids.Package) (string, error) {
	return readVersion(k.dataPath(pkg))
}

// SetVersion records the version of a package's data; "" deletes the record. The file is replaced whole or not at all, and
// what the package wrote before is durable before a new version is: a migration whose mark outlived it would not run again.
func (k *Keeper) SetVersion(pkg ids.Package, version string) error {
	if len(version) > maxVersion {
		return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot record a data version of %d bytes: at most %d are allowed", len(version), maxVersion)
	}
	if have, err := k.Version(pkg); err == nil && have == version {
		return nil
	}
	if err := k.Secure(pkg); err != nil {
		return err
	}
	path := filepath.Join(k.dataPath(pkg), versionName)
	if version == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := k.makeData(pkg); err != nil {
		return err
	}
	return atomicfile.Write(path, []byte(version), 0o600)
}
