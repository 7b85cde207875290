package s9pk

import (
	"fmt"
	"slices"
)

// Declared is the member "hearth" of a manifest: what a package says of itself that StartOS does not know, and ignores. A
// package without it is held as one that says nothing. Members it does not know are ignored, so a newer package can be
// installed by an older server, which then does without.
type Declared struct {
	// Limits are what the service is content with; nil where it says nothing.
	Limits *Limits `json:"limits,omitempty"`
	// Permissions are what it asks of the server beside what is its own; nil where it says nothing, and may ask for all.
	Permissions *[]string `json:"permissions,omitempty"`
	// Network is what it opens connections to beyond the server, see Reach; nil where it says nothing, and may reach all.
	Network *[]string `json:"network,omitempty"`
	// Freeze says that its code can make the data quiet while the service runs, so that a backup need not stop it.
	Freeze bool `json:"freeze,omitempty"`
}

// What a package may ask of the server beside what is its own.
const (
	PermissionMail          = "mail"          // the account that mail is sent by
	PermissionNotifications = "notifications" // to tell people something
	PermissionCertificates  = "certificates"  // certificates of the server's root, and their keys
	PermissionPackages      = "packages"      // which packages are installed
)

// Asks tells whether a package may ask for something of the server.
func (d *Declared) Asks(permission string) bool {
	return d == nil || d.Permissions == nil || slices.Contains(*d.Permissions, permission)
}

// ParseDeclared reads what a manifest that was read before declares, and nothing else of it; nil where it declares nothing.
func ParseDeclared(manifest []byte) (*Declared, error) {
	o, err := parseObject(manifest)
	if err != nil {
		return nil, err
	}
	var d *Declared
	f := fields{from: o}
	f.may("hearth", &d)
	return d, f.err
}

// Limits are what a service is content with. What is 0 it says nothing of. Nobody gets more by declaring it: a server
// gives the lesser of this and of what it gives to each, and people may choose otherwise.
type Limits struct {
	// Memory in bytes.
	Memory uint64 `json:"memory,omitempty"`
	// CPU is thousandths of a processor.
	CPU uint32 `json:"cpu,omitempty"`
	// Processes counts threads, too.
	Processes uint32 `json:"processes,omitempty"`
	// IOWeight is its share of disks; 100 is usual.
	IOWeight uint32 `json:"ioWeight,omitempty"`
	// Read and Write are bytes a second.
	Read  uint64 `json:"read,omitempty"`
	Write uint64 `json:"write,omitempty"`
	// Disk is bytes that data take.
	Disk uint64 `json:"disk,omitempty"`
}

// mostBytes bounds what is counted in bytes.
const mostBytes = 1 << 50

// UnmarshalJSON reads what is declared.
func (d *Declared) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.may("limits", &d.Limits)
	f.may("permissions", &d.Permissions)
	f.may("network", &d.Network)
	f.may("freeze", &d.Freeze)
	if list := d.Permissions; list != nil && f.err == nil {
		if *list = set(*list); len(*list) > maxListed {
			return fmt.Errorf("permissions has more than %d entries", maxListed)
		}
	}
	if list := d.Network; list != nil && f.err == nil {
		if *list, err = networks(*list); err != nil {
			return err
		}
	}
	return f.err
}

// UnmarshalJSON reads limits, which have the bounds of those that people choose.
func (l *Limits) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.may("memory", &l.Memory)
	f.may("cpu", &l.CPU)
	f.may("processes", &l.Processes)
	f.may("ioWeight", &l.IOWeight)
	f.may("read", &l.Read)
	f.may("write", &l.Write)
	f.may("disk", &l.Disk)
	if f.err != nil {
		return f.err
	}
	for _, b := range []struct {
		name               string
		value, least, most uint64
	}{
		{"memory", l.Memory, 64 << 20, mostBytes},
		{"cpu", uint64(l.CPU), 10, 1 << 20},
		{"processes", uint64(l.Processes), 32, 1 << 22},
		{"ioWeight", uint64(l.IOWeight), 1, 1000},
		{"read", l.Read, 64 << 10, mostBytes},
		{"write", l.Write, 64 << 10, mostBytes},
		{"disk", l.Disk, 16 << 20, mostBytes},
	} {
		if b.value != 0 && (b.value < b.least || b.value > b.most) {
			return fmt.Errorf("limits.%s must be between %d and %d", b.name, b.least, b.most)
		}
	}
	return nil
}
