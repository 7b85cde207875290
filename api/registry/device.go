package registry

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/s9pk"
)

// DeviceHeader is the header by which a client tells for which machine it asks.
const DeviceHeader = "X-StartOS-Device-Info"

const maxDeviceHeader = 4096

// Device is a machine. Hardware is nil where only the system was told, and then no file is left out.
type Device struct {
	Version  exver.Plain
	Compat   exver.Range // of the system's version, as a range of versions of packages' systems
	Platform string
	Language string
	Hardware *HardwareInfo
}

// HardwareInfo is what a machine has. Devices are not told: which a file asks for is for the machine itself to look after.
type HardwareInfo struct {
	Arch string
	RAM  uint64
}

// Header writes the value of DeviceHeader.
func (d Device) Header() string {
	v := url.Values{"os.version": {d.Version.String()}, "os.compat": {d.Compat.String()}, "os.platform": {d.Platform}}
	if d.Language != "" {
		v.Set("os.language", d.Language)
	}
	if d.Hardware != nil {
		v.Set("hardware.arch", d.Hardware.Arch)
		v.Set("hardware.ram", strconv.FormatUint(d.Hardware.RAM, 10))
	}
	return v.Encode()
}

// ParseDevice reads the value of DeviceHeader.
func ParseDevice(header string) (*Device, error) {
	if len(header) > maxDeviceHeader {
		return nil, fmt.Errorf("cannot read what is told of the device: it is longer than %d bytes", maxDeviceHeader)
	}
	v, err := url.ParseQuery(header)
	if err != nil {
		return nil, fmt.Errorf("cannot read what is told of the device: %w", err)
	}
	for _, need := range []string{"os.version", "os.compat", "os.platform"} {
		if !v.Has(need) {
			return nil, fmt.Errorf("cannot read what is told of the device: %s is missing", need)
		}
	}
	d := &Device{Platform: v.Get("os.platform"), Language: v.Get("os.language")}
	if d.Version, err = exver.ParsePlain(v.Get("os.version")); err != nil {
		return nil, err
	}
	if d.Compat, err = exver.ParseRange(v.Get("os.compat")); err != nil {
		return nil, err
	}
	if v.Has("hardware.arch") || v.Has("hardware.ram") {
		d.Hardware = &HardwareInfo{Arch: v.Get("hardware.arch")}
		if ram := v.Get("hardware.ram"); ram != "" {
			if d.Hardware.RAM, err = strconv.ParseUint(ram, 10, 64); err != nil {
				return nil, fmt.Errorf("cannot read what is told of the device: its memory is no number")
			}
		}
	}
	return d, nil
}

// runs tells whether a version was made for a system that the device can stand in for.
func (d *Device) runs(v *Version) bool {
	return d == nil || v.OSVersion.Satisfies(d.Compat)
}

// suits tells whether a file is for the hardware.
func (h *HardwareInfo) suits(want s9pk.Hardware) bool {
	return (h.Arch == "" || want.AllowsArch(h.Arch)) && (want.RAM == nil || h.RAM == 0 || *want.RAM <= h.RAM)
}

// Fit leaves those files that are for the device, the most particular one first. Since the machine's devices are not
// known, files that ask for fewer come first where that is all that tells them apart.
func Fit(files []File, h *HardwareInfo) []File {
	if h == nil {
		return files
	}
	var fit []File
	for _, f := range files {
		if h.suits(f.Hardware) {
			fit = append(fit, f)
		}
	}
	slices.SortStableFunc(fit, func(a, b File) int { return particular(a.Hardware, b.Hardware, true) })
	return fit
}

// SortFiles puts the files for the most particular machine first.
func SortFiles(files []File) {
	slices.SortStableFunc(files, func(a, b File) int { return particular(a.Hardware, b.Hardware, false) })
}

// particular orders requirements, those that ask for more first; fewDevices has it the other way round for devices.
func particular(a, b s9pk.Hardware, fewDevices bool) int {
	order := len(b.Device) - len(a.Device)
	if fewDevices {
		order = -order
	}
	if order != 0 {
		return order
	}
	if c := compareUint(value(b.RAM), value(a.RAM)); c != 0 {
		return c
	}
	return archs(a) - archs(b)
}

func value(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// archs is how many architectures a file is for; any is the most.
func archs(h s9pk.Hardware) int {
	if h.Arch == nil {
		return 1 << 16
	}
	return len(h.Arch)
}
