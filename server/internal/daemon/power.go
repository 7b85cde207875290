package daemon

import (
	"context"
	"errors"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/hostcmd"
)

// ErrRestart is what Run answers when the daemon was asked to restart: who called it starts it again, in the same process
// so that whoever watches over the process notices nothing.
var ErrRestart = errors.New("asked to restart")

// Restart implements systemrpc.Daemon.
func (d *Daemon) Restart(ctx context.Context) (machine bool, err error) {
	if d.Platform().GetMode() == systemv1.Platform_MODE_IMAGE {
		return true, systemctl(ctx, "reboot")
	}
	time.AfterFunc(answerFirst, func() { d.stop(ErrRestart) })
	return false, nil
}

// PowerOff implements systemrpc.Daemon.
func (d *Daemon) PowerOff(ctx context.Context) error {
	p := d.Platform()
	if p.GetMode() != systemv1.Platform_MODE_IMAGE {
		return fault.New(metav1.Reason_REASON_POWER_NOT_OURS, "cannot switch the machine off: it belongs to somebody else (%s)", p.GetDetail()).
			With("platform", p.GetDetail())
	}
	return systemctl(ctx, "poweroff")
}

// answerFirst is how long the daemon goes on after it was asked to end, so that who asked gets an answer.
const answerFirst = 100 * time.Millisecond

// systemctl asks systemd for the end of the machine. It stops the services in order by a unit of ours.
func systemctl(ctx context.Context, verb string) error {
	return hostcmd.Run(ctx, hostcmd.Cmd{Path: "systemctl", Args: []string{"--no-block", verb}})
}
