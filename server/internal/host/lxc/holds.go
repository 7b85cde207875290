package lxc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Holds tells whether the first process of a container holds an exclusive lock (flock) on a file. The kernel tells so of
// each of its open files; the container cannot make it tell otherwise. A container that has ended holds nothing.
func (r *Runtime) Holds(c Container, path string) (bool, error) {
	want, err := os.Stat(path)
	if err != nil {
		return false, fmt.Errorf("cannot look at a lock: %w", err)
	}
	p, err := Open(c)
	if errors.Is(err, ErrNotRunning) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer p.Close() // held open, so that the number stays this process's
	dir := filepath.Join("/proc", strconv.Itoa(c.InitPID))
	open, err := os.ReadDir(filepath.Join(dir, "fd"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot look at the files of container %q: %w", c.Name, err)
	}
	for _, e := range open {
		have, err := os.Stat(filepath.Join(dir, "fd", e.Name()))
		if err != nil || !os.SameFile(have, want) {
			continue // closed meanwhile, or another file
		}
		info, err := readProc(filepath.Join(dir, "fdinfo", e.Name()))
		if err == nil && exclusive(info) {
			return true, nil
		}
	}
	return false, nil
}

// exclusive reads /proc/<pid>/fdinfo/<fd>, which has a line for each lock of that open file:
// "lock:	1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF".
func exclusive(info []byte) bool {
	for lines := bufio.NewScanner(bytes.NewReader(info)); lines.Scan(); {
		f := bytes.Fields(lines.Bytes())
		if len(f) >= 5 && string(f[0]) == "lock:" && string(f[2]) == "FLOCK" && string(f[4]) == "WRITE" {
			return true
		}
	}
	return false
}
