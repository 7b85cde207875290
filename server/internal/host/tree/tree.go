// Package tree takes snapshots of folders whose content is foreign: everything below them was written by programs that
// nobody here trusts, and some of it may be written while it is read.
//
// A snapshot is made by the best mechanism the file system has: as a subvolume (btrfs, in one instant), by files that
// share their blocks (reflink: xfs, btrfs), else as a full copy. It is never made of hard links, which programs that write
// in place would write through. It keeps owners, modes, times, extended attributes and with them ACLs and capabilities,
// hard links among the files, holes, links, pipes, sockets and device nodes. It does not keep the inode flags of chattr and
// leaves out nothing silently: what cannot be kept fails it.
//
//	tree.go     Snapshot and its mechanisms, Exchange
//	walk.go     going through a foreign tree
//	measure.go  how large a tree is, and whether it was written to
//	copy.go     copying a tree
//	remove.go   removing a tree
//	btrfs.go    the ioctls of btrfs
//
// Invariants: every name below the root is opened beneath the folder it was found in, never through a link and never onto
// another mount; depth costs no descriptors; memory does not grow with the number of files.
package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrBusy tells that the tree was written to for as long as it was tried to copy it.
	ErrBusy = errors.New("the files keep being written to")
	// ErrMount tells that something else is mounted inside the tree, which a copy would have to leave out.
	ErrMount = errors.New("something is mounted inside the folder")
	// ErrUnshared tells that the file system has nothing by which files share their blocks.
	ErrUnshared = errors.New("files cannot share their blocks here")
	// errChanged tells that a tree changed while it was read.
	errChanged = errors.New("a file changed while it was read")
)

// Mechanism is how a snapshot was made.
type Mechanism int

// The mechanisms, best first.
const (
	Subvolume Mechanism = iota + 1 // one instant, sharing all blocks
	Reflink                        // file by file, sharing all blocks
	Copy                           // file by file, with blocks of its own
)

// Size is how large a tree is: its entries, and the bytes of its files that take up space.
type Size struct {
	Files, Bytes uint64
}

// entryCost is what an entry counts in the progress besides its bytes: making a file takes time too.
const entryCost = 4096

func (s Size) work() uint64 { return s.Bytes + s.Files*entryCost }

// Options say how a snapshot is made.
type Options struct {
	// Reserve is how many bytes of the file system stay free.
	Reserve uint64
	// Progress, if not nil, is told how many bytes are done, of how many; those of metadata are counted with them.
	Progress func(done, total uint64)
	// AtMost is the best mechanism that may be used; 0: any. It is for tests of those that come after it.
	AtMost Mechanism
}

// Snapshot makes dst a snapshot of the folder src. dst lies on the same file system and does not exist; when an error is
// returned, it does not exist either. What dst holds is durable on return, its name is not: dst is meant to be a temporary
// one. A src that is written to meanwhile is copied anew, up to a few times.
func Snapshot(ctx context.Context, src, dst string, o Options) (Mechanism, Size, error) {
	if o.Progress == nil {
		o.Progress = func(uint64, uint64) {}
	}
	if o.AtMost <= Subvolume {
		size, err := snapshotSubvolume(ctx, src, dst)
		if err == nil || !errors.Is(err, errNoSubvolume) {
			return Subvolume, size, err
		}
	}
	how := Copy
	if o.AtMost <= Reflink && sharesBlocks(filepath.Dir(dst)) {
		how = Reflink
	}
	size, err := snapshotFiles(ctx, src, dst, how, o)
	return how, size, err
}

// Moment makes dst a snapshot of the folder src by a mechanism that shares blocks, or answers ErrUnshared. It is for who
// holds the files still meanwhile, so it takes as little time as it can: the snapshot is for reading at once, and need not be
// there after the machine has stopped. dst is as for Snapshot, and so is what holds of it after an error.
func Moment(ctx context.Context, src, dst string, reserve uint64) error {
	err := takeSubvolume(src, dst)
	if err == nil || !errors.Is(err, errNoSubvolume) {
		return err
	}
	if !sharesBlocks(filepath.Dir(dst)) {
		return ErrUnshared
	}
	_, err = snapshotFiles(ctx, src, dst, Reflink, Options{Reserve: reserve, Progress: func(uint64, uint64) {}})
	return err
}

// attempts is how often a tree is copied that is written to meanwhile.
const attempts = 4

func snapshotFiles(ctx context.Context, src, dst string, how Mechanism, o Options) (Size, error) {
	for try := range attempts {
		if err := pause(ctx, max(tick, time.Duration(try)*100*time.Millisecond)); err != nil {
			return Size{}, err
		}
		size, err := copyOnce(ctx, src, dst, how, o)
		if err == nil {
			return size, nil
		}
		// The context may have ended, and what was begun must go all the same.
		if gone := Remove(context.WithoutCancel(ctx), dst); gone != nil {
			return Size{}, errors.Join(err, gone)
		}
		if !errors.Is(err, errChanged) {
			return Size{}, err
		}
	}
	return Size{}, ErrBusy
}

// tick is longer than the clock of a file system needs to go on: what was written before it passed has an earlier time
// than what is written after.
const tick = 20 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// copyOnce copies the tree and finds out whether it was written to from then on.
func copyOnce(ctx context.Context, src, dst string, how Mechanism, o Options) (Size, error) {
	size, err := Measure(ctx, src)
	if err != nil {
		return Size{}, err
	}
	if err := room(filepath.Dir(dst), size, how, o.Reserve); err != nil {
		return Size{}, err
	}
	if err := os.Mkdir(dst, 0o700); err != nil {
		return Size{}, fmt.Errorf("cannot make the folder of the snapshot: %w", err)
	}
	began, err := changeTime(dst)
	if err != nil {
		return Size{}, err
	}
	if err := copyTree(ctx, src, dst, how, func(done Size) { o.Progress(min(done.work(), size.work()), size.work()) }); err != nil {
		return Size{}, err
	}
	if err := unchangedSince(ctx, src, began); err != nil {
		return Size{}, err
	}
	return size, Secure(dst)
}

// NoRoom tells that the file system has too little space for a snapshot.
type NoRoom struct {
	Needed, Free uint64
}

func (e *NoRoom) Error() string {
	return fmt.Sprintf("%d bytes are needed and %d are free", e.Needed, e.Free)
}

// room refuses a copy for which there is too little space. Files that share their blocks need some for themselves.
func room(dir string, size Size, how Mechanism, reserve uint64) error {
	free, err := Free(dir)
	if err != nil {
		return err
	}
	needed := size.work() + reserve
	if how == Reflink {
		needed = size.Files*entryCost + reserve
	}
	if free < needed {
		return &NoRoom{Needed: needed, Free: free}
	}
	return nil
}

// Free is how many bytes are free on the file system of a folder.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("cannot see how much space is free: %w", err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// sharesBlocks tells whether files in this folder can share blocks.
func sharesBlocks(dir string) bool {
	var fds [2]int
	for i := range fds {
		fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	if _, err := unix.Pwrite(fds[0], make([]byte, entryCost), 0); err != nil {
		return false
	}
	return unix.IoctlFileClone(fds[1], fds[0]) == nil
}

// Secure makes everything durable that was written to the file system of a folder, by whomever: a tree may have any number
// of files, and which of them were written to nobody knows.
func Secure(dir string) error {
	fd, err := openRoot(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		return fmt.Errorf("cannot secure what was written below %s: %w", dir, err)
	}
	return nil
}

// Exchange lets two folders change their names in one instant. Names are durable when both parents have been synced.
func Exchange(a, b string) error {
	if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("cannot exchange %s and %s: %w", a, b, err)
	}
	return nil
}
