package runner

import (
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A service that ends again and again rests longer each time, up to a limit, until it has run for a while or somebody asks
// something new of it.
func TestTheDelayGrowsWithEachCrash(t *testing.T) {
	t.Parallel()
	now := time.Unix(5000, 0)
	c := another(nil, 1, nil, "exit status 1", now)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		if got := pausing(c, 1, now); got != want*time.Second {
			t.Fatalf("after %d crashes it rests for %s, want %ds", c.GetCount(), got, want)
		}
		c = another(c, 1, timestamppb.New(now.Add(-time.Second)), "exit status 1", now)
	}
	if got := pausing(c, 2, now); got != 0 {
		t.Errorf("it rests for %s although something new is asked of it", got)
	}
	if got := pausing(c, 1, now.Add(time.Hour)); got != 0 {
		t.Errorf("it rests for %s when the time is over", got)
	}
	if got := another(c, 2, nil, "", now).GetCount(); got != 1 {
		t.Errorf("crash %d of something new", got)
	}
	if got := another(c, 1, timestamppb.New(now.Add(-steady)), "", now).GetCount(); got != 1 {
		t.Errorf("crash %d after it ran for long", got)
	}
}

func TestACrashLoopIsCalledSo(t *testing.T) {
	t.Parallel()
	now := time.Unix(5000, 0)
	once := another(nil, 1, nil, "exit\n\x1b[31mstatus 1"+strings.Repeat("é", 500), now)
	if r := once.GetReason(); len(r) > maxCrashReason || strings.ContainsAny(r, "\n\x1b") {
		t.Errorf("reason is kept as %q", r)
	}
	if err := crashFault("a", once); !fault.Is(err, metav1.Reason_REASON_PACKAGE_CODE_FAILED) {
		t.Errorf("one crash is told as %v", err)
	}
	if err := crashFault("a", another(another(once, 1, nil, "x", now), 1, nil, "x", now)); !fault.Is(err, metav1.Reason_REASON_CRASH_LOOP) {
		t.Errorf("three crashes are told as %v", err)
	}
}

// A service that had no more memory is told so, whatever its own word is, and where to give it more.
func TestACrashForWantOfMemoryIsCalledSo(t *testing.T) {
	t.Parallel()
	said := strings.Repeat("x", maxCrashReason)
	for what, c := range map[string]struct {
		used lxc.Usage
		want string
	}{
		"enough memory": {lxc.Usage{MemoryLimit: 400 << 20}, said[:20]},
		"a limit":       {lxc.Usage{MemoryLimit: 400 << 20, Kills: 2}, "after the kernel killed 2 of its processes for want of memory, of which it may have 400 MiB ('hearth package limits'): x"},
		"no limit":      {lxc.Usage{Kills: 1}, "after the kernel killed 1 of its processes for want of memory: x"},
	} {
		if got := another(nil, 1, nil, starved(c.used)+said, time.Unix(5000, 0)).GetReason(); !strings.HasPrefix(got, c.want) {
			t.Errorf("with %s the reason is %q", what, got)
		}
	}
}
