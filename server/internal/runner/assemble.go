package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/store"
)

// Where things are inside a container.
const (
	codePath     = "/usr/lib/startos/package"
	assetsPath   = "/media/startos/assets"
	imagesPath   = "/media/startos/images"
	volumesPath  = "/media/startos/volumes"
	logsPath     = "/media/startos/logs"
	agentPath    = "/usr/lib/hearth/agent"
	jshostPath   = "/usr/lib/hearth/jshost"
	rpcPath      = "/run/hearth"
	compiledPath = "/usr/lib/hearth/code"
	lockPath     = "/usr/lib/hearth/data.lock"
)

// maxImageText bounds the description of an image in a package file.
const maxImageText = 1 << 20

// Architecture is this machine's, as package files name it.
func Architecture() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

// mountRoot makes the container's root: the shared root, which is mounted once for all containers, with the owners of
// this one, and a writable layer over it that is thrown away with the container.
func (s *Service) mountRoot(_ context.Context, a *assembly) error {
	shared := filepath.Join(s.cfg.RunDir, "root")
	if err := s.mounts.Ensure(shared, mount.Squashfs{File: s.cfg.Rootfs}, mount.Options{ReadOnly: true}); err != nil {
		return err
	}
	lower := filepath.Join(s.serviceDir(string(a.pkg)), "lower")
	if err := s.mounts.Ensure(lower, mount.Bind{Path: shared}, mount.Options{IDMap: a.ids, ReadOnly: true}); err != nil {
		return err
	}
	// What it writes outside of volumes is bounded, too, where the file system can.
	if err := tree.Make(s.upperDir(string(a.pkg)), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make the folder for what the container writes: %w", err)
	}
	upper := filepath.Join(s.upperDir(string(a.pkg)), "root")
	return s.mounts.Ensure(a.merged, mount.Overlay{
		Lower: []string{lower}, Upper: upper, Work: upper + ".work", Owner: a.spec.GetFirstUid(),
	}, mount.Options{})
}

// mountMember mounts a squashfs of the package file in place.
func (s *Service) mountMember(a *assembly, member, target string) error {
	section, err := a.file.Section(member)
	if err != nil {
		return err
	}
	err = s.mounts.Ensure(a.merged+target, mount.Squashfs{File: a.path, Offset: section.Offset, Size: section.Size},
		mount.Options{IDMap: a.ids, ReadOnly: true})
	if errors.Is(err, mount.ErrDamaged) {
		return damaged(a, member, err)
	}
	return err
}

// damaged tells bytes that have changed since the file was installed from those that never were an image.
func damaged(a *assembly, member string, err error) error {
	signed, wrong := a.file.Open(member)
	if wrong == nil {
		_, wrong = io.Copy(io.Discard, signed)
	}
	if wrong == nil {
		return fault.New(metav1.Reason_REASON_PACKAGE_FILE_INVALID, "cannot run %q: %s of its file is as its publisher signed it, and is no squashfs: %w", a.pkg, member, err).
			With("package", a.pkg)
	}
	return fault.New(metav1.Reason_REASON_PACKAGE_FILE_DAMAGED, "cannot use the file that %q was installed from, which is damaged at %s; install the same file again: %w", a.pkg, member, err).
		With("package", a.pkg)
}

// mountCompiled shows the container what earlier ones made of the same code by compiling it. Only code of this package ever wrote
// there, and it is thrown away with another version and by a rebuild.
func (s *Service) mountCompiled(_ context.Context, a *assembly) error {
	dir := filepath.Join(s.upperDir(string(a.pkg)), compiledFor(a.spec))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make the folder for compiled code: %w", err)
	}
	return s.mounts.Ensure(a.merged+compiledPath, mount.Bind{Path: dir}, mount.Options{IDMap: a.ids, NoSUID: true, NoDev: true, NoExec: true})
}

func (s *Service) mountCode(_ context.Context, a *assembly) error {
	if err := s.mountMember(a, s9pk.PathJavaScript, codePath); err != nil {
		return err
	}
	if a.layout.Assets == "" {
		return nil
	}
	return s.mountMember(a, a.layout.Assets, assetsPath)
}

// mountImages mounts the roots of all images, and writes beside them what packages read of an image: its defaults and
// its environment.
func (s *Service) mountImages(_ context.Context, a *assembly) error {
	for _, img := range a.layout.Images {
		target := filepath.Join(imagesPath, string(img.ID))
		if err := s.mountMember(a, img.Squashfs, target); err != nil {
			return err
		}
		for ext, member := range map[string]string{".json": img.JSON, ".env": img.Env} {
			if member == "" {
				continue
			}
			raw, err := a.file.ReadFile(member, maxImageText)
			if err != nil {
				return err
			}
			if err := s.write(a, target+ext, raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// write puts a file into the container's root, owned by the container's root. Nothing of the package has run yet, so
// the paths are ours alone.
func (s *Service) write(a *assembly, path string, content []byte) error {
	full := a.merged + path
	if err := os.WriteFile(full, content, 0o644); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	owner := s.mounts.Owner(a.spec.GetFirstUid())
	return os.Lchown(full, owner, owner)
}

// mountVolumes mounts the volumes with the package's own owners on disk, and the folder of its log.
func (s *Service) mountVolumes(ctx context.Context, a *assembly) error {
	volumes := a.file.Manifest().Volumes
	if err := s.ensureVolumes(ctx, a, volumes); err != nil {
		return err
	}
	for _, v := range volumes {
		err := s.mounts.Ensure(a.merged+filepath.Join(volumesPath, string(v)), mount.Bind{Path: s.volumes.Path(a.pkg, v)},
			mount.Options{IDMap: a.ids, NoSUID: false, NoDev: true})
		if err != nil {
			return err
		}
	}
	logs := filepath.Join(s.cfg.StateDir, "logs", string(a.pkg))
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return err
	}
	return s.mounts.Ensure(a.merged+logsPath, mount.Bind{Path: logs}, mount.Options{IDMap: a.ids, NoSUID: true, NoDev: true, NoExec: true})
}

// ensureVolumes makes the volumes that the package has not had, and remembers which it has. Data that went missing while
// the service was down, a disk that is not mounted above all, must not be mistaken for a package's first start.
func (s *Service) ensureVolumes(ctx context.Context, a *assembly, volumes []ids.Volume) error {
	var before, now []string
	for _, v := range volumes {
		now = append(now, string(v))
	}
	before = a.spec.GetVolumes()
	had := make([]ids.Volume, len(before))
	for i, v := range before {
		had[i] = ids.Volume(v)
	}
	if err := s.volumes.Ensure(a.pkg, volumes, had); err != nil || slices.Equal(before, now) {
		return err
	}
	a.spec.Volumes = now
	_, err := s.store.Update(ctx, s.clock(), func(tx *store.Tx) error {
		row, err := store.Get[*packagesv1.Container](tx, string(a.pkg))
		if err != nil {
			return err
		}
		row.Spec.Volumes = now
		return store.Put(tx, row)
	})
	return err
}

// mountLock shows the container the file by which its agent holds the data.
func (s *Service) mountLock(_ context.Context, a *assembly) error {
	path, err := s.volumes.Lock(a.pkg)
	if err != nil {
		return err
	}
	return s.mounts.Ensure(a.merged+lockPath, mount.Bind{Path: path}, mount.Options{IDMap: a.ids, ReadOnly: true, NoSUID: true, NoDev: true, NoExec: true})
}

// mountPrograms mounts the agent and the JavaScript host of this daemon's release.
func (s *Service) mountPrograms(_ context.Context, a *assembly) error {
	o := mount.Options{IDMap: a.ids, ReadOnly: true, NoDev: true}
	if err := s.mounts.Ensure(a.merged+agentPath, mount.Bind{Path: s.cfg.Agent}, o); err != nil {
		return err
	}
	return s.mounts.Ensure(a.merged+jshostPath, mount.Bind{Path: s.cfg.JSHost}, o)
}

// mountSockets mounts the folder in which the container and the daemon meet.
func (s *Service) mountSockets(_ context.Context, a *assembly) error {
	if err := s.ensureRPCDir(string(a.pkg), a.spec.GetFirstUid()); err != nil {
		return err
	}
	return s.mounts.Ensure(a.merged+rpcPath, mount.Bind{Path: s.rpcDir(string(a.pkg))}, mount.Options{NoSUID: true, NoDev: true, NoExec: true})
}

// writeNames writes who the container is and whom it asks for names.
func (s *Service) writeNames(_ context.Context, a *assembly) error {
	files := map[string]string{
		"/etc/hostname":    string(a.pkg) + "\n",
		"/etc/hosts":       fmt.Sprintf("127.0.0.1 localhost\n::1 localhost\n%s %s\n", a.spec.GetIpv4(), a.pkg),
		"/etc/resolv.conf": fmt.Sprintf("nameserver %s\n", s.cfg.BridgeAddress.Addr()),
	}
	for path, text := range files {
		if err := os.Remove(a.merged + path); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := s.write(a, path, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}
