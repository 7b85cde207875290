package volume_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/volume"
)

func TestKeptDataTellWhoseTheyAre(t *testing.T) {
	t.Parallel()
	k, dir := newKeeper(t)
	if err := k.Keep(pkg, "somebody", time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if list, err := k.Packages(); err != nil || len(list) > 0 {
		t.Fatalf("a record without data: %v, %v", list, err)
	}
	main := ensure(t, k, pkg)
	content := make([]byte, 1<<20)
	for i := range content {
		content[i] = byte(i)
	}
	if err := os.WriteFile(filepath.Join(main, "a"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	describe := func() volume.Kept {
		t.Helper()
		got, err := k.Describe(t.Context(), pkg)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	before := describe()
	if before.Signer != "" || time.Since(before.Since) > time.Hour || before.Bytes < 1<<20 {
		t.Errorf("unrecorded data are %+v", before)
	}
	// Another name takes no room, and what a link leads to is not theirs.
	if err := os.Link(filepath.Join(main, "a"), filepath.Join(main, "b")); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(main, "c")); err != nil {
		t.Fatal(err)
	}
	since := time.Unix(1e9, 0).UTC()
	for range 2 {
		if err := k.Keep(pkg, "somebody", since); err != nil {
			t.Fatal(err)
		}
	}
	got := describe()
	if got.Bytes > before.Bytes+64<<10 {
		t.Errorf("%d bytes with links, %d without", got.Bytes, before.Bytes)
	}
	got.Bytes = 0
	if diff := cmp.Diff(volume.Kept{Signer: "somebody", Since: since, Volumes: []string{"cache", "main"}}, got); diff != "" {
		t.Error(diff)
	}
	if list, err := k.Packages(); err != nil || !cmp.Equal(list, []ids.Package{pkg}) {
		t.Errorf("%v, %v", list, err)
	}
	for range 2 {
		if err := k.Unkeep(pkg); err != nil {
			t.Fatal(err)
		}
	}
	if got := describe(); got.Signer != "" {
		t.Errorf("the record stayed: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "hello", ".kept")); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}
