package mount_test

import (
	"testing"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
)

// BenchmarkImageAndOverlay is what a container's root or a subcontainer costs: an image mounted in place, id-mapped, and
// an overlay over it.
func BenchmarkImageAndOverlay(b *testing.B) {
	dir, m := mounttest.RunDir(b), mount.New()
	defer m.Close()
	image := mount.Squashfs{File: mounttest.Image(b, map[string]string{"a": "b"})}
	overlay := mount.Overlay{Lower: []string{dir + "/lower"}, Upper: dir + "/up", Work: dir + "/work", Owner: base}
	for b.Loop() {
		if err := m.Ensure(dir+"/lower", image, mount.Options{IDMap: idmap.Base(base)}); err != nil {
			b.Fatal(err)
		}
		if err := m.Ensure(dir+"/merged", overlay, mount.Options{}); err != nil {
			b.Fatal(err)
		}
		if err := mount.UnmountBelow(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAttach puts a folder into a container, writable and read-only: locking the flags costs a process.
func BenchmarkAttach(b *testing.B) {
	for name, options := range map[string]mount.Options{
		"writable": {IDMap: idmap.Base(base)}, "read-only": {IDMap: idmap.Base(base), ReadOnly: true},
	} {
		b.Run(name, func(b *testing.B) {
			m := mount.New()
			defer m.Close()
			sh := mounttest.NewShell(b, base)
			if out, code := sh.Run(b, "mount -t tmpfs home /srv"); code != 0 {
				b.Fatal(out)
			}
			ns, volume := mount.NamespaceOf(sh.PIDFD), b.TempDir()
			for b.Loop() {
				d, err := m.Open(mount.Bind{Path: volume}, options)
				if err != nil {
					b.Fatal(err)
				}
				if err := ns.Attach(d, mount.Target{Path: "/srv/v", Owner: base}); err != nil {
					b.Fatal(err)
				}
				d.Close()
			}
		})
	}
}
