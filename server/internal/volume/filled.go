package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"golang.org/x/sys/unix"
)

// filledName is the record of which volumes held something when they were last looked at, and in which folder. An empty
// volume is an error when its folder is another than that one: a disk is not mounted, or somebody made the folder anew. In
// the same folder it was the package that emptied it. A volume that holds something is never an error, so that a state which
// was moved to another disk, where all folders are others, goes on.
const filledName = ".filled"

// identity tells a folder from another of its name, also after the number of its inode was used again. The number of the
// device is not part of it: that changes when the machine starts anew.
type identity struct {
	Inode uint64 `json:"inode"`
	Born  int64  `json:"born"`
}

// look tells which folder a volume is and whether it is empty; fs.ErrNotExist where there is none.
func look(path string) (is identity, empty bool, err error) {
	dir, err := os.Open(path)
	if err != nil {
		return is, false, err
	}
	defer dir.Close()
	var st unix.Statx_t
	if err := unix.Statx(int(dir.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return is, false, fmt.Errorf("cannot look at %s: %w", path, err)
	}
	_, err = dir.Readdirnames(1)
	if empty = errors.Is(err, io.EOF); empty {
		err = nil
	}
	return identity{Inode: st.Ino, Born: st.Btime.Sec*1e9 + int64(st.Btime.Nsec)}, empty, err
}

func (k *Keeper) filled(pkg ids.Package) (map[ids.Volume]identity, error) {
	raw, err := os.ReadFile(filepath.Join(k.dataPath(pkg), filledName))
	if errors.Is(err, fs.ErrNotExist) {
		return map[ids.Volume]identity{}, nil
	}
	record := map[ids.Volume]identity{}
	if err == nil {
		err = json.Unmarshal(raw, &record)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read which volumes of package %q held data: %w", pkg, err)
	}
	return record, nil
}

// Remember records which volumes of a package hold something. What it recorded of a volume whose folder has been replaced
// by an empty one, or is gone, stays. It is a no-op where there are no data; repeating it is harmless.
func (k *Keeper) Remember(pkg ids.Package) error {
	entries, err := os.ReadDir(k.dataPath(pkg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	record, err := k.filled(pkg)
	if err != nil {
		return err
	}
	changed := false
	for _, e := range entries {
		vol := ids.Volume(e.Name())
		if !e.IsDir() {
			continue
		}
		is, empty, err := look(k.Path(pkg, vol))
		if err != nil {
			return err
		}
		had, known := record[vol]
		switch {
		case !empty && had != is:
			record[vol], changed = is, true
		case empty && known && had == is:
			delete(record, vol)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	raw, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(k.dataPath(pkg), filledName), raw, 0o600)
}

// Whole refuses where data of a package are missing: where a volume that held something is gone, or is empty and another
// folder than the one that held it.
func (k *Keeper) Whole(pkg ids.Package) error { return k.whole(pkg, nil) }

// whole is Whole for some volumes; nil: for all.
func (k *Keeper) whole(pkg ids.Package, vols []ids.Volume) error {
	record, err := k.filled(pkg)
	if err != nil {
		return err
	}
	for vol, had := range record {
		if vols != nil && !slices.Contains(vols, vol) {
			continue
		}
		is, empty, err := look(k.Path(pkg, vol))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return missing(pkg, vol, k.Path(pkg, vol))
		case err != nil:
			return err
		case empty && is != had:
			return fault.New(metav1.Reason_REASON_PACKAGE_DATA_MISSING, "cannot use volume %q of %q: it held data, and the folder that is now at %s is another one and empty", vol, pkg, k.Path(pkg, vol)).
				With("package", pkg).With("volume", vol)
		}
	}
	return nil
}

func missing(pkg ids.Package, vol ids.Volume, path string) error {
	return fault.New(metav1.Reason_REASON_PACKAGE_DATA_MISSING, "cannot use volume %q of %q: its data are not where they were, in %s", vol, pkg, path).
		With("package", pkg).With("volume", vol)
}
