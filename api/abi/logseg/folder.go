package logseg

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// maxNames bounds how many names of a folder are looked at; a service that makes more hides its own log.
const maxNames = 4096

// folder is an open directory whose content is hostile.
type folder struct {
	fd   int
	path string
}

func openFolder(path string) (*folder, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open log folder %s: %w", path, err)
	}
	return &folder{fd: fd, path: path}, nil
}

func (d *folder) close() error { return unix.Close(d.fd) }

// segments lists the segment numbers, rising.
func (d *folder) segments() ([]uint64, error) {
	// A description of its own: reading a directory moves the offset, and readers share d.
	fd, err := unix.Openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot list log folder %s: %w", d.path, err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	names, err := f.Readdirnames(maxNames)
	if err != nil && len(names) == 0 && !isEOF(err) {
		return nil, fmt.Errorf("cannot list log folder %s: %w", d.path, err)
	}
	var out []uint64
	for _, name := range names {
		if n, ok := segmentNumber(name); ok {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// errNoSegment says that there is no regular file of that number.
var errNoSegment = errors.New("no such log segment")

// open opens segment n for reading, never through a link and never waiting for the other end of a pipe.
func (d *folder) open(n uint64) (*os.File, int64, error) {
	fd, err := unix.Openat2(d.fd, segmentName(n), &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		if err == unix.ENOENT || err == unix.ELOOP || err == unix.EXDEV || err == unix.ENXIO {
			return nil, 0, errNoSegment
		}
		return nil, 0, fmt.Errorf("cannot open log segment %d in %s: %w", n, d.path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, 0, errNoSegment
	}
	// A hostile file may be huge; what is over the limit of a segment is not log.
	return os.NewFile(uintptr(fd), segmentName(n)), min(st.Size, SegmentSize+maxRecord), nil
}
