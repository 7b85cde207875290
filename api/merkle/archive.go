package merkle

import (
	"cmp"
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Root says where the tree of a file begins and what it must hash to. All of it but the place comes from whoever vouches
// for the tree.
type Root struct {
	Sighash  Hash
	MaxSize  int64 // length of the root table as signed; the table in the file may be shorter, never longer
	Position int64
	Length   int64
	Reserved int64 // bytes at the beginning of the file that belong to the header and to no member
}

// Archive is a tree in a file whose tables have been verified. It is immutable and safe for concurrent use as long as
// the underlying reader is.
type Archive struct {
	file io.ReaderAt
	size int64
	// reserved is the length of the header in front.
	reserved int64
	root     *node
	paths    map[string]*node
	limit    Limits
}

// Entry describes one member. Path is relative to the root and joined by "/".
type Entry struct {
	Path string
	Kind Kind
	Hash Hash
	Size int64
}

// Section is the place of a file's bytes in the package file. Aligned tells whether it begins at a multiple of 512, which
// block devices that bypass the page cache ask for; loop devices on regular files do without.
type Section struct {
	Offset  int64
	Size    int64
	Aligned bool
}

// Read reads and verifies all tables of the tree in a file of the given size. It reads nothing else.
func Read(file io.ReaderAt, size int64, root Root, limits Limits) (*Archive, error) {
	a := &Archive{
		file: file, size: size, reserved: root.Reserved, limit: limits.orDefault(), paths: make(map[string]*node),
		root: &node{kind: Dir, hash: root.Sighash, size: root.MaxSize, position: root.Position, length: root.Length},
	}
	w := walk{archive: a, tables: a.limit.Tables}
	if err := w.directory(a.root, 1); err != nil {
		return nil, err
	}
	if err := a.checkRegions(); err != nil {
		return nil, err
	}
	return a, nil
}

// walk is the state of reading the tables: what is left of the limits.
type walk struct {
	archive *Archive
	tables  int64
	entries int
}

func (w *walk) directory(dir *node, depth int) error {
	a := w.archive
	switch {
	case depth > a.limit.Depth:
		return refuse(TooDeep, dir.path, "directories are nested deeper than %d", a.limit.Depth)
	case dir.length > dir.size:
		return refuse(TooLarge, dir.path, "its table is longer than was signed")
	case dir.length > a.limit.Table || dir.length > w.tables:
		return refuse(TooLarge, dir.path, "its table is larger than is allowed")
	}
	w.tables -= dir.length
	if err := a.checkBounds(dir.path, dir.position, dir.length); err != nil {
		return err
	}
	table := make([]byte, dir.length)
	if err := readFull(a.file, table, dir.position, dir.path); err != nil {
		return err
	}
	if err := dir.parseTable(table, a.limit, &w.entries); err != nil {
		return err
	}
	// Children carry the hashes their own tables must have, so nothing below is read before this directory is right.
	if dir.sighash() != dir.hash {
		return refuse(HashMismatch, dir.path, "its table is not what was signed")
	}
	for _, child := range dir.children {
		a.paths[child.path] = child
		switch child.kind {
		case Dir:
			if err := w.directory(child, depth+1); err != nil {
				return err
			}
		case File:
			if err := a.checkBounds(child.path, child.position, child.size); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Archive) checkBounds(path string, position, length int64) error {
	if position > a.size || length > a.size-position {
		return refuse(Truncated, path, "it reaches past the end of the file")
	}
	return nil
}

// regions are the header, tables and files that have bytes, in the order of the bytes.
func (a *Archive) regions() []*node {
	var regions []*node
	if a.reserved > 0 {
		regions = append(regions, &node{position: 0, length: a.reserved})
	}
	for n := range a.root.all() {
		if n.kind != Missing && n.extent() > 0 {
			regions = append(regions, n)
		}
	}
	slices.SortFunc(regions, func(x, y *node) int { return cmp.Compare(x.position, y.position) })
	return regions
}

// checkRegions refuses trees whose header, tables and files share bytes: a reader that trusted one of them would see
// the other change its meaning, and a small file could pretend to hold endless data.
func (a *Archive) checkRegions() error {
	regions := a.regions()
	for i := 1; i < len(regions); i++ {
		if before, n := regions[i-1], regions[i]; before.position+before.extent() > n.position {
			other := "the header or root table"
			if before.path != "" {
				other = strconv.Quote(short(before.path))
			}
			return refuse(Overlap, n.path, "it shares bytes with %s", other)
		}
	}
	return nil
}

// CheckNoMore refuses a file with bytes that belong to nothing in it, between its parts or behind them. Nobody reads those,
// and no writer of packages leaves any, so a package with them is usable and yet not the one that was made.
func (a *Archive) CheckNoMore() error {
	end := int64(0)
	for _, n := range a.regions() {
		if n.position > end {
			return refuse(Unsigned, "", "%d bytes at %d belong to nothing in it", n.position-end, end)
		}
		end = n.position + n.extent()
	}
	// The size of a stream may be unknown, so the file is asked.
	switch n, err := a.file.ReadAt(make([]byte, 1), end); {
	case n > 0:
		return refuse(Unsigned, "", "it goes on behind its last part")
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return ReadError("", err)
	}
	return nil
}

// CheckExtent refuses a file of another size than its parts take, and one with bytes between them. It reads nothing.
func (a *Archive) CheckExtent(size int64) error {
	end := int64(0)
	for _, n := range a.regions() {
		if n.position > end {
			return refuse(Unsigned, "", "%d bytes at %d belong to nothing in it", n.position-end, end)
		}
		end = n.position + n.extent()
	}
	if size > end {
		return refuse(Unsigned, "", "it goes on behind its last part")
	}
	return nil
}

// extent is the number of bytes n itself occupies at its position.
func (n *node) extent() int64 {
	if n.kind == File {
		return n.size
	}
	return n.length
}

// all yields n and everything below it, parents first, in table order.
func (n *node) all() iter.Seq[*node] {
	return func(yield func(*node) bool) { n.visit(yield) }
}

func (n *node) visit(yield func(*node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, c := range n.children {
		if !c.visit(yield) {
			return false
		}
	}
	return true
}

func (n *node) entry() Entry { return Entry{Path: n.path, Kind: n.kind, Hash: n.hash, Size: n.size} }

// Sighash is the hash that vouches for the whole tree.
func (a *Archive) Sighash() Hash { return a.root.hash }

// Lookup answers the entry at path; "" is the root.
func (a *Archive) Lookup(path string) (Entry, bool) {
	n, ok := a.lookup(path)
	if !ok {
		return Entry{}, false
	}
	return n.entry(), true
}

func (a *Archive) lookup(path string) (*node, bool) {
	if path == "" {
		return a.root, true
	}
	n, ok := a.paths[path]
	return n, ok
}

// Children answers the entries of a directory in byte order of their names; nil when path is no directory.
func (a *Archive) Children(path string) []Entry {
	n, ok := a.lookup(path)
	if !ok {
		return nil
	}
	entries := make([]Entry, 0, len(n.children))
	for _, c := range n.children {
		entries = append(entries, c.entry())
	}
	slices.SortFunc(entries, func(x, y Entry) int { return strings.Compare(x.Path, y.Path) })
	return entries
}

// All yields every entry but the root, parents first.
func (a *Archive) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for n := range a.root.all() {
			if n != a.root && !yield(n.entry()) {
				return
			}
		}
	}
}

// Section answers where the bytes of a file lie. Whoever reads them there goes without verification; VerifyAll or Open
// must have run before over an unchanged file.
func (a *Archive) Section(path string) (Section, error) {
	n, err := a.fileAt(path)
	if err != nil {
		return Section{}, err
	}
	return Section{Offset: n.position, Size: n.size, Aligned: n.position%512 == 0}, nil
}

func (a *Archive) fileAt(path string) (*node, error) {
	n, ok := a.lookup(path)
	switch {
	case !ok:
		return nil, refuse(NotFound, path, "there is no such member")
	case n.kind == Missing:
		return nil, refuse(NotFound, path, "it was left out of this copy")
	case n.kind == Dir:
		return nil, refuse(NotFile, path, "it is a directory")
	}
	return n, nil
}

// readFull reads all of buf at position and tells a short file from a failing medium.
func readFull(file io.ReaderAt, buf []byte, position int64, path string) error {
	n, err := file.ReadAt(buf, position)
	if n == len(buf) {
		return nil
	}
	return ReadError(path, err)
}
