package runner

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/abi/subroot"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/tree"
)

const subcontainersPath = "/media/startos/subcontainers"

// guidPattern is what CreateSubcontainer makes: 20 random bytes in base32. A guid becomes part of paths on the host.
var guidPattern = regexp.MustCompile(`^[A-Z2-7]{32}$`)

// maxSubcontainers is how many subcontainers a service may have. Each takes mounts of the machine.
const maxSubcontainers = 256

// container is the handle of the running container of a package.
func (s *Service) container(pkg string) (*handle, error) {
	if h := s.handle(pkg); h != nil {
		return h, nil
	}
	return nil, errGone(pkg)
}

// unreachable makes a fault of an error of reaching into a container that has ended, and leaves any other as it is.
func unreachable(pkg string, err error) error {
	if errors.Is(err, lxc.ErrNotRunning) || errors.Is(err, mount.ErrGone) {
		return fault.New(metav1.Reason_REASON_SERVICE_NOT_READY, "cannot reach the container of %q: %w", pkg, err)
	}
	return err
}

// openFile opens the package file the container was made from.
func (s *Service) openFile(artifact string) (*s9pk.File, *os.File, error) {
	f, err := os.Open(s.artifacts.Path(artifact))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.New(metav1.Reason_REASON_PACKAGE_FILE_MISSING, "the package file is gone: %w", err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open the package file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot read the package file: %w", err), f.Close())
	}
	return file, f, nil
}

// CreateSubcontainer makes a root file system from an image of the package: the image in place, a writable layer over
// it, put into the running container. It returns the path inside and the guid. The name is for people.
func (s *Service) CreateSubcontainer(_ context.Context, pkg, image, name string) (path, guid string, err error) {
	var raw [20]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", "", err
	}
	guid = base32.StdEncoding.EncodeToString(raw[:])
	path = filepath.Join(subcontainersPath, guid)
	h, err := s.container(pkg)
	if err != nil {
		return "", "", err
	}
	source, err := s.imageOf(h, image)
	if err != nil {
		return "", "", err
	}
	// One after the other: what is counted must be there.
	h.subcontainers.Lock()
	defer h.subcontainers.Unlock()
	have, err := os.ReadDir(filepath.Join(s.upperDir(pkg), "sub"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	if len(have) >= maxSubcontainers {
		return "", "", fault.New(metav1.Reason_REASON_EFFECT_LIMIT, "cannot make another subcontainer for %q: it has %d, which is as many as it may have", pkg, len(have)).
			With("what", "subcontainers").With("limit", maxSubcontainers)
	}
	if err := s.describeSubcontainer(pkg, guid, about{Name: name, Image: image, Created: s.clock()}); err != nil {
		return "", "", err
	}
	return path, guid, s.placeSubcontainer(h, source, guid, path)
}

// imageOf is the root of an image as it lies in the package file.
func (s *Service) imageOf(h *handle, image string) (mount.Squashfs, error) {
	file, f, err := s.openFile(h.spec.GetArtifact())
	if err != nil {
		return mount.Squashfs{}, err
	}
	defer f.Close()
	layout, err := file.Layout(Architecture())
	if err != nil {
		return mount.Squashfs{}, err
	}
	img, ok := layout.Image(ids.Image(image))
	if !ok {
		return mount.Squashfs{}, fault.New(metav1.Reason_REASON_IMAGE_NOT_FOUND, "package %q has no image %q for %s", h.pkg, image, Architecture()).With("image", image)
	}
	section, err := file.Section(img.Squashfs)
	if err != nil {
		return mount.Squashfs{}, err
	}
	return mount.Squashfs{File: f.Name(), Offset: section.Offset, Size: section.Size}, nil
}

// placeSubcontainer builds the overlay on the host and attaches it inside the container; the host's own copies go.
func (s *Service) placeSubcontainer(h *handle, image mount.Squashfs, guid, path string) error {
	owner := h.spec.GetFirstUid()
	lower := filepath.Join(s.serviceDir(h.pkg), "sub", guid)
	if err := s.mounts.Ensure(lower, image, mount.Options{IDMap: idmap.Base(owner), ReadOnly: true}); err != nil {
		return fault.New(metav1.Reason_REASON_CONTAINER_FAILED, "cannot mount the image: %w", err)
	}
	defer func() {
		if err := errors.Join(s.mounts.UnmountBelow(lower), os.Remove(lower)); err != nil {
			s.log.Warn("cannot take off the host's copy of an image", "pkg", h.pkg, "error", err)
		}
	}()
	upper := filepath.Join(s.upperDir(h.pkg), "sub", guid)
	root, err := s.mounts.Open(mount.Overlay{Lower: []string{lower}, Upper: filepath.Join(upper, "root"), Work: filepath.Join(upper, "work"), Owner: owner}, mount.Options{})
	if err != nil {
		return fault.New(metav1.Reason_REASON_CONTAINER_FAILED, "cannot make the root of the subcontainer: %w", err)
	}
	defer root.Close()
	if err := s.prepareSubcontainer(root.Path(), h, owner); err != nil {
		return err
	}
	return unreachable(h.pkg, s.mounts.Attach(h.container, root, mount.Target{Path: path, Owner: owner}))
}

// prepareSubcontainer writes who the subcontainer is, and that its first process is still to come. An image may have put anything at these
// paths, so they are opened beneath the root and never through a link.
func (s *Service) prepareSubcontainer(root string, h *handle, owner uint32) error {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Mkdir("etc", 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make /etc of the subcontainer: %w", err)
	}
	id := s.mounts.Owner(owner)
	if err := subroot.Expect(dir, id); err != nil {
		return err
	}
	files := map[string]string{
		"etc/hostname": h.pkg + "\n",
		"etc/hosts":    fmt.Sprintf("127.0.0.1 localhost\n::1 localhost\n%s %s\n", h.spec.GetIpv4(), h.pkg),
	}
	for name, text := range files {
		if err := dir.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot replace /%s of the subcontainer: %w", name, err)
		}
		if err := dir.WriteFile(name, []byte(text), 0o644); err != nil {
			return fmt.Errorf("cannot write /%s of the subcontainer: %w", name, err)
		}
		if err := dir.Lchown(name, id, id); err != nil {
			return err
		}
	}
	return nil
}

// DestroySubcontainer takes a subcontainer's root out of the container and removes what was written to it. An unknown
// guid is no error. Its processes have been ended by whoever launched them.
func (s *Service) DestroySubcontainer(ctx context.Context, pkg, guid string) error {
	if !guidPattern.MatchString(guid) {
		return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot use %q as the guid of a subcontainer", guid).Violation("guid", "must be 32 characters of base32")
	}
	h, err := s.container(pkg)
	if err != nil {
		return err
	}
	if err := s.mounts.Detach(h.container, filepath.Join(subcontainersPath, guid)); err != nil {
		return unreachable(pkg, err)
	}
	return tree.Remove(ctx, filepath.Join(s.upperDir(pkg), "sub", guid))
}

// VolumeMount says which part of which volume is mounted where in a container.
type VolumeMount struct {
	Location        string
	Package, Volume string
	Subpath         string
	ReadOnly        bool
	IDMap           []idmap.Entry
}

// MountVolume mounts a volume, or a part of it, at a path inside a running container.
func (s *Service) MountVolume(_ context.Context, pkg string, m VolumeMount) error {
	location := filepath.Clean("/" + m.Location)
	h, err := s.container(pkg)
	if err != nil {
		return err
	}
	table, err := idmap.Compose(h.spec.GetFirstUid(), m.IDMap)
	if err != nil {
		return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot use the id map: %w", err).Violation("target.idmap", err.Error())
	}
	dir := s.volumes.Path(ids.Package(m.Package), ids.Volume(m.Volume))
	if _, err := os.Stat(dir); err != nil {
		return fault.New(metav1.Reason_REASON_VOLUME_NOT_FOUND, "package %q has no volume %q", m.Package, m.Volume).With("volume", m.Volume)
	}
	sub := strings.TrimPrefix(filepath.Clean("/"+m.Subpath), "/")
	if sub != "" && !m.ReadOnly {
		if err := s.mounts.Mkdir(dir, sub); err != nil {
			return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot use the path %q of the volume: %w", m.Subpath, err)
		}
	}
	source, err := s.mounts.Open(mount.Bind{Path: dir, Sub: sub, Recursive: false}, mount.Options{IDMap: table, ReadOnly: m.ReadOnly, NoDev: true})
	if err != nil {
		return fault.New(metav1.Reason_REASON_VOLUME_NOT_FOUND, "cannot mount volume %q of %q: %w", m.Volume, m.Package, err)
	}
	defer source.Close()
	// The path is the package's own choice within its own container, and so is what is in its way there.
	if err := s.mounts.Attach(h.container, source, mount.Target{Path: location, Owner: h.spec.GetFirstUid()}); err != nil {
		if gone := unreachable(pkg, err); gone != err {
			return gone
		}
		return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot mount at %q in the container: %w", location, err).
			Violation("location", "cannot be mounted at")
	}
	return nil
}
