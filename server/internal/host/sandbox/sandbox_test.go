package sandbox_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/host/sandbox"
)

// links are those of a machine.
type links []netdev.Link

func (l links) Links() ([]netdev.Link, error) { return l, nil }

func (links) Changes(context.Context) (<-chan struct{}, error) { return nil, nil }

// A real server may run on the same machine: its bridge has the very network that the sandbox's would have.
func TestTheMachinesLinksAreShownButForARealServersBridge(t *testing.T) {
	t.Parallel()
	h := sandbox.New(sandbox.Options{Bridge: netip.MustParsePrefix("10.0.3.1/24"), Links: links{
		{Name: "eth0", Subnets: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}},
		{Name: "h1234br0", Subnets: []netip.Prefix{netip.MustParsePrefix("10.0.3.1/24")}},
	}})
	t.Cleanup(h.Close)
	if err := h.Network.EnsureBridge(netdev.Bridge{Name: "h5678br0", Address: netip.MustParsePrefix("10.0.3.1/24")}); err != nil {
		t.Fatal(err)
	}
	got, err := h.Network.Links()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range got {
		names = append(names, l.Name)
	}
	if !slices.Equal(names, []string{"eth0", "h5678br0"}) {
		t.Errorf("the links are %v", names)
	}
}

func TestFirewallRemembersWhatARealOneTakes(t *testing.T) {
	t.Parallel()
	f := newHost(t).Firewall
	good := nft.Rules{Tag: "1a2b", Bridge: "hearth0", Host: netip.MustParsePrefix("10.0.3.1/24"), Ports: []nft.PortRange{{First: 1, Last: 2}}}
	if err := f.Ensure(good); err != nil {
		t.Fatal(err)
	}
	bad := good
	bad.Tag = "nothing"
	if err := f.Ensure(bad); !errors.Is(err, nft.ErrInvalid) {
		t.Errorf("a bad tag: %v", err)
	}
	if got := f.Rules(); got.Tag != "1a2b" || len(got.Ports) != 1 {
		t.Errorf("in force are %+v", got)
	}
}

func TestMountsShowTheirSources(t *testing.T) {
	t.Parallel()
	h, dir := newHost(t), t.TempDir()
	volume := filepath.Join(dir, "volume")
	if err := os.Mkdir(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "s", "merged")
	for range 2 { // the second time all is there
		for target, source := range map[string]mount.Source{
			root:                 mount.Overlay{Lower: []string{filepath.Join(dir, "lower")}, Upper: filepath.Join(dir, "up"), Work: filepath.Join(dir, "work")},
			root + "/media/data": mount.Bind{Path: volume},
			root + "/image":      mount.Squashfs{File: "/absent.s9pk", Offset: 4096, Size: 4096},
		} {
			if err := h.Mounts.Ensure(target, source, mount.Options{}); err != nil {
				t.Fatalf("%s: %v", target, err)
			}
		}
	}
	if err := os.WriteFile(root+"/media/data/file", []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/etc/hostname", []byte("a"), 0o600); err != nil {
		t.Errorf("a root lacks what every root has: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "s")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(volume, "file")); string(got) != "kept" {
		t.Errorf("with the container its volume went: %v", err)
	}
	if err := h.Mounts.Ensure("relative", mount.Bind{Path: volume}, mount.Options{}); !errors.Is(err, mount.ErrUnsafePath) {
		t.Errorf("a relative target: %v", err)
	}
}

func TestWhatIsAttachedIsSeenInTheContainerThatRuns(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	spec := lxc.Spec{Name: "a", Rootfs: t.TempDir(), IDBase: lxctest.IDBase, Hostname: "a", Init: []string{"/sbin/init"}}
	c, err := h.Containers.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	volume := t.TempDir()
	if err := h.Mounts.Mkdir(volume, "some/where"); err != nil {
		t.Fatal(err)
	}
	open := func() *mount.Detached {
		d, err := h.Mounts.Open(mount.Bind{Path: volume, Sub: "some"}, mount.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	at := mount.Target{Path: "/data/there"}
	if err := h.Mounts.Attach(c, open(), at); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(spec.Rootfs + "/data/there/where"); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := h.Mounts.Detach(c, at.Path); err != nil {
			t.Errorf("detach: %v", err)
		}
	}
	if _, err := os.Stat(volume + "/some/where"); err != nil {
		t.Errorf("what was attached is gone: %v", err)
	}
	if err := h.Mounts.Attach(c, open(), mount.Target{Path: "/../.."}); !errors.Is(err, mount.ErrUnsafePath) {
		t.Errorf("over the root: %v", err)
	}
	if _, err := h.Mounts.Open(mount.Bind{Path: volume, Sub: "absent"}, mount.Options{}); err == nil {
		t.Error("a part of a volume that is not there was opened")
	}
	if err := h.Containers.Stop(t.Context(), "a", 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Mounts.Attach(c, open(), at); !errors.Is(err, lxc.ErrNotRunning) {
		t.Errorf("into a container that ended: %v", err)
	}
}
