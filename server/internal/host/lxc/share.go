package lxc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// What is never given to services, so that the server, its front door and whoever repairs the machine always have room:
// an eighth of the memory within these bounds, and an eighth of the process ids but no fewer than these.
const (
	leastMemory = 256 << 20
	mostMemory  = 2 << 30
	leastPIDs   = 1024
	// onePIDs is what one service may have where the machine has many.
	onePIDs = 16384
)

// Share is what all services may use together of a machine with so much memory and so many process ids.
func Share(memory, pids int64) Limits {
	return Limits{
		Memory: memory - min(max(memory/8, leastMemory), mostMemory, memory/2),
		PIDs:   pids - min(max(pids/8, leastPIDs), pids/2),
	}
}

// One is what one service may use where all together have l: less than all, so that what it runs out of is its own and
// its neighbours are not killed for it.
func (l Limits) One() Limits {
	return Limits{Memory: l.Memory / 4 * 3, PIDs: min(onePIDs, l.PIDs/2), CPUWeight: 100}
}

// ShareHere is Share of this machine.
func ShareHere() (Limits, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return Limits{}, fmt.Errorf("cannot read how much memory there is: %w", err)
	}
	pids := int64(0)
	for _, file := range []string{"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"} {
		n, err := readNumber(file)
		if err != nil {
			return Limits{}, fmt.Errorf("cannot read how many processes there may be: %w", err)
		}
		if pids == 0 || n < pids {
			pids = n
		}
	}
	return Share(int64(info.Totalram)*int64(info.Unit), pids), nil
}

// share makes the cgroup of all containers and bounds it. It may be called any number of times; running containers feel
// it at once.
func (r *Runtime) share() error {
	if err := r.shareIO(); err != nil {
		return err
	}
	dir := filepath.Join(r.cgroupRoot(), "payload")
	for _, s := range r.cfg.All.settings() {
		if root, ok := r.cgroups.v1[s.controller1()]; ok {
			if err := bound(root, dir, s.file1, s.value1); err != nil {
				return err
			}
		}
		if r.cgroups.v2Has[s.controller] && s.file2 != "" {
			if err := r.cgroups.enable(s.controller, dir); err != nil {
				return err
			}
			if err := bound(r.cgroups.v2, dir, s.file2, s.value2); err != nil {
				return err
			}
		}
	}
	return nil
}

// bound sets one limit of a cgroup, which it makes.
func bound(root, dir, file, value string) error {
	path := filepath.Join(root, dir)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("cannot create cgroup: %w", err)
	}
	if err := writeExisting(filepath.Join(path, file), value); err != nil {
		return fmt.Errorf("cannot set %s of cgroup %s to %s: %w", file, dir, value, err)
	}
	return nil
}

// enable has the cgroups of generation 2 on the way to dir hand a controller down to it.
func (h hierarchies) enable(controller, dir string) error {
	at := h.v2
	for _, name := range strings.Split(dir, "/") {
		control := filepath.Join(at, "cgroup.subtree_control")
		have, err := os.ReadFile(control)
		if err != nil {
			return fmt.Errorf("cannot read cgroup controllers: %w", err)
		}
		if !strings.Contains(" "+strings.TrimSpace(string(have))+" ", " "+controller+" ") {
			if err := writeExisting(control, "+"+controller); err != nil {
				return fmt.Errorf("cannot enable cgroup controller %s in %s: %w", controller, at, err)
			}
		}
		at = filepath.Join(at, name)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return fmt.Errorf("cannot create cgroup: %w", err)
		}
	}
	return nil
}

// shut takes the container's cgroup, which liblxc gives to its root, away from it: it could make any number of cgroups
// there, which cost the machine and slow down who lists them. Its limits were never its own.
func (h hierarchies) shut(dir string) error {
	for _, root := range h.all {
		path := filepath.Join(root, dir)
		if err := errors.Join(os.Lchown(path, 0, 0), unix.Chmod(path, 0o755)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot keep cgroup %s to ourselves: %w", dir, err)
		}
	}
	return nil
}

// servicesIO is the share of the disks that all services have together where they and everything else want them: half of
// what everything else has, so that the server's own writes, which people wait for, come first.
const servicesIO = 50

// shareIO gives services less of the disks than the rest of the machine has. Only some schedulers of disks know weights;
// where none does nothing is set, and the disks are shared as they come.
func (r *Runtime) shareIO() error {
	weights := map[string]string{"blkio.bfq.weight": fmt.Sprint(servicesIO)}
	root, first := r.cgroups.v1["blkio"]
	if !first {
		if !r.cgroups.v2Has["io"] {
			return nil
		}
		if err := r.cgroups.enable("io", r.cfg.CgroupParent); err != nil {
			return err
		}
		root, weights = r.cgroups.v2, map[string]string{"io.weight": fmt.Sprint(servicesIO), "io.bfq.weight": fmt.Sprint(servicesIO)}
	}
	dir := filepath.Join(root, r.cfg.CgroupParent)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot create cgroup: %w", err)
	}
	for file, weight := range weights {
		if err := writeExisting(filepath.Join(dir, file), weight); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot set %s of cgroup %s: %w", file, r.cfg.CgroupParent, err)
		}
	}
	return nil
}
