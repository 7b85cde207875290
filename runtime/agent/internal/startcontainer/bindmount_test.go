package startcontainer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// bindTo binds with the flags given and undoes it with the test.
func (s *subcontainer) bindTo(source, target string, flags ...string) (string, error) {
	s.t.Helper()
	cmd := s.command(append([]string{"bind-mount", "--source", source, "--target", target}, flags...)...)
	cmd.Stderr = nil
	out, err := cmd.CombinedOutput()
	if err == nil {
		s.t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	}
	return string(out), err
}

// volume is a file system that the test's namespaces own, as those of a service do not.
func volume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, unix.Mount("volume", dir, "tmpfs", 0, "mode=755"))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	must(t, os.WriteFile(filepath.Join(dir, "root"), []byte("0"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "web"), []byte("33"), 0o644))
	must(t, os.Chown(filepath.Join(dir, "web"), 33, 33))
	return dir
}

func TestAFolderIsSeenAtItsTargetAlsoByWhatRunsAlready(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	source := volume(t)
	s.launch()
	target := filepath.Join(s.root, "data/new/folder")
	if out, err := s.bindTo(source, target, "--recursive"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, code := s.exec("probe", "owner", "/data/new/folder/web"); code != 0 || out != "/data/new/folder/web 33 33\n" {
		t.Errorf("exit code %d: %q", code, out)
	}
	if out, code := s.exec("probe", "write", "/data/new/folder/x"); code != 0 {
		t.Errorf("exit code %d: %q", code, out)
	}
	if b, err := os.ReadFile(filepath.Join(source, "x")); err != nil || string(b) != "written" {
		t.Errorf("in the source: %q, %v", b, err)
	}
}

func TestAFileIsBoundToAFile(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	target := filepath.Join(s.root, "etc/app/config")
	if out, err := s.bindTo(filepath.Join(volume(t), "web"), target, "--file"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "33" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestAReadOnlyBindRefusesWritesAndItsSourceDoesNot(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	source, target := volume(t), filepath.Join(s.root, "ro")
	if out, err := s.bindTo(source, target, "--recursive", "--readonly"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(target, "x"), nil, 0o644); err == nil {
		t.Error("the target took a write")
	}
	must(t, os.WriteFile(filepath.Join(source, "x"), nil, 0o644))
}

func TestIdsAreMapped(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	source, target := volume(t), filepath.Join(s.root, "mapped")
	if out, err := s.bindTo(source, target, "--recursive", "--idmap", "33:1000:1", "--idmap", "0:50"); err != nil {
		if strings.Contains(out, "function not implemented") {
			t.Skip("the kernel cannot map the ids of this file system")
		}
		t.Fatalf("%v: %s", err, out)
	}
	s.launch()
	out, _ := s.exec("probe", "owner", "/mapped/web", "/mapped/root")
	if out != "/mapped/web 1000 1000\n/mapped/root 50 50\n" {
		t.Errorf("owners: %q", out)
	}
	// And the other way round: what the mapped user writes belongs to the original one on disk.
	must(t, os.Chmod(source, 0o777))
	if out, code := s.exec("--user=1000:1000", "probe", "write", "/mapped/new"); code != 0 {
		t.Fatalf("exit code %d: %q", code, out)
	}
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(source, "new"), &st))
	if st.Uid != 33 || st.Gid != 33 {
		t.Errorf("on disk it is of %d:%d", st.Uid, st.Gid)
	}

	// Once more over the mapped one, as for a volume that the host mapped already.
	again := filepath.Join(s.root, "again")
	if out, err := s.bindTo(target, again, "--recursive", "--idmap", "33:2000"); err != nil {
		t.Fatalf("a second map: %v: %s", err, out)
	}
	if out, _ := s.exec("probe", "owner", "/again/web"); out != "/again/web 2000 2000\n" {
		t.Errorf("owners: %q", out)
	}
}

func TestIdsOfAForeignFileSystemAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	out, err := s.bindTo("/usr", filepath.Join(s.root, "usr"), "--recursive", "--idmap", "0:1")
	if err == nil || !strings.Contains(out, "operation not permitted") || !strings.Contains(out, "the host does it for volumes only") {
		t.Errorf("%v: %s", err, out)
	}
	for _, wrong := range []string{"1", "1:2:3:4", "0:0:0", "65535:0:2", "-1:0", "a:b"} {
		if out, err := s.bindTo("/usr", filepath.Join(s.root, "usr"), "--idmap", wrong); err == nil {
			t.Errorf("%q was taken: %s", wrong, out)
		}
	}
}

func TestLinksOfAnImageDoNotLeadABindOut(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	// The path of subcontainers is fixed; a tmpfs over its parent makes it this test's own.
	const media = "/media"
	must(t, unix.Mount("media", media, "tmpfs", 0, "mode=755"))
	t.Cleanup(func() { _ = unix.Unmount(media, unix.MNT_DETACH) })
	root := media + "/startos/subcontainers/GUID"
	must(t, os.MkdirAll(root+"/run", 0o755))
	must(t, os.MkdirAll(root+"/var", 0o755))
	must(t, os.Symlink("/run", root+"/var/run"))
	must(t, os.Symlink("../../../../../../etc", root+"/climb"))
	if out, err := s.bindTo(volume(t), root+"/var/run/app", "--recursive"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := os.Stat(root + "/run/app/web"); err != nil {
		t.Errorf("not below the image's own /run: %v", err)
	}
	if out, err := s.bindTo(volume(t), root+"/climb", "--recursive"); err == nil {
		if _, err := os.Stat("/etc/web"); err == nil {
			t.Errorf("bound outside: %s", out)
		}
	}
}
