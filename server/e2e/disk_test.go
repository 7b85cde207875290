package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/hearthos/hearth/server/internal/testenv"
	"golang.org/x/sys/unix"
)

// sector is what a disk writes whole or not at all.
const sector = 4096

// recordedDisk is a disk that remembers in which order it was written to, and when it was told to make durable what it had
// been given: a file of a file system of ours, for the kernel to put a block device over. What a disk with a cache may hold
// after a power cut follows from that record.
//
// What arrives before a flush counts as made durable by it, and what arrives after the last one may be lost, sector by
// sector. It is deliberately not a model of disks that lie about flushes.
type recordedDisk struct {
	fs.Inode
	size int64
	live *os.File // what the disk holds
	data *os.File // what was written, in order

	mu     sync.Mutex
	events []diskEvent
	end    int64
	err    error
}

// diskEvent is a write of n bytes, which lie in the record at a place of their own; of 0 bytes: a flush.
type diskEvent struct {
	to, at int64
	n      int
}

var (
	_ fs.NodeOpener    = (*recordedDisk)(nil)
	_ fs.NodeReader    = (*recordedDisk)(nil)
	_ fs.NodeWriter    = (*recordedDisk)(nil)
	_ fs.NodeFsyncer   = (*recordedDisk)(nil)
	_ fs.NodeGetattrer = (*recordedDisk)(nil)
)

// newRecordedDisk makes a disk with an empty file system. It is made before the machine that uses it, and ends after it.
func newRecordedDisk(t *testing.T, kind string, size int64) *recordedDisk {
	t.Helper()
	testenv.Require(t, "root")
	dir := t.TempDir()
	d := &recordedDisk{size: size}
	for name, file := range map[string]**os.File{"live": &d.live, "data": &d.data} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		*file = f
	}
	if err := d.live.Truncate(size); err != nil {
		t.Fatal(err)
	}
	format := map[string][]string{
		"ext4":  {"mkfs.ext4", "-q", "-E", "lazy_itable_init=1,nodiscard"},
		"xfs":   {"mkfs.xfs", "-q", "-K", "-s", fmt.Sprint("size=", sector)},
		"btrfs": {"mkfs.btrfs", "-q", "-K"},
	}[kind]
	if out, err := exec.Command(format[0], append(format[1:], d.live.Name())...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return d
}

// attach puts a block device over the disk, which goes when nothing uses it any more.
func (d *recordedDisk) attach(t *testing.T) *os.File {
	t.Helper()
	dir := t.TempDir()
	// Mounted here and not by the library, whose connection every program would inherit that is started meanwhile: one that
	// outlives this process would keep all waiting who use the disk.
	conn, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", conn)
	if err := unix.Mount("recorded", dir, "fuse.recorded", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		t.Fatal(err)
	}
	root := &fs.Inode{}
	_, err = fs.Mount(fmt.Sprint("/dev/fd/", conn), root, &fs.Options{
		MountOptions: fuse.MountOptions{MaxWrite: 1 << 20},
		OnAdd: func(ctx context.Context) {
			root.AddChild("disk", root.NewPersistentInode(ctx, d, fs.StableAttr{Mode: fuse.S_IFREG}), false)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Not by package os, which would ask this process whether the file can be polled.
	fd, err := unix.Open(filepath.Join(dir, "disk"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	// The device keeps the file, which keeps its file system.
	if err := errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH)); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	return blockDevice(t, fd)
}

// blockDevice puts a block device over an open file.
func blockDevice(t *testing.T, fd int) *os.File {
	t.Helper()
	ctl, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ctl)
	conf := unix.LoopConfig{Fd: uint32(fd), Size: sector}
	conf.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	for range 100 { // others look for a free one at the same time
		n, err := unix.IoctlRetInt(ctl, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Fatal(err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &conf)
		if err == nil {
			return loop
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
	}
	t.Fatal("no loop device is free")
	return nil
}

func (d *recordedDisk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Blksize = fuse.S_IFREG|0o600, uint64(d.size), sector
	return 0
}

func (d *recordedDisk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, 0
}

func (d *recordedDisk) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := d.live.ReadAt(dest, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(dest[:n]), 0
}

func (d *recordedDisk) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off%sector != 0 || len(data)%sector != 0 || off+int64(len(data)) > d.size {
		d.err = errors.Join(d.err, fmt.Errorf("a write of %d bytes to %d is none of whole sectors", len(data), off))
		return 0, syscall.EIO
	}
	_, err := d.data.WriteAt(data, d.end)
	if err == nil {
		_, err = d.live.WriteAt(data, off)
	}
	if err != nil {
		d.err = errors.Join(d.err, err)
		return 0, syscall.EIO
	}
	d.events = append(d.events, diskEvent{to: off, at: d.end, n: len(data)})
	d.end += int64(len(data))
	return uint32(len(data)), 0
}

func (d *recordedDisk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, diskEvent{})
	return 0
}

// now is how many events there have been.
func (d *recordedDisk) now() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.events)
}

// loss is what a power cut takes of the writes that no flush followed.
type loss string

const (
	lossOfNone    loss = "nothing"
	lossOfAll     loss = "everything"
	lossOfWrites  loss = "some writes"
	lossOfSectors loss = "some sectors"
)

// remains makes images of what a disk holds after power cuts, each later than the one before.
type remains struct {
	disk    *recordedDisk
	durable *os.File // what was flushed among the first events
	flushed int
}

// newRemains begins with the disk as it is before it is written to.
func (d *recordedDisk) newRemains(t *testing.T) *remains {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "durable"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := copySparse(f, d.live, d.size); err != nil {
		t.Fatal(err)
	}
	return &remains{disk: d, durable: f}
}

// after makes the image of a disk whose power went after so many events.
func (r *remains) after(t *testing.T, events int, how loss, chance *rand.Rand) *os.File {
	t.Helper()
	d := r.disk
	d.mu.Lock()
	log := d.events[:events]
	err := d.err
	d.mu.Unlock()
	last := r.flushed
	for i := r.flushed; i < len(log); i++ {
		if log[i].n == 0 {
			last = i + 1
		}
	}
	buf := make([]byte, 1<<20)
	for _, e := range log[r.flushed:last] {
		err = errors.Join(err, d.repeat(r.durable, e, buf, func() bool { return true }))
	}
	r.flushed = last
	image, create := os.Create(filepath.Join(t.TempDir(), "image"))
	if err := errors.Join(err, create); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { image.Close() })
	err = copySparse(image, r.durable, d.size)
	for _, e := range log[last:] {
		keep := func() bool { return true }
		switch how {
		case lossOfAll:
			continue
		case lossOfWrites:
			if chance.IntN(2) == 0 {
				continue
			}
		case lossOfSectors:
			keep = func() bool { return chance.IntN(2) == 0 }
		}
		err = errors.Join(err, d.repeat(image, e, buf, keep))
	}
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// repeat does a recorded write again, in the sectors that are to be kept.
func (d *recordedDisk) repeat(to *os.File, e diskEvent, buf []byte, keep func() bool) error {
	if e.n == 0 {
		return nil
	}
	if _, err := d.data.ReadAt(buf[:e.n], e.at); err != nil {
		return err
	}
	for from := 0; from < e.n; from += sector {
		if !keep() {
			continue
		}
		if _, err := to.WriteAt(buf[from:from+sector], e.to+int64(from)); err != nil {
			return err
		}
	}
	return nil
}

// copySparse copies what a file holds besides holes.
func copySparse(to, from *os.File, size int64) error {
	if err := to.Truncate(size); err != nil {
		return err
	}
	for at := int64(0); ; {
		begin, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(int(from.Fd()), begin, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(to, begin), io.NewSectionReader(from, begin, end-begin)); err != nil {
			return err
		}
		at = end
	}
}
