package lxc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Writes adds up what the processes of a running container have written to files, as they did it: cgroups of generation 1
// count what goes to disk later by itself as nobody's. Processes that have ended are not counted, so it may shrink.
func (r *Runtime) Writes(name string) (uint64, error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	pids, err := r.cgroups.processes(r.payload(name))
	if err != nil {
		return 0, fmt.Errorf("cannot read what container %q writes: %w", name, err)
	}
	if len(pids) == 0 {
		return 0, fmt.Errorf("container %q: %w", name, ErrNotRunning)
	}
	var total uint64
	for _, pid := range pids {
		raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "io"))
		if err != nil {
			continue // it has ended
		}
		total += uint64(keyed(string(raw), "write_bytes:"))
	}
	return total, nil
}

// Kill ends every process of a container at once; Wait returns then. One that does not run is no error.
func (r *Runtime) Kill(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return r.cgroups.kill(r.payload(name))
}
