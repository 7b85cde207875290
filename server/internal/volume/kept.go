package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"golang.org/x/sys/unix"
)

// Kept is what is known of data whose package is not installed.
type Kept struct {
	// Signer is who signed the package, as a public key in PEM; "" where that was not recorded.
	Signer string
	// Since is when the package went; the time of the last change of the folder where that was not recorded.
	Since time.Time
	// Bytes is what the data take on disk.
	Bytes uint64
	// Volumes are their names, in order.
	Volumes []string
}

// keptRecord is the content of the file .kept. It lies with the data, so that it goes where they go.
type keptRecord struct {
	Signer string    `json:"signer"`
	Since  time.Time `json:"since"`
}

// Packages lists for which packages there are volumes, in order.
func (k *Keeper) Packages() ([]ids.Package, error) {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, err
	}
	var list []ids.Package
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			list = append(list, ids.Package(e.Name()))
		}
	}
	return list, nil
}

func (k *Keeper) keptPath(pkg ids.Package) string { return filepath.Join(k.dir, string(pkg), keptName) }

const keptName = ".kept"

// Keep records who signed the package of these data, and since when they are without it. Where there are no data it
// records nothing. Repeating it is harmless.
func (k *Keeper) Keep(pkg ids.Package, signer string, since time.Time) error {
	if there, err := k.Exists(pkg); err != nil || !there {
		return err
	}
	raw, err := json.Marshal(keptRecord{Signer: signer, Since: since.UTC()})
	if err != nil {
		return err
	}
	return atomicfile.Write(k.keptPath(pkg), raw, 0o600)
}

// Unkeep deletes the record: the package is installed again.
func (k *Keeper) Unkeep(pkg ids.Package) error {
	if err := os.Remove(k.keptPath(pkg)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// KeptOf is who signed the package that left the data there, "" where that was not recorded.
func (k *Keeper) KeptOf(pkg ids.Package) (signer string, err error) {
	record, err := k.record(pkg)
	if record != nil {
		signer = record.Signer
	}
	return signer, err
}

// record reads the record of kept data, nil where there is none.
func (k *Keeper) record(pkg ids.Package) (*keptRecord, error) {
	raw, err := os.ReadFile(k.keptPath(pkg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	record := new(keptRecord)
	if err := json.Unmarshal(raw, record); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", k.keptPath(pkg), err)
	}
	return record, nil
}

// Describe tells what is recorded of data, and measures them.
func (k *Keeper) Describe(ctx context.Context, pkg ids.Package) (Kept, error) {
	dir := filepath.Join(k.dir, string(pkg))
	info, err := os.Lstat(dir)
	if err != nil {
		return Kept{}, fmt.Errorf("cannot look at the data of package %q: %w", pkg, err)
	}
	kept := Kept{Since: info.ModTime()}
	record, err := k.record(pkg)
	if err != nil {
		return kept, err
	}
	if record != nil {
		kept.Signer, kept.Since = record.Signer, record.Since
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			kept.Volumes = append(kept.Volumes, e.Name())
		}
	}
	if err == nil {
		kept.Bytes, err = measure(ctx, dir)
	}
	return kept, err
}

// measure adds up what the files below dir take on disk, each once however many names it has. It follows no link.
func measure(ctx context.Context, dir string) (uint64, error) {
	var total uint64
	type inode struct{ dev, ino uint64 }
	linked := map[inode]bool{} // only those with several names, so it stays small
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			id := inode{st.Dev, st.Ino}
			if linked[id] {
				return nil
			}
			linked[id] = true
		}
		total += uint64(st.Blocks) * 512
		return nil
	})
	return total, err
}
