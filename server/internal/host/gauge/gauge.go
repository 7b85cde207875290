// Package gauge reads what the machine and single processes use, from the kernel's files below /proc and /sys.
//
// It deliberately keeps nothing and computes no rates: what is read are totals and present values, and who wants a rate
// reads twice. Each reading opens a handful of files and starts no program.
package gauge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: 1/100 s for programs, whatever the kernel itself counts in.
const tick = 10 * time.Millisecond

// Machine is what the machine uses. Times add up over all processors since its start.
type Machine struct {
	Processors               int
	User, System, Idle, Wait time.Duration
	MemoryTotal              uint64
	MemoryAvailable          uint64
	SwapTotal, SwapFree      uint64
	// Boot is when the machine started.
	Boot time.Time
	// Temperature is that of the processor in degrees Celsius, nil where the machine does not tell.
	Temperature *float64
}

// Read reads the machine; root is the folder that proc and sys are in, "/".
func Read(root string) (Machine, error) {
	var m Machine
	if err := m.readStat(filepath.Join(root, "proc/stat")); err != nil {
		return m, err
	}
	if err := m.readMemory(filepath.Join(root, "proc/meminfo")); err != nil {
		return m, err
	}
	m.Temperature = temperature(root)
	return m, nil
}

func (m *Machine) readStat(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read what the processors do: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		switch {
		case len(f) > 7 && f[0] == "cpu":
			at := func(i int) time.Duration { n, _ := strconv.ParseInt(f[i], 10, 64); return time.Duration(n) * tick }
			// user nice system idle iowait irq softirq
			m.User, m.System, m.Idle, m.Wait = at(1)+at(2), at(3)+at(6)+at(7), at(4), at(5)
		case len(f) > 1 && strings.HasPrefix(f[0], "cpu"):
			m.Processors++
		case len(f) == 2 && f[0] == "btime":
			n, _ := strconv.ParseInt(f[1], 10, 64)
			m.Boot = time.Unix(n, 0)
		}
	}
	if m.Processors == 0 {
		return fmt.Errorf("cannot read what the processors do: %s names none", path)
	}
	return nil
}

func (m *Machine) readMemory(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read what the memory holds: %w", err)
	}
	for name, to := range map[string]*uint64{"MemTotal:": &m.MemoryTotal, "MemAvailable:": &m.MemoryAvailable, "SwapTotal:": &m.SwapTotal, "SwapFree:": &m.SwapFree} {
		_, rest, there := bytes.Cut(raw, []byte(name))
		if !there {
			return fmt.Errorf("cannot read what the memory holds: %s has no %s", path, name)
		}
		f := bytes.Fields(rest[:min(len(rest), 64)])
		n, err := strconv.ParseUint(string(f[0]), 10, 64)
		if err != nil {
			return fmt.Errorf("cannot read what the memory holds: %w", err)
		}
		*to = n << 10
	}
	return nil
}

// sensors are the drivers of sensors in processors, by the names the kernel gives them.
func sensors() []string {
	return []string{"coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal", "x86_pkg_temp", "cpu-thermal", "soc-thermal"}
}

// temperature is the highest that a sensor of the processor tells.
func temperature(root string) *float64 {
	var highest *float64
	take := func(path string) {
		raw, err := os.ReadFile(path)
		n, bad := strconv.ParseFloat(strings.TrimSpace(string(raw)), 64)
		if n /= 1000; err == nil && bad == nil && n > -50 && n < 200 && (highest == nil || n > *highest) {
			highest = &n
		}
	}
	for _, place := range []struct{ names, value string }{
		{"sys/class/hwmon/hwmon*/name", "temp*_input"}, {"sys/class/thermal/thermal_zone*/type", "temp"},
	} {
		names, _ := filepath.Glob(filepath.Join(root, place.names)) // the pattern is good
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil || !slices.Contains(sensors(), strings.TrimSpace(string(raw))) {
				continue
			}
			values, _ := filepath.Glob(filepath.Join(filepath.Dir(name), place.value))
			for _, v := range values {
				take(v)
			}
		}
	}
	return highest
}

// Process is what a process uses.
type Process struct {
	// CPU is the time of processors since its start.
	CPU time.Duration
	// Memory is what of it is in memory, shared pages included.
	Memory uint64
}

// ReadProcess reads a process.
func ReadProcess(root string, pid int) (Process, error) {
	dir := filepath.Join(root, "proc", strconv.Itoa(pid))
	raw, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Process{}, fmt.Errorf("cannot read what process %d uses: %w", pid, err)
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:])) // the name before may hold anything
	pages, err := os.ReadFile(filepath.Join(dir, "statm"))
	if err != nil {
		return Process{}, fmt.Errorf("cannot read what process %d uses: %w", pid, err)
	}
	m := strings.Fields(string(pages))
	if len(f) < 13 || len(m) < 2 {
		return Process{}, fmt.Errorf("cannot read what process %d uses: its files are short", pid)
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	resident, err3 := strconv.ParseUint(m[1], 10, 64)
	return Process{CPU: time.Duration(user+system) * tick, Memory: resident * uint64(os.Getpagesize())}, errors.Join(err1, err2, err3)
}

// Traffic is what a network interface moved since it was made.
type Traffic struct{ Received, Sent uint64 }

// ReadTraffic reads all network interfaces at once, by name.
func ReadTraffic(root string) (map[string]Traffic, error) {
	raw, err := os.ReadFile(filepath.Join(root, "proc/net/dev"))
	if err != nil {
		return nil, fmt.Errorf("cannot read what the network moves: %w", err)
	}
	list := make(map[string]Traffic)
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		name, rest, there := strings.Cut(lines.Text(), ":")
		f := strings.Fields(rest)
		if !there || len(f) < 9 {
			continue // the head
		}
		received, err1 := strconv.ParseUint(f[0], 10, 64)
		sent, err2 := strconv.ParseUint(f[8], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("cannot read what the network moves: %w", err)
		}
		list[strings.TrimSpace(name)] = Traffic{Received: received, Sent: sent}
	}
	return list, nil
}
