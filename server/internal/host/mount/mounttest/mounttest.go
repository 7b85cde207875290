// Package mounttest lets tests of mounts and containers run as root without touching the machine: in mount and network
// namespaces of their own, with small images and with a shell that is root of nothing but a user namespace.
package mounttest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/hostcmd"
	"github.com/hearthos/hearth/server/internal/testenv"
)

const marker = "HEARTH_TEST_ISOLATED"

// UnifiedVariable, set in the environment, makes Main show cgroups of generation 2 alone. Where the machine uses
// generation 1 too, that has no controllers then.
const UnifiedVariable = "HEARTH_TEST_CGROUP2"

// Main is a TestMain that runs the tests in a private mount namespace (with an empty /run) and a private network
// namespace whose loopback is up. Without root it runs them where they are; they skip by testenv.
func Main(m *testing.M) {
	if os.Geteuid() == 0 && os.Getenv(marker) == "" {
		if err := isolate(); err != nil {
			fmt.Fprintln(os.Stderr, "cannot isolate tests:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// OuterEnviron is the environment for a test program that shall isolate itself anew.
func OuterEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, marker+"=") })
}

// isolate replaces the process: exec takes the namespaces of the calling thread for the whole of it.
func isolate() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	if err := freshSys(); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(exe, os.Args, append(os.Environ(), marker+"=1"))
}

// freshSys mounts a /sys that shows the interfaces of the new network namespace, which is where liblxc looks for bridges,
// and puts the cgroups back below it.
func freshSys() error {
	from := "/sys/fs/cgroup"
	if os.Getenv(UnifiedVariable) != "" {
		from = "/run/cgroup2"
		if err := os.Mkdir(from, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup2", from, "cgroup2", 0, ""); err != nil {
			return err
		}
	}
	cgroups, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer unix.Close(cgroups)
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return err
	}
	return unix.MoveMount(cgroups, "", unix.AT_FDCWD, "/sys/fs/cgroup", unix.MOVE_MOUNT_F_EMPTY_PATH)
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req)
}

// RunDir returns an empty folder below /run, as the daemon's, with a short path that any id can search.
func RunDir(t testing.TB) string {
	t.Helper()
	testenv.Require(t, "root", "netns")
	if err := os.MkdirAll("/run/hearth", 0o711); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/run/hearth", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Image makes a squashfs image of the files, named by path; a name that ends in a slash is a folder, content that begins
// with "->" is a link. Everything belongs to 0.
func Image(t testing.TB, files map[string]string) string {
	t.Helper()
	testenv.Require(t, "squashfs")
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(tree, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "->"); ok {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Pack(t, tree)
}

// Pack makes a squashfs image of the folder tree.
func Pack(t testing.TB, tree string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image.squashfs")
	err := hostcmd.Run(t.Context(), hostcmd.Cmd{Path: "mksquashfs", Args: []string{
		tree, image, "-all-root", "-quiet", "-no-progress", "-no-xattrs", "-comp", "zstd", "-Xcompression-level", "1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// Shell is a shell that is root in a user namespace of its own and sees a copy of the test's mounts, as the root of a
// container is and does.
type Shell struct {
	// PIDFD stands for the shell's process.
	PIDFD *os.File
	in    *os.File
	out   *bufio.Reader
}

// NewShell starts a Shell whose ids are mapped by the base map of base. It ends with the test.
func NewShell(t testing.TB, base uint32) *Shell {
	t.Helper()
	testenv.Require(t, "root", "netns")
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(base), Size: idmap.Range}}
	p, err := os.StartProcess("/bin/sh", []string{"sh"}, &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}, Files: []*os.File{inR, outW, outW},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: ids, GidMappings: ids,
			Credential: &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
		},
	})
	inR.Close()
	outW.Close()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &Shell{PIDFD: os.NewFile(uintptr(fd), "pidfd"), in: inW, out: bufio.NewReader(outR)}
	t.Cleanup(func() {
		_ = p.Kill()
		_, _ = p.Wait()
		inW.Close()
		outR.Close()
		s.PIDFD.Close()
	})
	return s
}

// Run runs a command in the shell and returns what it printed, without the last newline, and its exit status.
func (s *Shell) Run(t testing.TB, command string) (string, int) {
	t.Helper()
	const end = "--end-of-command--"
	if _, err := fmt.Fprintf(s.in, "( %s ) </dev/null; code=$?; echo; echo %s $code\n", command, end); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("shell ended while running %q: %v", command, err)
		}
		if rest, ok := strings.CutPrefix(line, end+" "); ok {
			code, err := strconv.Atoi(strings.TrimSpace(rest))
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(b.String()), code
		}
		b.WriteString(line)
	}
}

// Kill ends the shell and waits until it is gone.
func (s *Shell) Kill(t testing.TB) {
	t.Helper()
	if err := unix.PidfdSendSignal(int(s.PIDFD.Fd()), unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	for {
		err := unix.Waitid(unix.P_PIDFD, int(s.PIDFD.Fd()), nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) { // Go interrupts its threads to share them
			t.Fatal(err)
		}
	}
}
