package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// furnish fills a root with one of each kind that an image can hold.
const furnish = `set -e
mkdir -p bin etc/deep/er dev tmp var/lib/app
chmod 1777 tmp; chmod 2750 var/lib/app; chown 1000:33 var/lib/app
head -c 300000 /dev/urandom >bin/tool; chmod 4755 bin/tool; ln bin/tool bin/again; ln bin/tool etc/deep/er/third
setfattr -n user.note -v "two words" bin/tool
setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 etc/deep
ln -s ../bin/tool etc/link; ln -s /nowhere etc/dangling
mknod dev/null c 1 3; chmod 666 dev/null; mknod dev/loop b 7 9; mkfifo dev/pipe
printf secret >etc/shadow; chmod 640 etc/shadow; chown 0:42 etc/shadow
printf x >"etc/with space"; : >etc/empty; printf old >etc/old; mkdir all; printf a >all/a; printf b >all/b`

// change is what the second layer does.
const change = `set -e
rm etc/old; rm -r all; mkdir all; printf c >all/c; chown 7:8 etc/empty; rm bin/again; printf more >>etc/shadow; ln -sfn tool bin/sh`

// An image made by umoci of two layers goes through the commands, pack to extract, and is the tree that umoci itself has.
func TestPackedLayoutOfUmociExtractsToTheSameTree(t *testing.T) {
	t.Parallel()
	needsForReal(t, "umoci", "setfattr", "mksquashfs", "unsquashfs", "node")
	at := t.TempDir()
	run := func(script string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "bash", "-ec", script)
		cmd.Dir = at
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	run("umoci init --layout l && umoci new --image l:one && umoci unpack --image l:one bundle")
	run("cd bundle/rootfs\n" + furnish)
	run("umoci repack --refresh-bundle --image l:one bundle")
	run("cd bundle/rootfs\n" + change)
	run("umoci repack --image l:one bundle && umoci config --image l:one --config.workingdir /srv --config.env A=b --architecture amd64")

	writeProject(t, at, nil)
	key, out := filepath.Join(at, "key.pem"), filepath.Join(at, "tiny.s9pk")
	hearthHere(t, "keys", "init", "--key", key)
	hearthHere(t, "s9pk", "pack", at, "--key", key, "--out", out, "--arch", "x86_64", "--image", "main=oci:"+filepath.Join(at, "l")+":one")
	if text := hearthHere(t, "s9pk", "inspect", out); !strings.HasPrefix(text, "tiny  1.0.0:0  Tiny\n") || !strings.Contains(text, "images/x86_64/main.squashfs") {
		t.Error(text)
	}
	if text := hearthHere(t, "s9pk", "verify", out); !strings.Contains(text, "is whole and signed") {
		t.Error(text)
	}
	hearthHere(t, "s9pk", "extract", out, "--to", filepath.Join(at, "members"))
	for name, want := range map[string]string{"env": "A=b", "json": `{"workdir":"/srv","user":"root","entrypoint":null,"cmd":null}`} {
		if raw, err := os.ReadFile(filepath.Join(at, "members/images/x86_64/main."+name)); err != nil || string(raw) != want {
			t.Errorf("%s: %s, %v", name, raw, err)
		}
	}
	run("unsquashfs -q -n -d got members/images/x86_64/main.squashfs")
	want, got := tree(t, filepath.Join(at, "bundle/rootfs")), tree(t, filepath.Join(at, "got"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(want) < 20 {
		t.Errorf("the tree has only %d entries", len(want))
	}
}

// needsForReal skips a test where it cannot make devices and foreign owners or lacks programs. Where HEARTH_REQUIRE names
// root, as continuous integration does, that is a failure.
func needsForReal(t *testing.T, programs ...string) {
	t.Helper()
	skip := t.Skip
	if slices.Contains(strings.Split(os.Getenv("HEARTH_REQUIRE"), ","), "root") {
		skip = t.Fatal
	}
	if os.Geteuid() != 0 || os.Getenv("HEARTH_TEST_NOROOT") != "" {
		skip("needs root")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			skip("needs " + program)
		}
	}
}

// tree describes all there is below a folder, but for times.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	first := map[uint64]string{}
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("no stat of %s", path)
		}
		name := strings.TrimPrefix(path, root)
		text := fmt.Sprintf("%s %d:%d dev %x", info.Mode(), st.Uid, st.Gid, st.Rdev)
		if !d.IsDir() && st.Nlink > 1 {
			if first[st.Ino] == "" {
				first[st.Ino] = name
			}
			text += " same as " + first[st.Ino]
		}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " to " + to
		case d.Type().IsRegular():
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(raw))
		}
		all[name] = text + attributes(t, path)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func attributes(t *testing.T, path string) string {
	t.Helper()
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(path, list)
	if err != nil {
		t.Fatal(path, err)
	}
	text := ""
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if name == "" || strings.HasPrefix(name, "system.") {
			continue
		}
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			t.Fatal(path, err)
		}
		text += fmt.Sprintf(" %s=%x", name, value[:n])
	}
	return text
}
