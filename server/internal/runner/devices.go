package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// Where devices are that a package may ask for.
const (
	fuseDevice = "/dev/fuse"
	tunDevice  = "/dev/net/tun"
)

// accelerators are the devices of graphics cards, by patterns: those of the kernel's own drivers, of NVIDIA's and of
// AMD's for computing.
var accelerators = []string{"/dev/dri/*", "/dev/nvidia*", "/dev/nvidia-caps/*", "/dev/kfd"}

// maxDevices bounds what one container is given; a machine has some dozens at most.
const maxDevices = 256

// devices are those of the machine that a package asks for. What it may do without, hardware that makes it faster, is
// given where it is; without a device that it cannot work without the container is refused. root is the machine's root
// folder, empty where there are no devices at all; every user in the container may use what it is given, since who is in which group differs from image to image.
func devices(m *s9pk.Manifest, root string) ([]lxc.Device, error) {
	if root == "" {
		return nil, nil
	}
	var out []lxc.Device
	give := func(path string) error {
		info, err := os.Stat(filepath.Join(root, path))
		if err == nil && info.Mode()&os.ModeDevice != 0 {
			out = append(out, lxc.Device{Path: path, Mode: 0o666})
		}
		return err
	}
	if m.HardwareAcceleration {
		for _, pattern := range accelerators {
			found, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				return nil, err
			}
			for _, full := range found {
				rel, err := filepath.Rel(root, full)
				if err != nil {
					return nil, err
				}
				// One that goes away meanwhile is not there.
				if err := give("/" + rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return nil, fmt.Errorf("cannot look at device %s: %w", full, err)
				}
			}
		}
	}
	for _, need := range []struct {
		asked            bool
		path, what, hint string
	}{
		{m.UserspaceFilesystems, fuseDevice, "file systems in user space", "modprobe fuse"},
		{m.VirtualNetworking, tunDevice, "virtual networks", "modprobe tun"},
	} {
		if !need.asked {
			continue
		}
		if err := give(need.path); err != nil {
			return nil, fault.New(metav1.Reason_REASON_CONTAINER_FAILED, "the package needs %s, and this machine has no %s; try '%s' on it: %w",
				need.what, need.path, need.hint, err)
		}
	}
	slices.SortFunc(out, func(a, b lxc.Device) int { return strings.Compare(a.Path, b.Path) })
	return out[:min(len(out), maxDevices)], nil
}
