package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/testenv"
)

func TestDevicesAreThoseThePackageAsksFor(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	root := t.TempDir()
	for _, path := range []string{"dri/card0", "dri/renderD128", "nvidia0", "nvidiactl", "kfd", "fuse", "net/tun", "sda", "kmsg"} {
		full := filepath.Join(root, "dev", path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mknod(full, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
			t.Fatal(err)
		}
	}
	// What only looks like one: a file that somebody left, and a folder of links.
	for _, path := range []string{"dri/by-path", "nvidia-notes"} {
		if err := os.Mkdir(filepath.Join(root, "dev", path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		manifest s9pk.Manifest
		want     []string
	}{
		"nothing":      {s9pk.Manifest{}, nil},
		"acceleration": {s9pk.Manifest{HardwareAcceleration: true}, []string{"/dev/dri/card0", "/dev/dri/renderD128", "/dev/kfd", "/dev/nvidia0", "/dev/nvidiactl"}},
		"file systems": {s9pk.Manifest{UserspaceFilesystems: true}, []string{"/dev/fuse"}},
		"networks":     {s9pk.Manifest{VirtualNetworking: true}, []string{"/dev/net/tun"}},
		"both":         {s9pk.Manifest{VirtualNetworking: true, UserspaceFilesystems: true}, []string{"/dev/fuse", "/dev/net/tun"}},
	} {
		got, err := devices(&c.manifest, root)
		var paths []string
		for _, d := range got {
			paths = append(paths, d.Path)
			if d.Mode != 0o666 {
				t.Errorf("%s: %s has mode %o", what, d.Path, d.Mode)
			}
		}
		if diff := cmp.Diff(c.want, paths); diff != "" || err != nil {
			t.Errorf("a package that asks for %s: %v\n%s", what, err, diff)
		}
	}
}

func TestWithoutADeviceThatIsNeededThereIsNoContainer(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	if got, err := devices(&s9pk.Manifest{HardwareAcceleration: true}, empty); err != nil || len(got) > 0 {
		t.Errorf("on a machine without cards acceleration is %v, %v", got, err)
	}
	for path, m := range map[string]s9pk.Manifest{"/dev/fuse": {UserspaceFilesystems: true}, "/dev/net/tun": {VirtualNetworking: true}} {
		if _, err := devices(&m, empty); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("without %s: %v", path, err)
		}
	}
}
