package monitor

import (
	"context"
	"errors"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// The guard of the disk. The kernel tells nobody that a disk fills up, and a program writes a gigabyte in a second, so what
// is free is looked at the more often the less it is, and who fills it is frozen before anything is decided.
//
//	enough free ──▶ too little, or soon ──▶ who writes? ──▶ noted ──▶ frozen ──▶ recorded ──▶ thawed to end in order, while it has room
//	     ▲                                    │ nobody                                          └─▶ killed, and the store's reserve let go
//	     └────────────────────────────────────┘                                                    where the disk is nearly full
//
// A server that is ended on the way leaves the note, by which the next one goes on; see notes.go.
//
// What a program takes in one call of the kernel, as fallocate can all there is, nobody is fast enough for. Where that
// leaves the server something, who it was is told by whose files have grown, those without a name that it holds open among them.

// What of the disk is the server's own: a fiftieth of it, within these bounds.
const (
	leastReserve = 128 << 20
	mostReserve  = 2 << 30
)

// Times of watching the disk.
const (
	// farEvery and nearEvery are the longest and the shortest time between two looks. A look is one call of the kernel.
	farEvery  = 5 * time.Second
	nearEvery = 20 * time.Millisecond
	// fastest is how many bytes a second nobody fills a disk faster than, but for those who write nothing.
	fastest = 4 << 30
	// reaction is how long a service goes on writing until it is found and frozen, on a busy machine.
	reaction = 200 * time.Millisecond
	// watched is for how long services are watched, at most, before it is told which one writes.
	watched = 300 * time.Millisecond
	// leastWritten is what a service must write meanwhile to be taken for the one that fills the disk.
	leastWritten = 1 << 20
	// ending is how long one that is stopped may go on to end by itself, if it writes so little that there is room for it.
	ending = 2 * time.Second
	// retry is when a service that could not be stopped is stopped again; it is frozen until then.
	retry = 500 * time.Millisecond
	// grownPatience is for how long it is looked at each package whether its files have grown. From one such look to the next
	// so many times pass as it took, within the bounds.
	grownPatience = 3 * time.Second
	grownRest     = 20
	grownSoonest  = time.Second
	grownLatest   = 30 * time.Second
)

// Reserve is how much of a disk services must leave free.
func Reserve(total uint64) uint64 {
	return min(max(total/50, leastReserve), mostReserve, total/4)
}

// last is what of the reserve is left when a service is killed, whatever it is about: enough for the server's commits.
func last(reserve uint64) uint64 { return reserve / 4 * 3 }

// guard stops the service that writes most when the disk is so full, or fills up so fast, that the server needs what is left,
// and answers when to look again. A disk that somebody else fills stops no service: those that write nothing are left alone.
func (s *Service) guard(ctx context.Context) (time.Duration, error) {
	if s.resume(ctx) {
		return nearEvery, ctx.Err()
	}
	total, free, err := s.opt.Disk()
	if err != nil {
		return 0, err
	}
	reserve := Reserve(total)
	if needed := reserve + s.falling(free); free >= needed {
		s.enough = free
		return nextLook(free - needed), nil
	}
	w, err := s.writer(ctx, free, reserve)
	if err != nil {
		return 0, err
	}
	if w.pkg != "" && w.free >= reserve+w.in(reaction) {
		w.pkg = "" // there is room for it yet
	}
	if w.pkg == "" && w.free < last(reserve) {
		w, err = s.grown(ctx, w.free)
	}
	if err != nil || w.pkg == "" {
		return nearEvery, err // somebody else fills it
	}
	if err := s.end(ctx, w, reserve); err != nil {
		s.resumed = false // it goes on by the note
		s.opt.Log.WarnContext(ctx, "a service that fills the disk cannot be stopped yet, and is frozen", "pkg", w.pkg, "error", err)
		return retry, ctx.Err()
	}
	return nearEvery, nil
}

// nextLook is when the disk has to be looked at again where so much is free that may be taken.
func nextLook(spare uint64) time.Duration {
	if spare >= fastest*uint64(farEvery/time.Second) {
		return farEvery
	}
	return max(nearEvery, time.Duration(spare)*time.Second/fastest)
}

// falling is how much less will be free by the time that a service is frozen, if what is free goes on falling as it did since
// it was last looked at.
func (s *Service) falling(free uint64) uint64 {
	now := s.opt.Clock()
	before, over := s.free, now.Sub(s.freeTime)
	s.free, s.freeTime = free, now
	if before <= free || over <= 0 || over > 2*farEvery {
		return 0
	}
	return uint64(float64(before-free) / over.Seconds() * reaction.Seconds())
}

// filler is who fills the disk, and what was seen of it.
type filler struct {
	pkg     string
	written uint64 // while it was watched
	over    time.Duration
	free    uint64 // after that
}

// in is how much it writes in a time.
func (f filler) in(d time.Duration) uint64 {
	return uint64(float64(f.written) / f.over.Seconds() * d.Seconds())
}

// writer watches who writes most just now, until that is clear or the disk is about to be full. Nobody is named where none
// writes much, or somebody else writes far more.
func (s *Service) writer(ctx context.Context, free, reserve uint64) (filler, error) {
	packages, err := s.packages()
	if err != nil {
		return filler{}, err
	}
	before := make(map[string]uint64)
	for _, pkg := range packages {
		if n, err := s.opt.Containers.Writes(pkg); err == nil {
			before[pkg] = n
		}
	}
	found := filler{free: free}
	for found.over < watched && free-min(free, found.free) < reserve/8 {
		if err := pause(ctx, nearEvery); err != nil {
			return filler{}, err
		}
		found.over += nearEvery
		if _, found.free, err = s.opt.Disk(); err != nil {
			return filler{}, err
		}
	}
	most := uint64(leastWritten)
	for pkg, n := range before {
		now, err := s.opt.Containers.Writes(pkg)
		if err == nil && now >= n+most {
			most = now - n
			found.pkg, found.written = pkg, most
		}
	}
	if free-min(free, found.free) > 8*found.written {
		found.pkg = ""
	}
	return found, nil
}

// grown tells whose files have grown most since the disk had room, "" where none have by much: room can be taken without
// anything being written. One whose files were not measured then, since it is new, has taken what is gone from the disk if they
// hold half of that. Files that cannot be measured to their end are as large as what was seen of them.
func (s *Service) grown(ctx context.Context, free uint64) (filler, error) {
	none := filler{free: free}
	begun := s.opt.Clock()
	if begun.Before(s.grownNext) {
		return none, nil
	}
	defer func() {
		now := s.opt.Clock()
		s.grownNext = now.Add(min(max(grownRest*now.Sub(begun), grownSoonest), grownLatest))
	}()
	packages, err := s.packages()
	if err != nil {
		return none, err
	}
	found := none
	found.written, found.over = leastReserve/2, grownLatest
	for _, pkg := range packages {
		s.mu.Lock()
		before := s.data[pkg]
		s.mu.Unlock()
		if _, err := s.opt.Containers.Usage(pkg); err != nil || !before.known && s.enough <= free {
			continue
		}
		if !before.known {
			before.roomy = (s.enough - free) / 2
		}
		bounded, cancel := context.WithTimeout(ctx, grownPatience)
		_, bytes, err := s.holds(bounded, pkg)
		cancel()
		if err != nil {
			s.opt.Log.DebugContext(ctx, "cannot measure all data of a package", "pkg", pkg, "error", err)
		}
		if bytes > before.roomy+found.written {
			found.pkg, found.written = pkg, bytes-before.roomy
			if !before.known {
				found.written = bytes
			}
		}
	}
	return found, ctx.Err()
}

// end notes that a service is to be stopped, freezes it, has it recorded that and why it is stopped, and ends it: in order where what it goes on to write
// has room, else at once. It may be called again after an error; until then the service is frozen.
func (s *Service) end(ctx context.Context, w filler, reserve uint64) error {
	why := fault.New(metav1.Reason_REASON_SERVICE_FILLS_DISK,
		"the service was stopped because it filled the disk: %s were free, of which %s are the server's own, and it wrote %s in %s", fault.Bytes(w.free), fault.Bytes(reserve), fault.Bytes(w.written), w.over).
		With("package", w.pkg).With("free", w.free).With("reserve", reserve)
	if err := s.notes.write(w.pkg, why); err != nil {
		s.opt.Log.WarnContext(ctx, "a server after this one would not know of it", "pkg", w.pkg, "error", err)
	}
	if err := s.opt.Containers.Freeze(w.pkg); err != nil {
		if errors.Is(err, lxc.ErrNotRunning) {
			return s.notes.remove(w.pkg)
		}
		s.opt.Log.WarnContext(ctx, "cannot freeze a service that fills the disk", "pkg", w.pkg, "error", err)
	}
	s.opt.Log.WarnContext(ctx, "a service fills the disk and is stopped", "pkg", w.pkg, "free", w.free, "reserve", reserve, "written", w.written)
	_, free, err := s.opt.Disk()
	if err != nil {
		return err
	}
	if err := s.opt.Halt(ctx, w.pkg, why); err != nil {
		return err
	}
	if free >= last(reserve)+w.in(ending) {
		if err := s.letEnd(ctx, w.pkg, last(reserve)); err != nil {
			return err
		}
	}
	return s.kill(w.pkg, reserve)
}

// letEnd lets a service go on until it has ended, its time is over, or no more is free than least.
func (s *Service) letEnd(ctx context.Context, pkg string, least uint64) error {
	if err := s.opt.Containers.Thaw(pkg); err != nil {
		return err
	}
	for over := time.Duration(0); over < ending; over += nearEvery {
		if err := pause(ctx, nearEvery); err != nil {
			return err
		}
		if _, free, err := s.opt.Disk(); err != nil || free < least {
			return err
		}
		if _, err := s.opt.Containers.Usage(pkg); errors.Is(err, lxc.ErrNotRunning) {
			return nil
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
