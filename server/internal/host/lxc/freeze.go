package lxc

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

var errNoFreezer = errors.New("this machine has no cgroups that can be frozen")

// Freeze keeps all processes of a running container where they are, until Thaw. A call of the kernel that one of them is
// in comes to its end: what is written by it is written. Without the container the error is ErrNotRunning.
func (r *Runtime) Freeze(name string) error { return r.setFrozen(name, true) }

// Thaw lets a container go on. One that is not frozen is no error, nor is one that does not run.
func (r *Runtime) Thaw(name string) error {
	err := r.setFrozen(name, false)
	if errors.Is(err, ErrNotRunning) || errors.Is(err, errNoFreezer) {
		return nil
	}
	return err
}

// FreezeAll keeps all containers of an instance where they are, until ThawAll; each keeps what Freeze and Thaw said of it. Without
// any it does nothing.
func (r *Runtime) FreezeAll() error { return r.setAllFrozen(true) }

// ThawAll ends a FreezeAll, also one of a process that was killed.
func (r *Runtime) ThawAll() error { return r.setAllFrozen(false) }

func (r *Runtime) setAllFrozen(frozen bool) error {
	err := r.cgroups.freeze(r.payload(""), frozen)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNoFreezer) {
		return fmt.Errorf("cannot freeze or thaw all containers: %w", err)
	}
	return nil
}

func (r *Runtime) setFrozen(name string, frozen bool) error {
	if err := CheckName(name); err != nil {
		return err
	}
	err := r.cgroups.freeze(r.payload(name), frozen)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("container %q: %w", name, ErrNotRunning)
	}
	if err != nil {
		return fmt.Errorf("cannot freeze or thaw container %q: %w", name, err)
	}
	return nil
}

// freeze freezes or thaws a cgroup: by generation 2, whose frozen processes can be killed, wherever it is.
func (h hierarchies) freeze(dir string, frozen bool) error {
	if h.v2 != "" {
		return writeExisting(filepath.Join(h.v2, dir, "cgroup.freeze"), map[bool]string{true: "1", false: "0"}[frozen])
	}
	root, ok := h.v1["freezer"]
	if !ok {
		return errNoFreezer
	}
	return writeExisting(filepath.Join(root, dir, "freezer.state"), map[bool]string{true: "FROZEN", false: "THAWED"}[frozen])
}
