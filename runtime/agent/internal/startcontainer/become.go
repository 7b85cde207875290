package startcontainer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// defaultPath is what programs are looked for in, and told, when the image names no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// maxEnvFile bounds the environment file of an image.
const maxEnvFile = 1 << 20

// become replaces this process by the command, in its root file system, as its user, with its environment. Everything
// here is done to this thread alone and becomes the process's by exec.
func become(c *command) error {
	env, err := environment(c.envFile, c.env)
	if err != nil {
		return err
	}
	if err := enterRoot(c.chroot); err != nil {
		return err
	}
	who, err := lookupUser(os.DirFS("/etc"), c.user)
	if err != nil {
		return err
	}
	env = withDefault(env, "HOME", who.home)
	env = withDefault(env, "PATH", defaultPath)
	giveStdio(who.uid)
	if _, err := unix.Setsid(); err == nil && term.IsTerminal(0) {
		_ = unix.IoctlSetInt(0, unix.TIOCSCTTY, 0)
	}
	if err := becomeUser(who); err != nil {
		return err
	}
	if c.syncFD >= 0 {
		// Cleared by the change of user.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return fmt.Errorf("cannot ask to end with the parent: %w", err)
		}
	}
	if err := unix.Chdir(c.workdir); err != nil {
		return fmt.Errorf("cannot change to working directory %q: %w", c.workdir, err)
	}
	if len(c.argv) == 0 {
		c.argv = []string{loginShell(who.shell)}
	}
	path, err := lookProgram(c.argv[0], env)
	if err != nil {
		return err
	}
	err = syscall.Exec(path, c.argv, env)
	runtime.KeepAlive(c)
	code := exitCannotExecute
	if errors.Is(err, unix.ENOENT) {
		code = exitNotFound
	}
	return &exitError{code, fmt.Errorf("cannot execute %s: %w", path, err)}
}

// loginShell is the shell that a person gets as a user. Users of services mostly have one that lets nobody in.
func loginShell(shell string) string {
	const fallback = "/bin/sh"
	switch filepath.Base(shell) {
	case "false", "true", "nologin", "sync", ".", "/":
		return fallback
	}
	if unix.Access(shell, unix.X_OK) != nil {
		return fallback
	}
	return shell
}

// enterRoot makes dir, with all that is mounted below it, the root of a mount namespace of its own. What is mounted
// below dir outside later appears inside; what is mounted inside stays there.
func enterRoot(dir string) error {
	fail := func(err error) error { return fmt.Errorf("cannot enter root file system %s: %w", dir, err) }
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fail(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fail(err)
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fail(err)
	}
	if err := unix.Chdir(dir); err != nil {
		return fail(err)
	}
	// The old root ends up mounted over the new one, and is taken off it.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fail(err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fail(err)
	}
	return unix.Chdir("/")
}

// environment reads the file and lays the flags over it; the last mention of a name wins. A file that does not exist is
// an image without an environment.
func environment(file string, flags []string) ([]string, error) {
	var env []string
	if file != "" {
		text, err := readBounded(os.DirFS(filepath.Dir(file)), filepath.Base(file), maxEnvFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot read the environment of the image: %w", err)
		}
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\r\n")
			if i := strings.IndexByte(line, '='); i > 0 {
				env = setenv(env, line[:i], line[i+1:])
			}
		}
	}
	for _, e := range flags {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" {
			return nil, usageError("cannot read environment variable %q: want NAME=VALUE", e)
		}
		env = setenv(env, name, value)
	}
	for _, e := range env {
		if strings.ContainsRune(e, 0) {
			return nil, usageError("cannot use environment variable %q: it contains a zero byte", e)
		}
	}
	return env, nil
}

func setenv(env []string, name, value string) []string {
	for i, e := range env {
		if strings.HasPrefix(e, name+"=") {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

func withDefault(env []string, name, value string) []string {
	for _, e := range env {
		if strings.HasPrefix(e, name+"=") {
			return env
		}
	}
	return append(env, name+"="+value)
}

// giveStdio gives pipes and terminals of standard input and output to a user, so that programs can open /dev/stdout.
func giveStdio(uid int) {
	if uid == 0 {
		return
	}
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil {
			continue
		}
		if st.Mode&unix.S_IFMT == unix.S_IFIFO || term.IsTerminal(fd) {
			_ = unix.Fchown(fd, uid, -1)
		}
	}
}

// becomeUser changes the ids of this thread alone, which is about to exec. The library's own functions would change
// those of all threads, of which some may not be in this mount namespace.
func becomeUser(who identity) error {
	var groups unsafe.Pointer
	if len(who.groups) > 0 {
		groups = unsafe.Pointer(&who.groups[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(who.groups)), uintptr(groups), 0); errno != 0 {
		return fmt.Errorf("cannot set supplementary groups: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGID, uintptr(who.gid), 0, 0); errno != 0 {
		return fmt.Errorf("cannot become group %d: %w", who.gid, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETUID, uintptr(who.uid), 0, 0); errno != 0 {
		return fmt.Errorf("cannot become user %d: %w", who.uid, errno)
	}
	// Lost with the change; until the exec the process would be unreadable in proc for its own user.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot stay dumpable: %w", err)
	}
	return nil
}

// lookProgram finds a program by the PATH of its environment.
func lookProgram(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	var denied error
	for _, e := range env {
		list, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			path := filepath.Join(dir, name)
			var st unix.Stat_t
			if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
				continue
			}
			if err := unix.Access(path, unix.X_OK); err != nil {
				denied = fmt.Errorf("cannot execute %s: %w", path, err)
				continue
			}
			return path, nil
		}
	}
	if denied != nil {
		return "", &exitError{exitCannotExecute, denied}
	}
	return "", &exitError{exitNotFound, fmt.Errorf("cannot execute %q: not found in PATH", name)}
}
