// Package sandbox is a machine that is played: it runs no containers, mounts nothing, changes no network, and needs no
// rights. What stands on it behaves as on a real one, so that people can work on the page and tests run whole flows
// without root.
//
//	sandbox.go     the machine
//	containers.go  containers: entries in memory, each with a service that is played
//	agent.go       hearth.agent.v1, as the agent of a container answers it
//	service.go     what a played service does: it calls effects, prints, listens, has health, crashes
//	actions.go     the actions it has
//	play.go        how it behaves
//	mounts.go      mounts: folders and links
//	network.go     the network: the machine's own links to look at, bridges in memory, rules remembered
//
// It deliberately runs nothing of a package: the code and the images in a package file are not looked at, only its
// manifest, which the service asks the daemon for as any service may. All a daemon sees of a container is real: the
// sockets, the calls on them, the lines of the log, the files.
//
// Invariants: containers end with the Host and outlive a daemon on it; nothing is written outside of the folders that
// the daemon names.
package sandbox

import (
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// Options are what a Host is made of.
type Options struct {
	// Links tells which links the machine has; nil for a loopback alone.
	Links Links
	// Bridge is the network of the services. A link of the machine that has an address in it is not shown: it may be that
	// of a real server beside this one.
	Bridge netip.Prefix
	// Pace is how long the services take for their init and their start; zero is at once.
	Pace time.Duration
}

// Host is a machine. It is safe for concurrent use. One Host stands for the machine, so a test keeps it while it starts
// the daemon anew. Close it at the end.
type Host struct {
	Containers *Containers
	Mounts     *Mounts
	Network    *Network
	Firewall   *Firewall

	pace time.Duration

	mu    sync.Mutex // guards what follows
	dir   string
	plays map[string]Play
}

// New makes a machine on which nothing runs.
func New(o Options) *Host {
	h := &Host{pace: o.Pace, plays: map[string]Play{}, Network: newNetwork(o.Links, o.Bridge), Firewall: &Firewall{}}
	h.Containers = &Containers{host: h, running: map[string]*container{}}
	h.Mounts = &Mounts{containers: h.Containers}
	return h
}

// Close ends what runs.
func (h *Host) Close() { h.Containers.close() }

// Place says where the sockets of services may be: the daemon's folder under /run. It is called before the first
// container is started.
func (h *Host) Place(dir string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dir = dir
}

// Upstream is where a played service can be reached at what would be its address: a path, since the addresses of
// containers lead nowhere here.
func (h *Host) Upstream(address netip.AddrPort) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return filepath.Join(h.dir, "played", address.String())
}

// Play says how the service of a package behaves from its next step on.
func (h *Host) Play(pkg string, p Play) {
	h.change(pkg, func(now *Play) { *now = p })
	h.Containers.wake(pkg)
}

// play is how the service of a package behaves now.
func (h *Host) play(pkg string) Play {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.plays[pkg]
}

func (h *Host) change(pkg string, fn func(*Play)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.plays[pkg]
	fn(&p)
	h.plays[pkg] = p
}

// spend takes one of the failures that are left, and tells whether there was one.
func (h *Host) spend(pkg string, left func(*Play) *int) bool {
	spent := false
	h.change(pkg, func(p *Play) {
		if n := left(p); *n > 0 {
			*n, spent = *n-1, true
		}
	})
	return spent
}

// Crash ends the container of a package as a crash of its init does.
func (h *Host) Crash(c lxc.Container) { h.Containers.end(c.Name) }
