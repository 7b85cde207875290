package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"golang.org/x/sys/unix"
)

// handle is what the daemon holds of one running container. It is made when the container is started or adopted and
// dropped when the container has ended; the container itself does not need it.
type handle struct {
	pkg       string
	container lxc.Container
	spec      *packagesv1.ContainerSpec
	agent     *agentConn
	cancel    context.CancelFunc
	// awaited says that the runner waits for the agent to do something else than it did.
	awaited atomic.Bool
	// subcontainers is held while one is made.
	subcontainers sync.Mutex
	// silent says that the agent was given up: it has not answered for too long.
	silent atomic.Bool
	// used is when somebody last had done with the container, leaving that it is being parked; guarded by Service.mu.
	used    time.Time
	leaving bool
	// owner says that the container was seen to hold the data; it does so to its end.
	owner atomic.Bool
}

// Bounds of the file system in which container and daemon meet.
const (
	meetingBytes = 128 << 10
	meetingFiles = 64
)

// serviceDir is the folder of a service under /run; meetingDir a small file system in it, so that a container which
// fills it fills nothing else; rpcDir what of it the container sees as /run/hearth.
func (s *Service) serviceDir(pkg string) string { return filepath.Join(s.cfg.RunDir, "s", pkg) }
func (s *Service) meetingDir(pkg string) string { return filepath.Join(s.serviceDir(pkg), "meeting") }
func (s *Service) rpcDir(pkg string) string     { return filepath.Join(s.meetingDir(pkg), "rpc") }

// attach makes the handle of a running container: it listens for the container's effects, connects to its agent and
// watches both agent and container. A handle that is there already is returned.
func (s *Service) attach(pkg string, c lxc.Container, spec *packagesv1.ContainerSpec) (*handle, error) {
	if h := s.handle(pkg); h != nil {
		if h.container == c {
			return h, nil
		}
		s.detach(pkg)
	}
	ctx, cancel := context.WithCancel(s.background)
	h := &handle{pkg: pkg, container: c, spec: spec, agent: newAgentConn(s.rpcDir(pkg), s.cfg.Version), cancel: cancel, used: time.Now()}
	lis, err := s.listenEffects(pkg, spec.GetFirstUid())
	if err != nil {
		cancel()
		return nil, err
	}
	s.mu.Lock()
	s.live[pkg] = h
	s.mu.Unlock()
	s.group.Go(func() {
		if err := s.hooks.ServeEffects(ctx, lis, pkg); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "cannot serve the effects of a service", "pkg", pkg, "error", err)
		}
	})
	resting := time.AfterFunc(restAfter, func() { s.rest(ctx, pkg) })
	context.AfterFunc(ctx, func() { resting.Stop() })
	s.group.Go(func() {
		h.agent.watch(ctx, func(st *agentv1.State) {
			resting.Reset(restAfter)
			// What the runner's own calls change is no news: a start that fails would wake itself for ever.
			if h.awaited.Swap(false) || ended(st.GetPhase()) {
				s.wake(pkg)
			}
		})
	})
	s.group.Go(func() { s.guard(ctx, h) })
	s.group.Go(func() {
		if s.containers.Wait(ctx, c) == nil && ctx.Err() == nil {
			s.log.InfoContext(ctx, "container has ended", "pkg", pkg)
			s.detach(pkg)
			s.wake(pkg)
		}
	})
	return h, nil
}

// restAfter is how long the package's code may have been at one thing before what starting took is given back. The host
// collects its garbage two seconds after an init.
const restAfter = 4 * time.Second

// rest has the JavaScript host of a service give back the pages of Node that it only needed to start: half of what it
// holds, in every container.
func (s *Service) rest(ctx context.Context, pkg string) {
	if ctx.Err() != nil {
		return
	}
	err := s.containers.Rest(pkg, func(argv []string) bool { return strings.HasPrefix(argv[len(argv)-1], jshostPath+"/") })
	if err != nil && !errors.Is(err, lxc.ErrNotRunning) {
		s.log.WarnContext(ctx, "a service keeps the memory that its start took", "pkg", pkg, "error", err)
	}
}

// detach drops the handle of a package; the container is left as it is.
func (s *Service) detach(pkg string) {
	s.mu.Lock()
	h := s.live[pkg]
	delete(s.live, pkg)
	s.mu.Unlock()
	if h != nil {
		h.cancel()
		h.agent.close()
	}
}

// listenEffects makes the socket on which one container's effects come in. It lies in a folder that the container can
// write to: it is made under a name of its own and moved into place, so that the container meets a socket or nothing.
func (s *Service) listenEffects(pkg string, owner uint32) (net.Listener, error) {
	dir := s.rpcDir(pkg)
	if err := s.ensureRPCDir(pkg, owner); err != nil {
		return nil, err
	}
	fresh := filepath.Join(s.meetingDir(pkg), "effects.new")
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	lis, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the effects of %q: %w", pkg, err)
	}
	lis.SetUnlinkOnClose(false)
	id := s.mounts.Owner(owner)
	if err := errors.Join(os.Lchown(fresh, id, id), os.Chmod(fresh, 0o600), os.Rename(fresh, filepath.Join(dir, "effects.sock"))); err != nil {
		return nil, errors.Join(err, lis.Close())
	}
	return lis, nil
}

// ensureRPCDir makes the folder that the container sees as /run/hearth, owned by the container's root.
func (s *Service) ensureRPCDir(pkg string, owner uint32) error {
	if err := os.MkdirAll(s.serviceDir(pkg), 0o711); err != nil {
		return fmt.Errorf("cannot make the folder of service %q: %w", pkg, err)
	}
	meeting := mount.Tmpfs{Bytes: meetingBytes, Files: meetingFiles, Mode: 0o711}
	if err := s.mounts.Ensure(s.meetingDir(pkg), meeting, mount.Options{NoSUID: true, NoDev: true, NoExec: true}); err != nil {
		return err
	}
	dir := s.rpcDir(pkg)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	id := s.mounts.Owner(owner)
	return os.Lchown(dir, id, id)
}

// dialHostile connects to a socket in a folder that a container can write to: what lies there must be a socket, and is
// reached through a descriptor, so that it cannot be swapped for a link between the check and the connection.
func dialHostile(ctx context.Context, path string) (net.Conn, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, fmt.Errorf("%s is not a socket", path)
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
}
