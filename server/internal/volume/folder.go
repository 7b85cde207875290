package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"golang.org/x/sys/unix"
)

// Folder is a folder of the machine that packages make backups into, each below its own name:
//
//	ID/data         what the package wrote, and reads again
//	ID/ID.s9pk      the file it ran from
//	ID/backup.json  what it is
//
// A backup is made beside the one that is there, which stays whole until the new one is: names ending in ".new" and
// ".old" are what a crash left, and no backup. Nothing in a folder is reached through a link.
type Folder struct{ dir string }

// OpenFolder looks at a folder and refuses one that backups must not go to: one that is not there, or lies within, or
// holds, one of the folders in apart.
func OpenFolder(dir string, apart ...string) (Folder, error) {
	unfit := func(format string, args ...any) error {
		return fault.New(metav1.Reason_REASON_BACKUP_FOLDER_UNFIT, "cannot use the folder %s for backups: "+format, append([]any{dir}, args...)...).With("directory", dir)
	}
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/" {
		return Folder{}, unfit("it must be an absolute path without detours")
	}
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Folder{}, unfit("there is none, make it first")
	}
	if err != nil {
		return Folder{}, unfit("%w", err)
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return Folder{}, unfit("it is no folder")
	}
	for _, other := range append([]string{"/proc", "/sys", "/run"}, apart...) {
		if within(real, other) || within(other, real) {
			return Folder{}, unfit("it must be apart from %s", other)
		}
	}
	return Folder{dir: real}, nil
}

// within tells whether a path is a folder or lies in it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Path is the folder itself, New where in it a new backup of a package is written, Whole where a finished one is.
func (f Folder) Path() string            { return f.dir }
func (f Folder) New(pkg string) string   { return filepath.Join(pkg, "data.new") }
func (f Folder) Whole(pkg string) string { return filepath.Join(pkg, "data") }

// Backup is what a backup says of itself.
type Backup struct {
	Package     string    `json:"package"`
	Version     string    `json:"version"`
	DataVersion string    `json:"dataVersion"`
	Time        time.Time `json:"time"`
}

// maxBackupText bounds the description of a backup.
const maxBackupText = 64 << 10

// Check refuses where no backup of the package can be made, because what has its name is not ours.
func (f Folder) Check(pkg string) error {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("cannot open the folder for backups: %w", err)
	}
	defer root.Close()
	return f.fits(root, pkg)
}

// fits is Check of a folder that is open.
func (f Folder) fits(root *os.Root, pkg string) error {
	info, err := root.Lstat(pkg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make a backup of %q: %w", pkg, err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || ok && int(owner.Uid) != os.Geteuid() {
		return fault.New(metav1.Reason_REASON_BACKUP_FOLDER_UNFIT, "cannot make a backup into %s: %q in it is no folder of ours", f.dir, pkg).With("directory", f.dir)
	}
	return nil
}

// Begin makes the folder that a new backup is written to, empty, and copies the file of the package beside it.
func (f Folder) Begin(ctx context.Context, pkg, file string) error {
	if err := f.Drop(ctx, pkg); err != nil {
		return err
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("cannot open the folder for backups: %w", err)
	}
	defer root.Close()
	if err := root.Mkdir(pkg, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make a backup of %q: %w", pkg, err)
	}
	if err := f.fits(root, pkg); err != nil {
		return err
	}
	if err := root.Mkdir(f.New(pkg), 0o755); err != nil {
		return fmt.Errorf("cannot make a backup of %q: %w", pkg, err)
	}
	return copyInto(ctx, root, file, filepath.Join(pkg, pkg+".s9pk.new"))
}

// copyInto copies a file below root, and has it on disk.
func copyInto(ctx context.Context, root *os.Root, from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("cannot read the package file: %w", err)
	}
	defer source.Close()
	target, err := root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("cannot copy the package file: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { source.Close() })
	_, err = io.Copy(target, source)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err = errors.Join(err, target.Sync(), target.Close()); err != nil {
		return fmt.Errorf("cannot copy the package file: %w", err)
	}
	return nil
}

// Finish makes the new backup the one that counts. Repeating it is harmless, also after a crash at any point.
func (f Folder) Finish(ctx context.Context, b Backup) error {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("cannot open the folder for backups: %w", err)
	}
	defer root.Close()
	fresh, old, whole := f.New(b.Package), filepath.Join(b.Package, "data.old"), f.Whole(b.Package)
	if _, err := root.Lstat(fresh); err == nil {
		if err := f.syncAll(); err != nil {
			return err
		}
		if err := tree.Remove(ctx, filepath.Join(f.dir, old)); err != nil {
			return err
		}
		if err := root.Rename(whole, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot replace the backup: %w", err)
		}
		if err := f.describe(root, b); err != nil {
			return err
		}
		if err := root.Rename(fresh, whole); err != nil {
			return fmt.Errorf("cannot replace the backup: %w", err)
		}
	}
	file := filepath.Join(b.Package, b.Package+".s9pk")
	if err := root.Rename(file+".new", file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot replace the package file: %w", err)
	}
	return errors.Join(tree.Remove(ctx, filepath.Join(f.dir, old)), f.syncAll())
}

// syncAll has all that was written to the folder on disk.
func (f Folder) syncAll() error {
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("cannot secure the backup: %w", err)
	}
	return nil
}

func (f Folder) describe(root *os.Root, b Backup) error {
	raw, err := json.Marshal(b)
	if err != nil {
		return err
	}
	name := filepath.Join(b.Package, "backup.json")
	file, err := root.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot describe the backup: %w", err)
	}
	_, err = file.Write(raw)
	// Before it has its name: after a power cut nobody would write it again.
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("cannot describe the backup: %w", err)
	}
	return root.Rename(name+".new", name)
}

// Drop removes what there is of a new backup. Repeating it is harmless.
func (f Folder) Drop(ctx context.Context, pkg string) error {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("cannot open the folder for backups: %w", err)
	}
	defer root.Close()
	// What has the package's name and is no folder holds nothing of a backup, wherever it leads.
	if info, err := root.Lstat(pkg); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil
	}
	// A crash between two renames left the one before under its other name.
	if _, err := root.Lstat(f.Whole(pkg)); errors.Is(err, fs.ErrNotExist) {
		if err := root.Rename(filepath.Join(pkg, "data.old"), f.Whole(pkg)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot keep the backup from before: %w", err)
		}
	}
	if err := root.Remove(filepath.Join(pkg, pkg+".s9pk.new")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove an unfinished backup: %w", err)
	}
	if err := tree.Remove(ctx, filepath.Join(f.dir, f.New(pkg))); err != nil {
		return err
	}
	_ = root.Remove(pkg) // where nothing is left in it
	return nil
}

// Look tells which backup of a package there is, and refuses where there is none that is whole.
func (f Folder) Look(pkg string) (Backup, error) {
	none := func(err error) error {
		return fault.New(metav1.Reason_REASON_BACKUP_FOLDER_UNFIT, "cannot restore %q: the folder %s holds no backup of it: %w", pkg, f.dir, err).
			With("directory", f.dir).With("package", pkg)
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return Backup{}, none(err)
	}
	defer root.Close()
	if info, err := root.Lstat(f.Whole(pkg)); err != nil || !info.IsDir() {
		return Backup{}, none(errors.Join(err, errors.New("its data are not there")))
	}
	file, err := root.Open(filepath.Join(pkg, "backup.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Backup{Package: pkg}, nil // one that another program made
	}
	if err != nil {
		return Backup{}, none(err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxBackupText))
	var b Backup
	if err == nil {
		err = json.Unmarshal(raw, &b)
	}
	if err == nil && b.Package != pkg {
		err = fmt.Errorf("it is of %q", b.Package)
	}
	if err != nil {
		return Backup{}, none(err)
	}
	return b, nil
}
