package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/clock"
	"github.com/hearthos/hearth/server/internal/warn"
)

// conditions are what the server warns of.
func (d *Daemon) conditions() []warn.Condition {
	return []warn.Condition{d.logCondition(), d.diskCondition(), clockCondition(), jumpCondition(time.Now), d.unservedCondition(), d.shareCondition(), d.unusableCondition(), d.stuckCondition(), d.markCondition(), d.circleCondition(), d.localCondition(), d.updateCondition(), d.heldCondition(), d.failedCondition()}
}

// logCondition warns of a change log that grows because it cannot be shortened.
func (d *Daemon) logCondition() warn.Condition {
	return warn.Condition{
		Name:   "change-log",
		Text:   "The change log of the store holds {{.Revisions}} revisions and cannot be shortened.",
		Remedy: "Make room on the disk of the state folder, then have it shortened.",
		Button: &diagnosticsv1.Button{
			Label: "Shorten the log", Method: diagnosticsv1.DiagnosticsService_CompactLog_FullMethodName[1:], RequestJson: "{}",
		},
		Check: func(context.Context) ([]warn.Finding, error) {
			st, err := d.store.Status()
			if err != nil {
				return nil, err
			}
			have := st.Revision - st.Oldest
			said := ""
			switch {
			case st.CompactError != nil:
				said = st.CompactError.Error()
			case have <= 2*st.Retain: // it is shortened in steps
				return nil, nil
			}
			return []warn.Finding{{Severity: warn.Warning, Values: map[string]string{"Revisions": fmt.Sprint(have)}, Quote: said}}, nil
		},
	}
}

// markCondition warns of a state that was opened without the file that tells how new it is.
func (d *Daemon) markCondition() warn.Condition {
	return warn.Condition{
		Name:   "newest-unknown",
		Text:   "The file store/newest was gone when the server started, so nobody can tell whether the newest changes are all there.",
		Remedy: "If files of the state folder were lost, look whether what was changed last is there, or restore a copy of the folder. The warning ends with the next start.",
		Check: func(context.Context) ([]warn.Finding, error) {
			st, err := d.store.Status()
			if err != nil || !st.MarkLost {
				return nil, err
			}
			return []warn.Finding{{Severity: warn.Warning}}, nil
		},
	}
}

// keepRevisions is how much of the log stays when somebody has it shortened: bookmarks of clients that were away for a
// while are still good.
const keepRevisions = 10_000

// CompactLog implements diagnosticsrpc.Daemon.
func (d *Daemon) CompactLog(ctx context.Context) (uint64, error) {
	err := d.store.Compact(keepRevisions)
	d.manager.Wake(warn.ControllerName, "change-log") // it ends, or begins, or has another cause
	if err != nil {
		return 0, err
	}
	st, err := d.store.Status()
	return st.Revision - st.Oldest, err
}

const diskRemedy = "Remove packages or data that are not needed, or make the disk larger."

// room is how much a file system holds.
type room struct{ free, total uint64 }

func roomOf(dir string) (room, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return room{}, fmt.Errorf("cannot see how much of the disk of %s is free: %w", dir, err)
	}
	size := uint64(st.Frsize)
	return room{free: st.Bavail * size, total: st.Blocks * size}, nil
}

// severity is how much it matters, 0 for not at all: a large disk has room with a small share of it.
func (r room) severity() warn.Severity {
	const gib = 1 << 30
	switch {
	case r.free < min(r.total/50, gib):
		return warn.Critical
	case r.free < min(r.total/10, 8*gib):
		return warn.Warning
	}
	return 0
}

// diskCondition warns of a disk that fills up. Nothing can be written to the state any more when it is full.
func (d *Daemon) diskCondition() warn.Condition {
	return warn.Condition{
		Name:   "disk-space",
		Text:   "{{.Free}} of {{.Total}} are free on the disk of the server's data.",
		Remedy: diskRemedy,
		Check: func(context.Context) ([]warn.Finding, error) {
			r, err := roomOf(d.cfg.StateDir)
			if err != nil || r.severity() == 0 {
				return nil, err
			}
			return []warn.Finding{{Severity: r.severity(), Values: map[string]string{"Free": fault.Bytes(r.free).String(), "Total": fault.Bytes(r.total).String()}}}, nil
		},
	}
}

// clockCondition warns of a clock that something should keep right and does not.
func clockCondition() warn.Condition {
	return warn.Condition{
		Name:   "clock",
		Text:   "The clock of the machine is not synchronised, although {{.Keeper}} runs for that.",
		Remedy: "Look at the time service of this machine and at its way to the network; certificates and logins need the right time.",
		Check: func(context.Context) ([]warn.Finding, error) {
			if s := clock.Look("/"); s.Known && !s.Synchronised {
				return []warn.Finding{{Severity: warn.Warning, Values: map[string]string{"Keeper": s.Keeper}}}, nil
			}
			return nil, nil
		},
	}
}

// rememberJump is for how long a jump of the clock is worth a word.
const rememberJump = time.Hour

// jumpCondition warns of a clock that was set by more than a little.
func jumpCondition(now func() time.Time) warn.Condition {
	var jumps clock.Jumps
	var mu sync.Mutex // one look at a time
	return warn.Condition{
		Name:   "clock-jump",
		Text:   "The clock of the machine jumped by {{.By}} at {{.At}}.",
		Remedy: "If nobody set it, look at the time service of this machine; what was due meanwhile is made up for.",
		Check: func(context.Context) ([]warn.Finding, error) {
			mu.Lock()
			defer mu.Unlock()
			by, at := jumps.Observe(now())
			if by == 0 || now().Sub(at) > rememberJump {
				return nil, nil
			}
			return []warn.Finding{{Severity: warn.Notice, Values: map[string]string{
				"By": by.Round(time.Second).String(), "At": at.UTC().Format(time.RFC3339),
			}}}, nil
		},
	}
}

// circleCondition warns of a resolver that asks this server while this server asks it.
func (d *Daemon) circleCondition() warn.Condition {
	return warn.Condition{
		Name:   "dns-circle",
		Text:   "This server and {{.Server}} ask each other for names: what neither knows is found by nobody.",
		Remedy: "Choose other resolvers with 'hearth dns upstream set', or have the other one not ask this server.",
		Check: func(ctx context.Context) ([]warn.Finding, error) {
			status, err := frontDoor{d}.GetStatus(ctx)
			if err != nil {
				return nil, nil // that the door is away is said elsewhere
			}
			var out []warn.Finding
			for _, server := range status.GetCircularUpstreams() {
				out = append(out, warn.Finding{Severity: warn.Warning, Values: map[string]string{"Server": server}})
			}
			return out, nil
		},
	}
}
