package monitor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/gauge"
	"github.com/hearthos/hearth/server/internal/store"
)

// Hardware looks what the machine is made of, makes a row of it and answers it.
func (s *Service) Hardware() (*systemv1.Hardware, error) {
	m, err := gauge.Read(s.opt.Root)
	if err != nil {
		return nil, err
	}
	devices, err := gauge.Inventory(s.opt.Root)
	if err != nil {
		return nil, err
	}
	row := &systemv1.Hardware{Meta: &metav1.Meta{Id: server}, Status: &systemv1.HardwareStatus{
		Architecture: s.opt.Architecture, MemoryBytes: m.MemoryTotal, Emulated: s.opt.Emulated(),
	}}
	for _, d := range devices {
		row.Status.Devices = append(row.Status.Devices, &systemv1.HardwareDevice{
			DeviceClass: d.Class, Product: d.Product, Vendor: d.Vendor, Driver: d.Driver, Capabilities: d.Capabilities,
			Address: d.Address, Files: d.Files, Count: uint32(d.Count),
		})
	}
	store.SetEphemeral(s.opt.Store, row)
	return row, nil
}

// Fits refuses a package that asks for hardware which the machine does not have: an architecture, memory, or devices.
func (s *Service) Fits(m *s9pk.Manifest) error {
	row, err := s.Hardware()
	if err != nil {
		return err
	}
	return fits(m, row.GetStatus())
}

func fits(m *s9pk.Manifest, have *systemv1.HardwareStatus) error {
	refuse := func(what, format string, args ...any) error {
		return fault.New(metav1.Reason_REASON_HARDWARE_UNFIT, "cannot install %q: "+format, append([]any{m.ID}, args...)...).
			With("package", string(m.ID)).With("what", what)
	}
	arch := have.GetArchitecture()
	if !m.Hardware.AllowsArch(arch) {
		return refuse("architecture", "it is for machines of the architecture %s, and this one is %s", strings.Join(m.Hardware.Arch, " or "), arch)
	}
	for id, image := range m.Images {
		foreign := image.EmulateMissingAs
		if slices.Contains(image.Arch, arch) || foreign == nil || slices.Contains(have.GetEmulated(), *foreign) {
			continue // one without an image to emulate is refused where the file is read
		}
		return refuse("architecture", "its image %q is for %s, and this machine has no emulator that runs in containers (qemu-user with binfmt_misc and the flag F)", id, *foreign)
	}
	// The original compares with what the kernel leaves to programs, in whole MiB.
	if want, got := m.Hardware.RAM, have.GetMemoryBytes()>>20<<20; want != nil && *want > got {
		return refuse("memory", "it asks for %s of memory, and this machine has %s", fault.Bytes(*want), fault.Bytes(got))
	}
	for _, filter := range m.Hardware.Device {
		met, err := meets(filter, have.GetDevices())
		if err != nil {
			return refuse("device", "it asks for a device by an expression that cannot be read: %w", err)
		}
		if !met {
			return refuse("device", "it asks for hardware that this machine does not have: %s", describe(filter))
		}
	}
	return nil
}

// describe is what a filter asks for, in the package's words where it has some.
func describe(f s9pk.DeviceFilter) string {
	if f.Description != "" {
		return f.Description
	}
	words := []string{f.Class}
	for name, value := range map[string]*string{"product": f.Product, "vendor": f.Vendor, "driver": f.Driver} {
		if value != nil {
			words = append(words, fmt.Sprintf("%s %q", name, *value))
		}
	}
	slices.Sort(words[1:])
	return strings.Join(words, ", ")
}

// maxExpression bounds an expression of a package.
const maxExpression = 4 << 10

// meets tells whether a device satisfies a filter. What a device does not tell matches no expression.
func meets(f s9pk.DeviceFilter, devices []*systemv1.HardwareDevice) (bool, error) {
	matchers := make([]*regexp.Regexp, 2)
	for i, text := range []*string{f.Product, f.Vendor} {
		if text == nil {
			continue
		}
		if len(*text) > maxExpression {
			return false, fmt.Errorf("it is longer than %d bytes", maxExpression)
		}
		var err error
		if matchers[i], err = regexp.Compile(*text); err != nil {
			return false, err
		}
	}
	matches := func(re *regexp.Regexp, text string) bool { return re == nil || text != "" && re.MatchString(text) }
	for _, d := range devices {
		if d.GetDeviceClass() != f.Class || !matches(matchers[0], d.GetProduct()) || !matches(matchers[1], d.GetVendor()) ||
			f.Driver != nil && d.GetDriver() != *f.Driver {
			continue
		}
		if !slices.ContainsFunc(f.Capabilities, func(c string) bool { return !slices.Contains(d.GetCapabilities(), c) }) {
			return true, nil
		}
	}
	return false, nil
}
