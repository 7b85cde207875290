package mount

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// piece is a range of bytes of a file, as a loop device shows it.
type piece struct{ device, inode, offset, limit uint64 }

// piece is the image's, in the file that st describes.
func (s Squashfs) piece(st *unix.Stat_t) piece {
	return piece{device: st.Dev, inode: st.Ino, offset: uint64(s.Offset), limit: s.limit()}
}

// shows reports whether a loop device shows p.
func shows(l *unix.LoopInfo64, p piece) bool {
	return p == piece{device: l.Device, inode: l.Inode, offset: l.Offset, limit: l.Sizelimit}
}

// loops remembers which loop device showed an image last, so that further mounts of it take no device of their own and
// share the pages of the first. What it remembers is only a hint: devices free themselves, and others may take them. The
// zero value is ready.
type loops struct {
	mu   sync.Mutex
	last map[piece]string
}

// of returns a device that shows the image in f, open, which keeps it set up. The caller closes it.
func (l *loops) of(s Squashfs, f *os.File) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("cannot inspect %s: %w", s, err)
	}
	want := s.piece(&st)
	l.mu.Lock()
	defer l.mu.Unlock()
	if loop := reuse(l.last[want], want); loop != nil {
		return loop, nil
	}
	loop, err := s.attachLoop(f)
	if err != nil {
		delete(l.last, want)
		return nil, err
	}
	if l.last == nil {
		l.last = map[piece]string{}
	}
	l.last[want] = loop.Name()
	return loop, nil
}

// reuse opens a device, which keeps it from freeing itself, and returns it when it still shows want read-only.
func reuse(name string, want piece) *os.File {
	if name == "" {
		return nil
	}
	loop, err := os.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	now, err := unix.IoctlLoopGetStatus64(int(loop.Fd()))
	if err == nil && shows(now, want) && now.Flags&unix.LO_FLAGS_READ_ONLY != 0 && now.Flags&unix.LO_FLAGS_AUTOCLEAR != 0 {
		return loop
	}
	loop.Close()
	return nil
}
