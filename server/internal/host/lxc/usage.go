package lxc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a container uses now, or has used since its start.
type Usage struct {
	// Memory in bytes, without page cache that the kernel would give up first.
	Memory int64
	// MemoryLimit is how much the container may have of it by itself; 0 where nothing bounds it.
	MemoryLimit int64
	// Kills is how often a process was killed for want of memory.
	Kills int64
	// CPU is the processor time used since the start.
	CPU  time.Duration
	PIDs int64
	// Read and Written are bytes moved from and to block devices since the start.
	Read, Written int64
}

// Usage reads what the running container uses; the error is ErrNotRunning when there is none. It reads a few files of
// the kernel and looks at no process.
func (r *Runtime) Usage(name string) (Usage, error) {
	if err := CheckName(name); err != nil {
		return Usage{}, err
	}
	u, err := r.cgroups.usage(r.payload(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Usage{}, fmt.Errorf("container %q: %w", name, ErrNotRunning)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("cannot read usage of container %q: %w", name, err)
	}
	return u, nil
}

// UsageOfAll reads what all containers of the instance use together.
func (r *Runtime) UsageOfAll() (Usage, error) {
	u, err := r.cgroups.usage(filepath.Join(r.cgroupRoot(), "payload"))
	if errors.Is(err, fs.ErrNotExist) {
		return Usage{}, nil // nothing was started yet
	}
	if err != nil {
		return Usage{}, fmt.Errorf("cannot read usage of all containers: %w", err)
	}
	return u, nil
}

// usage reads a cgroup in whichever generation has the controllers. A controller that the machine lacks tells nothing.
func (h hierarchies) usage(dir string) (Usage, error) {
	var u Usage
	var errs []error
	file := func(controller, name string) string {
		raw, err := os.ReadFile(filepath.Join(h.root(controller), dir, name))
		errs = append(errs, err)
		return string(raw)
	}
	// One that is there says that the cgroup is: some files are those of controllers that this machine may lack.
	optional := func(controller, name string) string {
		raw, err := os.ReadFile(filepath.Join(h.root(controller), dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		return string(raw)
	}
	if _, first := h.v1["memory"]; first {
		u.Memory = number(file("memory", "memory.usage_in_bytes")) - keyed(file("memory", "memory.stat"), "total_inactive_file")
		u.Kills = keyed(optional("memory", "memory.oom_control"), "oom_kill")
		u.MemoryLimit = number(optional("memory", "memory.limit_in_bytes"))
	} else if h.v2Has["memory"] {
		u.Memory = number(file("memory", "memory.current")) - keyed(file("memory", "memory.stat"), "inactive_file")
		u.Kills = keyed(optional("memory", "memory.events"), "oom_kill")
		u.MemoryLimit = number(optional("memory", "memory.max"))
	}
	u.Memory = max(0, u.Memory)
	if u.MemoryLimit >= unbounded {
		u.MemoryLimit = 0
	}
	if _, first := h.v1["cpuacct"]; first {
		u.CPU = time.Duration(number(file("cpuacct", "cpuacct.usage")))
	} else {
		u.CPU = time.Duration(keyed(file("cpu", "cpu.stat"), "usage_usec")) * time.Microsecond
	}
	u.PIDs = number(optional("pids", "pids.current"))
	if _, first := h.v1["blkio"]; first {
		u.Read, u.Written = devices1(optional("blkio", "blkio.throttle.io_service_bytes_recursive"))
	} else {
		u.Read, u.Written = devices2(optional("io", "io.stat"))
	}
	return u, errors.Join(errs...)
}

// unbounded is more than any machine has: generation 1 says so much where there is no limit.
const unbounded = 1 << 60

// root is the mount point of the hierarchy that has the controller.
func (h hierarchies) root(controller string) string {
	if root, ok := h.v1[controller]; ok {
		return root
	}
	return h.v2
}

// number is a file that is one number; anything else, as "max", is 0.
func number(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// keyed is the number behind a word at the beginning of a line.
func keyed(text, key string) int64 {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, key+" "); ok {
			return number(v)
		}
	}
	return 0
}

// devices1 adds up the lines "8:0 Read 4096" of generation 1.
func devices1(text string) (read, written int64) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue // the sum
		}
		switch f[1] {
		case "Read":
			read += number(f[2])
		case "Write":
			written += number(f[2])
		}
	}
	return read, written
}

// devices2 adds up the lines "8:0 rbytes=4096 wbytes=0 …" of generation 2.
func devices2(text string) (read, written int64) {
	for f := range strings.FieldsSeq(text) {
		switch name, value, _ := strings.Cut(f, "="); name {
		case "rbytes":
			read += number(value)
		case "wbytes":
			written += number(value)
		}
	}
	return read, written
}

func readNumber(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}
