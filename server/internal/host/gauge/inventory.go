package gauge

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Classes of devices, as package files name them.
const (
	ClassProcessor = "processor"
	ClassDisplay   = "display"
)

// Device is a processor or a graphics card.
type Device struct {
	Class, Product, Vendor, Driver string
	Capabilities                   []string
	// Address is the place of a card on its bus.
	Address string
	// Files are those by which programs use it, below /dev.
	Files []string
	// Count is how many threads a processor has.
	Count int
}

// Bounds of an inventory; what goes beyond is left out.
const (
	maxDevices      = 256
	maxCapabilities = 1024
)

// Inventory reads which processors and graphics cards there are: processors of one make and model are one device.
func Inventory(root string) ([]Device, error) {
	list, err := processors(filepath.Join(root, "proc/cpuinfo"))
	if err != nil {
		return nil, err
	}
	list = append(list, displays(root)...)
	return list[:min(len(list), maxDevices)], nil
}

// processors reads the processors, whose words differ from architecture to architecture.
func processors(path string) ([]Device, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read which processors there are: %w", err)
	}
	var list []Device
	for block := range strings.SplitSeq(string(raw), "\n\n") {
		d, isOne := Device{Class: ClassProcessor, Count: 1}, false
		for line := range strings.Lines(block) {
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			switch strings.TrimSpace(name) {
			case "processor":
				isOne = true
			case "model name", "uarch":
				d.Product = value
			case "CPU part":
				d.Product = cpuPart(d.Product, value)
			case "vendor_id", "CPU implementer", "mvendorid":
				d.Vendor = value
			case "flags", "Features", "isa":
				flags := strings.Fields(value)
				d.Capabilities = flags[:min(len(flags), maxCapabilities)]
			}
		}
		if !isOne {
			continue
		}
		at := slices.IndexFunc(list, func(have Device) bool { return have.Product == d.Product && have.Vendor == d.Vendor })
		if at >= 0 {
			list[at].Count++
			continue
		}
		list = append(list, d)
	}
	return list, nil
}

// cpuPart names a processor by its number where nothing else does.
func cpuPart(have, part string) string {
	if have != "" {
		return have
	}
	return part
}

// pciDisplay is the class of graphics cards on the bus.
const pciDisplay = "0x03"

// displays reads the graphics cards: those on the PCI bus, and those of boards that have no such bus.
func displays(root string) []Device {
	var list []Device
	buses, _ := filepath.Glob(filepath.Join(root, "sys/bus/pci/devices/*")) // the pattern is good
	seen := map[string]bool{}
	for _, dir := range buses {
		if class := word(dir, "class"); !strings.HasPrefix(class, pciDisplay) {
			continue
		}
		d := display(root, dir)
		d.Vendor, d.Product = strings.TrimPrefix(word(dir, "vendor"), "0x"), strings.TrimPrefix(word(dir, "device"), "0x")
		d.Address = filepath.Base(dir)
		d.Vendor, d.Product = pciNames(root, d.Vendor, d.Product)
		for _, f := range d.Files {
			seen[f] = true
		}
		list = append(list, d)
	}
	cards, _ := filepath.Glob(filepath.Join(root, "sys/class/drm/card[0-9]*"))
	for _, card := range cards {
		if strings.Contains(filepath.Base(card), "-") || seen["/dev/dri/"+filepath.Base(card)] {
			continue // a plug of a card, or one on the bus
		}
		d := display(root, filepath.Join(card, "device"))
		if d.Product = d.Driver; d.Product != "" {
			list = append(list, d)
		}
	}
	return list
}

// display is what all graphics cards tell: their driver, and the files by which they are used.
func display(root, dir string) Device {
	d := Device{Class: ClassDisplay, Count: 1}
	if driver, err := os.Readlink(filepath.Join(dir, "driver")); err == nil {
		d.Driver = filepath.Base(driver)
	}
	nodes, _ := filepath.Glob(filepath.Join(dir, "drm/*"))
	for _, n := range nodes {
		if file := "/dev/dri/" + filepath.Base(n); exists(root + file) {
			d.Files = append(d.Files, file)
		}
	}
	return d
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func word(dir, file string) string {
	raw, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// pciLists are where systems keep the names of what there is for the bus.
func pciLists() []string { return []string{"usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"} }

// maxPCILine bounds a line of a list of names.
const maxPCILine = 4 << 10

// pciNames are the names of a maker and a card by their numbers, where the system has a list of them; else the numbers, and
// the names of those who make most graphics cards.
func pciNames(root, vendor, device string) (maker, card string) {
	maker, card = vendorOf(vendor), vendor+":"+device
	for _, path := range pciLists() {
		f, err := os.Open(filepath.Join(root, path))
		if err != nil {
			continue
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(make([]byte, maxPCILine), maxPCILine)
		for ours := false; lines.Scan(); {
			line := lines.Text()
			switch {
			case line == "" || line[0] == '#':
			case line[0] != '\t':
				if ours {
					return maker, card
				}
				if name, found := strings.CutPrefix(line, vendor+"  "); found {
					maker, ours = name, true
				}
			case ours:
				if name, found := strings.CutPrefix(line, "\t"+device+"  "); found {
					return maker, name
				}
			}
		}
		return maker, card
	}
	return maker, card
}

// vendorOf names the makers of most graphics cards by their numbers on the bus.
func vendorOf(id string) string {
	name, known := map[string]string{
		"10de": "NVIDIA Corporation", "1002": "Advanced Micro Devices, Inc. [AMD/ATI]", "8086": "Intel Corporation",
		"1a03": "ASPEED Technology, Inc.", "1234": "QEMU", "1af4": "Red Hat, Inc.", "15ad": "VMware",
	}[id]
	if !known {
		return id
	}
	return name
}
