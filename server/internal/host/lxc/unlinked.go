package lxc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of one look at the files that a container holds open. It can open as many as it likes.
const (
	mostHeld   = 50_000
	mostMounts = 256 << 10
)

// Unlinked adds up the room that files take which the processes of a running container have open or mapped and which have no name any
// more, so that no walk over folders finds them. Files in memory are none of them. It never asks a file system that the container
// serves itself, which might not answer. With an error it tells what it had seen until then.
func (r *Runtime) Unlinked(ctx context.Context, name string) (uint64, error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	pids, err := r.cgroups.processes(r.payload(name))
	if err != nil {
		return 0, fmt.Errorf("cannot find the processes of container %q: %w", name, err)
	}
	if len(pids) == 0 {
		return 0, fmt.Errorf("container %q: %w", name, ErrNotRunning)
	}
	held := heldFiles{seen: map[heldFile]bool{}, left: mostHeld}
	for _, pid := range pids {
		for _, dir := range []string{"fd", "map_files"} {
			if err := held.look(ctx, filepath.Join("/proc", strconv.Itoa(pid)), dir); err != nil {
				return held.bytes, fmt.Errorf("cannot see all files that container %q holds: %w", name, err)
			}
		}
	}
	return held.bytes, nil
}

// heldFile is one file, whoever has it open.
type heldFile struct{ major, minor, inode uint64 }

type heldFiles struct {
	seen  map[heldFile]bool
	left  int // files that may still be looked at
	bytes uint64
}

var errManyFiles = errors.New("there are too many")

// look adds what one process holds by one of its folders in /proc. A process that has ended holds nothing.
func (h *heldFiles) look(ctx context.Context, process, dir string) error {
	files, err := os.Open(filepath.Join(process, dir))
	if err != nil {
		return nil
	}
	defer files.Close()
	mounts := mountTypes{process: process}
	for {
		names, err := files.Readdirnames(256)
		for _, name := range names {
			if h.left--; h.left < 0 {
				return errManyFiles
			}
			h.add(filepath.Join(process, dir, name), dir == "fd", &mounts)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || len(names) == 0 {
			return nil
		}
	}
}

// add counts one file that is open, if it is without a name and on a disk.
func (h *heldFiles) add(path string, descriptor bool, mounts *mountTypes) {
	var st unix.Statx_t
	// What is known of it is enough: more would be asked of whoever serves the file system.
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE|unix.STATX_NLINK|unix.STATX_INO|unix.STATX_BLOCKS, &st)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 0 || st.Blocks == 0 {
		return
	}
	// File systems of several disks, or of layers, have devices without a number, as those in memory do.
	if st.Dev_major == 0 && (!descriptor || !mounts.onDisk(path)) {
		return
	}
	file := heldFile{uint64(st.Dev_major), uint64(st.Dev_minor), st.Ino}
	if !h.seen[file] {
		h.seen[file] = true
		h.bytes += st.Blocks * 512
	}
}

// mountTypes are the file systems of the mounts that a process sees, read when one is asked for.
type mountTypes struct {
	process string
	types   map[string]string // by the id of the mount
}

// onDisk tells whether a descriptor is of a file system that keeps its files on a disk, though its device has no number.
func (m *mountTypes) onDisk(descriptor string) bool {
	if m.types == nil {
		m.types = map[string]string{}
		raw, _ := readSome(filepath.Join(m.process, "mountinfo"), mostMounts)
		for line := range strings.Lines(string(raw)) {
			id, _, _ := strings.Cut(line, " ")
			_, after, _ := strings.Cut(line, " - ")
			kind, _, _ := strings.Cut(after, " ")
			m.types[id] = kind
		}
	}
	raw, err := readSome(filepath.Join(m.process, "fdinfo", filepath.Base(descriptor)), 4<<10)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	for line := range strings.Lines(string(raw)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			kind := m.types[strings.TrimSpace(id)]
			return kind == "btrfs" || kind == "overlay"
		}
	}
	return false
}
