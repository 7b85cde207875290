package volume_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/volume"
)

func ignore(uint64, uint64) {}

// data writes what the data are and of which version; read tells it, and whose marks lie beside it.
func data(t *testing.T, k *volume.Keeper, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(ensure(t, k, pkg), "words"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.SetVersion(pkg, text); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, k *volume.Keeper) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(k.Path(pkg, "main"), "words"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := k.Version(pkg)
	if err != nil || v != string(raw) {
		t.Errorf("the data are %q and their version %q, %v", raw, v, err)
	}
	entries, err := os.ReadDir(filepath.Dir(k.Path(pkg, "main")))
	if err != nil || len(entries) != 4 { // two volumes, the version and what they hold
		t.Errorf("in the folder of the data: %v, %v", entries, err)
	}
	return string(raw)
}

func snapshots(t *testing.T, k *volume.Keeper, want ...string) {
	t.Helper()
	if got, err := k.Snapshots(pkg); err != nil || !slices.Equal(got, want) {
		t.Errorf("snapshots %v, %v, want %v", got, err, want)
	}
}

func TestSnapshotComesBackAndForth(t *testing.T) {
	t.Parallel()
	k, dir := newKeeper(t)
	data(t, k, "old")
	for range 2 {
		made, err := k.Snapshot(t.Context(), pkg, "before", ignore)
		if err != nil || made.Size.Files != 5 || made.Size.Bytes == 0 || made.Mechanism == 0 {
			t.Fatalf("snapshot %+v, %v", made, err)
		}
	}
	data(t, k, "new")
	for _, c := range []struct{ from, aside, want string }{{"before", "aside", "old"}, {"aside", "before", "new"}, {"before", "later", "old"}} {
		for range 2 {
			if _, err := k.Swap(t.Context(), pkg, c.from, c.aside); err != nil {
				t.Fatal(err)
			}
			if got := read(t, k); got != c.want {
				t.Errorf("after the swap of %s the data are %q, want %q", c.from, got, c.want)
			}
			snapshots(t, k, c.aside)
		}
	}
	for range 2 {
		if err := k.RemoveSnapshot(t.Context(), pkg, "later"); err != nil {
			t.Fatal(err)
		}
	}
	snapshots(t, k)
	if got := read(t, k); got != "old" {
		t.Errorf("after the removal of a snapshot the data are %q", got)
	}
	for _, sub := range []string{".partial", ".snapshots", ".trash"} {
		if entries, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(entries) > 0 {
			t.Errorf("%s holds %v, %v", sub, entries, err)
		}
	}
}

// A crash may come between the exchange of the folders and the new name of the one that is set aside.
func TestSwapGoesOnWhereACrashCutItOff(t *testing.T) {
	t.Parallel()
	for name, cutOff := range map[string]func(t *testing.T, data, snapshot string){
		"before the exchange": func(t *testing.T, data, _ string) { label(t, data) },
		"after the exchange": func(t *testing.T, data, snapshot string) {
			label(t, data)
			middle := data + ".middle"
			for _, move := range [][2]string{{data, middle}, {snapshot, data}, {middle, snapshot}} {
				if err := os.Rename(move[0], move[1]); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, dir := newKeeper(t)
			data(t, k, "old")
			if _, err := k.Snapshot(t.Context(), pkg, "before", ignore); err != nil {
				t.Fatal(err)
			}
			data(t, k, "new")
			cutOff(t, filepath.Join(dir, string(pkg)), filepath.Join(dir, ".snapshots", string(pkg), "before"))
			if _, err := k.Swap(t.Context(), pkg, "before", "aside"); err != nil {
				t.Fatal(err)
			}
			if got := read(t, k); got != "old" {
				t.Errorf("the data are %q", got)
			}
			snapshots(t, k, "aside")
		})
	}
}

func label(t *testing.T, data string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(data, ".snapshot"), []byte(`{"id":"aside"}`), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSwapRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	k, _ := newKeeper(t)
	data(t, k, "mine")
	if _, err := k.Swap(t.Context(), pkg, "nothing", "aside"); !fault.Is(err, metav1.Reason_REASON_SNAPSHOT_NOT_FOUND) {
		t.Errorf("a swap with nothing: %v", err)
	}
	if got := read(t, k); got != "mine" {
		t.Errorf("the data are %q", got)
	}
	snapshots(t, k)
}

// What a crash left of a snapshot is made anew, and what nobody wants goes.
func TestSweepLeavesWholeSnapshots(t *testing.T) {
	t.Parallel()
	k, dir := newKeeper(t)
	data(t, k, "old")
	half := filepath.Join(dir, ".partial", string(pkg)+".before", "main")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"before", "unwanted"} {
		if _, err := k.Snapshot(t.Context(), pkg, id, ignore); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	err := k.SweepSnapshots(t.Context(), func(_ ids.Package, id string) (bool, error) { return id == "before", nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	snapshots(t, k, "before")
	if _, err := os.Lstat(half); !os.IsNotExist(err) {
		t.Errorf("half a snapshot is there: %v", err)
	}
}
