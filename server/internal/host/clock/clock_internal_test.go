package clock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWhatTheKernelSaysOfTheClock(t *testing.T) {
	t.Parallel()
	kept := t.TempDir()
	if err := os.MkdirAll(filepath.Join(kept, "run/chrony"), 0o755); err != nil {
		t.Fatal(err)
	}
	mute := errors.New("no")
	for _, c := range []struct {
		name   string
		root   string
		status int
		bits   int32
		err    error
		want   State
	}{
		{"synchronised", t.TempDir(), unix.TIME_OK, 0, nil, State{Known: true, Synchronised: true}},
		{"not, though a program is there for it", kept, unix.TIME_ERROR, unix.STA_UNSYNC, nil, State{Known: true, Keeper: "chrony"}},
		{"not, and nobody here is there for it", t.TempDir(), unix.TIME_ERROR, unix.STA_UNSYNC, nil, State{}},
		{"the kernel does not say", kept, 0, 0, mute, State{Err: mute}},
	} {
		if got := judge(c.root, c.status, c.bits, c.err); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestJumpsAreNoticedAndSleepIsNone(t *testing.T) {
	t.Parallel()
	var j Jumps
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for i, c := range []struct {
		wall, boot, want time.Duration
	}{
		{0, time.Hour, 0},
		{time.Minute, time.Minute, 0},
		{8 * time.Hour, 8 * time.Hour, 0}, // the machine slept
		{time.Minute + 10*time.Second, time.Minute, 0},
		{-time.Hour, time.Minute, -time.Hour - time.Minute},
		{time.Minute, time.Minute, -time.Hour - time.Minute}, // the newest one stays known
		{24 * time.Hour, time.Minute, 24*time.Hour - time.Minute},
	} {
		now = now.Add(c.wall)
		var boot time.Duration
		if i > 0 {
			boot = j.boot
		}
		if by, at := j.observe(now, boot+c.boot); by != c.want || by != 0 && at.IsZero() {
			t.Errorf("step %d: %v at %v, want %v", i, by, at, c.want)
		}
	}
}
