package mount

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/idmap"
)

// Squashfs is an image that lies as a range of bytes in a file, as the members of a package file do. It is mounted in
// place and always read-only; the content is foreign and only the kernel's checks stand between it and us.
type Squashfs struct {
	File string
	// Offset and Size bound the image; Size zero means up to the end of the file.
	Offset, Size int64
}

func (s Squashfs) String() string { return fmt.Sprintf("image %s@%d", s.File, s.Offset) }

func (s Squashfs) isFile() (bool, error) { return false, nil }

const (
	squashfsMagic = 0x73717368
	sector        = 512
	// loopTries bounds the race with others for a free device.
	loopTries = 64
)

// limit is the length of the loop device. The kernel rounds it down to sectors, which would cut the tail of an image
// whose length is none; the bytes read too many belong to the file's next member and squashfs never asks for them.
func (s Squashfs) limit() uint64 {
	return uint64((s.Size + sector - 1) / sector * sector)
}

func (s Squashfs) open(by *Mounter) (*os.File, error) {
	f, err := os.Open(s.File)
	if err != nil {
		return nil, fmt.Errorf("cannot mount %s: %w", s, err)
	}
	defer f.Close()
	if err := s.check(f); err != nil {
		return nil, fmt.Errorf("cannot mount %s: %w: %w", s, ErrDamaged, err)
	}
	loop, err := by.loops.of(s, f)
	if err != nil {
		return nil, err
	}
	// Closing ours leaves the mount as the only user; the device frees itself with it.
	defer loop.Close()
	m, err := newFilesystem("squashfs", [][2]string{{"source", loop.Name()}, {"ro", ""}})
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.EINVAL) { // all that the kernel says of what it cannot read
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot mount %s: %w", s, err)
	}
	return m, nil
}

// check reads the image's header, so that what is no image, or only the beginning of one, never reaches the kernel.
func (s Squashfs) check(f *os.File) error {
	if s.Offset < 0 || s.Size < 0 {
		return errors.New("negative range")
	}
	var header [96]byte
	if _, err := f.ReadAt(header[:], s.Offset); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(header[:]) != squashfsMagic {
		return errors.New("not a squashfs image")
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	have := st.Size() - s.Offset
	if s.Size != 0 && s.Size < have {
		have = s.Size
	}
	if used := binary.LittleEndian.Uint64(header[40:]); used > uint64(have) {
		return fmt.Errorf("image of %d bytes in %d", used, have)
	}
	return nil
}

func (s Squashfs) attachLoop(f *os.File) (*os.File, error) {
	ctl, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot get loop device: %w", err)
	}
	defer unix.Close(ctl)
	conf := unix.LoopConfig{Fd: uint32(f.Fd())}
	conf.Info.Offset = uint64(s.Offset)
	conf.Info.Sizelimit = s.limit()
	conf.Info.Flags = unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR
	copy(conf.Info.File_name[:len(conf.Info.File_name)-1], s.File)
	for range loopTries {
		n, err := unix.IoctlRetInt(ctl, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("cannot get loop device: %w", err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("cannot open loop device: %w", err)
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &conf)
		if err == nil {
			return loop, nil
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EAGAIN) {
			return nil, fmt.Errorf("cannot set up loop device for %s: %w", s, err)
		}
	}
	return nil, fmt.Errorf("cannot get loop device: %w", unix.EBUSY)
}

func (s Squashfs) is(i Info, m idmap.Map) (bool, error) {
	if i.FSType != "squashfs" {
		return false, nil
	}
	loop, err := os.Open(i.Source)
	if err != nil {
		return false, nil
	}
	defer loop.Close()
	status, err := unix.IoctlLoopGetStatus64(int(loop.Fd()))
	if err != nil {
		return false, nil
	}
	var want, root unix.Stat_t
	if err := unix.Stat(s.File, &want); err != nil {
		return false, fmt.Errorf("cannot mount %s: %w", s, err)
	}
	piece := s.piece(&want)
	if err := unix.Lstat(i.Path, &root); err != nil {
		return false, fmt.Errorf("cannot inspect mount %s: %w", i.Path, err)
	}
	// Roots of images belong to 0; one that does not is mounted afresh, which costs a millisecond and no correctness.
	return shows(status, piece) && root.Uid == translated(0, m), nil
}
