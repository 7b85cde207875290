package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
)

// Mounts stand for mounts: an image is an empty folder, an overlay a folder with what every root has, a bind a link. All
// owners are the daemon's.
type Mounts struct{ containers *Containers }

// Ensure makes target stand for the source.
func (m *Mounts) Ensure(target string, s mount.Source, _ mount.Options) error {
	if !filepath.IsAbs(target) || filepath.Clean(target) != target {
		return fmt.Errorf("cannot mount %s at %q: %w", s, target, mount.ErrUnsafePath)
	}
	dir, err := m.stand(s)
	if err != nil {
		return err
	}
	if dir == "" {
		if o, ok := s.(mount.Overlay); ok {
			return errors.Join(os.MkdirAll(o.Upper, 0o755), makeRoot(target))
		}
		return os.MkdirAll(target, 0o755)
	}
	return link(dir, target)
}

// stand is the folder or file that stands for a source, or "" where it is the target itself.
func (m *Mounts) stand(s mount.Source) (string, error) {
	b, ok := s.(mount.Bind)
	if !ok {
		return "", nil
	}
	f, err := mount.OpenBeneath(b.Path, b.Sub)
	if errors.Is(err, fs.ErrNotExist) && b.Sub == "" {
		return b.Path, nil // as the programs of a server that runs services: nobody here starts them
	}
	if err != nil {
		return "", fmt.Errorf("cannot open mount source %s: %w", b, err)
	}
	return filepath.Join(b.Path, b.Sub), f.Close()
}

// link makes target a link to dir, in the place of what was there.
func link(dir, target string) error {
	if have, err := os.Readlink(target); err == nil && have == dir {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	return os.Symlink(dir, target)
}

// Open makes what stands for the source.
func (m *Mounts) Open(s mount.Source, _ mount.Options) (*mount.Detached, error) {
	dir, err := m.stand(s)
	if err != nil {
		return nil, err
	}
	if dir == "" {
		o, ok := s.(mount.Overlay)
		if !ok {
			return nil, fmt.Errorf("cannot mount %s: the sandbox has nothing that stands for it", s)
		}
		if dir = o.Upper; os.MkdirAll(dir, 0o755) != nil {
			return nil, fmt.Errorf("cannot make the folder %s", dir)
		}
	}
	return mount.Stand(dir)
}

// UnmountBelow does nothing: what a container holds goes with its folders, of which it has no copy here.
func (*Mounts) UnmountBelow(string) error { return nil }

// Attach shows d in a running container.
func (m *Mounts) Attach(c lxc.Container, d *mount.Detached, at mount.Target) error {
	target, err := m.inside(c, at.Path)
	if err != nil {
		return err
	}
	dir, err := os.Readlink(d.Path())
	if err != nil {
		return err
	}
	return link(dir, target)
}

// Detach takes what was attached at the path away.
func (m *Mounts) Detach(c lxc.Container, path string) error {
	target, err := m.inside(c, path)
	if err != nil {
		return err
	}
	if _, err := os.Readlink(target); err != nil {
		return nil // nothing is attached
	}
	return os.Remove(target)
}

// inside is where a path of a running container is on the machine.
func (m *Mounts) inside(c lxc.Container, path string) (string, error) {
	run, err := m.containers.find(c.Name)
	if err != nil {
		return "", err
	}
	if run.Container != c {
		return "", fmt.Errorf("container %q: %w", c.Name, lxc.ErrNotRunning)
	}
	clean := filepath.Clean("/" + path)
	if !filepath.IsAbs(path) || clean == "/" {
		return "", fmt.Errorf("cannot mount at %q in container: %w", path, mount.ErrUnsafePath)
	}
	return run.root(clean), nil
}

// Owner is nobody in particular: files stay the daemon's.
func (*Mounts) Owner(uint32) int { return -1 }

// Mkdir makes the folder sub below dir, through no link.
func (*Mounts) Mkdir(dir, sub string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.MkdirAll(sub, 0o755)
}
