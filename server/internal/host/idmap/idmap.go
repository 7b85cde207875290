// Package idmap says how the user and group ids stored on disk appear to a container, and holds the kernel objects that
// tell a mount so.
//
//	on disk 0…65535 ──custom entries──▶ in the container 0…65535 ──base──▶ on the host base…base+65535
//
// A volume keeps the container's own ids on disk (its root is 0), so backups and dependent services need no arithmetic;
// the id map of the mount does it. The package neither mounts anything nor allocates ranges.
//
// Invariants: a Map is injective and lies wholly inside its container's range, so no composition can show a file as
// belonging to another container; user ids and group ids are always mapped alike.
package idmap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Range is how many ids every container has.
const Range = 65536

// maxExtents is the kernel's limit on lines of an id map.
const maxExtents = 340

// MaxEntries bounds the custom entries of one map: they come from packages.
const MaxEntries = 256

// ErrInvalid says that a base or a custom entry is out of bounds or that their composition is too fragmented.
var ErrInvalid = errors.New("invalid id map")

// Entry shows Count ids beginning with From on disk as the ids beginning with To in the container.
type Entry struct {
	From, To, Count uint32
}

// Extent is one line of a composed map, from ids on disk to ids of the host.
type Extent struct {
	Disk, Host, Count uint32
}

// Map is a composed map. The zero Map maps nothing and is not valid; make one with Compose or Base. Maps with equal
// extents are interchangeable.
type Map struct {
	extents []Extent
}

// Base maps all ids of a container whose first host id is base, without custom entries. It panics on a base that no
// container can have, since bases come from our own allocator.
func Base(base uint32) Map {
	m, err := Compose(base, nil)
	if err != nil {
		panic(err)
	}
	return m
}

// Compose layers entries, in their order, over the base map of a container: each entry works on the output of those
// before it, and an id outside its From range passes through. Where two ids of the disk would meet in one id of the
// container, one that an entry touched wins over one that passed through, and between equals the lower one; the loser
// appears as nobody. That is the meaning StartOS packages rely on.
func Compose(base uint32, entries []Entry) (Map, error) {
	if base == 0 || base > 1<<32-1-Range {
		return Map{}, fmt.Errorf("%w: base %d", ErrInvalid, base)
	}
	if len(entries) > MaxEntries {
		return Map{}, fmt.Errorf("%w: %d entries, at most %d", ErrInvalid, len(entries), MaxEntries)
	}
	for _, e := range entries {
		if e.Count == 0 || uint64(e.From)+uint64(e.Count) > Range || uint64(e.To)+uint64(e.Count) > Range {
			return Map{}, fmt.Errorf("%w: entry %d:%d:%d leaves the container's %d ids", ErrInvalid, e.From, e.To, e.Count, Range)
		}
	}
	if len(entries) == 0 {
		return Map{extents: []Extent{{Disk: 0, Host: base, Count: Range}}}, nil
	}
	m := Map{extents: extents(base, winners(entries))}
	if len(m.extents) > maxExtents {
		return Map{}, fmt.Errorf("%w: %d separate ranges, at most %d", ErrInvalid, len(m.extents), maxExtents)
	}
	return m, nil
}

const nobody = Range

// winners returns for each id on disk its id in the container, or nobody.
func winners(entries []Entry) []uint32 {
	target := make([]uint32, Range)
	touched := make([]bool, Range)
	owner := make([]uint32, Range)
	for i := range owner {
		owner[i] = nobody
	}
	for disk := range uint32(Range) {
		id := disk
		for _, e := range entries {
			if id >= e.From && id-e.From < e.Count {
				id = e.To + (id - e.From)
				touched[disk] = true
			}
		}
		target[disk] = id
		prev := owner[id]
		switch {
		case prev == nobody:
			owner[id] = disk
		case touched[disk] && !touched[prev]:
			owner[id], target[prev] = disk, nobody
		default:
			target[disk] = nobody
		}
	}
	return target
}

// extents joins neighbours that stay neighbours.
func extents(base uint32, target []uint32) []Extent {
	var out []Extent
	for disk, id := range target {
		if id == nobody {
			continue
		}
		host := base + id
		if n := len(out); n > 0 && out[n-1].Disk+out[n-1].Count == uint32(disk) && out[n-1].Host+out[n-1].Count == host {
			out[n-1].Count++
			continue
		}
		out = append(out, Extent{Disk: uint32(disk), Host: host, Count: 1})
	}
	return out
}

// Extents returns the lines of the map, ordered by the id on disk.
func (m Map) Extents() []Extent { return slices.Clone(m.extents) }

// Valid reports whether m was made by Compose or Base.
func (m Map) Valid() bool { return len(m.extents) > 0 }

// Host returns the host's id for an id on disk; false when the id appears as nobody.
func (m Map) Host(disk uint32) (uint32, bool) {
	for _, e := range m.extents {
		if disk >= e.Disk && disk-e.Disk < e.Count {
			return e.Host + (disk - e.Disk), true
		}
	}
	return 0, false
}

// String renders the map as the kernel reads it, and serves as its identity.
func (m Map) String() string {
	var b strings.Builder
	for _, e := range m.extents {
		fmt.Fprintf(&b, "%d %d %d\n", e.Disk, e.Host, e.Count)
	}
	return b.String()
}
