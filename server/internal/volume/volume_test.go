package volume_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/volume"
)

const pkg = ids.Package("hello")

// unbounded is a file system without quotas.
func unbounded(context.Context, string) error { return nil }

func newKeeper(t *testing.T) (*volume.Keeper, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "volumes")
	k, err := volume.New(dir, unbounded)
	if err != nil {
		t.Fatal(err)
	}
	return k, dir
}

func ensure(t *testing.T, k *volume.Keeper, pkg ids.Package) string {
	t.Helper()
	if err := k.Ensure(pkg, []ids.Volume{"main", "cache"}, nil); err != nil {
		t.Fatal(err)
	}
	return k.Path(pkg, "main")
}

// there is what lies below the folder, without the folders of the keeper itself.
func there(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	for _, d := range []string{dir, filepath.Join(dir, ".trash")} {
		entries, err := os.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				names = append(names, e.Name())
			}
		}
	}
	return strings.Join(names, " ")
}

// A disk that is not mounted looks like a package's first start.
func TestVolumesThatWereThereAreNotMadeAnew(t *testing.T) {
	t.Parallel()
	k, dir := newKeeper(t)
	had := []ids.Volume{"main"}
	if err := k.Ensure(pkg, []ids.Volume{"main"}, had); !fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_MISSING) {
		t.Errorf("without any data: %v", err)
	}
	if got := there(t, dir); got != "" {
		t.Errorf("made %s", got)
	}
	ensure(t, k, pkg)
	if err := k.Ensure(pkg, []ids.Volume{"main", "added"}, had); err != nil {
		t.Errorf("with a volume more: %v", err)
	}
	if err := os.Rename(k.Path(pkg, "main"), filepath.Join(t.TempDir(), "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := k.Ensure(pkg, []ids.Volume{"main", "added"}, had); !fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_MISSING) {
		t.Errorf("without one volume: %v", err)
	}
}

func TestDataStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	k, _ := newKeeper(t)
	file := filepath.Join(ensure(t, k, pkg), "precious")
	if err := os.WriteFile(file, []byte("words"), 0o600); err != nil {
		t.Fatal(err)
	}
	ensure(t, k, pkg)
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "words" {
		t.Errorf("after a second Ensure: %q, %v", raw, err)
	}
	if ok, err := k.Exists(pkg); !ok || err != nil {
		t.Errorf("Exists = %v, %v", ok, err)
	}
	if ok, err := k.Exists("other"); ok || err != nil {
		t.Errorf("Exists of another = %v, %v", ok, err)
	}
}

func TestRemoveTakesOnePackageAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	k, dir := newKeeper(t)
	ensure(t, k, pkg)
	ensure(t, k, "other")
	if err := k.SetVersion(pkg, "1.0:0"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := k.Remove(t.Context(), pkg, "first"); err != nil {
			t.Fatal(err)
		}
	}
	if got := there(t, dir); got != "other" {
		t.Errorf("left: %s", got)
	}
	if v, err := k.Version(pkg); v != "" || err != nil {
		t.Errorf("the version is still %q, %v", v, err)
	}
}

// A crash may leave a removal half done: data of the package in the trash, and a folder under its name again.
func TestRemoveFinishesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	k, dir := newKeeper(t)
	half := filepath.Join(dir, ".trash", "first", "main")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	ensure(t, k, pkg)
	if err := k.Remove(t.Context(), pkg, "first"); err != nil {
		t.Fatal(err)
	}
	if got := there(t, dir); got != "" {
		t.Errorf("left: %s", got)
	}
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	ensure(t, k, "other")
	if err := k.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := there(t, dir); got != "other" {
		t.Errorf("after a sweep: %s", got)
	}
}

func TestDataVersion(t *testing.T) {
	t.Parallel()
	k, _ := newKeeper(t)
	for _, v := range []string{"1.0:0", "#flavour:2.0:1", ""} {
		if err := k.SetVersion(pkg, v); err != nil {
			t.Fatal(err)
		}
		if got, err := k.Version(pkg); got != v || err != nil {
			t.Errorf("Version = %q, %v, want %q", got, err, v)
		}
	}
	if err := k.SetVersion(pkg, strings.Repeat("x", 5000)); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
		t.Errorf("an endless version: %v", err)
	}
}
