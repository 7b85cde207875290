// Package worker is the process that serves as the front door: a door, its service for the daemon, and obedience to the
// parent that holds the sockets.
//
// It is deliberately without rights: it gives up root before it reads its first byte. Invariants: it serves from the
// table of the last time before it says that it is ready; it takes the daemon's calls only while it is the current one.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/door/doorctl"
	"github.com/hearthos/hearth/server/internal/door/holder"
)

const (
	// drainGrace is how long idle connections are left open for their callers to go by themselves; drainLimit ends all.
	drainGrace, drainLimit = 10 * time.Second, 10 * time.Minute
	// stopLimit is the same when the parent ends, orphanLimit when it is gone.
	stopLimit, orphanLimit = 2 * time.Second, 10 * time.Second
	// slack is how much garbage there may be before it is collected, besides as much as is in use. A door holds a few megabytes: without
	// slack it would collect some hundred times a second under load. It is address space that is never touched.
	slack = 32 << 20
	// freezeLimit bounds the wait for a table that is just being put in force.
	freezeLimit = 4 * time.Second
)

// Options are what a worker is made of.
type Options struct {
	// StatePath is where the last table is kept.
	StatePath string
	// UID is what the worker becomes when it is root.
	UID int
	// Owner may call besides root: the user that started the parent.
	Owner   int
	Version string
	Log     *slog.Logger
}

// worker is one process's life.
type worker struct {
	Options
	link *holder.Link
	door *door.Door
	grpc *grpc.Server
}

// Run serves until the parent ends it.
func Run(ctx context.Context, o Options) error {
	if err := giveUpRights(o.UID); err != nil {
		return err
	}
	untouched := make([]byte, slack)
	defer runtime.KeepAlive(untouched)
	link, err := holder.Connect(holder.WorkerFD)
	if err != nil {
		return err
	}
	w := &worker{Options: o, link: link, door: door.New(door.Options{
		Sockets: link, StatePath: o.StatePath, Log: o.Log, Limits: door.Limits{Descriptors: affordable()},
	})}
	if err := w.door.Load(ctx); err != nil {
		o.Log.Error("the table of the last time cannot be used", "err", err)
	}
	w.grpc = door.NewServer(&door.Service{Door: w.door, Version: o.Version, Program: doorctl.Identity("/proc/self/exe"), Replacement: link.Replace})
	if err := link.Ready(); err != nil {
		return fmt.Errorf("cannot tell the parent that the door serves: %w", err)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	go w.door.Run(running)
	return w.obey(ctx)
}

func (w *worker) obey(ctx context.Context) error {
	for c := range w.link.Commands() {
		switch c {
		case holder.Promote:
			l, err := w.link.Control()
			if err != nil {
				return fmt.Errorf("cannot take the daemon's socket: %w", err)
			}
			go func() {
				if err := w.grpc.Serve(door.OnlyFrom(l, 0, w.Owner)); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
					w.Log.Error("daemon cannot be served any more", "err", err)
				}
			}()
		case holder.Freeze:
			if err := w.freeze(ctx); err != nil {
				w.Log.Warn("table does not hold still", "err", err)
			}
		case holder.Thaw:
			w.door.Thaw()
		case holder.Drain:
			return w.end(ctx, drainGrace, drainLimit)
		case holder.Stop:
			return w.end(ctx, time.Millisecond, stopLimit)
		}
	}
	w.Log.Warn("parent is gone")
	return w.end(ctx, time.Millisecond, orphanLimit)
}

func (w *worker) freeze(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, freezeLimit)
	defer cancel()
	if err := w.door.Freeze(ctx); err != nil {
		return err
	}
	return w.link.Frozen()
}

// end finishes what has begun. Stop may come during it and makes it short.
func (w *worker) end(ctx context.Context, grace, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	go func() {
		for c := range w.link.Commands() {
			if c == holder.Stop {
				cancel()
			}
		}
	}()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.grpc.GracefulStop()
	}()
	w.door.Drain(ctx, grace)
	select {
	case <-stopped:
	case <-ctx.Done(): // the process ends with what is left
	}
	return nil
}

// affordable is how many connections the descriptors of this process allow; 0 for the usual number.
func affordable() int {
	const usual, spare = 16384, 20480 // listeners, and what else is open
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || l.Cur >= usual+spare {
		return 0
	}
	return max(128, int(l.Cur)-spare)
}

// giveUpRights makes a root process one of uid, for good: the parent started it so that it can gain nothing anew.
func giveUpRights(uid int) error {
	if os.Geteuid() == 0 && uid != 0 {
		if err := syscall.Setgroups(nil); err != nil {
			return os.NewSyscallError("setgroups", err)
		}
		if err := syscall.Setresgid(uid, uid, uid); err != nil {
			return os.NewSyscallError("setresgid", err)
		}
		if err := syscall.Setresuid(uid, uid, uid); err != nil {
			return os.NewSyscallError("setresuid", err)
		}
	}
	if os.Geteuid() != uid {
		return fmt.Errorf("cannot become user %d from %d", uid, os.Geteuid())
	}
	return nil
}
