// Hearth-door is the front door of a Hearth: it leads connections and names to services and outlives the daemon, which
// tells it what to do. Started plainly it is the parent that holds the sockets; it starts itself once more as the worker
// that serves, and once as the standby that becomes the parent when that dies.
//
// Signals to the parent: SIGHUP replaces the worker by the program that is on disk now, at the place that the daemon has named last, SIGTERM ends all.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/hearthos/hearth/server/internal/door/doorctl"
	"github.com/hearthos/hearth/server/internal/door/holder"
	"github.com/hearthos/hearth/server/internal/door/worker"
)

// version is set by the linker.
var version = "dev"

// exitRunning is the exit status of a parent that found another one.
const exitRunning = 3

type options struct {
	runDir, socket string
	uid, owner     int
	worker         bool
	standby        int
}

func main() {
	var o options
	flag.StringVar(&o.runDir, "run-dir", "/run/hearth", "folder for the table and the lock; its parents must be searchable by the worker")
	flag.StringVar(&o.socket, "socket", "", "socket of hearth.door.v1 (default RUN-DIR/door.sock)")
	flag.IntVar(&o.uid, "uid", -1, "user and group id of the worker; needed for root, else that of the caller")
	flag.BoolVar(&o.worker, "worker", false, "be the worker; for the parent's use")
	flag.IntVar(&o.standby, "standby", 0, "take over when the process of this number, which started this one, has ended; for the parent's use")
	flag.IntVar(&o.owner, "owner", -1, "user id that may call besides root; for the parent's use")
	flag.Parse()
	signal.Ignore(syscall.SIGPIPE) // whoever read our log may be gone
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("process", "door", "pid", os.Getpid())
	err := run(o, log)
	if err == nil {
		return
	}
	log.Error("door ends", "err", err)
	if errors.Is(err, holder.ErrRunning) {
		os.Exit(exitRunning)
	}
	os.Exit(1)
}

func run(o options, log *slog.Logger) error {
	dir := filepath.Join(o.runDir, "door")
	if o.worker {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) // the parent tells when to end, and how
		return worker.Run(context.Background(), worker.Options{
			StatePath: filepath.Join(dir, "table"), UID: o.uid, Owner: o.owner, Version: version, Log: log,
		})
	}
	if o.uid < 0 {
		o.uid = os.Geteuid()
	}
	if o.uid == 0 {
		return errors.New("cannot run the worker as root: --uid is needed")
	}
	if o.socket == "" {
		o.socket = filepath.Join(o.runDir, "door.sock")
	}
	if o.standby != 0 {
		signal.Ignore(syscall.SIGHUP) // it is for the parent; who takes over heeds it again
		if err := holder.AwaitEnd(o.standby); err != nil {
			return fmt.Errorf("cannot wait for the parent's end: %w", err)
		}
		log.Warn("the parent has ended, its standby takes over", "parent", o.standby)
	}
	if err := prepare(dir, o.uid); err != nil {
		return err
	}
	raiseLimit()
	own, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the program: %w", err)
	}
	own = strings.TrimSuffix(own, " (deleted)")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	replace := make(chan os.Signal, 1)
	signal.Notify(replace, syscall.SIGHUP)
	return holder.Run(ctx, replace, holder.Options{
		Program: func() string { return doorctl.Program(o.runDir, own) },
		Args:    []string{"--worker", "--run-dir", o.runDir, "--uid", strconv.Itoa(o.uid), "--owner", strconv.Itoa(os.Geteuid())},
		Standby: []string{"--run-dir", o.runDir, "--socket", o.socket, "--uid", strconv.Itoa(o.uid), "--standby"},
		Socket:  o.socket, Lock: filepath.Join(o.runDir, "door.lock"), Log: log,
	})
}

// raiseLimit lets the worker hold the connections of a busy machine; where that is not allowed it holds fewer.
func raiseLimit() {
	const enough = 65536
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil && l.Cur < enough {
		l.Cur, l.Max = enough, max(l.Max, enough)
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	}
}

// prepare makes the worker's folder: the table in it holds keys.
func prepare(dir string, uid int) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make the door's folder: %w", err)
	}
	st, err := os.Lstat(dir)
	if err != nil || !st.IsDir() {
		return fmt.Errorf("cannot use %s as the door's folder: not a folder", dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("cannot protect the door's folder: %w", err)
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(dir, uid, uid); err != nil {
			return fmt.Errorf("cannot give the door its folder: %w", err)
		}
	}
	return nil
}
