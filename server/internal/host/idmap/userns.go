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

// newNamespace borrows the namespace of a process that never runs an instruction: it is our own program started under
// ptrace, which stops at exec, and is killed once its namespace is open. So no helper program has to be found, and a
// crash of ours takes the child along (the kernel kills a tracee whose PDEATHSIG parent goes).
func newNamespace(m Map) (*os.File, error) {
	lines := make([]syscall.SysProcIDMap, 0, len(m.extents))
	for _, e := range m.extents {
		lines = append(lines, syscall.SysProcIDMap{ContainerID: int(e.Disk), HostID: int(e.Host), Size: int(e.Count)})
	}
	// The tracer is a thread, not a process: both calls below have to come from the one that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child, err := os.StartProcess("/proc/self/exe", []string{"hearth-userns"}, &os.ProcAttr{
		Dir: "/",
		Env: []string{},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: lines,
			GidMappings: lines,
			Ptrace:      true,
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make user namespace: %w", err)
	}
	defer func() {
		_ = child.Kill()
		_, _ = child.Wait()
	}()
	ns, err := os.Open("/proc/" + strconv.Itoa(child.Pid) + "/ns/user")
	if err != nil {
		return nil, fmt.Errorf("cannot open user namespace: %w", err)
	}
	return ns, nil
}
