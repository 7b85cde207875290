package lxc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/server/internal/host/lxc"
)

func TestLimitsOfTheKernelAreOnlyRaised(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "proc/sys/fs/inotify")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := lxc.WidenTables(root); err == nil {
		t.Error("limits that are not there were raised")
	}
	for name, v := range map[string]string{"max_user_instances": "128\n", "max_user_watches": "99999999\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(v), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := lxc.WidenTables(root); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for _, name := range []string{"max_user_instances", "max_user_watches"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(raw)
	}
	if diff := cmp.Diff(map[string]string{"max_user_instances": "1048576", "max_user_watches": "99999999\n"}, got); diff != "" {
		t.Error(diff)
	}
}
