package monitor

import (
	"context"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// What of the disk is the server's own: a fiftieth of it, within these bounds.
const (
	leastReserve = 128 << 20
	mostReserve  = 2 << 30
)

// Times of watching the disk. A program can write some gigabytes in a second and the kernel tells nobody that a disk fills
// up, so it is polled, once a second while it could be full soon.
const (
	nearEvery = time.Second
	farEvery  = 5 * time.Second
	// farFree is so much that no disk is full before it is looked at again.
	farFree = 16 << 30
	// stopping is how long a service may go on writing until it is found and stopped.
	stopping = 2 * time.Second
	// watched is for how long services are watched before it is told which one writes.
	watched = 300 * time.Millisecond
	// leastWritten is what a service must write meanwhile to be taken for the one that fills the disk.
	leastWritten = 1 << 20
)

// Reserve is how much of a disk services must leave free.
func Reserve(total uint64) uint64 {
	return min(max(total/50, leastReserve), mostReserve, total/4)
}

// guard stops the service that writes most when the disk is so full, or fills up so fast, that the server needs what is left,
// and answers when to look again. A disk that somebody else fills stops no service: those that write nothing are left alone.
func (s *Service) guard(ctx context.Context) (time.Duration, error) {
	total, free, err := s.opt.Disk()
	if err != nil {
		return 0, err
	}
	reserve := Reserve(total)
	switch needed := reserve + s.falling(free); {
	case free >= max(4*needed, farFree):
		return farEvery, nil
	case free >= needed:
		return nearEvery, nil
	}
	pkg, written, err := s.writer(ctx)
	if err != nil || pkg == "" || free >= reserve+uint64(float64(written)/watched.Seconds()*stopping.Seconds()) {
		return nearEvery, err // somebody else fills it
	}
	why := fault.New(metav1.Reason_REASON_SERVICE_FILLS_DISK,
		"the service was stopped because it filled the disk: %d bytes were free, of which %d are the server's own, and it wrote %d in %s", free, reserve, written, watched).
		With("package", pkg).With("free", free).With("reserve", reserve)
	s.opt.Log.WarnContext(ctx, "a service fills the disk and is stopped", "pkg", pkg, "free", free, "reserve", reserve, "written", written)
	return nearEvery, s.opt.Halt(ctx, pkg, why)
}

// falling is how much less will be free by the time that a service is stopped, if what is free goes on falling as it did since
// it was last looked at.
func (s *Service) falling(free uint64) uint64 {
	now := s.opt.Clock()
	before, over := s.free, now.Sub(s.freeTime)
	s.free, s.freeTime = free, now
	if before <= free || over <= 0 || over > 2*farEvery {
		return 0
	}
	return uint64(float64(before-free) / over.Seconds() * stopping.Seconds())
}

// writer is the service that writes most just now, "" where none writes much.
func (s *Service) writer(ctx context.Context) (string, uint64, error) {
	packages, err := s.packages()
	if err != nil {
		return "", 0, err
	}
	before := make(map[string]uint64)
	for _, pkg := range packages {
		if n, err := s.opt.Containers.Writes(pkg); err == nil {
			before[pkg] = n
		}
	}
	pause := time.NewTimer(watched)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return "", 0, ctx.Err()
	case <-pause.C:
	}
	most, found := uint64(leastWritten), ""
	for pkg, n := range before {
		now, err := s.opt.Containers.Writes(pkg)
		if err == nil && now >= n+most {
			most, found = now-n, pkg
		}
	}
	return found, most, nil
}
