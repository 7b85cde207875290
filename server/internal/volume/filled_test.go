package volume_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/volume"
)

// fill is a package that writes, and is seen to have written.
func fill(t *testing.T, k *volume.Keeper) (file string) {
	t.Helper()
	file = filepath.Join(ensure(t, k, pkg), "precious")
	if err := os.WriteFile(file, []byte("words"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Secure(pkg); err != nil {
		t.Fatal(err)
	}
	return file
}

// unmount puts an empty folder where the data were.
func unmount(t *testing.T, k *volume.Keeper) (elsewhere string) {
	t.Helper()
	main := k.Path(pkg, "main")
	elsewhere = filepath.Join(filepath.Dir(filepath.Dir(main)), ".elsewhere")
	if err := os.Rename(main, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(main, 0o755); err != nil {
		t.Fatal(err)
	}
	return elsewhere
}

func TestAnEmptyFolderInThePlaceOfDataIsRefused(t *testing.T) {
	t.Parallel()
	k, _ := newKeeper(t)
	fill(t, k)
	elsewhere := unmount(t, k)
	had := []ids.Volume{"main", "cache"}
	for name, err := range map[string]error{
		"a look": k.Whole(pkg), "a start": k.Ensure(pkg, had, had), "a first start": k.Ensure(pkg, had, nil),
		"remembering":   k.Remember(pkg),
		"a second look": k.Whole(pkg),
	} {
		if is := fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_MISSING); is == (name == "remembering") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.Snapshot(t.Context(), pkg, "one", func(_, _ uint64) {}); !fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_MISSING) {
		t.Errorf("a snapshot: %v", err)
	}
	main := k.Path(pkg, "main")
	if err := os.Remove(main); err != nil {
		t.Fatal(err)
	}
	if err := k.Whole(pkg); !fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_MISSING) {
		t.Errorf("without the folder: %v", err)
	}
	if err := os.Rename(elsewhere, main); err != nil {
		t.Fatal(err)
	}
	if err := k.Ensure(pkg, had, had); err != nil {
		t.Errorf("with the data back: %v", err)
	}
}

func TestAPackageMayEmptyItsVolume(t *testing.T) {
	t.Parallel()
	k, _ := newKeeper(t)
	if err := os.Remove(fill(t, k)); err != nil {
		t.Fatal(err)
	}
	if err := k.Whole(pkg); err != nil {
		t.Errorf("in the same folder: %v", err)
	}
	if err := k.Secure(pkg); err != nil {
		t.Fatal(err)
	}
	unmount(t, k) // a move to another disk
	if err := k.Whole(pkg); err != nil {
		t.Errorf("in another folder, after it was seen to be empty: %v", err)
	}
}

func TestDataThatWereMovedToAnotherDiskAreWhole(t *testing.T) {
	t.Parallel()
	k, _ := newKeeper(t)
	fill(t, k)
	elsewhere := unmount(t, k)
	main := k.Path(pkg, "main")
	if err := os.Remove(main); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", elsewhere, main).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := k.Whole(pkg); err != nil {
		t.Errorf("where they came to: %v", err)
	}
	if err := k.Remember(pkg); err != nil {
		t.Fatal(err)
	}
	unmount2 := filepath.Join(filepath.Dir(elsewhere), ".again")
	if err := os.Rename(main, unmount2); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(main, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := k.Whole(pkg); !fault.Is(err, metav1.Reason_REASON_PACKAGE_DATA_MISSING) {
		t.Errorf("emptied there: %v", err)
	}
}

func TestDataThatCameBackFromASnapshotAreWhole(t *testing.T) {
	t.Parallel()
	k, _ := newKeeper(t)
	file := fill(t, k)
	if _, err := k.Snapshot(t.Context(), pkg, "one", func(_, _ uint64) {}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Swap(t.Context(), pkg, "one", "two"); err != nil {
		t.Fatal(err)
	}
	had := []ids.Volume{"main", "cache"}
	if err := k.Ensure(pkg, had, had); err != nil {
		t.Errorf("with the data of the snapshot: %v", err)
	}
	if _, err := k.Swap(t.Context(), pkg, "two", "three"); err != nil {
		t.Fatal(err)
	}
	if err := k.Ensure(pkg, had, had); err != nil {
		t.Errorf("with those that the package had emptied: %v", err)
	}
}
