// Command agent is Hearth's one program inside service containers, a static binary that is several by the name and the
// first argument it is called with:
//
//	agent init                       the first process of the container
//	start-container …, start-cli …   what the code of StartOS packages calls, see package startcontainer
//
// It runs in a container that is not trusted, as its root, and sees of the host nothing but a folder of sockets and a
// folder of logs. Containers outlive the daemon and its upgrades, so hearth.agent.v1 stays compatible with the release
// before.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/runtime/agent/internal/pid1"
	"github.com/hearthos/hearth/runtime/agent/internal/startcontainer"
)

// version is set by the linker.
var version = "development"

// Namespaces, credentials and parent-death signals belong to threads; start-container does all of it on the first one,
// which only an init function can hold.
func init() { runtime.LockOSThread() }

func main() {
	if name := filepath.Base(os.Args[0]); name == "start-container" || name == "start-cli" {
		os.Exit(startcontainer.Main(version, os.Args[1:]))
	}
	if len(os.Args) == 2 && os.Args[1] == "init" {
		os.Exit(initMain())
	}
	fmt.Fprintf(os.Stderr, "usage: %s init\n       start-container --help\n", os.Args[0])
	os.Exit(2)
}

func initMain() int {
	debug.SetGCPercent(50) // an agent runs for every service and idles most of its life
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGPWR)
	// What would end another program must not end a container. Not ignored: children would inherit that.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGQUIT, unix.SIGALRM, unix.SIGUSR1, unix.SIGUSR2)
	cfg, err := pid1.FromEnv(version, os.Getenv)
	if err == nil {
		err = pid1.Run(cfg, signals)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hearth-agent:", err)
		return 1
	}
	return 0
}
