package logseg

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settle is how long Follow leaves between two looks, so that a service that prints line by line does not cost a
	// look for each line.
	settle = 20 * time.Millisecond
	// pollEvery is how often Follow looks where the machine has no inotify instance left, which are few per user.
	pollEvery = time.Second
)

// Follow hands over the records behind c, a batch at a time, and goes on with new ones as they are written, until ctx
// ends or fn fails; it returns the context's cause or fn's error. fn gets at least one entry each time.
func (r *Reader) Follow(ctx context.Context, c Cursor, fn func([]Entry) error) error {
	w := newWatch(r.dir.fd)
	defer w.close()
	stop := context.AfterFunc(ctx, w.wake)
	defer stop()
	for {
		// The watch was set before this look, so what comes after the look wakes the wait below.
		for {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			entries, next, err := r.From(c)
			if err != nil {
				return err
			}
			c = next
			if len(entries) == 0 {
				break
			}
			if err := fn(entries); err != nil {
				return err
			}
		}
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
}

// watch waits for changes in a folder.
type watch struct {
	file *os.File // nil where the machine has no inotify instance left
	last time.Time
}

func newWatch(dir int) *watch {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return &watch{}
	}
	const mask = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, fmt.Sprintf("/proc/self/fd/%d", dir), mask); err != nil {
		unix.Close(fd)
		return &watch{}
	}
	return &watch{file: os.NewFile(uintptr(fd), "inotify")}
}

// wake ends a wait for good.
func (w *watch) wake() {
	if w.file != nil {
		_ = w.file.SetReadDeadline(time.Unix(1, 0))
	}
}

func (w *watch) wait(ctx context.Context) error {
	pause := settle - time.Since(w.last)
	if w.file == nil {
		pause = pollEvery
	}
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
	if w.file != nil {
		var events [4096]byte
		if _, err := w.file.Read(events[:]); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("cannot wait for the log to grow: %w", err)
		}
	}
	w.last = time.Now()
	return nil
}

func (w *watch) close() {
	if w.file != nil {
		_ = w.file.Close()
	}
}
