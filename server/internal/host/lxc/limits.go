package lxc

import (
	"fmt"
	"strconv"
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
	// IO bounds throughput on block devices.
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
}

const cpuPeriod = 100_000

func (l Limits) settings() []setting {
	var out []setting
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	if l.Memory > 0 {
		out = append(out, setting{controller: "memory", file1: "memory.limit_in_bytes", value1: n(l.Memory), file2: "memory.max", value2: n(l.Memory)})
	}
	if l.CPU > 0 {
		quota := l.CPU * cpuPeriod / 1000
		out = append(out,
			setting{controller: "cpu", file1: "cpu.cfs_period_us", value1: n(cpuPeriod)},
			setting{controller: "cpu", file1: "cpu.cfs_quota_us", value1: n(quota), file2: "cpu.max", value2: fmt.Sprintf("%d %d", quota, cpuPeriod)})
	}
	if l.CPUWeight > 0 {
		out = append(out, setting{controller: "cpu", file1: "cpu.shares", value1: n(max(2, l.CPUWeight*1024/100)), file2: "cpu.weight", value2: n(l.CPUWeight)})
	}
	if l.PIDs > 0 {
		out = append(out, setting{controller: "pids", file1: "pids.max", value1: n(l.PIDs), file2: "pids.max", value2: n(l.PIDs)})
	}
	for _, io := range l.IO {
		dev := fmt.Sprintf("%d:%d", io.Major, io.Minor)
		if io.Read > 0 {
			out = append(out, setting{controller: "io", controller1Alternate: "blkio", file1: "blkio.throttle.read_bps_device", value1: dev + " " + n(io.Read), file2: "io.max", value2: dev + " rbps=" + n(io.Read)})
		}
		if io.Write > 0 {
			out = append(out, setting{controller: "io", controller1Alternate: "blkio", file1: "blkio.throttle.write_bps_device", value1: dev + " " + n(io.Write), file2: "io.max", value2: dev + " wbps=" + n(io.Write)})
		}
	}
	return out
}
