package idmap

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// Namespaces hands out user namespaces that carry a Map, as mount_setattr wants them, and keeps each for later calls.
// It is safe for concurrent use. Close it when no more mounts are made; mounts made before keep their map.
type Namespaces struct {
	mu     sync.Mutex // guards the fields below
	byMap  map[string]*os.File
	closed bool
}

// maxCached bounds the descriptors held; packages choose maps, so their number is not ours to trust.
const maxCached = 64

// Use calls f with a descriptor of a user namespace that carries m. The descriptor is f's until f returns.
func (n *Namespaces) Use(m Map, f func(fd int) error) error {
	if !m.Valid() {
		return fmt.Errorf("cannot make user namespace: %w: empty", ErrInvalid)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return fmt.Errorf("cannot make user namespace: %w", os.ErrClosed)
	}
	key := m.String()
	ns, ok := n.byMap[key]
	if !ok {
		var err error
		if ns, err = newNamespace(m); err != nil {
			return err
		}
		n.remember(key, ns)
	}
	err := f(int(ns.Fd()))
	runtime.KeepAlive(ns)
	return err
}

// remember drops an arbitrary other map when the cache is full: making one again costs a millisecond.
func (n *Namespaces) remember(key string, ns *os.File) {
	if n.byMap == nil {
		n.byMap = make(map[string]*os.File)
	}
	for k, old := range n.byMap {
		if len(n.byMap) < maxCached {
			break
		}
		old.Close()
		delete(n.byMap, k)
	}
	n.byMap[key] = ns
}

// Close releases the descriptors. A second Close does nothing.
func (n *Namespaces) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ns := range n.byMap {
		ns.Close()
	}
	n.byMap, n.closed = nil, true
	return nil
}

func newNamespace(m Map) (*os.File, error) {
	var ns *os.File
	err := WithProcess(m, 0, func(pid int) error {
		var err error
		ns, err = os.Open("/proc/" + strconv.Itoa(pid) + "/ns/user")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make user namespace: %w", err)
	}
	return ns, nil
}

// WithProcess calls f while a process exists that lives in a new user namespace with map m and in the further new
// namespaces that flags (CLONE_NEW…) name, which that user namespace owns. The process never runs an instruction and is
// gone when WithProcess returns: it is our own program started under ptrace, which stops it at exec, so no helper
// program has to be found and a crash of ours takes it along. It starts in the namespaces of the calling thread.
func WithProcess(m Map, flags uintptr, f func(pid int) error) error {
	lines := make([]syscall.SysProcIDMap, 0, len(m.extents))
	for _, e := range m.extents {
		lines = append(lines, syscall.SysProcIDMap{ContainerID: int(e.Disk), HostID: int(e.Host), Size: int(e.Count)})
	}
	// The tracer and the parent are threads, not processes.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child, err := os.StartProcess("/proc/self/exe", []string{"hearth-userns"}, &os.ProcAttr{
		Dir: "/",
		Env: []string{},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | flags,
			UidMappings: lines,
			GidMappings: lines,
			Ptrace:      true,
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		return err
	}
	defer func() {
		_ = child.Kill()
		_, _ = child.Wait()
	}()
	return f(child.Pid)
}
