package mount_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
)

// home is a tmpfs in the shell's own namespace that belongs to its root, as the tree of a container does.
func home(t *testing.T) (*mounttest.Shell, *mount.Namespace) {
	t.Helper()
	sh := mounttest.NewShell(t, base)
	if out, code := sh.Run(t, "mount -t tmpfs home /srv && cd /srv && mkdir real && ln -s /etc escape && ln -s real inner && touch file"); code != 0 {
		t.Fatal(out)
	}
	return sh, mount.NamespaceOf(sh.PIDFD)
}

func open(t *testing.T, m *mount.Mounter, s mount.Source, o mount.Options) *mount.Detached {
	t.Helper()
	d, err := m.Open(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestAttachIsSeenOnlyInTheContainer(t *testing.T) {
	t.Parallel()
	m := newMounter(t)
	sh, ns := home(t)
	image := member(t, mounttest.Image(t, map[string]string{"motd": "hello"}))
	target := mount.Target{Path: "/srv/images/a/b", Owner: base}
	for range 3 {
		d := open(t, m, image, mount.Options{IDMap: idmap.Base(base), NoDev: true})
		if err := ns.Attach(d, target); err != nil {
			t.Fatal(err)
		}
	}
	if out, code := sh.Run(t, "cat /srv/images/a/b/motd; stat -c %u /srv/images /srv/images/a /srv/images/a/b/motd"); code != 0 || out != "hello0\n0\n0" {
		t.Errorf("inside: %q, %d", out, code)
	}
	l, err := ns.List("/srv/images")
	if err != nil || len(l) != 1 || l[0].Path != target.Path || l[0].FSType != "squashfs" {
		t.Errorf("container's table: %+v, %v", l, err)
	}
	if l, err := mount.List("/srv"); err != nil || len(l) != 0 {
		t.Errorf("the host sees %+v, %v", l, err)
	}
	for range 2 {
		if err := ns.Detach(target.Path); err != nil {
			t.Fatal(err)
		}
	}
	if l, err := ns.List("/srv/images"); err != nil || len(l) != 0 {
		t.Errorf("after Detach: %+v, %v", l, err)
	}
}

func TestAttachOverAVolumeCreatesFoldersAsItsRoot(t *testing.T) {
	t.Parallel()
	m := newMounter(t)
	sh, ns := home(t)
	volume, dependency := t.TempDir(), t.TempDir()
	if err := os.WriteFile(dependency+"/cert", []byte("pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(volume, 0o700); err != nil {
		t.Fatal(err)
	}
	mapped := mount.Options{IDMap: idmap.Base(base)}
	if err := ns.Attach(open(t, m, mount.Bind{Path: volume}, mapped), mount.Target{Path: "/srv/vol", Owner: base}); err != nil {
		t.Fatal(err)
	}
	if err := ns.Attach(open(t, m, mount.Bind{Path: dependency, Sub: "cert"}, mapped), mount.Target{Path: "/srv/vol/deps/x/cert", File: true, Owner: base}); err != nil {
		t.Fatal(err)
	}
	if out, code := sh.Run(t, "cat /srv/vol/deps/x/cert"); code != 0 || out != "pem" {
		t.Errorf("inside: %q, %d", out, code)
	}
	for _, p := range []string{"/deps", "/deps/x", "/deps/x/cert"} {
		if got := owner(t, volume+p); got != [2]uint32{0, 0} {
			t.Errorf("%s on disk belongs to %v", p, got)
		}
	}
}

func TestReadOnlyAttachCannotBeMadeWritableInside(t *testing.T) {
	t.Parallel()
	m := newMounter(t)
	sh, ns := home(t)
	volume := t.TempDir()
	if err := os.WriteFile(volume+"/f", []byte("kept"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		source      mount.Bind
		target      mount.Target
		read, write string
	}{
		{mount.Bind{Path: volume}, mount.Target{Path: "/srv/ro", Owner: base}, "cat /srv/ro/f", "echo x > /srv/ro/f"},
		{mount.Bind{Path: volume, Sub: "f"}, mount.Target{Path: "/srv/rofile", File: true, Owner: base}, "cat /srv/rofile", "echo x > /srv/rofile"},
	} {
		d := open(t, m, tc.source, mount.Options{IDMap: idmap.Base(base), ReadOnly: true, NoSUID: true})
		if err := ns.Attach(d, tc.target); err != nil {
			t.Fatal(err)
		}
		if out, code := sh.Run(t, tc.read); code != 0 || out != "kept" {
			t.Errorf("cannot read: %q", out)
		}
		for _, remount := range []string{"remount,bind,rw", "remount,bind,rw,nosuid", "remount,bind,ro,suid"} {
			if out, code := sh.Run(t, "mount -o "+remount+" "+tc.target.Path); code == 0 {
				t.Errorf("%s of %s succeeded: %s", remount, tc.target.Path, out)
			}
		}
		if _, code := sh.Run(t, tc.write); code == 0 {
			t.Errorf("%s succeeded", tc.write)
		}
		if _, code := sh.Run(t, "mkdir -p /srv/again && mount --bind "+tc.target.Path+" /srv/file && mount -o remount,bind,rw /srv/file"); code == 0 {
			t.Error("a second bind became writable")
		}
	}
	if got, _ := os.ReadFile(volume + "/f"); string(got) != "kept" {
		t.Errorf("file holds %q", got)
	}
}

func TestMountsOfTheContainerStayThere(t *testing.T) {
	t.Parallel()
	m := newMounter(t)
	sh, ns := home(t)
	volume := t.TempDir()
	if err := os.Mkdir(volume+"/sub", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := ns.Attach(open(t, m, mount.Bind{Path: volume}, mount.Options{IDMap: idmap.Base(base)}), mount.Target{Path: "/srv/vol", Owner: base}); err != nil {
		t.Fatal(err)
	}
	if out, code := sh.Run(t, "mount -t tmpfs x /srv/vol/sub && touch /srv/vol/sub/inside"); code != 0 {
		t.Fatal(out)
	}
	if _, err := os.Stat(volume + "/sub/inside"); err == nil {
		t.Error("the container's mount appeared on the host")
	}
}

func TestHostileTargetsAreRefused(t *testing.T) {
	t.Parallel()
	m := newMounter(t)
	sh, ns := home(t)
	for _, path := range []string{
		"/srv/escape/x", "/srv/inner", "/srv/inner/x", "/srv/../etc", "/srv/real/../x", "relative", "", "/", "/.",
		"/proc/self/root/etc", "/srv/\x00", "/srv/" + strings.Repeat("y", 256),
	} {
		err := ns.Attach(open(t, m, mount.Tmpfs{Bytes: 4096}, mount.Options{}), mount.Target{Path: path, Owner: base})
		if !errors.Is(err, mount.ErrUnsafePath) {
			t.Errorf("attach at %.30q: %v", path, err)
		}
	}
	for _, path := range []string{"/srv/file", "/srv/file/x"} {
		if err := ns.Attach(open(t, m, mount.Tmpfs{Bytes: 4096}, mount.Options{}), mount.Target{Path: path, Owner: base}); err == nil {
			t.Errorf("folder attached over file %s", path)
		}
	}
	if err := ns.Detach("/srv/inner"); !errors.Is(err, nil) {
		// The last name is unmounted without following it, so a link is just nothing mounted.
		t.Errorf("detach of a link: %v", err)
	}
	if err := ns.Detach("/srv/escape/x"); !errors.Is(err, mount.ErrUnsafePath) {
		t.Errorf("detach through a link: %v", err)
	}
	if err := ns.Detach("/srv/absent/x"); err != nil {
		t.Errorf("detach of nothing: %v", err)
	}
	if out, _ := sh.Run(t, "ls -A /srv | sort | tr '\\n' ' '"); out != "escape file inner real" {
		t.Errorf("refused attaches left %q", out)
	}
}

func TestAttachAfterTheEndSaysGone(t *testing.T) {
	t.Parallel()
	m := newMounter(t)
	sh, ns := home(t)
	if _, err := sh.PIDFD.Stat(); err != nil {
		t.Fatal(err)
	}
	sh.Kill(t)
	err := ns.Attach(open(t, m, mount.Tmpfs{Bytes: 4096}, mount.Options{}), mount.Target{Path: "/srv/x", Owner: base})
	if !errors.Is(err, mount.ErrGone) {
		t.Errorf("got %v", err)
	}
}

func TestNamespaceWorkLeavesTheProcessWhereItWas(t *testing.T) {
	t.Parallel()
	_, ns := home(t)
	before, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 64 {
		go func() {
			_, err := ns.List("/")
			done <- err
		}()
	}
	for range 64 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if after, _ := os.Readlink("/proc/self/ns/mnt"); after != before {
		t.Errorf("process moved from %s to %s", before, after)
	}
	if _, err := os.Stat("/srv/real"); err == nil {
		t.Error("the test sees the container's files")
	}
}

func FuzzOpenBeneathStaysBeneath(f *testing.F) {
	for _, s := range []string{"a", "../x", "link", "a/link/passwd", "//a//", "a/./b", "\x00", "..."} {
		f.Add(s)
	}
	dir := f.TempDir()
	for _, err := range []error{os.MkdirAll(dir+"/a/b", 0o755), os.Symlink("/etc", dir+"/link"), os.Symlink("../../..", dir+"/a/link")} {
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, sub string) {
		h, err := mount.OpenBeneath(dir, sub)
		if err != nil {
			return
		}
		defer h.Close()
		real, err := os.Readlink(fdPath(h))
		if err != nil {
			t.Fatal(err)
		}
		if real != dir && !strings.HasPrefix(real, dir+"/") {
			t.Fatalf("%q led to %s", sub, real)
		}
	})
}

func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
