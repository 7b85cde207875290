package quota_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/quota"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/testenv"
)

const mib = 1 << 20

// formatted is a new file system from a file, with quotas. The test is skipped where the kernel has none for it.
func formatted(t *testing.T, kind string) string {
	t.Helper()
	testenv.Require(t, "root")
	if kind != "ext4" {
		testenv.Require(t, kind)
	}
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "mounted")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	mkfs := map[string][]string{
		"btrfs": {"mkfs.btrfs", "-q", image}, "xfs": {"mkfs.xfs", "-q", image}, "ext4": {"mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=prjquota", image},
	}[kind]
	option := map[string]string{"btrfs": "loop", "xfs": "loop,prjquota", "ext4": "loop,prjquota"}[kind]
	run(t, "truncate", "-s", "600M", image)
	run(t, mkfs[0], mkfs[1:]...)
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", option, image, at).CombinedOutput(); err != nil {
		t.Skipf("this kernel mounts no %s with quotas: %s", kind, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", at).Run() })
	if kind == "btrfs" {
		if q := quota.Open(at); q.Unsupported() == nil {
			t.Error("quotas are said to be on that are not")
		}
		run(t, "btrfs", "quota", "enable", at)
	}
	if q := quota.Open(at); kind == "xfs" && q.Unsupported() != nil {
		t.Skipf("this kernel was built without quotas for xfs: %v", q.Unsupported())
	}
	return at
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// write writes a file of so many bytes, to the disk.
func write(path string, bytes int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, bytes))
	return errors.Join(err, f.Sync(), f.Close())
}

func full(err error) bool { return errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) }

func TestFilesTakeNoMoreThanTheyMay(t *testing.T) {
	for _, kind := range []string{"btrfs", "xfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			at := formatted(t, kind)
			q := quota.Open(at)
			if err := q.Unsupported(); err != nil {
				t.Fatal(err)
			}
			data, beside, other := filepath.Join(at, "data"), filepath.Join(at, "upper"), filepath.Join(at, "other")
			for _, dir := range []string{data, beside, other} {
				if err := tree.Make(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.MkdirAll(data+"/main/deep", 0o755), write(data+"/main/deep/before", 10*mib)); err != nil {
				t.Fatal(err)
			}
			for range 2 { // as often as a container is made
				if err := q.Bound(t.Context(), 7<<16|3, 40*mib, data, beside, filepath.Join(at, "gone")); err != nil {
					t.Fatal(err)
				}
			}
			if err := q.Bound(t.Context(), 7<<16|4, 0, other); err != nil {
				t.Fatal(err)
			}
			if err := write(data+"/main/fits", 16*mib); err != nil {
				t.Errorf("what fits is refused: %v", err)
			}
			if err := write(data+"/main/deep/too-much", 40*mib); !full(err) {
				t.Errorf("more than is allowed is written: %v", err)
			}
			if err := write(other+"/much", 100*mib); err != nil {
				t.Errorf("what is not bounded is refused: %v", err)
			}
			if err := os.Remove(data + "/main/deep/too-much"); err != nil {
				t.Fatal(err)
			}
			if err := q.Bound(t.Context(), 7<<16|3, 200*mib, data, beside); err != nil {
				t.Fatal(err)
			}
			if err := write(data+"/main/more", 60*mib); err != nil {
				t.Errorf("after the bound was raised: %v", err)
			}
			if err := q.Bound(t.Context(), 7<<16|3, 0, data, beside); err != nil {
				t.Fatal(err)
			}
			if err := write(beside+"/free", 250*mib); err != nil {
				t.Errorf("after the bound was taken away: %v", err)
			}
		})
	}
}

func TestAFileSystemWithoutQuotasSaysSo(t *testing.T) {
	t.Parallel()
	q := quota.Open("/proc")
	if q.Unsupported() == nil || q.Bound(t.Context(), 1, 1, "/proc") == nil {
		t.Error("it is said to have some")
	}
	if err := q.Release(t.Context(), "/proc"); err != nil {
		t.Error(err)
	}
}
