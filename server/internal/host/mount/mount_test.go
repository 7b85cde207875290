package mount_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
)

const base = 1_000_000

func TestMain(m *testing.M) { mounttest.Main(m) }

func newMounter(t *testing.T) *mount.Mounter {
	m := mount.New()
	t.Cleanup(func() { m.Close() })
	return m
}

// member puts an image in the middle of a file, at an offset and with a length that are no multiples of anything.
func member(t *testing.T, image string) mount.Squashfs {
	t.Helper()
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "package")
	before, after := strings.Repeat("b", 12_345), strings.Repeat("a", 54_321)
	if err := os.WriteFile(file, []byte(before+string(data)+after), 0o600); err != nil {
		t.Fatal(err)
	}
	return mount.Squashfs{File: file, Offset: int64(len(before)), Size: int64(len(data))}
}

func owner(t *testing.T, path string) [2]uint32 {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	s := st.Sys().(*syscall.Stat_t)
	return [2]uint32{s.Uid, s.Gid}
}

func only(t *testing.T, prefix string) mount.Info {
	t.Helper()
	l, err := mount.List(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if len(l) != 1 {
		t.Fatalf("want one mount at %s, have %+v", prefix, l)
	}
	return l[0]
}

func TestImageIsMountedInPlaceWithMappedOwners(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	image := member(t, mounttest.Image(t, map[string]string{"etc/motd": "welcome"}))
	target := filepath.Join(dir, "images", "main")
	if err := m.Ensure(target, image, mount.Options{IDMap: idmap.Base(base), NoDev: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(target + "/etc/motd"); err != nil || string(got) != "welcome" {
		t.Errorf("read %q, %v", got, err)
	}
	if got := owner(t, target+"/etc/motd"); got != [2]uint32{base, base} {
		t.Errorf("owner %v", got)
	}
	if err := os.WriteFile(target+"/etc/motd", nil, 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("write: %v", err)
	}
	loop := only(t, target).Source
	backing, err := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/loop/backing_file")
	if err != nil || strings.TrimSpace(string(backing)) != image.File {
		t.Errorf("backing file %q, %v", backing, err)
	}
	if err := mount.UnmountBelow(dir); err != nil {
		t.Fatal(err)
	}
	// Another test that makes a mount namespace at this moment holds a copy of the mount until it ends.
	held := func() bool {
		backing, err := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/loop/backing_file")
		return err == nil && strings.TrimSpace(string(backing)) == image.File
	}
	for deadline := time.Now().Add(10 * time.Second); held(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the loop device outlived the mount")
		}
	}
}

func TestEnsureTwiceIsOnceAndWrongIsReplaced(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	one := member(t, mounttest.Image(t, map[string]string{"name": "one"}))
	two := member(t, mounttest.Image(t, map[string]string{"name": "two"}))
	folder, other := t.TempDir(), t.TempDir()
	if err := os.Chown(folder, 33, 33); err != nil {
		t.Fatal(err)
	}
	lower := func(name string) string { return filepath.Join(dir, name) }
	for _, l := range []string{"l1", "l2"} {
		if err := os.Mkdir(lower(l), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	overlay := func(l ...string) mount.Overlay {
		return mount.Overlay{Lower: l, Upper: lower("up"), Work: lower("work"), Owner: base}
	}
	mapped := mount.Options{IDMap: idmap.Base(base)}
	for _, tc := range []struct {
		name         string
		right        mount.Source
		rightOptions mount.Options
		wrong        mount.Source
		wrongOptions mount.Options
	}{
		{"another image", one, mapped, two, mapped},
		{"image with another map", one, mapped, one, mount.Options{IDMap: idmap.Base(2 * base)}},
		{"image without a map", one, mapped, one, mount.Options{}},
		{"bind of another folder", mount.Bind{Path: folder}, mapped, mount.Bind{Path: other}, mapped},
		{"bind with another map", mount.Bind{Path: folder}, mapped, mount.Bind{Path: folder}, mount.Options{IDMap: idmap.Base(2 * base)}},
		{"bind without read-only", mount.Bind{Path: folder}, mount.Options{ReadOnly: true}, mount.Bind{Path: folder}, mount.Options{}},
		{"overlay with other layers", overlay(lower("l1"), lower("l2")), mount.Options{}, overlay(lower("l2"), lower("l1")), mount.Options{}},
		{"bind instead of overlay", overlay(lower("l1")), mount.Options{}, mount.Bind{Path: folder}, mapped},
		{"tmpfs instead of image", one, mapped, mount.Tmpfs{Bytes: 1 << 20, Mode: 0o755}, mount.Options{}},
	} {
		target := filepath.Join(dir, "t", strings.ReplaceAll(tc.name, " ", "-"))
		ensure := func(s mount.Source, o mount.Options) uint64 {
			t.Helper()
			if err := m.Ensure(target, s, o); err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			only(t, target)
			var st unix.Statx_t
			if err := unix.Statx(unix.AT_FDCWD, target, 0, unix.STATX_MNT_ID_UNIQUE, &st); err != nil {
				t.Fatal(err)
			}
			return st.Mnt_id
		}
		wrong := ensure(tc.wrong, tc.wrongOptions)
		right := ensure(tc.right, tc.rightOptions)
		if wrong == right {
			t.Errorf("%s: the wrong mount stayed", tc.name)
		}
		if again := ensure(tc.right, tc.rightOptions); again != right {
			t.Errorf("%s: the right mount was replaced", tc.name)
		}
		if err := mount.Unmount(target); err != nil {
			t.Error(err)
		}
	}
}

func TestVolumeKeepsPlainOwnersOnDisk(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	volume := t.TempDir()
	target := filepath.Join(dir, "volume")
	if err := m.Ensure(target, mount.Bind{Path: volume}, mount.Options{IDMap: idmap.Base(base)}); err != nil {
		t.Fatal(err)
	}
	sh := mounttest.NewShell(t, base)
	if out, code := sh.Run(t, "cd "+target+" && echo data > f && chown 33:44 f && mkdir d && stat -c %u:%g f d"); code != 0 || out != "33:44\n0:0" {
		t.Fatalf("inside: %q, %d", out, code)
	}
	if got := owner(t, volume+"/f"); got != [2]uint32{33, 44} {
		t.Errorf("file on disk belongs to %v", got)
	}
	if got := owner(t, volume+"/d"); got != [2]uint32{0, 0} {
		t.Errorf("folder on disk belongs to %v", got)
	}
}

func TestOverlayIsWritableAndLeavesItsLayers(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	image := member(t, mounttest.Image(t, map[string]string{"etc/hostname": "old", "bin/": ""}))
	lower, merged := dir+"/lower", dir+"/merged"
	if err := m.Ensure(lower, image, mount.Options{IDMap: idmap.Base(base)}); err != nil {
		t.Fatal(err)
	}
	v := mount.Overlay{Lower: []string{lower}, Upper: dir + "/upper", Work: dir + "/work", Owner: base}
	if err := m.Ensure(merged, v, mount.Options{}); err != nil {
		t.Fatal(err)
	}
	sh := mounttest.NewShell(t, base)
	if out, code := sh.Run(t, "cd "+merged+" && echo new > etc/hostname && touch bin/x && stat -c %u . etc/hostname bin/x"); code != 0 || out != "0\n0\n0" {
		t.Fatalf("inside: %q, %d", out, code)
	}
	if got, _ := os.ReadFile(lower + "/etc/hostname"); string(got) != "old" {
		t.Errorf("layer now holds %q", got)
	}
	if got := owner(t, v.Upper+"/etc/hostname"); got != [2]uint32{base, base} {
		t.Errorf("upper file belongs to %v", got)
	}
}

func TestBindOfAFileCreatesItsTarget(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	src := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(src, []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.Ensure(dir+"/bin/agent", mount.Bind{Path: src}, mount.Options{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(dir + "/bin/agent"); string(got) != "binary" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(dir+"/bin/agent", nil, 0); !errors.Is(err, syscall.EROFS) {
		t.Errorf("write: %v", err)
	}
}

func TestMountsOfOneImageShareADeviceUntilTheLastGoes(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	image := member(t, mounttest.Image(t, map[string]string{"who": "first"}))
	device := func(name string, s mount.Squashfs) string {
		t.Helper()
		if err := m.Ensure(dir+name, s, mount.Options{ReadOnly: true, IDMap: idmap.Base(base)}); err != nil {
			t.Fatal(err)
		}
		return only(t, dir+name).Source
	}
	first, second := device("/1", image), device("/2", image)
	if first != second {
		t.Errorf("the second mount has %s, the first %s", second, first)
	}
	if err := mount.Unmount(dir + "/1"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(dir + "/2/who"); err != nil || string(got) != "first" {
		t.Errorf("the second, after the first went: %q, %v", got, err)
	}
	if err := mount.Unmount(dir + "/2"); err != nil {
		t.Fatal(err)
	}
	// Whoever looks through the machine's devices just then keeps it for a moment.
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		held, _ := os.ReadFile("/sys/block/" + filepath.Base(first) + "/loop/backing_file")
		if !strings.HasPrefix(string(held), image.File) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s still holds %s", first, held)
		}
	}

	// Another image at the same path, and another image at the remembered device, are what they are.
	other := member(t, mounttest.Image(t, map[string]string{"who": "other"}))
	taken := device("/3", other)
	if err := os.Rename(other.File, image.File); err != nil {
		t.Fatal(err)
	}
	if again := device("/4", mount.Squashfs{File: image.File, Offset: other.Offset, Size: other.Size}); again != taken {
		t.Errorf("the same file by another name has %s, not %s", again, taken)
	}
	if got, err := os.ReadFile(dir + "/4/who"); err != nil || string(got) != "other" {
		t.Errorf("the image that took the path reads %q, %v", got, err)
	}
}

func TestForeignImagesAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	good := member(t, mounttest.Image(t, map[string]string{"a": "b"}))
	data, err := os.ReadFile(good.File)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	for i := range 60 {
		data[int(good.Offset)+8+i] ^= 0x5a
	}
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]mount.Squashfs{
		"no such file":   {File: damaged + ".absent"},
		"not squashfs":   {File: good.File, Offset: 3},
		"damaged":        {File: damaged, Offset: good.Offset, Size: good.Size},
		"cut":            {File: good.File, Offset: good.Offset, Size: 100},
		"behind the end": {File: good.File, Offset: 1 << 40, Size: 4096},
		"negative":       {File: good.File, Offset: -1},
	} {
		if err := m.Ensure(dir+"/x", s, mount.Options{}); err == nil {
			t.Errorf("%s: mounted", name)
		} else if !strings.HasPrefix(err.Error(), "cannot mount image") || errors.Is(err, mount.ErrDamaged) != (name != "no such file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l, err := mount.List(dir); err != nil || len(l) != 0 {
		t.Errorf("left %+v, %v", l, err)
	}
	blocks, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if f, _ := os.ReadFile(b); strings.Contains(string(f), damaged) {
			t.Errorf("%s still holds %s", b, f)
		}
	}
}

func TestPathsShapedByContainersAreNotFollowed(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	volume := t.TempDir()
	for _, err := range []error{
		os.Mkdir(volume+"/real", 0o755), os.Symlink("/etc", volume+"/escape"), os.Symlink("real", volume+"/inner"),
		os.Symlink("/proc/self/root", volume+"/magic"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"escape", "escape/passwd", "inner", "../../etc", "real/../../x", "magic/etc", "a\x00b", strings.Repeat("x", 300), strings.Repeat("x/", 3000)} {
		if err := m.Ensure(dir+"/x", mount.Bind{Path: volume, Sub: sub}, mount.Options{}); !errors.Is(err, mount.ErrUnsafePath) {
			t.Errorf("bind of %.40q: %v", sub, err)
		}
		if err := mount.MkdirBeneath(volume, sub+"/y", 0o755, base, base); err == nil {
			t.Errorf("mkdir of %.40q succeeded", sub)
		}
	}
	if _, err := mount.OpenBeneath(volume, "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if err := mount.MkdirBeneath(volume, "/real//a/./b", 0o700, 5, 6); err != nil {
		t.Fatal(err)
	}
	if got := owner(t, volume+"/real/a/b"); got != [2]uint32{5, 6} {
		t.Errorf("made folder belongs to %v", got)
	}
	if err := mount.MkdirBeneath(volume, "real/a/b", 0o700, 0, 0); err != nil {
		t.Errorf("second time: %v", err)
	}
	if err := m.Ensure(dir+"/x", mount.Bind{Path: volume, Sub: "real/a"}, mount.Options{}); err != nil {
		t.Error(err)
	}
}

func TestUnmountBelowTakesStacksAndNests(t *testing.T) {
	t.Parallel()
	dir, m := mounttest.RunDir(t), newMounter(t)
	tmp := mount.Tmpfs{Bytes: 1 << 20, Mode: 0o755}
	for _, target := range []string{"/a", "/a/b", "/a/b/c", "/ab"} {
		if err := m.Ensure(dir+target, tmp, mount.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mount("tmpfs", dir+"/a/b", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := mount.UnmountBelow(dir + "/a"); err != nil {
		t.Fatal(err)
	}
	if got := only(t, dir).Path; got != dir+"/ab" {
		t.Errorf("left %s", got)
	}
	if err := mount.UnmountBelow(dir); err != nil {
		t.Fatal(err)
	}
	if err := mount.Unmount(dir + "/ab"); err != nil {
		t.Errorf("unmounting nothing: %v", err)
	}
}
