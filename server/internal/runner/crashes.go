package runner

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// How a service that ends by itself is started again: after a second, and each time after twice as long. One that ran for
// steady begins anew. From loops on, people are told that it goes on and on.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	steady     = 10 * time.Minute
	loops      = 3
)

// maxCrashReason bounds what is kept of how a service ended; a part of it is the container's own word.
const maxCrashReason = 256

// another counts one more end that a service came to by itself, of a main that ran since started (nil: none ran).
func another(had *packagesv1.Crashes, generation uint64, started *timestamppb.Timestamp, reason string, now time.Time) *packagesv1.Crashes {
	count := uint32(1)
	ranLong := started != nil && now.Sub(started.AsTime()) >= steady
	if had.GetGeneration() == generation && !ranLong {
		count = had.GetCount() + 1
	}
	delay := lastRetry
	if shift := count - 1; shift < 16 {
		delay = min(lastRetry, firstRetry<<shift)
	}
	return &packagesv1.Crashes{
		Count: count, LastTime: timestamppb.New(now), Reason: plain(reason), RetryTime: timestamppb.New(now.Add(delay)), Generation: generation,
	}
}

// pausing is how long a service rests after an end it came to by itself; nobody has asked anything new of it since.
func pausing(c *packagesv1.Crashes, generation uint64, now time.Time) time.Duration {
	if c == nil || c.GetGeneration() != generation {
		return 0
	}
	return max(0, c.GetRetryTime().AsTime().Sub(now))
}

// plain makes one short line of what a container says.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > maxCrashReason {
		s = strings.ToValidUTF8(s[:maxCrashReason], "")
	}
	return strings.TrimSpace(s)
}

// starved tells of a container in which the kernel has killed for want of memory, else nothing. It counts from the container's
// start and names no process, and stands before what the container says, of which the end may be cut.
func starved(used lxc.Usage) string {
	if used.Kills == 0 {
		return ""
	}
	if used.MemoryLimit == 0 {
		return fmt.Sprintf("after the kernel killed %d of its processes for want of memory: ", used.Kills)
	}
	return fmt.Sprintf("after the kernel killed %d of its processes for want of memory, of which it may have %d MiB ('hearth package limits'): ", used.Kills, used.MemoryLimit>>20)
}

// crashFault is what people are told of the ends of a service.
func crashFault(pkg string, c *packagesv1.Crashes) error {
	retry := c.GetRetryTime().AsTime().Format(time.RFC3339)
	if c.GetCount() < loops {
		return fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "the service ended by itself: %s", c.GetReason()).
			With("package", pkg).With("retry", retry)
	}
	return fault.New(metav1.Reason_REASON_CRASH_LOOP, "the service ended by itself %d times in a row, last: %s", c.GetCount(), c.GetReason()).
		With("package", pkg).With("count", fmt.Sprint(c.GetCount())).With("retry", retry)
}

// crashed records that a service ended by itself. With vanished its container is gone, too, and that is remembered in the
// same commit, so that one end is counted once.
func (s *Service) crashed(ctx context.Context, row *packagesv1.Package, reason string, vanished bool) error {
	pkg, now := row.GetMeta().GetId(), s.clock()
	if used, err := s.containers.Usage(pkg); err == nil {
		reason = starved(used) + reason
	}
	s.log.WarnContext(ctx, "a service has ended by itself", "pkg", pkg, "reason", plain(reason))
	return s.change(ctx, pkg, func(tx *store.Tx, p *packagesv1.Package) error {
		st := p.GetStatus()
		st.Crashes = another(st.GetCrashes(), row.GetMeta().GetGeneration(), st.GetStartTime(), reason, now)
		st.State, st.ObservedGeneration = packagesv1.PackageStatus_STATE_FAILED, row.GetMeta().GetGeneration()
		st.Fault = fault.Proto(crashFault(pkg, st.GetCrashes()))
		st.StartTime = nil
		if !vanished {
			return s.hooks.Stopped(tx, pkg)
		}
		st.InitializedArtifact, st.Ipv4, st.Ipv6, st.Container = "", "", "", ""
		c, ok, err := store.Lookup[*packagesv1.Container](tx, pkg)
		if err != nil || !ok {
			return err
		}
		c.Spec.Instance, c.Spec.Artifact, c.Spec.Boot = "", "", ""
		if err := store.Put(tx, c); err != nil {
			return err
		}
		return s.hooks.Stopped(tx, pkg)
	})
}

// recover comes before a new container: it notices that the one before ended by itself, and tells how long to rest. A
// container that went with the machine did not end by itself.
func (s *Service) recover(ctx context.Context, row *packagesv1.Package) (time.Duration, error) {
	had, err := s.containerRow(row.GetMeta().GetId())
	if err != nil {
		return 0, err
	}
	// One that a daemon had only begun, and did not record in the status, is none that ended.
	there := had.GetSpec().GetInstance() != "" && had.GetSpec().GetInstance() == row.GetStatus().GetContainer()
	if there && had.GetSpec().GetBoot() == s.cfg.Boot {
		if err := s.crashed(ctx, row, "its container ended", true); err != nil {
			return 0, err
		}
		if row, err = s.row(row.GetMeta().GetId()); err != nil || row == nil {
			return 0, err
		}
	}
	return pausing(row.GetStatus().GetCrashes(), row.GetMeta().GetGeneration(), s.clock()), nil
}
