package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/monitor"
	"github.com/hearthos/hearth/server/internal/store"
)

// machine is one whose figures the test makes.
type machine struct {
	*monitor.Service
	t     testing.TB
	store *store.Store
	now   time.Time
	used  map[string]lxc.Usage
	looks int
	data  []string // packages whose data were measured
	size  uint64   // of the data of each
	aside uint64   // what each holds beside them
	ghost uint64   // what each holds without a name
	fails error    // what measuring them answers beside
	free  uint64
	// writes is what each look at a service adds to what it has written; halted tells which were stopped.
	writes  map[string]uint64
	written map[string]uint64
	halted  []string
	// deeds are what was done to services, in order; refusal is what halting answers.
	deeds   []string
	refusal error
	// kill is after how many deeds more the server is killed; negative: never.
	kill int
	opt  monitor.Options
}

// killed is what a killed server panics with.
var killed = errors.New("killed")

func (m *machine) did(what, name string) error {
	if m.kill--; m.kill == -1 {
		panic(killed)
	}
	m.deeds = append(m.deeds, what+" "+name)
	return nil
}

func (m *machine) Freeze(name string) error { return m.did("freeze", name) }
func (m *machine) Kill(name string) error   { return m.did("kill", name) }

func (m *machine) Thaw(name string) error {
	if slices.Contains(m.deeds, "freeze "+name) { // at the start all are thawed
		return m.did("thaw", name)
	}
	return nil
}

func (m *machine) Writes(name string) (uint64, error) {
	if _, err := m.Usage(name); err != nil {
		return 0, err
	}
	m.written[name] += m.writes[name]
	return m.written[name], nil
}

func (m *machine) Unlinked(_ context.Context, name string) (uint64, error) {
	if _, err := m.Usage(name); err != nil {
		return 0, err
	}
	return m.ghost, nil
}

func (m *machine) Usage(name string) (lxc.Usage, error) {
	m.looks++
	u, ok := m.used[name]
	if !ok {
		return u, fmt.Errorf("container %q: %w", name, lxc.ErrNotRunning)
	}
	return u, nil
}

func (m *machine) UsageOfAll() (lxc.Usage, error) { return lxc.Usage{Memory: 5 << 20}, nil }

func newMachine(t testing.TB, packages ...string) *machine {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	m := &machine{t: t, store: st, now: time.Unix(1e9, 0), used: map[string]lxc.Usage{}, size: 42, free: 1 << 40, writes: map[string]uint64{}, written: map[string]uint64{}, kill: -1}
	m.opt = monitor.Options{
		Store: st, Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return m.now }, Containers: m, Root: "/",
		Interface: func(string) string { return "lo" }, MemoryLimit: 1 << 30, Architecture: "x86_64", Emulated: func() []string { return []string{"aarch64"} },
		Data: func(_ context.Context, pkg string) (uint64, error) {
			m.data = append(m.data, pkg)
			m.now = m.now.Add(time.Second) // it takes one
			return m.size, m.fails
		},
		Beside: func(context.Context, string) (uint64, error) { return m.aside, nil },
		Disk:   func() (uint64, uint64, error) { return 1 << 40, m.free, nil },
		Halt: func(_ context.Context, pkg string, why error) error {
			if !fault.Is(why, metav1.Reason_REASON_SERVICE_FILLS_DISK) {
				t.Errorf("it is stopped for %v", why)
			}
			if m.refusal != nil {
				return m.refusal
			}
			m.halted = append(m.halted, pkg)
			return m.did("halt", pkg)
		},
		Relieve: func() error { return m.did("relieve", "the store") }, Notes: filepath.Join(t.TempDir(), "stopping"),
	}
	m.Service = monitor.New(m.opt)
	for _, pkg := range packages {
		m.update(func(tx *store.Tx) error { return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}}) })
	}
	return m
}

func (m *machine) update(fn func(tx *store.Tx) error) {
	m.t.Helper()
	if _, err := m.store.Update(m.t.Context(), m.now, fn); err != nil {
		m.t.Fatal(err)
	}
}

// of measures and answers what a service uses.
func (m *machine) of(pkg string) *packagesv1.UsageStatus {
	m.t.Helper()
	rows, err := m.Service.Usage()
	if err != nil {
		m.t.Fatal(err)
	}
	for _, r := range rows {
		if r.GetMeta().GetId() == pkg {
			return r.GetStatus()
		}
	}
	m.t.Fatalf("there is nothing of %s among %v", pkg, rows)
	return nil
}

func TestTheLimitOfMemoryIsTheContainersOwn(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "app", "bounded")
	m.used["app"], m.used["bounded"] = lxc.Usage{Memory: 10 << 20}, lxc.Usage{Memory: 10 << 20, MemoryLimit: 300 << 20}
	for pkg, want := range map[string]uint64{"app": 1 << 30, "bounded": 300 << 20} {
		if got := m.of(pkg).GetMemoryLimitBytes(); got != want {
			t.Errorf("%s may have %d bytes, want %d", pkg, got, want)
		}
	}
}

func TestRatesAreThoseBetweenTwoMeasurements(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "app", "rests")
	m.used["app"] = lxc.Usage{Memory: 10 << 20, CPU: time.Second, PIDs: 3, Read: 1000, Written: 500}
	if st := m.of("app"); !st.GetRunning() || st.GetCpuLoad() != 0 || st.GetMemoryBytes() != 10<<20 || st.GetMemoryLimitBytes() != 1<<30 || st.GetProcesses() != 3 {
		t.Errorf("at first: %v", st)
	}
	m.now = m.now.Add(4 * time.Second)
	m.used["app"] = lxc.Usage{CPU: 3 * time.Second, Read: 9000, Written: 500}
	if st := m.of("app"); st.GetCpuLoad() != 0.5 || st.GetReadRate() != 2000 || st.GetWriteRate() != 0 || st.GetReadBytes() != 9000 {
		t.Errorf("after four seconds: %v", st)
	}
	m.now = m.now.Add(4 * time.Second)
	m.used["app"] = lxc.Usage{CPU: time.Second}
	if st := m.of("app"); st.GetCpuLoad() != 0 || st.GetReadRate() != 0 {
		t.Errorf("in a new container: %v", st)
	}
	if st := m.of("rests"); st.GetRunning() || st.GetMemoryBytes() != 0 {
		t.Errorf("what does not run: %v", st)
	}
	usage, err := m.ServerUsage()
	if st := usage.GetStatus(); err != nil || st.GetProcessors() == 0 || st.GetDaemon().GetMemoryBytes() == 0 || st.GetServices().GetMemoryBytes() != 5<<20 || st.GetDiskFreeBytes() != 1<<40 {
		t.Errorf("the machine: %v, %v", st, err)
	}
}

func TestWhatComesTogetherIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "app")
	for range 5 {
		m.of("app")
	}
	if m.looks != 1 {
		t.Errorf("a service was looked at %d times in one moment", m.looks)
	}
}

func TestARowGoesWithItsPackage(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "app")
	m.of("app")
	m.update(func(tx *store.Tx) error { return store.Delete[*packagesv1.Package](tx, "app") })
	m.now = m.now.Add(time.Minute)
	if rows, err := m.Service.Usage(); err != nil || len(rows) > 0 {
		t.Errorf("%v, %v", rows, err)
	}
	if _, there := store.Ephemeral[*packagesv1.Usage](m.store, "app"); there {
		t.Error("the row of a package that is gone is still there")
	}
}

// Data are measured one package after the other, and a hundred times as long as that took nothing is.
func TestDataAreMeasuredSeldom(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "a", "b")
	measure := func() time.Duration {
		t.Helper()
		after, err := m.Controller().Reconcile(t.Context(), "data")
		if err != nil {
			t.Fatal(err)
		}
		return after
	}
	if after := measure(); after != 100*time.Second {
		t.Errorf("the next comes after %s", after)
	}
	measure()
	if after := measure(); fmt.Sprint(m.data) != "[a b]" || after <= 0 {
		t.Errorf("measured are %v, the next comes after %s", m.data, after)
	}
	if st := m.of("a"); st.GetDataBytes() != 42 || st.GetDataTime() == nil {
		t.Errorf("%v", st)
	}
}

// look has the guard look at the disk once, and answers when it wants to look again.
func (m *machine) look() time.Duration {
	m.t.Helper()
	after, err := m.Controller().Reconcile(m.t.Context(), "disk")
	if err != nil {
		m.t.Fatal(err)
	}
	return after
}

// The service that fills the disk is stopped while there is still room for the server; no other is.
func TestTheServiceThatFillsTheDiskIsStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		free   uint64
		writes map[string]uint64
		want   string
	}{
		"room":                   {1 << 39, map[string]uint64{"a": 1 << 30}, "[]"},
		"little room":            {3 << 30, map[string]uint64{"a": 1 << 30}, "[]"},
		"one writes":             {1 << 30, map[string]uint64{"a": 1 << 10, "b": 1 << 28}, "[freeze b halt b kill b relieve the store]"},
		"two write":              {1 << 30, map[string]uint64{"a": 1 << 29, "b": 1 << 28}, "[freeze a halt a kill a relieve the store]"},
		"one writes slowly":      {2<<30 - 1, map[string]uint64{"a": 2 << 20}, "[freeze a halt a thaw a kill a]"},
		"somebody else fills it": {1 << 30, map[string]uint64{"a": 1 << 10}, "[]"},
		"what does not run":      {1 << 30, map[string]uint64{"rests": 1 << 30}, "[]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, "a", "b", "rests")
			m.used["a"], m.used["b"] = lxc.Usage{}, lxc.Usage{}
			m.free, m.writes = c.free, c.writes
			if after := m.look(); after <= 0 || after > 5*time.Second || fmt.Sprint(m.deeds) != c.want {
				t.Errorf("%s: %v is done, want %s; next after %s", name, m.deeds, c.want, after)
			}
		})
	}
}

// A disk that fills up fast is not waited for: what a service writes until it is frozen has to fit, too.
func TestTheServiceThatFillsTheDiskFastIsStoppedInTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		free   []uint64 // a second apart
		writes uint64   // within the time of watching
		want   string
	}{
		"fast":                   {[]uint64{9 << 30, 5 << 30, 2500 << 20}, 1200 << 20, "[a]"},
		"slowly":                 {[]uint64{2900 << 20, 2800 << 20, 2700 << 20}, 30 << 20, "[]"},
		"fast, by somebody else": {[]uint64{9 << 30, 5 << 30, 2500 << 20}, 30 << 20, "[]"},
		"and free again":         {[]uint64{3 << 30, 5 << 30, 5 << 30}, 600 << 20, "[]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, "a")
			m.used["a"], m.writes["a"] = lxc.Usage{}, c.writes
			for _, m.free = range c.free {
				m.look()
				m.now = m.now.Add(time.Second)
			}
			if fmt.Sprint(m.halted) != c.want {
				t.Errorf("%s: %v are stopped, want %s", name, m.halted, c.want)
			}
		})
	}
}

// The less is free, the sooner the disk is looked at again: before the fastest of writers could have taken it.
func TestTheDiskIsLookedAtTheMoreOftenTheLessIsFree(t *testing.T) {
	t.Parallel()
	const reserve = 2 << 30
	for free, want := range map[uint64]time.Duration{
		1 << 39: 5 * time.Second, reserve + 8<<30: 2 * time.Second, reserve + 1<<30: time.Second / 4, reserve + 1: 20 * time.Millisecond,
	} {
		m := newMachine(t, "a")
		if m.free = free; m.look() != want {
			t.Errorf("with %d free the next look does not come after %s", free, want)
		}
	}
}

// What cannot be recorded is no reason to let the service go on; nobody else has to wait for it either.
func TestAServiceThatCannotBeStoppedIsFrozen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, "a")
		m.used["a"], m.writes["a"], m.free = lxc.Usage{}, 1<<28, 1<<30
		m.refusal = errors.New("the disk is full")
		if after := m.look(); after > time.Second || fmt.Sprint(m.deeds) != "[freeze a]" {
			t.Fatalf("%v is done, next after %s", m.deeds, after)
		}
		m.refusal, m.deeds = nil, nil
		if m.look(); fmt.Sprint(m.deeds) != "[freeze a halt a kill a relieve the store]" {
			t.Errorf("at last %v is done", m.deeds)
		}
	})
}

// A server may be killed anywhere while it stops a service, most likely by the full disk that it is about. The next one
// stops the service in place of letting it go on.
func TestAServiceThatWasBeingStoppedIsStoppedByTheNextServer(t *testing.T) {
	t.Parallel()
	for done, want := range []string{
		"freeze a halt a kill a relieve the store", "freeze a halt a kill a relieve the store", "freeze a halt a kill a relieve the store", "", "",
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, "a", "b")
			m.used["a"], m.used["b"] = lxc.Usage{}, lxc.Usage{}
			m.writes["a"], m.free = 1<<28, 1<<30
			m.kill = done
			func() {
				defer func() {
					if err := recover(); err != nil && err != killed {
						panic(err)
					}
				}()
				m.look()
			}()
			m.kill, m.deeds, m.writes["a"] = -1, nil, 0
			m.Service = monitor.New(m.opt)
			m.look()
			if got := strings.Join(m.deeds, " "); got != want {
				t.Errorf("killed after %d deeds: then %q is done, want %q", done, got, want)
			}
			if left, err := os.ReadDir(m.opt.Notes); err != nil || len(left) > 0 {
				t.Errorf("killed after %d deeds: %v is left, %v", done, left, err)
			}
		})
	}
}

// Room can be taken without anything being written.
func TestAServiceWhoseFilesHaveGrownIsStopped(t *testing.T) {
	t.Parallel()
	for grown, want := range map[uint64]string{1 << 20: "[]", 1 << 34: "[freeze a halt a kill a relieve the store]"} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, "a")
			m.used["a"] = lxc.Usage{}
			if _, err := m.Controller().Reconcile(t.Context(), "data"); err != nil {
				t.Fatal(err)
			}
			m.size += grown
			m.free = 1 << 20
			if m.look(); fmt.Sprint(m.deeds) != want {
				t.Errorf("grown by %d: %v is done, want %s", grown, m.deeds, want)
			}
		})
	}
}

// Files may be measured after their service has taken the disk and before that is looked at; that tells nothing of how
// large they were.
func TestWhatWasMeasuredOnAFullDiskHidesNoService(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]int{"for the first time": 0, "once more": 1} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, "a")
			m.used["a"] = lxc.Usage{}
			m.look() // there is room
			measure := func() {
				if _, err := m.Controller().Reconcile(t.Context(), "data"); err != nil {
					t.Fatal(err)
				}
			}
			for range before {
				measure()
			}
			m.now = m.now.Add(time.Hour)
			m.size, m.free = 600<<30, 1<<20
			measure()
			if m.look(); fmt.Sprint(m.deeds) != "[freeze a halt a kill a relieve the store]" {
				t.Errorf("measured %s: %v is done", name, m.deeds)
			}
			if got := m.of("a").GetDataBytes(); got != 600<<30 {
				t.Errorf("measured %s: people are told of %d bytes", name, got)
			}
		})
	}
}

// A service may take the disk with what is none of its data: files in the root of its container, and files that it holds open and has
// given no name. What it held so before is not what the disk lacks.
func TestAServiceThatTakesTheDiskBesideItsDataIsStopped(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]func(m *machine) *uint64{
		"in its root":    func(m *machine) *uint64 { return &m.aside },
		"without a name": func(m *machine) *uint64 { return &m.ghost },
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, "a")
			beside := held(m)
			m.used["a"], *beside = lxc.Usage{}, 1<<30
			if _, err := m.Controller().Reconcile(t.Context(), "data"); err != nil {
				t.Fatal(err)
			}
			if m.of("a").GetDataBytes() != m.size {
				t.Errorf("files %s: its data are told as %d bytes", name, m.of("a").GetDataBytes())
			}
			m.free = 1 << 20
			if m.look(); len(m.deeds) > 0 {
				t.Fatalf("files %s: it has not grown, and %v is done", name, m.deeds)
			}
			m.now = m.now.Add(time.Minute)
			*beside = 600 << 30
			if m.look(); fmt.Sprint(m.deeds) != "[freeze a halt a kill a relieve the store]" {
				t.Errorf("files %s: %v is done", name, m.deeds)
			}
		})
	}
}

// A service cannot hide by keeping its files from being measured whole: what was seen of them is theirs.
func TestAServiceWhoseFilesCannotBeMeasuredWholeIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, "a")
		m.used["a"] = lxc.Usage{}
		m.look() // there is room
		m.size, m.free, m.fails = 600<<30, 1<<20, errors.New("they change")
		if m.look(); fmt.Sprint(m.deeds) != "[freeze a halt a kill a relieve the store]" {
			t.Errorf("%v is done", m.deeds)
		}
	})
}

// Who was not found is looked for again soon, but for a small part of the time only.
func TestWhoTookTheDiskIsLookedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, "a")
		m.used["a"] = lxc.Usage{}
		m.look() // there is room
		m.free = 1 << 20
		m.look()
		m.size = 600 << 30
		for range 3 { // it took a second
			m.now = m.now.Add(5 * time.Second)
			if m.look(); len(m.deeds) > 0 {
				t.Fatalf("after %s %v is done", m.now, m.deeds)
			}
		}
		m.now = m.now.Add(6 * time.Second)
		if m.look(); fmt.Sprint(m.deeds) != "[freeze a halt a kill a relieve the store]" {
			t.Errorf("%v is done", m.deeds)
		}
	})
}

// A service may take the disk before its files were ever measured.
func TestAServiceThatIsNewAndTakesTheDiskIsStopped(t *testing.T) {
	t.Parallel()
	for size, want := range map[uint64]string{1 << 20: "[]", 600 << 30: "[freeze a halt a kill a relieve the store]"} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, "a")
			m.used["a"] = lxc.Usage{}
			m.look() // there is room
			m.size, m.free = size, 1<<20
			if m.look(); fmt.Sprint(m.deeds) != want {
				t.Errorf("with %d bytes: %v is done, want %s", size, m.deeds, want)
			}
		})
	}
	m := newMachine(t, "a")
	m.used["a"], m.size, m.free = lxc.Usage{}, 1<<39, 1<<20
	if m.look(); len(m.deeds) > 0 {
		t.Errorf("on a disk that was never seen with room %v is done", m.deeds)
	}
}

func text(s string) *string   { return &s }
func number(n uint64) *uint64 { return &n }

func TestRequirementsOfHardwareAreHeldAgainstTheMachine(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	have, err := m.Hardware()
	if err != nil {
		t.Fatal(err)
	}
	processor := have.GetStatus().GetDevices()[0]
	filter := func(f s9pk.DeviceFilter) s9pk.Hardware { return s9pk.Hardware{Device: []s9pk.DeviceFilter{f}} }
	for name, c := range map[string]struct {
		asks   s9pk.Hardware
		images map[ids.Image]s9pk.Image
		what   string // that the machine lacks; empty: nothing
	}{
		"nothing":                        {},
		"its architecture":               {asks: s9pk.Hardware{Arch: []string{"aarch64", "x86_64"}}},
		"another architecture":           {asks: s9pk.Hardware{Arch: []string{"riscv64"}}, what: "architecture"},
		"little memory":                  {asks: s9pk.Hardware{RAM: number(1 << 20)}},
		"more memory":                    {asks: s9pk.Hardware{RAM: number(1 << 50)}, what: "memory"},
		"a processor":                    {asks: filter(s9pk.DeviceFilter{Class: "processor", Vendor: text("^" + processor.GetVendor()[:3])})},
		"a processor that can something": {asks: filter(s9pk.DeviceFilter{Class: "processor", Capabilities: processor.GetCapabilities()[:2]})},
		"a processor that can fly":       {asks: filter(s9pk.DeviceFilter{Class: "processor", Capabilities: []string{"wings"}}), what: "device"},
		"a card of another make":         {asks: filter(s9pk.DeviceFilter{Class: "display", Vendor: text("Acme")}), what: "device"},
		"an expression that is none":     {asks: filter(s9pk.DeviceFilter{Class: "processor", Product: text("(")}), what: "device"},
		"an emulated image":              {images: map[ids.Image]s9pk.Image{"main": {Arch: []string{"aarch64"}, EmulateMissingAs: text("aarch64")}}},
		"an image nobody emulates":       {images: map[ids.Image]s9pk.Image{"main": {Arch: []string{"riscv64"}, EmulateMissingAs: text("riscv64")}}, what: "architecture"},
	} {
		err := m.Fits(&s9pk.Manifest{ID: "app", Hardware: c.asks, Images: c.images})
		if c.what == "" && err != nil || c.what != "" && (!fault.Is(err, metav1.Reason_REASON_HARDWARE_UNFIT) || fault.Proto(err).GetMetadata()["what"] != c.what) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What measuring costs on this machine, with as many services as a busy one has.
func BenchmarkMeasure(b *testing.B) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("app-%d", i))
	}
	m := newMachine(b, names...)
	for _, name := range names {
		m.used[name] = lxc.Usage{Memory: 1, CPU: 1}
	}
	for b.Loop() {
		m.now = m.now.Add(10 * time.Second)
		if err := m.Measure(); err != nil {
			b.Fatal(err)
		}
	}
}
