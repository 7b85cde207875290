// Package startcontainer is the program `start-container`, which the code of StartOS packages calls by name: it makes
// subcontainers out of file systems, runs commands in them, binds folders into them and reaches a few effects from
// shell scripts. Flags and behaviour are those that bundles built with any StartOS SDK rely on.
//
//	pipe-wrap CMD…                                      a child whose output goes through pipes
//	subcontainer launch [flags] CHROOT [CMD…]           new pid, ipc and cgroup namespaces with a first process
//	subcontainer launch-init [flags] CHROOT [CMD…]      that first process, before it becomes CMD
//	subcontainer exec [flags] CHROOT CMD…               a command in the namespaces of a launched subcontainer
//	subcontainer exec-command [flags] CHROOT CMD…       the command itself: root, user, environment, exec
//	bind-mount --source S --target T [flags]            a folder or file at another place, perhaps with other ids
//	<effect> [flags] [arguments]                        an effect of hearth.effects.v1, named by its option
//	echo ARGS…, git-info                                for people
//
// The namespaces that are not made matter as much: network, users and host name are shared by all subcontainers of a
// service and its JavaScript host, which look for each other's ports on loopback.
//
//	launch ──fork──▶ launch-init = pid 1 ──becomes──▶ CMD
//	exec ──fork──▶ exec-command ──becomes──▶ CMD
//
// A person's session, which the agent starts, has a process between the two that stays in the subcontainer's namespaces
// until nothing of the session is left, see keep.go. Where the first process has ended, exec makes another, see revive.go.
//
// The parent of the pair stays outside, forwards signals, terminal and output, and exits with the child's status. It is
// killed to kill the child, as SDKs do on time-outs: the child asks the kernel for that.
//
// Invariants: it depends on no environment variable, since SDKs spawn it with the environment of an image; a command
// sees the environment file, the -e flags, HOME and PATH, and nothing else; links in the root file system of an image
// never lead out of it.
package startcontainer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/pflag"
)

// program is where the program lies in a container, and the name its children show.
const program = "/usr/bin/start-container"

// Exit codes as shells have them.
const (
	exitFailure       = 1
	exitUsage         = 2
	exitCannotExecute = 126
	exitNotFound      = 127
)

// exitError carries the code to exit with.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format+" (see start-container --help)", args...)}
}

// Main runs the program on the process's first thread, to which the caller has locked itself, and returns the code to
// exit with.
func Main(version string, args []string) int {
	code, err := run(version, args)
	if err == nil {
		return code
	}
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "start-container:", err)
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailure
}

func run(version string, args []string) (int, error) {
	if len(args) == 0 {
		return exitUsage, help(os.Stderr)
	}
	switch args[0] {
	case "help", "-h", "--help":
		return 0, help(os.Stdout)
	case "echo":
		_, err := fmt.Println(strings.Join(args[1:], " "))
		return 0, err
	case "git-info":
		_, err := fmt.Println(gitInfo(version))
		return 0, err
	case "pipe-wrap":
		return pipeWrap(args[1:])
	case holdNamespace:
		_, err := io.Copy(io.Discard, os.Stdin)
		return 0, err
	case "bind-mount":
		return 0, bindMount(args[1:])
	case "subcontainer":
		if len(args) > 1 {
			switch args[1] {
			case "launch":
				return launch(args[2:])
			case "launch-init":
				return launchInit(args[2:])
			case "exec":
				return execute(args[2:])
			case "exec-command":
				return execCommand(args[2:])
			}
		}
	}
	return effect(args)
}

// gitInfo names the source the program was built from.
func gitInfo(version string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return version
}

func help(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`usage:
  start-container pipe-wrap COMMAND...
  start-container subcontainer launch [flags] CHROOT [COMMAND...]
  start-container subcontainer exec [flags] CHROOT COMMAND...
  start-container bind-mount --source S --target T [--recursive] [--readonly] [--file] [--idmap FROM:TO[:COUNT]]...
  start-container echo ARGUMENTS...
  start-container git-info
flags of launch and exec:
`)
	set, _ := commandFlags("subcontainer exec")
	b.WriteString(set.FlagUsages())
	b.WriteString("effects, with their parameters as flags, or in this order as arguments; --json, --socket PATH:\n")
	for _, m := range effectMethods() {
		b.WriteString("  start-container " + m.usage() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
