package volume_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/volume"
)

// write makes a backup up to where its data are written.
func write(t *testing.T, f volume.Folder, words string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	err := errors.Join(os.WriteFile(file, []byte("package "+words), 0o600), f.Begin(t.Context(), "app", file),
		os.WriteFile(filepath.Join(f.Path(), f.New("app"), "words"), []byte(words), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// said is what a whole backup holds, and its package file.
func said(t *testing.T, f volume.Folder) (words, file string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(f.Path(), f.Whole("app"), "words"))
	pkg, more := os.ReadFile(filepath.Join(f.Path(), "app", "app.s9pk"))
	if err := errors.Join(err, more); err != nil {
		t.Fatal(err)
	}
	return string(raw), string(pkg)
}

func TestABackupTakesThePlaceOfTheOneBeforeWhenItIsWhole(t *testing.T) {
	t.Parallel()
	f, err := volume.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Look("app"); !fault.Is(err, metav1.Reason_REASON_BACKUP_FOLDER_UNFIT) {
		t.Errorf("an empty folder: %v", err)
	}
	about := volume.Backup{Package: "app", Version: "1.0:0", DataVersion: "1.0:0", Time: time.Unix(1e9, 0).UTC()}
	write(t, f, "first")
	for range 2 { // repeating it is harmless
		if err := f.Finish(t.Context(), about); err != nil {
			t.Fatal(err)
		}
	}
	write(t, f, "second")
	if words, file := said(t, f); words != "first" || file != "package first" {
		t.Errorf("before the second is whole there is %q of %q", words, file)
	}
	if err := f.Drop(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	if words, _ := said(t, f); words != "first" {
		t.Errorf("after one that failed there is %q", words)
	}
	write(t, f, "third")
	if err := f.Finish(t.Context(), about); err != nil {
		t.Fatal(err)
	}
	if words, file := said(t, f); words != "third" || file != "package third" {
		t.Errorf("there is %q of %q", words, file)
	}
	if got, err := f.Look("app"); err != nil || got != about {
		t.Errorf("it says %+v, %v", got, err)
	}
	left, err := os.ReadDir(filepath.Join(f.Path(), "app"))
	if err != nil || len(left) != 3 {
		t.Errorf("there is more than a backup: %v, %v", left, err)
	}
}

func TestFoldersThatBackupsMustNotGoToAreRefused(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	inside := filepath.Join(state, "volumes")
	link := filepath.Join(t.TempDir(), "link")
	file := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(os.Mkdir(inside, 0o700), os.Symlink(inside, link), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"the state": state, "a folder in it": inside, "one above it": filepath.Dir(state), "a link into it": link, "a file": file,
		"nothing": filepath.Join(file, "absent"), "a detour": state + "/../x", "no absolute path": "backups", "the root": "/", "what the kernel shows": "/proc/self",
	} {
		if _, err := volume.OpenFolder(dir, state); !fault.Is(err, metav1.Reason_REASON_BACKUP_FOLDER_UNFIT) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Somebody else who can write to the folder leads nothing out of it.
func TestNothingInAFolderIsReachedThroughALink(t *testing.T) {
	t.Parallel()
	f, err := volume.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	precious := filepath.Join(outside, "data.new")
	if err := errors.Join(os.WriteFile(precious, nil, 0o600), os.Symlink(outside, filepath.Join(f.Path(), "app"))); err != nil {
		t.Fatal(err)
	}
	if err := f.Check("app"); !fault.Is(err, metav1.Reason_REASON_BACKUP_FOLDER_UNFIT) {
		t.Errorf("a link in the place of a package's folder: %v", err)
	}
	if err := f.Begin(t.Context(), "app", precious); !fault.Is(err, metav1.Reason_REASON_BACKUP_FOLDER_UNFIT) {
		t.Errorf("a backup is written through a link: %v", err)
	}
	// The undo of one that was refused comes to its end.
	if err := f.Drop(t.Context(), "app"); err != nil {
		t.Error(err)
	}
	if _, err := f.Look("app"); err == nil {
		t.Error("a backup is read through a link")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("what lies outside is gone: %v", err)
	}
}
