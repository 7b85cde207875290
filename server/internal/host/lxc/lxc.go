// Package lxc starts, finds, watches and ends the service containers of one instance, on liblxc.
//
//	Runtime.Start ──request──▶ hearth-lxc ──▶ liblxc ──fork──▶ monitor ──▶ init (the agent)
//	        ◀────reply─────────┘ (exits)                       one process a container, 1 MB
//
// Nothing about a running container is kept in this process: a container is a cgroup named after it
// (<parent>/<tag>/payload/<name>), its init is the process there that is number 1 of its own pid namespace. So the daemon
// may be killed at any instant and the next one lists the same containers. Files under the run directory are locks, logs
// and liblxc's sockets, never truth.
//
// The package is deliberately not a place for decisions: it knows no package, volume or store; what a container sees is
// assembled before by host/mount, its address comes with the Spec, and programs inside are the agent's business.
//
// Invariants: never two containers of one name, also when a daemon died while it was starting one (a file lock that the
// helper inherits, then liblxc's own socket); a signal reaches the process it was meant for or nobody (pidfd plus start
// time); Stop leaves no process, cgroup or mount of the container behind (a log and an empty lock file stay); everything that liblxc must reach lies
// under the run directory, whose folders any id can search.
package lxc

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"

	"github.com/hearthos/hearth/server/internal/host/mount"
)

var (
	// ErrRunning says that a container of that name runs already.
	ErrRunning = errors.New("container is running")
	// ErrNotRunning says that no container of that name runs, or that the one asked about has ended.
	ErrNotRunning = errors.New("container is not running")
	// ErrInvalid says that a Spec cannot be started by anybody.
	ErrInvalid = errors.New("invalid container")
)

// Config places a Runtime on the machine.
type Config struct {
	// Tag is the instance's tag; cgroups carry it.
	Tag string
	// RunDir is the instance's folder under /run. Start makes it and what it needs below searchable by any id.
	RunDir string
	// Helper is the path of hearth-lxc.
	Helper string
	// All bounds the containers of the instance together; what it leaves is the machine's own.
	All Limits
	// CgroupParent is the cgroup, relative to the root of every hierarchy, under which <tag> is made. "hearth" when
	// empty; under systemd a delegated slice.
	CgroupParent string
}

// Container is a running container. The values identify its init for ever: a recycled process id has another start time.
type Container struct {
	Name    string
	InitPID int
	// InitStart is the init's start time in clock ticks since boot.
	InitStart uint64
}

// Runtime is the containers of one instance. It is safe for concurrent use; Start and Stop of one name take turns, also
// between processes.
type Runtime struct {
	cfg     Config
	cgroups hierarchies
	mounts  *mount.Mounter
}

var tagPattern = regexp.MustCompile(`^[0-9a-z]{1,16}$`)

const usualParent = "hearth"

// Claim takes a tag for an instance that is new, by its cgroup: where there is one already, whoever has that has the tag. Purge gives
// it back.
func Claim(tag string) (free bool, err error) {
	if !tagPattern.MatchString(tag) {
		return false, fmt.Errorf("cannot use %q as instance tag", tag)
	}
	h, err := findHierarchies()
	if err != nil {
		return false, err
	}
	for {
		parent := filepath.Join(h.all[0], usualParent)
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return false, fmt.Errorf("cannot make a cgroup: %w", err)
		}
		err := os.Mkdir(filepath.Join(parent, tag), 0o755)
		switch {
		case errors.Is(err, fs.ErrExist):
			return false, nil
		case errors.Is(err, fs.ErrNotExist):
			continue // the last instance has just given back the parent
		case err != nil:
			return false, fmt.Errorf("cannot make a cgroup: %w", err)
		}
		return true, nil
	}
}

// New returns the Runtime of an instance. It finds the machine's cgroups and changes nothing.
func New(cfg Config) (*Runtime, error) {
	if cfg.CgroupParent == "" {
		cfg.CgroupParent = usualParent
	}
	switch {
	case !tagPattern.MatchString(cfg.Tag):
		return nil, fmt.Errorf("cannot use %q as instance tag", cfg.Tag)
	case !filepath.IsAbs(cfg.RunDir) || filepath.Clean(cfg.RunDir) != cfg.RunDir:
		return nil, fmt.Errorf("cannot use %q as run directory", cfg.RunDir)
	case filepath.IsAbs(cfg.CgroupParent) || filepath.Clean(cfg.CgroupParent) != cfg.CgroupParent || !filepath.IsLocal(cfg.CgroupParent):
		return nil, fmt.Errorf("cannot use %q as parent cgroup", cfg.CgroupParent)
	}
	if err := cfg.All.check(); err != nil {
		return nil, err
	}
	h, err := findHierarchies()
	if err != nil {
		return nil, err
	}
	return &Runtime{cfg: cfg, cgroups: h, mounts: mount.New()}, nil
}

// Close releases what the Runtime caches. Containers keep running.
func (r *Runtime) Close() error { return r.mounts.Close() }

// MAC is the hardware address of the container name: locally administered, stable, different in every instance.
func MAC(tag, name string) net.HardwareAddr {
	sum := sha256.Sum256([]byte("hearth mac\x00" + tag + "\x00" + name))
	mac := net.HardwareAddr(sum[:6])
	mac[0] = mac[0]&^1 | 2
	return mac
}

func (r *Runtime) lxcPath() string            { return filepath.Join(r.cfg.RunDir, "lxc") }
func (r *Runtime) logFile(name string) string { return filepath.Join(r.cfg.RunDir, "lxc", name+".log") }
func (r *Runtime) lockFile(name string) string {
	return filepath.Join(r.cfg.RunDir, "lxc", name+".lock")
}
func (r *Runtime) deviceDir(name string) string { return filepath.Join(r.cfg.RunDir, "dev", name) }

func (r *Runtime) cgroupRoot() string { return filepath.Join(r.cfg.CgroupParent, r.cfg.Tag) }
func (r *Runtime) pivotDir() string   { return filepath.Join(r.cgroupRoot(), "pivot") }

// payload is the cgroup of the container's processes, monitor that of liblxc's monitor and starter that of the helper,
// and of what it forks until liblxc moves that on.
func (r *Runtime) payload(name string) string { return filepath.Join(r.cgroupRoot(), "payload", name) }
func (r *Runtime) monitor(name string) string { return filepath.Join(r.cgroupRoot(), "monitor", name) }
func (r *Runtime) starter(name string) string { return filepath.Join(r.cgroupRoot(), "starter", name) }

// List returns the running containers of the instance, whoever started them, ordered by name. A container whose init has
// ended is not listed, even while parts of it remain.
func (r *Runtime) List() ([]Container, error) {
	names, err := r.cgroups.children(filepath.Join(r.cgroupRoot(), "payload"))
	if err != nil {
		return nil, fmt.Errorf("cannot list containers: %w", err)
	}
	var out []Container
	for _, name := range names {
		c, err := r.Adopt(name)
		if errors.Is(err, ErrNotRunning) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Adopt returns the running container of that name; the error is ErrNotRunning when there is none. It may be called any
// number of times.
func (r *Runtime) Adopt(name string) (Container, error) {
	if err := CheckName(name); err != nil {
		return Container{}, err
	}
	pids, err := r.cgroups.processes(r.payload(name))
	if err != nil {
		return Container{}, fmt.Errorf("cannot find container %q: %w", name, err)
	}
	for _, pid := range pids {
		p, err := inspect(pid)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return Container{}, fmt.Errorf("cannot find container %q: %w", name, err)
		}
		if p.init && !p.dead {
			return Container{Name: name, InitPID: pid, InitStart: p.start}, nil
		}
	}
	return Container{}, fmt.Errorf("container %q: %w", name, ErrNotRunning)
}
