// Package runner brings services to the state that is wanted of them and reports what is: the status of the kind
// package has no other writer.
//
// One reconciliation at a time runs for a service; it looks at what is wanted (the row), at what is (the container and
// its agent) and takes one step after the other until they agree. Nothing it needs after a crash is in memory: the
// container's name derives from the package id, the agent tells what the package's code does, and calls of an earlier
// daemon are joined. Containers outlive the daemon; Adopt finds them.
//
// Data have one owner. The agent locks them before it runs anything and holds them until the container ends, so of two
// containers, however they came about, only one runs code of the package; none is made while the lock is held, and one
// that does not hold it is ended.
//
// A stopped service that nothing asks for is parked: its container goes, and comes back when it is needed (park.go).
//
// The package decides nothing about packages: what is wanted is written by others.
package runner

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// ControllerName is the name under which the runner is woken.
const ControllerName = "runner"

// Containers starts and finds containers; *lxc.Runtime and its fake do.
type Containers interface {
	Start(ctx context.Context, s lxc.Spec) (lxc.Container, error)
	Adopt(name string) (lxc.Container, error)
	List() ([]lxc.Container, error)
	// Holds tells whether the first process of a container holds a lock (flock) on a file.
	Holds(c lxc.Container, path string) (bool, error)
	Stop(ctx context.Context, name string, grace time.Duration) error
	Wait(ctx context.Context, c lxc.Container) error
	// Limit bounds a container that runs anew; Abilities tells what of that this machine can do.
	Limit(name string, l lxc.Limits) error
	Abilities(d *lxc.Disk) lxc.Abilities
	// Usage is what a container uses, or used to its end for as long as nothing has cleared it.
	Usage(name string) (lxc.Usage, error)
	// Rest has processes of a running container give back the memory that starting took.
	Rest(name string, program func(argv []string) bool) error
}

// Mounts makes the file trees that containers see; lxc.Mounts and the sandbox's do.
type Mounts interface {
	Ensure(target string, s mount.Source, o mount.Options) error
	Open(s mount.Source, o mount.Options) (*mount.Detached, error)
	UnmountBelow(dir string) error
	Attach(c lxc.Container, d *mount.Detached, at mount.Target) error
	Detach(c lxc.Container, path string) error
	// Owner is what a file is given to so that it belongs to an id of the machine; -1 leaves files as they are made.
	Owner(id uint32) int
	// Mkdir makes a folder in a tree that a container may have shaped.
	Mkdir(dir, sub string) error
}

// Artifacts tells where package files are.
type Artifacts interface {
	Path(id string) string
}

// Volumes tells where the data of packages is.
type Volumes interface {
	// Ensure makes volumes that are missing, of which those before must be there.
	Ensure(pkg ids.Package, vols, before []ids.Volume) error
	Path(pkg ids.Package, vol ids.Volume) string
	// Remember records which volumes hold something, so that Ensure refuses one that was emptied by somebody else.
	Remember(pkg ids.Package) error
	// Secure makes durable what the package's code wrote, and remembers.
	Secure(pkg ids.Package) error
	// Lock is the file that the owner of a package's data holds a lock on. Unheld is an error while somebody does.
	Lock(pkg ids.Package) (string, error)
	Unheld(pkg ids.Package) error
}

// Hooks are told what happens to services, in the runner's own transactions or between them.
type Hooks interface {
	// Gate refuses to let a service start for as long as something must be done before.
	Gate(tx *store.Tx, pkg string) error
	// Initialized is called when the init of a package has ended well.
	Initialized(ctx context.Context, now time.Time, pkg string) error
	// Stopped is called in the transaction that records that a service no longer runs.
	Stopped(tx *store.Tx, pkg string) error
	// Stalled is called in the transaction that records that a service does not answer, and why.
	Stalled(tx *store.Tx, pkg, why string) error
	// Changed returns when a value that a package waited for is another than the one it had seen; with
	// REASON_EFFECT_INVALID where there is no such value.
	Changed(ctx context.Context, pkg string, w *packagesv1.ParkedWait) error
	// ServeEffects answers the effects of a service on lis until ctx ends.
	ServeEffects(ctx context.Context, lis net.Listener, pkg string) error
}

// Config is what the machine and the instance look like.
type Config struct {
	// RunDir is /run/hearth/<tag>; StateDir holds what must survive a reboot.
	RunDir, StateDir string
	// Rootfs is the shared root of all containers: a squashfs file. Agent is the agent's program, JSHost the folder of
	// the JavaScript host.
	Rootfs, Agent, JSHost string
	// Tag marks everything this instance makes.
	Tag string
	// Bridge is the name of the bridge, BridgeAddress the server's own address on it.
	Bridge        string
	BridgeAddress netip.Prefix
	// Bridge6 is its IPv6 address there; not valid where services have none.
	Bridge6 func() (netip.Prefix, error)
	// EnsureReach has a package held to what it declares to reach, names among it; it is called before each of its containers begins.
	EnsureReach func(ctx context.Context, pkg string) error
	// FirstUID is the first of the ids on the host that containers use, 65536 for each package.
	FirstUID uint32
	// Language tells what packages speak, as in "en_US".
	Language func() (string, error)
	// Version is the daemon's.
	Version string
	// Boot is the boot of the machine, as the kernel names it; "" where that is not known.
	Boot string
	// ParkAfter is for how long a stopped service keeps a container that nothing asks for; 0: for ever.
	ParkAfter time.Duration
	// MachineRoot is the folder below which the machine's devices are, "/"; empty for a machine that is played, which
	// gives none and needs none.
	MachineRoot string
	// Limits bound every container.
	Limits lxc.Limits
	// Disk is the one that the data are on; nil where that is not known.
	Disk *lxc.Disk
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	cfg        Config
	store      *store.Store
	log        *slog.Logger
	clock      func() time.Time
	containers Containers
	artifacts  Artifacts
	volumes    Volumes
	hooks      Hooks
	mounts     Mounts
	quotas     Quotas
	wake       func(pkg string)

	// background is the context of what runs beside the reconciliations: watching agents and serving effects.
	background context.Context
	group      sync.WaitGroup

	booting *boot

	mu      sync.Mutex // guards what follows, and what handles say that it guards
	live    map[string]*handle
	uses    map[string]int                // how many need the container of a package
	watches map[string]context.CancelFunc // of parked packages, see watchParked
	fired   map[string]bool               // parked packages of which a value has changed
}

// New returns the area. What it starts in the background ends with ctx; Close waits for it.
func New(ctx context.Context, cfg Config, st *store.Store, log *slog.Logger, clock func() time.Time, c Containers, a Artifacts, v Volumes, m Mounts, q Quotas) *Service {
	return &Service{
		cfg: cfg, store: st, log: log, clock: clock, containers: c, artifacts: a, volumes: v, mounts: m, quotas: q,
		background: ctx, live: map[string]*handle{}, uses: map[string]int{}, watches: map[string]context.CancelFunc{}, fired: map[string]bool{}, wake: func(string) {}, booting: newBoot(nil, nil),
	}
}

// Connect gives the area what is built after it: its hooks, and how to wake its own controller. It is called once,
// before the controller runs.
func (s *Service) Connect(hooks Hooks, wake func(pkg string)) { s.hooks, s.wake = hooks, wake }

// Close waits until what the area runs in the background has ended; its context must have.
func (s *Service) Close() { s.group.Wait() }

// Controller is the controller of the area. It wants to be run with as many workers as services may change at a time,
// since an init can take hours.
func (s *Service) Controller() reconcile.Controller {
	return reconcile.Controller{
		Name:    ControllerName,
		Reads:   []string{"artifact", "dependency"},
		Writes:  []string{"package", "container"},
		Drives:  []string{"containers", "mounts"},
		Workers: 64,
		Sources: []reconcile.Source{
			{Selector: store.Selector{Kind: "package"}, Keys: s.wished},
			{Selector: store.Selector{Kind: "task"}},
		},
		List:      s.known,
		Reconcile: s.reconcile,
	}
}

// wished wakes a package whose spec changed or that is gone. Its status is the runner's own word: waking by it would
// defeat the back-off.
func (s *Service) wished(c store.Change) []string {
	row, ok := c.Row.(*packagesv1.Package)
	if ok && row.GetStatus().GetObservedGeneration() == row.GetMeta().GetGeneration() && row.GetStatus().GetState() != packagesv1.PackageStatus_STATE_UNSPECIFIED {
		return nil
	}
	return []string{c.ID}
}

// known lists the packages that are installed or whose container is there.
func (s *Service) known() ([]string, error) {
	seen := map[string]bool{}
	var keys []string
	add := func(pkg string) {
		if !seen[pkg] {
			seen[pkg] = true
			keys = append(keys, pkg)
		}
	}
	err := s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, r := range rows {
			add(r.GetMeta().GetId())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	running, err := s.containers.List()
	for _, c := range running {
		add(c.Name)
	}
	return keys, err
}

// Execute runs a procedure of the package's code.
func (s *Service) Execute(ctx context.Context, pkg, eventID, procedure string, input []byte) ([]byte, error) {
	h, release, err := s.use(ctx, pkg)
	if err != nil {
		return nil, err
	}
	defer release()
	return h.agent.execute(ctx, eventID, procedure, input)
}

// Secure makes durable what the package's code wrote to its data.
func (s *Service) Secure(pkg string) error { return s.volumes.Secure(ids.Package(pkg)) }

// handle is the live handle of a package's container, or nil.
func (s *Service) handle(pkg string) *handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[pkg]
}

// AdoptAll connects to the containers that are running, so that their effects are answered from the start, and plans in
// which order the others come up. A container whose package is not installed is left to the controller. It is called once,
// before the controller runs.
func (s *Service) AdoptAll(ctx context.Context) error {
	running, err := s.containers.List()
	if err != nil {
		return fmt.Errorf("cannot list the containers of this server: %w", err)
	}
	if err := s.planBoot(running); err != nil {
		return err
	}
	for _, c := range running {
		row, err := s.containerRow(c.Name)
		if err != nil {
			return err
		}
		if row.GetSpec().GetInstance() == "" {
			continue
		}
		if owns, err := s.owns(c); err != nil || !owns {
			s.log.WarnContext(ctx, "a running container does not hold the data of its package yet", "pkg", c.Name, "error", err)
			continue // the controller looks again when its agent answers
		}
		if _, err := s.attach(c.Name, c, row.GetSpec()); err != nil {
			s.log.WarnContext(ctx, "cannot take up a running container again", "pkg", c.Name, "error", err)
			continue
		}
		s.log.InfoContext(ctx, "took up a running container again", "pkg", c.Name, "pid", c.InitPID)
	}
	return nil
}

// planBoot plans the start of the services that are wanted running and have no container.
func (s *Service) planBoot(running []lxc.Container) error {
	up := map[string]bool{}
	for _, c := range running {
		up[c.Name] = true
	}
	var list []string
	err := s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, r := range rows {
			if !up[r.GetMeta().GetId()] && r.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_RUNNING {
				list = append(list, r.GetMeta().GetId())
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	needs, err := s.needs()
	s.booting = newBoot(list, needs)
	return err
}

// owns tells whether a container holds the data of its package: a second one beside it does not, nor one whose agent has
// not come that far.
func (s *Service) owns(c lxc.Container) (bool, error) {
	path, err := s.volumes.Lock(ids.Package(c.Name))
	if err != nil {
		return false, err
	}
	return s.containers.Holds(c, path)
}

func (s *Service) containerRow(pkg string) (*packagesv1.Container, error) {
	var row *packagesv1.Container
	err := s.store.View(func(tx *store.Tx) error {
		var err error
		row, _, err = store.Lookup[*packagesv1.Container](tx, pkg)
		return err
	})
	return row, err
}
