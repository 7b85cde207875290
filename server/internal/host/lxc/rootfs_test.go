package lxc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/hostcmd"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// sharedRoot is the image that runtime/rootfs/build made of the present recipe; without it the test is skipped, since
// building takes half a minute and the network.
func sharedRoot(t *testing.T) mount.Squashfs {
	t.Helper()
	testenv.Require(t, "root", "rootfs")
	repo, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := hostcmd.Output(t.Context(), hostcmd.Cmd{Path: filepath.Join(repo, "runtime/rootfs/build"), Args: []string{"--digest"}})
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(repo, ".cache/rootfs", strings.TrimSpace(string(digest))+".squashfs")
	if _, err := os.Stat(image); err != nil {
		t.Skip("needs the container root: run runtime/rootfs/build")
	}
	return mount.Squashfs{File: image}
}

func TestSharedRootHasWhatPackagesCall(t *testing.T) {
	image := sharedRoot(t)
	m := lxctest.NewMachine(t)
	m.Image = image
	r := open(t, m)
	con, s := m.Console(t, "root", 112)
	begin := time.Now()
	start(t, r, s)
	con.Must(t, "true")
	t.Logf("first command after %v", time.Since(begin))
	for command, want := range map[string]string{
		"cat /etc/resolv.conf": "nameserver 10.0.3.1",
		"readlink -f /usr/bin/start-container; readlink -f /usr/bin/start-cli":                                                            "/usr/lib/hearth/agent\n/usr/lib/hearth/agent",
		"ls /media/startos | tr '\\n' ' '":                                                                                                "assets backup dev images logs rpc subcontainers volumes",
		"node -p 'Number(process.versions.node.split(`.`)[0]) >= 22'":                                                                     "true",
		"node -e 'require(`net`).createServer().listen(`/media/startos/rpc/x.sock`, () => { console.log(`listening`); process.exit() })'": "listening",
		"mkdir -p /tmp/a/b && echo 1 > /tmp/a/b/f && rsync -rlptgoAXH /tmp/a/ /tmp/c && cat /tmp/c/b/f":                                   "1",
		"mkdir /tmp/m && mount --bind /etc /tmp/m && test -e /tmp/m/resolv.conf && umount /tmp/m && echo ok":                              "ok",
		"for p in sh cp chattr curl tar gzip xz ps free ip find grep sed awk; do command -v $p >/dev/null || echo no $p; done":            "",
		"curl -s --unix-socket /absent http://x/; echo $?":                                                                                "7",
		"ls /etc/ssl/certs/ca-certificates.crt":                                                                                           "/etc/ssl/certs/ca-certificates.crt",
		"ls /usr/share/man /usr/share/perl 2>/dev/null | wc -l":                                                                           "0",
		"id -un": "root",
	} {
		if got := con.Must(t, command); got != want {
			t.Errorf("%s:\n got %q\nwant %q", command, got, want)
		}
	}
}
