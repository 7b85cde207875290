package lxc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/mount"
)

// hierarchies are the cgroup trees of the machine: one of generation 2, several of generation 1, or both beside each
// other ("hybrid"). A container has the same path in all of them.
type hierarchies struct {
	// v1 maps controllers to mount points.
	v1 map[string]string
	// v2 is the mount point of generation 2, or empty.
	v2 string
	// v2Has are the controllers of generation 2.
	v2Has map[string]bool
	// all are the mount points, generation 2 first.
	all []string
}

func findHierarchies() (hierarchies, error) {
	h := hierarchies{v1: map[string]string{}, v2Has: map[string]bool{}}
	mounts, err := mount.List("/sys/fs/cgroup")
	if err != nil {
		return h, err
	}
	for _, m := range mounts {
		// One that lies under another mount is not what a path leads to.
		if top, err := mount.At(m.Path); err != nil || top.ID != m.ID {
			continue
		}
		switch m.FSType {
		case "cgroup2":
			h.v2 = m.Path
			controllers, err := os.ReadFile(filepath.Join(m.Path, "cgroup.controllers"))
			if err != nil {
				return h, fmt.Errorf("cannot read cgroup controllers: %w", err)
			}
			for _, c := range strings.Fields(string(controllers)) {
				h.v2Has[c] = true
			}
			h.all = slices.Insert(h.all, 0, m.Path)
		case "cgroup":
			for _, opt := range strings.Split(m.SuperOptions, ",") {
				if opt != "rw" && opt != "ro" && opt != "xattr" && !strings.Contains(opt, "=") {
					h.v1[opt] = m.Path
				}
			}
			h.all = append(h.all, m.Path)
		}
	}
	if len(h.all) == 0 {
		return h, errors.New("no control groups are mounted below /sys/fs/cgroup, without which there are no containers: mount them, as by 'mount -t cgroup2 cgroup2 /sys/fs/cgroup'")
	}
	return h, nil
}

// children returns the names of the cgroups below dir, in any hierarchy, sorted.
func (h hierarchies) children(dir string) ([]string, error) {
	var names []string
	for _, root := range h.all {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// processes returns the processes of a cgroup and all cgroups below it, from the first hierarchy that has any.
func (h hierarchies) processes(dir string) ([]int, error) {
	for _, root := range h.all {
		var pids []int
		err := walkCgroup(filepath.Join(root, dir), func(d string) error {
			list, err := os.ReadFile(filepath.Join(d, "cgroup.procs"))
			if err != nil {
				return ignoreGone(err)
			}
			for f := range bytes.FieldsSeq(list) {
				if pid, err := strconv.Atoi(string(f)); err == nil {
					pids = append(pids, pid)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(pids) > 0 {
			return pids, nil
		}
	}
	return nil, nil
}

// walkCgroup calls f for dir and every cgroup below it, children before parents. A cgroup that vanishes is skipped: the
// container may make and remove them all the time.
func walkCgroup(dir string, f func(dir string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreGone(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := walkCgroup(filepath.Join(dir, e.Name()), f); err != nil {
				return err
			}
		}
	}
	return f(dir)
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// clear kills what is in the cgroups and removes them, with all below, from every hierarchy. It is repeated for a while:
// a process may be on its way from one of them to another, and the kernel refuses to remove a cgroup while its last
// processes are being torn down.
func (h hierarchies) clear(ctx context.Context, dirs ...string) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		var errs []error
		for _, dir := range dirs {
			errs = append(errs, h.kill(dir))
		}
		for _, dir := range dirs {
			errs = append(errs, h.remove(dir))
		}
		err := errors.Join(errs...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		// There is no event for "a cgroup can be removed now" that both generations have.
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (h hierarchies) remove(dir string) error {
	var errs []error
	for _, root := range h.all {
		errs = append(errs, walkCgroup(filepath.Join(root, dir), func(d string) error {
			return ignoreGone(unix.Rmdir(d))
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot remove cgroup %s: %w", dir, err)
	}
	return nil
}

// kill kills every process of a cgroup and of those below it. Where generation 2 is present the kernel does that without
// a race; elsewhere each process is held by its descriptor while its membership is confirmed.
func (h hierarchies) kill(dir string) error {
	if h.v2 != "" {
		if err := ignoreGone(writeExisting(filepath.Join(h.v2, dir, "cgroup.kill"), "1")); err != nil {
			return fmt.Errorf("cannot kill cgroup %s: %w", dir, err)
		}
		return nil
	}
	pids, err := h.processes(dir)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		if now, err := h.processes(dir); err == nil && slices.Contains(now, pid) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		unix.Close(fd)
	}
	if _, ok := h.v1["freezer"]; ok { // the frozen of generation 1 die when they are thawed
		return ignoreGone(h.freeze(dir, false))
	}
	return nil
}

// writeExisting never asks for the file to be created: in a cgroup that is going away that fails with a misleading error.
func writeExisting(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}
