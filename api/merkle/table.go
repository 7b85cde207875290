package merkle

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// node is one entry of the tree, of a file being read or of one being written.
type node struct {
	name string
	path string // from the root, joined by "/"; "" for the root
	kind Kind
	hash Hash
	size int64 // file: bytes; directory: length of the table as signed
	// position is where the bytes of a file or the table of a directory lie; length is that of the table.
	position, length int64
	children         []*node // directory: in table order
	source           Source  // writing only: where a file's bytes come from
}

const (
	tailMissing = 32 + 8 + 1
	tailFile    = tailMissing + 8
	tailDir     = tailFile + 8
)

// sighash hashes the table of a directory with every child written as missing, in byte order of the names.
func (n *node) sighash() Hash {
	sorted := slices.Clone(n.children)
	slices.SortFunc(sorted, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	buf := binary.AppendUvarint(nil, uint64(len(sorted)))
	for _, c := range sorted {
		buf = append(c.appendHead(buf), byte(Missing))
	}
	return Sum(buf)
}

// appendHead writes what all kinds of entries have in common and is signed.
func (n *node) appendHead(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(n.name)))
	buf = append(buf, n.name...)
	buf = append(buf, n.hash[:]...)
	return binary.BigEndian.AppendUint64(buf, uint64(n.size))
}

// appendTable writes the table of a directory as it stands in the file.
func (n *node) appendTable(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(n.children)))
	for _, c := range n.children {
		buf = append(c.appendHead(buf), byte(c.kind))
		switch c.kind {
		case File:
			buf = binary.BigEndian.AppendUint64(buf, uint64(c.position))
		case Dir:
			buf = binary.BigEndian.AppendUint64(buf, uint64(c.position))
			buf = binary.BigEndian.AppendUint64(buf, uint64(c.length))
		}
	}
	return buf
}

// tableLength is the length of what appendTable writes; positions do not matter for it.
func (n *node) tableLength() int64 {
	total := uvarintLength(len(n.children))
	for _, c := range n.children {
		total += uvarintLength(len(c.name)) + len(c.name)
		switch c.kind {
		case Missing:
			total += tailMissing
		case File:
			total += tailFile
		case Dir:
			total += tailDir
		}
	}
	return int64(total)
}

func uvarintLength(n int) int {
	return len(binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64), uint64(n)))
}

// parseTable reads the children of dir out of its table, which must be used up exactly.
func (dir *node) parseTable(table []byte, limits Limits, entries *int) error {
	in := cursor{rest: table}
	count := in.uvarint()
	// The smallest entry has one byte of name length, one of name and the tail of a missing one.
	if in.failed || count > uint64(len(in.rest)/(2+tailMissing)) {
		return refuse(Malformed, dir.path, "its table is cut short")
	}
	if *entries += int(count); *entries > limits.Entries {
		return refuse(TooManyEntries, dir.path, "the package has more than %d entries", limits.Entries)
	}
	dir.children = make([]*node, 0, count)
	seen := make(map[string]bool, count)
	for range count {
		child, err := in.entry(dir.path, limits)
		if err != nil {
			return err
		}
		if seen[child.name] {
			return refuse(DuplicateName, child.path, "it appears twice")
		}
		seen[child.name] = true
		dir.children = append(dir.children, child)
	}
	if len(in.rest) > 0 {
		return refuse(Malformed, dir.path, "its table is followed by %d more bytes", len(in.rest))
	}
	return nil
}

func (in *cursor) entry(parent string, limits Limits) (*node, error) {
	nameLength := in.uvarint()
	if nameLength > uint64(limits.Name) {
		return nil, refuse(BadName, parent, "a name in it is longer than %d bytes", limits.Name)
	}
	child := &node{name: string(in.take(int(nameLength)))}
	child.path = join(parent, child.name)
	copy(child.hash[:], in.take(len(child.hash)))
	child.size = in.offset()
	switch kind := in.take(1); {
	case in.failed:
	case kind[0] == byte(Missing):
	case kind[0] == byte(File):
		child.kind, child.position = File, in.offset()
	case kind[0] == byte(Dir):
		child.kind, child.position, child.length = Dir, in.offset(), in.offset()
	default:
		return nil, refuse(Malformed, child.path, "its kind %d is unknown", kind[0])
	}
	if in.failed {
		return nil, refuse(Malformed, parent, "its table is cut short or has a number out of range")
	}
	if why := badName(child.name); why != "" {
		return nil, refuse(BadName, child.path, "%s", why)
	}
	return child, nil
}

// badName says why a name cannot be one segment of a path, on any system it may be unpacked on.
func badName(name string) string {
	switch {
	case name == "":
		return "a name is empty"
	case name == "." || name == "..":
		return "a name has a meaning as a path"
	case !utf8.ValidString(name):
		return "a name is not UTF-8"
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c == '/' || c == '\\' || c < 0x20 || c == 0x7f {
			return "a name contains a separator or a control character"
		}
	}
	return ""
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "/" + name
}

// cursor takes fields off a table. After a failure everything it gives is zero and failed stays set.
type cursor struct {
	rest   []byte
	failed bool
}

func (in *cursor) take(n int) []byte {
	if in.failed || n > len(in.rest) {
		in.failed, in.rest = true, nil
		return nil
	}
	field := in.rest[:n]
	in.rest = in.rest[n:]
	return field
}

// uvarint accepts the shortest spelling only, since a table is hashed as if it had been written that way.
func (in *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(in.rest)
	if n <= 0 || n > 1 && in.rest[n-1] == 0 {
		in.take(len(in.rest) + 1)
		return 0
	}
	in.take(n)
	return v
}

// offset reads a size or position, which beyond 63 bits cannot be one.
func (in *cursor) offset() int64 {
	field := in.take(8)
	if field == nil {
		return 0
	}
	v := binary.BigEndian.Uint64(field)
	if v > math.MaxInt64 {
		in.take(len(in.rest) + 1)
		return 0
	}
	return int64(v)
}
