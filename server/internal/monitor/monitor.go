// Package monitor measures what the machine, the server and its services use, and tells what the machine is made of.
//
// It keeps no history: the rows are ephemeral and each measurement takes the place of the one before. What services used
// before a restart of the server is not known. It decides one thing alone: which service is stopped when the disk gets so
// full that the server needs what is left of it.
//
// Measuring costs nearly nothing: for each service half a dozen files of the kernel are read, ten times less often when
// nobody asks. What needs a walk over files, the size of data, is measured one package at a time, and for each moment
// that takes a hundred pass in which it does not happen.
package monitor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/server/internal/host/gauge"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// Times of measuring.
const (
	// every is how often all is measured while nobody asks. It is a poll, since the kernel tells nobody what is used.
	every = 10 * time.Second
	// fresh is how old a measurement may be that is answered: calls that come together are measured once.
	fresh = time.Second
	// rest is how much longer the data are left alone than it took to measure them.
	rest = 100
	// dataEvery is how often the data of a package are measured, where that takes no time at all.
	dataEvery = 5 * time.Minute
)

// The keys of the controller.
const (
	ControllerName = "monitor"
	keyUsage       = "usage"
	keyData        = "data"
	keyDisk        = "disk"
)

// server is the id of rows there is one of.
const server = "server"

// Containers tells what containers use; *lxc.Runtime and its fake do.
type Containers interface {
	Usage(name string) (lxc.Usage, error)
	UsageOfAll() (lxc.Usage, error)
	// Writes adds up what the processes of a container have written; it may shrink.
	Writes(name string) (uint64, error)
	// Unlinked tells how much room files take that a container holds open and that have no name any more. With an error it tells
	// what it had seen until then.
	Unlinked(ctx context.Context, name string) (uint64, error)
	// Freeze keeps a container from going on, until Thaw. Kill ends it at once, frozen or not.
	Freeze(name string) error
	Thaw(name string) error
	Kill(name string) error
}

// Options are what is measured, and how.
type Options struct {
	Store      *store.Store
	Log        *slog.Logger
	Clock      func() time.Time
	Containers Containers
	// Root is the folder that the machine's proc and sys are in, "/".
	Root string
	// Interface is the name of the network interface of a package's container on the machine.
	Interface func(pkg string) string
	// Data measures the data of a package.
	Data func(ctx context.Context, pkg string) (uint64, error)
	// Beside measures what a package holds of the same disk beside its data: what its containers wrote to their own roots. With an
	// error both tell what they had seen until then.
	Beside func(ctx context.Context, pkg string) (uint64, error)
	// Disk tells how much the disk of the state holds, and how much of it is free.
	Disk func() (total, free uint64, err error)
	// MemoryLimit is what a service may have of the memory whose container tells no limit of its own; 0: nothing bounds it.
	MemoryLimit int64
	// Architecture is the machine's, Emulated those whose programs run here by an emulator.
	Architecture string
	Emulated     func() []string
	// Halt records that a service is to be stopped, for a reason that people are told, also on a full disk.
	Halt func(ctx context.Context, pkg string, why error) error
	// Notes is the folder in which is noted what is being stopped, on another disk; see notes.go.
	Notes string
	// Relieve lets room go that was set aside for a full disk.
	Relieve func() error
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	opt Options

	mu      sync.Mutex // guards the fields below, and is held while all is measured
	last    time.Time
	before  map[string]totals // by package
	machine machineTotals
	data    map[string]measured // by package

	// What was free of the disk, and when, and what was when that was enough; of guard alone, which runs once at a time.
	free     uint64
	enough   uint64
	freeTime time.Time
	// When it may be looked again whose files have grown, and whether what an earlier server was about is done; likewise.
	grownNext time.Time
	resumed   bool
	notes     notes
}

// totals are what grows.
type totals struct {
	time           time.Time
	cpu            time.Duration
	read, written  uint64
	received, sent uint64
}

// machineTotals are what grows of the machine and the server.
type machineTotals struct {
	time               time.Time
	user, system, wait time.Duration
	daemon, services   time.Duration
}

// measured is how large data were at a time.
type measured struct {
	bytes uint64
	time  time.Time
	// roomy is how large they were, with all else the package holds, when they were last measured while the disk had room, if they ever
	// were: what they have grown by since may be what it lacks.
	roomy uint64
	known bool
}

// New returns the area. It measures nothing yet.
func New(opt Options) *Service {
	return &Service{opt: opt, notes: notes(opt.Notes), before: map[string]totals{}, data: map[string]measured{}}
}

// Controller measures again and again.
func (s *Service) Controller() reconcile.Controller {
	return reconcile.Controller{
		Name: ControllerName, Workers: 3, Area: "monitor", Reads: []string{"package"},
		Writes: []string{"usage", "serverusage", "hardware"},
		List:   func() ([]string, error) { return []string{keyUsage, keyData, keyDisk}, nil },
		Reconcile: func(ctx context.Context, key string) (time.Duration, error) {
			switch key {
			case keyData:
				return s.measureData(ctx)
			case keyDisk:
				return s.guard(ctx)
			}
			return every, s.Measure()
		},
	}
}

// Measure measures all, unless that was done a moment ago, and makes rows of it.
func (s *Service) Measure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opt.Clock()
	if since := now.Sub(s.last); since >= 0 && since < fresh && !s.last.IsZero() {
		return nil
	}
	packages, err := s.packages()
	if err != nil {
		return err
	}
	if err := s.measureMachine(now); err != nil {
		return err
	}
	traffic, err := gauge.ReadTraffic(s.opt.Root)
	if err != nil {
		return err
	}
	var failed error
	known := make(map[string]bool, len(packages))
	for _, pkg := range packages {
		known[pkg] = true
		failed = errors.Join(failed, s.measureService(now, pkg, traffic[s.opt.Interface(pkg)]))
	}
	for pkg := range s.before {
		if !known[pkg] {
			delete(s.before, pkg)
			delete(s.data, pkg)
			store.DropEphemeral[*packagesv1.Usage](s.opt.Store, pkg)
		}
	}
	s.last = now
	return failed
}

func (s *Service) packages() (list []string, err error) {
	err = s.opt.Store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, r := range rows {
			list = append(list, r.GetMeta().GetId())
		}
		return err
	})
	return list, err
}

// measureService makes the row of one service. What its interface received, the service sent.
func (s *Service) measureService(now time.Time, pkg string, host gauge.Traffic) error {
	row := &packagesv1.Usage{Meta: &metav1.Meta{Id: pkg}, Status: &packagesv1.UsageStatus{Time: timestamppb.New(now)}}
	st := row.GetStatus()
	if d, ok := s.data[pkg]; ok {
		st.DataBytes, st.DataTime = d.bytes, timestamppb.New(d.time)
	}
	u, err := s.opt.Containers.Usage(pkg)
	if errors.Is(err, lxc.ErrNotRunning) {
		s.before[pkg] = totals{}
		store.SetEphemeral(s.opt.Store, row)
		return nil
	}
	if err != nil {
		return err
	}
	t := totals{time: now, cpu: u.CPU, read: uint64(u.Read), written: uint64(u.Written), received: host.Sent, sent: host.Received}
	st.Running = true
	st.CpuTime, st.MemoryBytes, st.MemoryLimitBytes = durationpb.New(u.CPU), uint64(u.Memory), uint64(cmp.Or(u.MemoryLimit, s.opt.MemoryLimit))
	st.MemoryKills, st.Processes = uint64(u.Kills), uint64(u.PIDs)
	st.ReadBytes, st.WrittenBytes, st.ReceivedBytes, st.SentBytes = t.read, t.written, t.received, t.sent
	b := s.before[pkg]
	if b.cpu > t.cpu {
		b = totals{} // another container
	}
	over := span(b.time, now)
	st.CpuLoad = over.load(b.cpu, t.cpu)
	st.ReadRate, st.WriteRate = over.rate(b.read, t.read), over.rate(b.written, t.written)
	st.ReceiveRate, st.SendRate = over.rate(b.received, t.received), over.rate(b.sent, t.sent)
	s.before[pkg] = t
	if said, ok := store.Ephemeral[*packagesv1.PackageMetrics](s.opt.Store, pkg); ok {
		st.Metrics = said.GetStatus().GetMetrics()
	}
	store.SetEphemeral(s.opt.Store, row)
	return nil
}

// seconds is a time between two measurements; 0 where there was none before.
type seconds float64

func span(before, now time.Time) seconds {
	if before.IsZero() || !now.After(before) {
		return 0
	}
	return seconds(now.Sub(before).Seconds())
}

func (t seconds) rate(before, now uint64) float64 {
	if t == 0 || now < before {
		return 0
	}
	return float64(now-before) / float64(t)
}

func (t seconds) load(before, now time.Duration) float64 {
	if t == 0 || now < before {
		return 0
	}
	return (now - before).Seconds() / float64(t)
}

// measureMachine makes the row of the server.
func (s *Service) measureMachine(now time.Time) error {
	m, err := gauge.Read(s.opt.Root)
	if err != nil {
		return err
	}
	total, free, err := s.opt.Disk()
	if err != nil {
		return err
	}
	self, err := gauge.ReadProcess(s.opt.Root, os.Getpid())
	if err != nil {
		return err
	}
	all, err := s.opt.Containers.UsageOfAll()
	if err != nil {
		return err
	}
	before, over := s.machine, span(s.machine.time, now)
	s.machine = machineTotals{time: now, user: m.User, system: m.System, wait: m.Wait, daemon: self.CPU, services: all.CPU}
	st := &systemv1.ServerUsageStatus{
		Time: timestamppb.New(now), Processors: uint32(m.Processors), Temperature: m.Temperature, BootTime: timestamppb.New(m.Boot),
		CpuUser: over.load(before.user, m.User), CpuSystem: over.load(before.system, m.System), CpuWait: over.load(before.wait, m.Wait),
		MemoryTotalBytes: m.MemoryTotal, MemoryAvailableBytes: m.MemoryAvailable, SwapTotalBytes: m.SwapTotal, SwapFreeBytes: m.SwapFree,
		DiskTotalBytes: total, DiskFreeBytes: free,
		Daemon:   use(self, over, before.daemon),
		Services: use(gauge.Process{CPU: all.CPU, Memory: uint64(all.Memory)}, over, before.services),
	}
	st.CpuLoad = st.GetCpuUser() + st.GetCpuSystem()
	store.SetEphemeral(s.opt.Store, &systemv1.ServerUsage{Meta: &metav1.Meta{Id: server}, Status: st})
	return nil
}

func use(p gauge.Process, over seconds, before time.Duration) *systemv1.ProcessUsage {
	return &systemv1.ProcessUsage{MemoryBytes: p.Memory, CpuTime: durationpb.New(p.CPU), CpuLoad: over.load(before, p.CPU)}
}

// measureData measures the data of the package whose were measured longest ago, and answers when to come again.
func (s *Service) measureData(ctx context.Context) (time.Duration, error) {
	packages, err := s.packages()
	if err != nil || len(packages) == 0 {
		return every, err
	}
	s.mu.Lock()
	oldest := packages[0]
	for _, pkg := range packages {
		if s.data[pkg].time.Before(s.data[oldest].time) {
			oldest = pkg
		}
	}
	at := s.data[oldest].time
	s.mu.Unlock()
	begun := s.opt.Clock()
	if wait := dataEvery - begun.Sub(at); !at.IsZero() && wait > 0 {
		return min(wait, every), nil // in case another package comes
	}
	bytes, all, err := s.holds(ctx, oldest)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	now := s.opt.Clock()
	total, free, full := s.opt.Disk() // after they were measured
	s.mu.Lock()
	d := s.data[oldest]
	if d.time = now; err != nil {
		s.opt.Log.DebugContext(ctx, "cannot measure the data of a package", "pkg", oldest, "error", err)
	} else if d.bytes = bytes; full == nil && free >= Reserve(total) {
		d.roomy, d.known = all, true
	}
	s.data[oldest] = d
	s.mu.Unlock()
	return max(rest*now.Sub(begun), 100*time.Millisecond), nil
}

// holds measures the data of a package, and all that it holds of their disk: also what is beside them, and what has no name. With an error
// they are what was seen until then.
func (s *Service) holds(ctx context.Context, pkg string) (data, all uint64, err error) {
	data, err = s.opt.Data(ctx, pkg)
	beside, err2 := s.opt.Beside(ctx, pkg)
	unlinked, err3 := s.opt.Containers.Unlinked(ctx, pkg)
	if errors.Is(err3, lxc.ErrNotRunning) {
		err3 = nil
	}
	return data, data + beside + unlinked, errors.Join(err, err2, err3)
}

// Usage measures, and answers what services use.
func (s *Service) Usage() ([]*packagesv1.Usage, error) {
	if err := s.Measure(); err != nil {
		return nil, err
	}
	packages, err := s.packages()
	var list []*packagesv1.Usage
	for _, pkg := range packages {
		if row, ok := store.Ephemeral[*packagesv1.Usage](s.opt.Store, pkg); ok {
			list = append(list, row)
		}
	}
	return list, err
}

// ServerUsage measures, and answers what the machine and the server use.
func (s *Service) ServerUsage() (*systemv1.ServerUsage, error) {
	if err := s.Measure(); err != nil {
		return nil, err
	}
	row, _ := store.Ephemeral[*systemv1.ServerUsage](s.opt.Store, server)
	return row, nil
}
