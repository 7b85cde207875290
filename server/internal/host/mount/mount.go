// Package mount builds the file trees that service containers see: images mounted in place out of package files, volumes
// with their id maps, overlays, and mounts put into the namespace of a running container.
//
//	Squashfs ┐
//	Bind     ├─ Open ─▶ Detached ─┬─ Ensure ───────────▶ a folder of this machine (under /run/hearth/<tag>)
//	Overlay  │                    └─ Namespace.Attach ─▶ a folder of a container, seen by nobody else
//	Tmpfs    ┘
//
// Every mount is made detached, gets its flags and id map there, and becomes visible in one step, so nothing is ever seen
// half configured. The package decides nothing: which mounts a service has is the business of area volume; it knows no
// package, no store and no LXC.
//
// Invariants: mounts are private, so nothing a container mounts travels back to the host; Ensure twice is Ensure once; a
// path that a container may have shaped is resolved with openat2, beneath its root and through no link; a read-only mount
// inside a container cannot be made writable from there; mounts of one image share a loop device, and with it the pages
// read of it; the device frees itself with the last of them.
package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/idmap"
)

var (
	// ErrUnsafePath says that a path is not absolute and clean, leaves its root, or goes through a link.
	ErrUnsafePath = errors.New("unsafe path")
	// ErrGone says that the process whose mount namespace was asked for has ended.
	ErrGone = errors.New("process has ended")
	// ErrDamaged says that the bytes that should be an image are none.
	ErrDamaged = errors.New("image is damaged")
	// ErrNotMounted says that nothing is mounted at the path.
	ErrNotMounted = errors.New("not mounted")
)

// Options hold for one mount.
type Options struct {
	// IDMap translates the owners of files; the zero Map leaves them. An overlay cannot have one: map its layers.
	IDMap    idmap.Map
	ReadOnly bool
	NoSUID   bool
	NoDev    bool
	NoExec   bool
}

func (o Options) attrs() uint64 {
	var a uint64
	for _, f := range []struct {
		set  bool
		attr uint64
	}{{o.ReadOnly, unix.MOUNT_ATTR_RDONLY}, {o.NoSUID, unix.MOUNT_ATTR_NOSUID}, {o.NoDev, unix.MOUNT_ATTR_NODEV}, {o.NoExec, unix.MOUNT_ATTR_NOEXEC}} {
		if f.set {
			a |= f.attr
		}
	}
	return a
}

// Source is what can be mounted: Squashfs, Bind, Overlay, Tmpfs.
type Source interface {
	// open makes the detached mount, without options.
	open(m *Mounter) (*os.File, error)
	// is reports whether the mount described by i shows this source with the owner translation of m.
	is(i Info, m idmap.Map) (bool, error)
	// isFile reports whether the mount's root is a file instead of a folder.
	isFile() (bool, error)
	String() string
}

// Mounter makes mounts. It is safe for concurrent use on different targets; the caller keeps calls for one target in
// order. Close it at the end: existing mounts stay.
type Mounter struct {
	users idmap.Namespaces
	loops loops
}

// New returns a Mounter.
func New() *Mounter { return &Mounter{} }

// Close releases what the Mounter caches.
func (m *Mounter) Close() error { return m.users.Close() }

// Detached is a mount that no path leads to yet. It disappears when closed, unless it was attached.
type Detached struct {
	f *os.File
	// locks says that flags must be locked before a container gets the mount.
	locks bool
	what  string
}

// Open makes s a detached mount. The caller closes it.
func (m *Mounter) Open(s Source, o Options) (*Detached, error) {
	f, err := s.open(m)
	if err != nil {
		return nil, err
	}
	attr := unix.MountAttr{Attr_set: o.attrs(), Propagation: unix.MS_PRIVATE}
	set := func() error {
		return unix.MountSetattr(int(f.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr)
	}
	if o.IDMap.Valid() {
		err = m.users.Use(o.IDMap, func(fd int) error {
			attr.Attr_set |= unix.MOUNT_ATTR_IDMAP
			attr.Userns_fd = uint64(fd)
			return set()
		})
	} else {
		err = set()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot set options of mount %s: %w", s, err)
	}
	return &Detached{f: f, locks: o.attrs() != 0, what: s.String()}, nil
}

// Stand makes a folder or file of the machine stand for a mount, for those who play a machine that mounts nothing: it can
// be looked into and not be attached.
func Stand(path string) (*Detached, error) {
	f, err := OpenBeneath(path, "")
	if err != nil {
		return nil, err
	}
	return &Detached{f: f, what: path}, nil
}

// Path is a path to the mount's root, valid in this process until Close.
func (d *Detached) Path() string { return fmt.Sprintf("/proc/self/fd/%d", d.f.Fd()) }

// Close drops the mount unless it was attached.
func (d *Detached) Close() error { return d.f.Close() }

// attach moves the mount to an open target of the calling thread's mount namespace.
func (d *Detached) attach(target int) error {
	return unix.MoveMount(int(d.f.Fd()), "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// Ensure makes target show s with o, creating target (and folders above it, mode 0711) if it is missing. A mount that is
// already right is left alone, also one made by an earlier run of the program; anything else mounted there is unmounted
// first. target is a path that only the host can shape.
//
// What counts as right: for Squashfs the same bytes of the same file, for Bind the same file or folder, for Overlay the
// same layers, with the same flags, and the same translation of the root's owner.
func (m *Mounter) Ensure(target string, s Source, o Options) error {
	if !filepath.IsAbs(target) || filepath.Clean(target) != target {
		return fmt.Errorf("cannot mount %s at %q: %w", s, target, ErrUnsafePath)
	}
	file, err := s.isFile()
	if err != nil {
		return err
	}
	if err := makeTarget(target, file); err != nil {
		return err
	}
	for {
		i, err := At(target)
		if errors.Is(err, ErrNotMounted) {
			break
		}
		if err != nil {
			return err
		}
		if i.attrs()&checkedAttrs == o.attrs() && i.IDMapped == o.IDMap.Valid() {
			if same, err := s.is(i, o.IDMap); err != nil {
				return err
			} else if same {
				return nil
			}
		}
		if err := unmountTop(target); err != nil {
			return err
		}
	}
	d, err := m.Open(s, o)
	if err != nil {
		return err
	}
	defer d.Close()
	t, err := unix.Open(target, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open mount target %s: %w", target, err)
	}
	defer unix.Close(t)
	if err := d.attach(t); err != nil {
		return fmt.Errorf("cannot mount %s at %s: %w", s, target, err)
	}
	return nil
}

func makeTarget(target string, file bool) error {
	dir := target
	if file {
		dir = filepath.Dir(target)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("cannot create mount target: %w", err)
	}
	if !file {
		return nil
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return fmt.Errorf("cannot create mount target: %w", err)
	}
	return f.Close()
}
