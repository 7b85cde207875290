package lxc

import (
	"github.com/hearthos/hearth/server/internal/host/mount"
)

// Mounts are those of this machine and of what runs in its containers. Close it at the end; existing mounts stay.
type Mounts struct{ *mount.Mounter }

// NewMounts returns the mounts of this machine.
func NewMounts() Mounts { return Mounts{mount.New()} }

// UnmountBelow takes off what is mounted at dir and below it; see mount.UnmountBelow.
func (Mounts) UnmountBelow(dir string) error { return mount.UnmountBelow(dir) }

// Owner is what a file is given to so that it belongs to an id of the machine: that id.
func (Mounts) Owner(id uint32) int { return int(id) }

// Mkdir makes sure that the folder sub exists below dir, through no link; what it makes belongs to id 0 on the disk.
func (Mounts) Mkdir(dir, sub string) error { return mount.MkdirBeneath(dir, sub, 0o755, 0, 0) }

// Attach shows d in a running container; see mount.Namespace. Without the container the error wraps ErrNotRunning.
func (Mounts) Attach(c Container, d *mount.Detached, at mount.Target) error {
	p, err := Open(c)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.MountNamespace().Attach(d, at)
}

// Detach takes what is mounted at the path inside a running container off. Without the container the error wraps
// ErrNotRunning.
func (Mounts) Detach(c Container, path string) error {
	p, err := Open(c)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.MountNamespace().Detach(path)
}
