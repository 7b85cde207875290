package daemon

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"github.com/hearthos/hearth/server/internal/door/doorctl"
	"github.com/hearthos/hearth/server/internal/journal"
	"github.com/hearthos/hearth/server/internal/proxy"
)

// reached is what came of looking for the front door during the start.
type reached struct {
	door   *doorctl.Door
	status *doorv1.GetStatusResponse
	err    error
}

// reachDoor finds the front door or starts it, beside the rest of the start. One that has no table, as after a boot, gets the
// server's own part of the last: so browsers are told how far the start is, too.
func (d *Daemon) reachDoor(ctx context.Context, group *errgroup.Group) {
	d.reached = make(chan reached, 1)
	group.Go(func() error {
		var r reached
		if d.cfg.Sandbox != nil {
			r.err = d.playDoor(ctx, group)
		}
		if r.err == nil {
			r.door, r.status, r.err = doorctl.Ensure(ctx, d.doorOptions())
		}
		if r.err == nil && r.status.GetDigest() == "" {
			if err := d.showFirst(ctx, r.door); err != nil {
				d.log.WarnContext(ctx, "the page is not shown during the start", "error", err)
			}
		}
		d.reached <- r
		return nil
	})
}

// firstTable is the file with the server's own part of the door's last table. It holds no secret.
func (d *Daemon) firstTable() string { return filepath.Join(d.cfg.StateDir, "first-table") }

// showFirst gives the door the table with which the server's page is reached before there is another. A new server has none yet,
// and a short start.
func (d *Daemon) showFirst(ctx context.Context, door *doorctl.Door) error {
	b, err := os.ReadFile(d.firstTable())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	kept := new(doorv1.Table)
	if err == nil {
		err = proto.Unmarshal(b, kept)
	}
	if err == nil {
		_, err = door.Apply(ctx, d.reachable(proxy.First(kept, d.doorServer())))
	}
	return err
}

// keepFirst keeps of a table that is in force what the next start shows first.
func (d *Daemon) keepFirst(t *doorv1.Table) error {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(proxy.Own(t, d.doorServer()))
	if err != nil || bytes.Equal(b, d.keptFirst) {
		return err
	}
	if err := atomicfile.Write(d.firstTable(), b, 0o600); err != nil {
		return err
	}
	d.keptFirst = b
	return nil
}

// doorOptions say where the front door is and how it is started.
func (d *Daemon) doorOptions() doorctl.Options {
	program := filepath.Join(d.cfg.BinDir, "hearth-door")
	if d.cfg.Sandbox != nil { // it is played by the daemon, and a real one would outlive it
		program = ""
	}
	return doorctl.Options{RunDir: d.runDir, Program: program, UID: d.cfg.DoorUID, LogPath: d.doorLog()}
}

const (
	// doorEvery is how often the daemon asks whether the front door still has its table, though its connection holds:
	// nobody tells of a table that is gone.
	doorEvery = 10 * time.Second
	// claimEvery is the same while the door still claims the server's name in .local, which takes it about a second.
	claimEvery = time.Second
	// doorPause is before the front door is started again after a start that failed, longer each time up to doorEvery.
	doorPause = 250 * time.Millisecond
	// maxDoorLog is how long the log of the front door may get before it is begun anew; as much again is kept.
	maxDoorLog = 4 << 20
)

// followDoor keeps the front door there: its parent sees to it that it serves, and nobody but the daemon to its parent.
func (d *Daemon) followDoor(ctx context.Context) error {
	pause, every := doorPause, claimEvery
	for ctx.Err() == nil {
		if d.doorLost(ctx, every) {
			d.door.Store(false)
		}
		if err := journal.Rotate(d.doorLog(), maxDoorLog); err != nil {
			d.log.WarnContext(ctx, "the log of the front door grows", "error", err)
		}
		waits, err := d.reviveDoor(ctx)
		if every = doorEvery; waits {
			every = claimEvery
		}
		if err == nil {
			pause = doorPause
			continue
		}
		if ctx.Err() != nil {
			break
		}
		d.log.WarnContext(ctx, "the front door does not answer", "error", err, "again", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, doorEvery)
	}
	return ctx.Err()
}

// doorLost waits until the connection to the door breaks, which it answers, until somebody wants the door asked, or for a while.
func (d *Daemon) doorLost(ctx context.Context, while time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	done := make(chan struct{})
	defer func() { <-done }()
	defer cancel()
	go func() {
		defer close(done)
		select {
		case <-d.asked:
			cancel()
		case <-ctx.Done():
		}
	}()
	return d.doorConn.Lost(ctx)
}

// reviveDoor asks the door, starts it where it has ended, and wakes the proxy when it has no table. It answers whether the
// door is still at its work.
func (d *Daemon) reviveDoor(ctx context.Context) (waits bool, err error) {
	status, started, err := d.doorConn.Revive(ctx, d.doorOptions())
	d.door.Store(err == nil)
	if err == nil && status.GetDigest() != "" {
		d.listens(status.GetSockets())
	}
	if started {
		d.log.WarnContext(ctx, "the front door had ended and was started again", "answers", err == nil)
	}
	if err == nil && status.GetDigest() == "" {
		d.manager.Wake(proxy.ControllerName, proxy.ControllerKey)
	}
	return err == nil && (status.GetDigest() == "" || d.claimed(ctx, status.GetLocalNames())), err
}

// frontDoor applies tables and remembers whether the door answered.
type frontDoor struct{ d *Daemon }

// Apply implements proxy.Door.
func (f frontDoor) Apply(ctx context.Context, t *doorv1.Table) (*doorv1.ApplyResponse, error) {
	resp, err := f.d.doorConn.Apply(ctx, f.d.reachable(t))
	f.d.door.Store(err == nil || fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT)) // what it cannot use it has answered, too
	if err == nil {
		if err := f.d.keepFirst(t); err != nil {
			f.d.log.WarnContext(ctx, "the next start will not show the page before its end", "error", err)
		}
		f.d.listens(resp.GetSockets())
		select { // there may be names that are still to be claimed
		case f.d.asked <- struct{}{}:
		default:
		}
	}
	return resp, err
}

// Check implements proxy.Door.
func (f frontDoor) Check(ctx context.Context, t *doorv1.Table) error {
	return f.d.doorConn.Check(ctx, f.d.reachable(t))
}

// GetStatus implements proxy.Door.
func (f frontDoor) GetStatus(ctx context.Context) (*doorv1.GetStatusResponse, error) {
	resp, err := f.d.doorConn.Status(ctx)
	f.d.door.Store(err == nil)
	return resp, err
}
