package image_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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

// An image made by umoci of two layers becomes the tree that umoci itself has.
func TestLayoutOfUmociBecomesTheSameTree(t *testing.T) {
	t.Parallel()
	needsSquashfs(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make devices and foreign owners")
	}
	for _, program := range []string{"umoci", "setfattr"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
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
	out, config := made(t, source(t, "oci:"+filepath.Join(at, "l")+":one"))
	if config.Workdir != "/srv" || len(config.Env) != 1 {
		t.Error(config)
	}
	run("unsquashfs -q -n -d got " + out)
	want, got := tree(t, filepath.Join(at, "bundle/rootfs")), tree(t, filepath.Join(at, "got"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(want) < 20 {
		t.Errorf("the tree has only %d entries", len(want))
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
			text += " " + sha(raw)
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
