package lxc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/platform"
)

// Limits bound what a container may use; a zero field bounds nothing.
type Limits struct {
	// Memory in bytes, page cache included.
	Memory int64
	// CPU in thousandths of one core.
	CPU int64
	// CPUWeight is the share among containers that all want the processor: 1 to 10000, 100 is usual.
	CPUWeight int64
	// PIDs counts processes and threads.
	PIDs int64
	// IOWeight is the share of disks among containers that all want them: 1 to 1000, 100 is usual.
	IOWeight int64
	// IO bounds throughput on block devices. What is written later from memory generation 1 of cgroups counts as nobody's.
	IO []IOLimit
}

// IOLimit bounds bytes a second on one block device.
type IOLimit struct {
	Major, Minor uint32
	Read, Write  int64
}

func (l Limits) check() error {
	switch {
	case l.Memory < 0 || l.Memory > 0 && l.Memory < 1<<20:
		return invalid("memory limit %d", l.Memory)
	case l.CPU < 0 || l.CPU > 0 && l.CPU < 10 || l.CPU > 1<<20:
		return invalid("cpu limit %d", l.CPU)
	case l.CPUWeight < 0 || l.CPUWeight > 10000:
		return invalid("cpu weight %d", l.CPUWeight)
	case l.IOWeight < 0 || l.IOWeight > 1000:
		return invalid("io weight %d", l.IOWeight)
	case l.PIDs < 0:
		return invalid("process limit %d", l.PIDs)
	}
	for _, io := range l.IO {
		if io.Read < 0 || io.Write < 0 {
			return invalid("io limit %+v", io)
		}
	}
	return nil
}

// setting is one limit in the words of both cgroup generations.
type setting struct {
	controller           string // the name of generation 2
	file1, value1        string
	file2, value2        string
	controller1Alternate string // the name of generation 1 where it differs
	optional             bool   // not every kernel that has the controller has the file
}

const cpuPeriod = 100_000

// settings are those of the limits that bound something.
func (l Limits) settings() []setting { return l.render(func(n int64) bool { return n > 0 }) }

// whole are the settings of all limits: those that bound nothing take away what bounded before.
func (l Limits) whole() []setting { return l.render(func(int64) bool { return true }) }

// render has the settings of the limits that wanted holds for.
func (l Limits) render(wanted func(int64) bool) (out []setting) {
	n := func(v int64, none string) string {
		if v == 0 {
			return none
		}
		return strconv.FormatInt(v, 10)
	}
	if wanted(l.Memory) {
		out = append(out, setting{controller: "memory", file1: "memory.limit_in_bytes", value1: n(l.Memory, "-1"), file2: "memory.max", value2: n(l.Memory, "max")})
	}
	if wanted(l.CPU) {
		quota := l.CPU * cpuPeriod / 1000
		out = append(out,
			setting{controller: "cpu", file1: "cpu.cfs_period_us", value1: fmt.Sprint(cpuPeriod)},
			setting{controller: "cpu", file1: "cpu.cfs_quota_us", value1: n(quota, "-1"), file2: "cpu.max", value2: n(quota, "max") + " " + fmt.Sprint(cpuPeriod)})
	}
	if wanted(l.CPUWeight) {
		out = append(out, setting{controller: "cpu", file1: "cpu.shares", value1: n(max(2, l.CPUWeight*1024/100), ""), file2: "cpu.weight", value2: n(l.CPUWeight, "100")})
		if l.CPUWeight == 0 {
			out[len(out)-1].value1 = "1024"
		}
	}
	if wanted(l.PIDs) {
		out = append(out, setting{controller: "pids", file1: "pids.max", value1: n(l.PIDs, "max"), file2: "pids.max", value2: n(l.PIDs, "max")})
	}
	if wanted(l.IOWeight) {
		weight := n(l.IOWeight, "100")
		out = append(out,
			setting{controller: "io", controller1Alternate: "blkio", file1: "blkio.bfq.weight", value1: weight, file2: "io.bfq.weight", value2: weight, optional: true},
			setting{controller: "io", file2: "io.weight", value2: weight, optional: true})
	}
	for _, io := range l.IO {
		dev := fmt.Sprintf("%d:%d", io.Major, io.Minor)
		if wanted(io.Read) {
			out = append(out, setting{controller: "io", controller1Alternate: "blkio", file1: "blkio.throttle.read_bps_device", value1: dev + " " + n(io.Read, "0"), file2: "io.max", value2: dev + " rbps=" + n(io.Read, "max")})
		}
		if wanted(io.Write) {
			out = append(out, setting{controller: "io", controller1Alternate: "blkio", file1: "blkio.throttle.write_bps_device", value1: dev + " " + n(io.Write, "0"), file2: "io.max", value2: dev + " wbps=" + n(io.Write, "max")})
		}
	}
	return out
}

// Limit bounds a running container anew; what l does not bound is free again. Without the container the error is
// ErrNotRunning. After another error some limits are those of before: a container may use more memory than it is to have.
func (r *Runtime) Limit(name string, l Limits) error {
	if err := errors.Join(CheckName(name), l.check()); err != nil {
		return err
	}
	if there, err := r.cgroups.there(r.payload(name)); err != nil || !there {
		return errors.Join(err, fmt.Errorf("container %q: %w", name, ErrNotRunning))
	}
	var failed error
	for _, s := range l.whole() {
		if err := r.cgroups.set(r.payload(name), s); err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot limit container %q: %w", name, err))
		}
	}
	return failed
}

// limitIO sets what liblxc is not asked for, since it starts nothing where a file is missing.
func (r *Runtime) limitIO(name string, l Limits) error {
	for _, s := range (Limits{IOWeight: l.IOWeight}).settings() {
		if err := r.cgroups.set(r.payload(name), s); err != nil {
			return err
		}
	}
	return nil
}

// set makes one setting of a cgroup in whichever generation has its controller.
func (h hierarchies) set(dir string, s setting) error {
	write := func(root, file, value string) error {
		err := writeExisting(filepath.Join(root, dir, file), value)
		if s.optional && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot set %s to %s: %w", file, value, err)
		}
		return nil
	}
	if root, ok := h.v1[s.controller1()]; ok && s.file1 != "" {
		if err := write(root, s.file1, s.value1); err != nil {
			return err
		}
	}
	if h.v2Has[s.controller] && s.file2 != "" {
		if err := h.enable(s.controller, dir); err != nil {
			return err
		}
		return write(h.v2, s.file2, s.value2)
	}
	return nil
}

// there tells whether a cgroup is there.
func (h hierarchies) there(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(h.all[0], dir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Disk is a block device as cgroups know it: a whole one.
type Disk struct{ Major, Minor uint32 }

// DiskOf is the disk that a folder is on, nil where it is on none, or on several as some file systems can.
func DiskOf(dir string) (*Disk, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return nil, fmt.Errorf("cannot see the disk of %s: %w", dir, err)
	}
	number := st.Dev
	if unix.Major(number) == 0 { // btrfs tells none, and its mount one of those it has
		m, err := mountOf(dir)
		if err != nil || !filepath.IsAbs(m.Source) || unix.Stat(m.Source, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
			return nil, err
		}
		number = st.Rdev
	}
	at := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(number), unix.Minor(number))
	if _, err := os.Stat(at + "/partition"); err == nil {
		at += "/.."
	}
	raw, err := os.ReadFile(at + "/dev")
	if err != nil {
		return nil, fmt.Errorf("cannot see the disk of %s: %w", dir, err)
	}
	var d Disk
	if _, err := fmt.Sscanf(string(raw), "%d:%d", &d.Major, &d.Minor); err != nil {
		return nil, fmt.Errorf("cannot see the disk of %s: %w", dir, err)
	}
	return &d, nil
}

// mountOf is the mount that a path lies in.
func mountOf(path string) (mount.Info, error) {
	for {
		m, err := mount.At(path)
		if err == nil || path == "/" {
			return m, err
		}
		path = filepath.Dir(path)
	}
}

// Abilities tells why this machine cannot bound something; what is nil it can.
type Abilities struct{ IOWeight, IORate error }

// Abilities tells what can be bounded of what containers use of a disk.
func (r *Runtime) Abilities(d *Disk) Abilities {
	_, first := r.cgroups.v1["blkio"]
	switch {
	case !first && !r.cgroups.v2Has["io"]:
		err := platform.Cannot(platform.Answer{Name: "limit.groups", Text: "the kernel has no control groups for disks (blkio or io)"}, nil)
		return Abilities{IOWeight: err, IORate: err}
	case d == nil:
		err := platform.Cannot(platform.Answer{Name: "limit.disk", Text: "the file system of the data is not on one disk that the kernel tells"}, nil)
		return Abilities{IOWeight: err, IORate: err}
	}
	raw, _ := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/queue/scheduler", d.Major, d.Minor))
	costs, _ := os.ReadFile(filepath.Join(r.cgroups.v2, "io.cost.qos"))
	if strings.Contains(string(raw), "[bfq]") || !first && strings.Contains(string(costs), fmt.Sprintf("%d:%d enable=1", d.Major, d.Minor)) {
		return Abilities{}
	}
	_, now, _ := strings.Cut(string(raw), "[")
	now, _, _ = strings.Cut(now, "]")
	return Abilities{IOWeight: platform.Cannot(platform.Answer{Name: "limit.scheduler", Text: "the scheduler of the disk is {{.Scheduler}}, which knows no weights; bfq does"}, nil, "Scheduler", now)}
}
