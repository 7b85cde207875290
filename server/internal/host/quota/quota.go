// Package quota bounds what the files below some folders take on disk, where the file system can: by projects on xfs and
// ext4, by the groups of subvolumes on btrfs. It switches nothing on: that is for who makes and mounts the file system,
// and costs something.
//
// On xfs and ext4 the folders of one id are bounded together. On btrfs each of them is bounded by itself and must be a
// subvolume (tree.Make makes one).
//
// Invariants: what is bounded stays so over a restart, since the kernel keeps it with the files; a folder that is set to be
// of an id is so with all that is in it; Bound may be repeated, also after a crash at any point.
package quota

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/platform"
	"github.com/hearthos/hearth/server/internal/host/tree"
)

// Quotas are those of one file system. They are safe for concurrent use on different ids.
type Quotas struct {
	dir string
	how mechanism
	why error
}

// mechanism is one of the ways of file systems.
type mechanism interface {
	// on answers nil when the file system counts and bounds.
	on(dir string) error
	bound(ctx context.Context, dir string, id uint32, bytes uint64, dirs []string) error
}

// unseen is that nobody can tell what the file system bounds.
var unseen = platform.Answer{Name: "limit.unseen", Text: "what the file system of the data bounds cannot be seen"}

// Open looks which quotas the file system of a folder has, and whether they are switched on.
func Open(dir string) *Quotas {
	q := &Quotas{dir: dir}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		q.why = platform.Cannot(unseen, err)
		return q
	}
	switch int64(st.Type) {
	case unix.BTRFS_SUPER_MAGIC:
		q.how = subvolumes{}
	case unix.XFS_SUPER_MAGIC, unix.EXT4_SUPER_MAGIC:
		q.how = projects{}
	default:
		q.why = platform.Cannot(platform.Answer{Name: "limit.filesystem", Text: "the file system of the data has no quotas; btrfs, xfs and ext4 have"}, nil)
		return q
	}
	q.why = q.how.on(dir)
	return q
}

// Unsupported tells why nothing is bounded, nil where it is.
func (q *Quotas) Unsupported() error { return q.why }

// Bound makes folders, with all that is and will be in them, those of an id, which may take so many bytes; 0: any. Folders
// that are not there are left out. What takes more already stays, and grows no more.
func (q *Quotas) Bound(ctx context.Context, id uint32, bytes uint64, dirs ...string) error {
	if q.why != nil {
		return fmt.Errorf("cannot bound what files take: %w", q.why)
	}
	var there []string
	for _, dir := range dirs {
		if _, err := os.Lstat(dir); err == nil {
			there = append(there, dir)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := q.how.bound(ctx, q.dir, id, bytes, there); err != nil {
		return fmt.Errorf("cannot bound what files take: %w", err)
	}
	return nil
}

// subvolumes is the way of btrfs.
type subvolumes struct{}

func (subvolumes) on(dir string) error {
	probe, err := os.MkdirTemp(dir, ".quota")
	if err != nil {
		return platform.Cannot(unseen, err)
	}
	path := probe + "/probe"
	defer os.Remove(probe)
	if err := tree.Make(path, 0o700); err != nil {
		return platform.Cannot(unseen, err)
	}
	defer tree.Remove(context.Background(), path) // a moment's work that has to be done to its end
	err = tree.LimitSubvolume(path, 0)
	if errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return platform.Cannot(platform.Answer{Name: "limit.quotas", Text: "quotas are not switched on in the file system of the data ({{.How}})"}, nil, "How", "btrfs quota enable "+dir)
	}
	if err != nil {
		return platform.Cannot(unseen, err)
	}
	return nil
}

func (subvolumes) bound(_ context.Context, _ string, _ uint32, bytes uint64, dirs []string) error {
	for _, dir := range dirs {
		err := tree.LimitSubvolume(dir, bytes)
		if errors.Is(err, tree.ErrNoSubvolume) && bytes == 0 {
			continue // it was made by other means, and is not to be bounded
		}
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// projects is the way of xfs and ext4.
type projects struct{}

// Words of quotactl, in the dialect that all file systems understand.
const (
	getState = 0x5808
	setLimit = 0x5804
	// ofProjects is the kind of quota.
	ofProjects = 2
	// countsProjects and boundsProjects are flags of the state.
	countsProjects, boundsProjects = 1 << 4, 1 << 5
	// hardLimit is the mark of the field that is set, in blocks of 512 bytes.
	hardLimit, block = 1 << 3, 512
)

// state is struct fs_quota_statv as far as it is read.
type state struct {
	version int8
	_       uint8
	flags   uint16
	_       [252]byte
}

// limit is struct fs_disk_quota.
type limit struct {
	version, flags int8
	fields         uint16
	id             uint32
	hard, soft     uint64
	_              [4]uint64 // of files, and what is used
	_              [2]int32  // times
	_              [2]uint16 // warnings
	_              [4]int8
	_              [3]uint64 // of the real-time device
	_              int32
	_              uint16
	_              int16
	_              [8]byte
}

func quotactl[T any](dir string, command uintptr, id uint32, arg *T) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, uintptr(fd), command<<8|ofProjects, uintptr(id), uintptr(unsafe.Pointer(arg)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func (projects) on(dir string) error {
	st := state{version: 1}
	err := quotactl(dir, getState, 0, &st)
	if err == nil && st.flags&(countsProjects|boundsProjects) == countsProjects|boundsProjects {
		return nil
	}
	if errors.Is(err, unix.EPERM) {
		return platform.Cannot(unseen, err)
	}
	return platform.Cannot(platform.Answer{Name: "limit.projects", Text: "quotas of projects are not switched on in the file system of the data (mount option prjquota), or the kernel has none"}, nil)
}

func (projects) bound(ctx context.Context, dir string, id uint32, bytes uint64, dirs []string) error {
	const ofProject = 2
	l := limit{version: 1, flags: ofProject, fields: hardLimit, id: id, hard: (bytes + block - 1) / block}
	if err := quotactl(dir, setLimit, id, &l); err != nil {
		return err
	}
	for _, d := range dirs {
		if now, err := tree.Project(d); err != nil || now == id {
			if err != nil {
				return err
			}
			continue
		}
		if err := tree.SetProject(ctx, d, id); err != nil {
			return err
		}
	}
	return nil
}

// Release takes a folder out of what is bounded: what is set aside no longer counts.
func (q *Quotas) Release(ctx context.Context, dir string) error {
	if _, ok := q.how.(projects); !ok || q.why != nil {
		return nil // a subvolume is bounded by itself
	}
	if now, err := tree.Project(dir); err != nil || now == 0 {
		return err
	}
	return tree.SetProject(ctx, dir, 0)
}
