package lxc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rest has the processes of the running container that program matches, by their command lines, give back the pages of
// their programs: starting reads most of a large program, waiting needs little of it. What is needed again comes back
// from the file. It does its best: a process that ends meanwhile, and a kernel without the call, are no error. Without
// the container the error is ErrNotRunning.
func (r *Runtime) Rest(name string, program func(argv []string) bool) error {
	if _, err := r.Adopt(name); err != nil {
		return err
	}
	pids, err := r.cgroups.processes(r.payload(name))
	if err != nil {
		return fmt.Errorf("cannot find the processes of container %q: %w", name, err)
	}
	for _, pid := range pids {
		line, err := readSome("/proc/"+strconv.Itoa(pid)+"/cmdline", 4<<10)
		if err != nil || !program(strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")) {
			continue
		}
		if err := pageOut(pid); err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot let a process of container %q rest: %w", name, err)
		}
	}
	return nil
}

// pageOut takes the pages of files that a process maps, and cannot have written to, out of memory.
func pageOut(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	maps, err := readSome("/proc/"+strconv.Itoa(pid)+"/maps", mostMaps)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(maps) {
		r, ok := parseMapping(string(line))
		if !ok {
			continue
		}
		_, _, errno := unix.Syscall6(unix.SYS_PROCESS_MADVISE, uintptr(fd), uintptr(unsafe.Pointer(&r)), 1, unix.MADV_PAGEOUT, 0, 0)
		if errno == unix.ENOSYS || errno == unix.EPERM {
			return nil
		}
	}
	return nil
}

// mostMaps is how much is read of a process's list of mappings, which it can make as long as it likes.
const mostMaps = 64 << 10

// readSome reads the beginning of a file of /proc.
func readSome(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most))
	if errors.Is(err, unix.ESRCH) {
		return nil, os.ErrNotExist
	}
	return b, err
}

// memoryRange is an iovec: a part of another process's memory, by numbers that mean nothing in ours.
type memoryRange struct{ base, length uint64 }

// parseMapping reads a line of /proc/<pid>/maps; false for what is no file, or may be written to.
func parseMapping(line string) (memoryRange, bool) {
	f := strings.Fields(line)
	if len(f) < 6 || !strings.HasPrefix(f[5], "/") || f[1] != "r-xp" && f[1] != "r--p" {
		return memoryRange{}, false
	}
	from, to, _ := strings.Cut(f[0], "-")
	base, err := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	if err != nil || err2 != nil || end <= base {
		return memoryRange{}, false
	}
	return memoryRange{base: base, length: end - base}, true
}
