// Package testenv says which abilities of the machine a test needs and skips it, with the reason, where one is absent.
//
// HEARTH_REQUIRE names abilities ("root,lxc,netns,browser") whose absence is a failure, not a skip: continuous
// integration sets it so that a missing tool can never look like a green run. The package holds no fixtures.
package testenv

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Require skips t unless the machine has every named ability; an ability listed in HEARTH_REQUIRE fails t instead.
// Abilities: root, lxc, netns, squashfs (mksquashfs), rootfs (mmdebstrap), xfs and btrfs
// (file systems from a file), node, browser, emulator (of aarch64, by qemu-user and binfmt_misc).
func Require(t testing.TB, abilities ...string) {
	t.Helper()
	for _, a := range abilities {
		why := missing(a)
		if why == "" {
			continue
		}
		if required(a) {
			t.Fatalf("ability %q is required here and missing: %s", a, why)
		}
		t.Skipf("needs %s: %s", a, why)
	}
}

func required(ability string) bool {
	for _, r := range strings.Split(os.Getenv("HEARTH_REQUIRE"), ",") {
		if strings.TrimSpace(r) == ability {
			return true
		}
	}
	return false
}

// rooted are the abilities that only root has.
var rooted = map[string]bool{"root": true, "lxc": true, "netns": true, "rootfs": true, "xfs": true, "btrfs": true, "emulator": true}

// missing tells why an ability is absent, or "" when it is there.
func missing(ability string) string {
	if rooted[ability] && os.Getenv("HEARTH_TEST_NOROOT") != "" {
		return "the fast lane runs without root"
	}
	if ability == "browser" && testing.Short() {
		return "the fast lane starts no browser"
	}
	switch ability {
	case "root":
		if os.Geteuid() != 0 {
			return "not running as root"
		}
		return ""
	case "lxc":
		if os.Geteuid() != 0 {
			return "containers need root"
		}
		if why := kernelAtLeast(6, 2); why != "" { // the first that gives squashfs other owners
			return why
		}
		return lookup("lxc-start")
	case "netns":
		if os.Geteuid() != 0 {
			return "network namespaces need root"
		}
		if _, err := os.Stat("/proc/self/ns/net"); err != nil {
			return err.Error()
		}
		return kernelAtLeast(5, 12)
	case "squashfs":
		return lookup("mksquashfs")
	case "rootfs":
		return lookup("mmdebstrap")
	case "emulator":
		if known, err := os.ReadFile("/proc/filesystems"); err != nil || !strings.Contains(string(known), "\tbinfmt_misc\n") {
			return "the kernel has not loaded binfmt_misc"
		}
		return lookup("qemu-aarch64-static")
	case "xfs", "btrfs":
		return fileSystem(ability)
	case "node":
		return lookup("node")
	case "browser":
		return lookup("chromium")
	}
	return "unknown ability"
}

// fileSystem answers "" when file systems of a kind can be made and mounted.
func fileSystem(kind string) string {
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err.Error()
	}
	if !strings.Contains(string(known), "\t"+kind+"\n") {
		return "the kernel has not loaded " + kind
	}
	return lookup("mkfs." + kind)
}

func lookup(program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return program + " is not installed"
	}
	return ""
}

// kernelAtLeast answers "" when the running kernel is at least the given release; id-mapped mounts need 5.12.
func kernelAtLeast(major, minor int) string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err.Error()
	}
	release := unix.ByteSliceToString(u.Release[:])
	parts := strings.FieldsFunc(release, func(r rune) bool { return r < '0' || r > '9' })
	if len(parts) < 2 {
		return "cannot read the kernel release " + release
	}
	have := [2]int{atoi(parts[0]), atoi(parts[1])}
	if have[0] > major || have[0] == major && have[1] >= minor {
		return ""
	}
	return "kernel " + release + " is too old"
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}
