// Package clock tells whether the machine's clock is right: whether something keeps it, and whether it jumped.
//
// It deliberately does not set the clock and asks nobody in the network. Where it cannot be known whether the clock is
// right (as in a machine whose clock another one keeps) it says so instead of guessing.
package clock

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// State is what is known of the clock.
type State struct {
	// Known is false where nothing tells whether the clock is kept right.
	Known bool
	// Synchronised tells that something keeps it right.
	Synchronised bool
	// Keeper is the program that runs to keep it right and has not yet, or no more.
	Keeper string
	// Err is why the kernel does not tell; it does where this is nil.
	Err error
}

// keepers are what programs that keep the clock leave while they run, below /run.
var keepers = map[string]string{
	"systemd/timesync": "systemd-timesyncd", "chrony": "chrony", "ntpd.pid": "ntpd", "ntpsec": "ntpsec", "openntpd": "openntpd",
}

// Look asks the kernel. root is the file system in which programs are looked for, "/" but in tests.
func Look(root string) State {
	var tx unix.Timex
	status, err := unix.Adjtimex(&tx)
	return judge(root, status, tx.Status, err)
}

func judge(root string, status int, bits int32, err error) State {
	switch {
	case err != nil:
		return State{Err: err}
	case status != unix.TIME_ERROR && bits&unix.STA_UNSYNC == 0:
		return State{Known: true, Synchronised: true}
	}
	for path, name := range keepers {
		if _, err := os.Stat(filepath.Join(root, "run", path)); err == nil {
			return State{Known: true, Keeper: name}
		}
	}
	return State{}
}

// Jumps notices when the clock is set by more than a little. The zero value is ready; it is safe for concurrent use.
type Jumps struct {
	mu         sync.Mutex // guards the following
	wall, boot time.Duration
	last       time.Duration
	at         time.Time
}

// Tolerance is how much the clock may be moved between two looks without that being a jump.
const Tolerance = 30 * time.Second

// Observe compares how far the clock went since it was called before with how much time passed, and answers the newest
// jump: by how much, and when it was noticed; zero where there was none.
func (j *Jumps) Observe(now time.Time) (by time.Duration, at time.Time) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, time.Time{}
	}
	return j.observe(now, time.Duration(ts.Nano()))
}

func (j *Jumps) observe(now time.Time, boot time.Duration) (time.Duration, time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	wall := time.Duration(now.UnixNano())
	if by := (wall - j.wall) - (boot - j.boot); j.boot != 0 && (by > Tolerance || by < -Tolerance) {
		j.last, j.at = by, now
	}
	j.wall, j.boot = wall, boot
	return j.last, j.at
}
