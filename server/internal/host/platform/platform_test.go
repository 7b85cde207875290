package platform_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/platform"
)

// machine is a file system as a machine shows it.
func machine(t *testing.T, files map[string]string) platform.Machine {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return platform.Machine{Root: root, UID: 1000, StateDir: t.TempDir(), BinDir: t.TempDir()}
}

func TestModes(t *testing.T) {
	t.Parallel()
	image := machine(t, map[string]string{"etc/os-release": "PRETTY_NAME=\"Hearth 1\"\nVARIANT_ID=hearth\n"})
	debian := machine(t, map[string]string{"usr/lib/os-release": "PRETTY_NAME='Debian GNU/Linux 13 (trixie)'\n"})
	for _, c := range []struct {
		machine platform.Machine
		uid     int
		mode    platform.Mode
		os      string
	}{
		{image, 0, platform.Image, "Hearth 1"},
		{image, 1000, platform.Sandbox, "Hearth 1"},
		{debian, 0, platform.Hosted, "Debian GNU/Linux 13 (trixie)"},
		{machine(t, nil), 0, platform.Hosted, "unknown"},
	} {
		c.machine.UID = c.uid
		if p := c.machine.Platform(); p.Mode != c.mode || p.OS != c.os || p.Detail == "" || p.Kernel == "" || p.Architecture == "" {
			t.Errorf("got %+v, want mode %d of %s", p, c.mode, c.os)
		}
	}
}

func capability(t *testing.T, m platform.Machine, name string) platform.Capability {
	t.Helper()
	for _, c := range m.Capabilities(t.Context()) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("nothing is told about %s", name)
	return platform.Capability{}
}

func TestCapabilitiesAreFoundAndMissed(t *testing.T) {
	t.Parallel()
	const release = "proc/sys/kernel/osrelease"
	for _, c := range []struct {
		name  string
		files map[string]string
		there bool
		says  string
	}{
		{"cgroup", map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpu"}, true, "version 2"},
		{"cgroup", map[string]string{"sys/fs/cgroup/memory/tasks": ""}, true, "version 1"},
		{"cgroup", nil, false, "no control groups"},
		{"user-namespaces", map[string]string{"proc/sys/user/max_user_namespaces": "15000\n"}, true, "allowed"},
		{"user-namespaces", map[string]string{"proc/sys/user/max_user_namespaces": "0\n"}, false, "allows no"},
		{"user-namespaces", nil, false, "has no"},
		{"squashfs-idmap", map[string]string{release: "6.1.0-41-amd64\n", "proc/filesystems": "\tsquashfs\n"}, false, "6.1.0-41-amd64 is older than 6.2"},
		{"squashfs-idmap", map[string]string{release: "6.12.9\n", "proc/filesystems": "nodev\tproc\n\tsquashfs\n"}, true, "6.12.9"},
		{"squashfs-idmap", map[string]string{release: "6.12.9\n", "lib/modules/6.12.9/modules.dep": "kernel/fs/squashfs/squashfs.ko.xz:\n"}, true, "module"},
		{"squashfs-idmap", map[string]string{release: "10.0\n"}, false, "no module squashfs"},
		{"wireguard", map[string]string{release: "6.12.9\n", "lib/modules/6.12.9/modules.builtin": "kernel/drivers/net/wireguard/wireguard.ko\n"}, true, "kernel"},
		{"wireguard", map[string]string{release: "6.12.9\n"}, false, "no module"},
		{"wifi", map[string]string{"sys/class/ieee80211/phy0/index": "0"}, true, "phy0"},
		{"wifi", nil, false, "no radio"},
		{"kvm", map[string]string{"dev/kvm": ""}, true, "/dev/kvm"},
		{"kvm", nil, false, "/dev/kvm is missing"},
		{"systemd", map[string]string{"run/systemd/system/x": ""}, true, "runs"},
		{"systemd", nil, false, "does not run"},
		{"apparmor", map[string]string{"sys/module/apparmor/parameters/enabled": "Y\n"}, true, "in use"},
		{"apparmor", map[string]string{"sys/module/apparmor/parameters/enabled": "N\n"}, false, "not use"},
		{"containers", nil, false, "root"},
		{"nftables", nil, false, "root"},
	} {
		got := capability(t, machine(t, c.files), c.name)
		if got.Available != c.there || !strings.Contains(got.Detail, c.says) || got.Purpose == "" {
			t.Errorf("%s on %v: %+v", c.name, c.files, got)
		}
	}
}

func TestReflinkIsTriedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	m := machine(t, nil)
	if got := capability(t, m, "reflink"); got.Detail == "" {
		t.Errorf("%+v", got)
	}
	if left, err := os.ReadDir(m.StateDir); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
	m.StateDir = filepath.Join(m.StateDir, "absent")
	if got := capability(t, m, "reflink"); got.Available || !strings.Contains(got.Detail, "cannot be tried") {
		t.Errorf("%+v", got)
	}
}

func TestAChosenModeIsTold(t *testing.T) {
	t.Parallel()
	for _, mode := range []platform.Mode{platform.Sandbox, platform.Hosted, platform.Image} {
		m := machine(t, nil)
		m.UID, m.Chosen = 0, mode
		if p := m.Platform(); p.Mode != mode || !strings.Contains(p.Detail, "--mode") {
			t.Errorf("got %+v, want mode %d", p, mode)
		}
	}
}

// A sandbox has nothing that services would run on, whoever started it and whatever the machine has.
func TestASandboxSaysWhatIsPlayed(t *testing.T) {
	t.Parallel()
	m := machine(t, nil)
	m.UID, m.Chosen = 0, platform.Sandbox
	for _, name := range []string{"containers", "resolver", "nftables"} {
		if c := capability(t, m, name); c.Available || !strings.Contains(c.Detail, "sandbox") || !strings.Contains(c.Remedy, "--mode") {
			t.Errorf("%+v", c)
		}
	}
}
