package image

import (
	"archive/tar"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// place is where an entry is: the layer, and its number within.
type place struct{ layer, entry int }

// inode is a file, a link or a device of the image; hard links share one.
type inode struct {
	at   place
	size int64
	// paths are all its names, in order; filled when the tree is complete.
	paths []string
}

// node is a name in the tree: a folder, or a name of an inode.
type node struct {
	children map[string]*node // of a folder
	inode    *inode           // of anything else
	target   string           // of a symbolic link
	header   *tar.Header      // of a folder some layer described; nil for one that is only implied
	layer    int              // the last layer that had it
}

func (n *node) isDir() bool { return n.inode == nil }

// tree is an image's names as the layers read so far leave them.
type tree struct {
	root    *node
	entries int
	bytes   int64 // of all files of all layers
	layered bool
}

func newTree(layered bool) *tree {
	return &tree{root: &node{children: map[string]*node{}, layer: -1}, layered: layered}
}

// clean answers the parts of a name of an archive; none for the root.
func clean(name string) ([]string, error) {
	if len(name) > maxPath {
		return nil, tooLarge("a name has more than %d bytes", maxPath)
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			return nil, malformed("the name %q leads elsewhere", name)
		case len(part) > maxName:
			return nil, tooLarge("a part of the name %q has more than %d bytes", name, maxName)
		case strings.ContainsAny(part, "\x00\n"):
			return nil, malformed("the name %q cannot be one", name)
		default:
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// add takes an entry of a layer into the tree. Layers come in order, and so do their entries.
func (t *tree) add(h *tar.Header, at place) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if t.entries++; t.entries > MaxEntries {
		return tooLarge("it has more than %d entries", MaxEntries)
	}
	// Holes of a sparse file cost nothing in the archive and are written out all the same.
	if h.Size < 0 || h.Size > MaxBytes-t.bytes {
		return tooLarge("it has more than %d bytes", int64(MaxBytes))
	}
	t.bytes += h.Size
	parts, err := clean(h.Name)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		if h.Typeflag == tar.TypeDir {
			t.root.header, t.root.layer = header(h), at.layer
		}
		return nil
	}
	last := parts[len(parts)-1]
	if t.layered && strings.HasPrefix(last, whiteout) {
		return t.hide(parts[:len(parts)-1], last, at.layer)
	}
	parent, err := t.folder(parts[:len(parts)-1], at.layer)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		n := parent.children[last]
		if n == nil || !n.isDir() {
			n = &node{children: map[string]*node{}}
			parent.children[last] = n
		}
		n.header, n.layer = header(h), at.layer
	case tar.TypeLink:
		old, err := t.linked(h)
		if err != nil {
			return err
		}
		parent.children[last] = &node{inode: old.inode, target: old.target, layer: at.layer}
	case tar.TypeReg, 0, tar.TypeCont, tar.TypeGNUSparse, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		n := &node{inode: &inode{at: at, size: header(h).Size}, layer: at.layer}
		if h.Typeflag == tar.TypeSymlink {
			n.target = h.Linkname
		}
		parent.children[last] = n
	default:
		return malformed("%q is of the unknown type %q", h.Name, h.Typeflag)
	}
	return nil
}

// linked answers what a hard link is another name of.
func (t *tree) linked(h *tar.Header) (*node, error) {
	parts, err := clean(h.Linkname)
	if err != nil {
		return nil, err
	}
	if len(parts) > 0 {
		links := 0
		dir, err := t.walk(parts[:len(parts)-1], &links, nil)
		if err != nil {
			return nil, err
		}
		if dir != nil && dir.isDir() {
			if n := dir.children[parts[len(parts)-1]]; n != nil && !n.isDir() {
				return n, nil
			}
		}
	}
	return nil, malformed("%q is a hard link to %q, which is no file of it", h.Name, h.Linkname)
}

// folder answers the folder of that name, which is made where it is missing.
func (t *tree) folder(parts []string, layer int) (*node, error) {
	links := 0
	n, err := t.walk(parts, &links, &layer)
	if err != nil {
		return nil, err
	}
	if !n.isDir() {
		return nil, malformed("%q has files below it and is no folder", strings.Join(parts, "/"))
	}
	return n, nil
}

// walk follows a path, and symbolic links on it, within the image: a link never leads above its root. With a layer, what
// is missing is made for it; without, nil is answered.
func (t *tree) walk(parts []string, links *int, layer *int) (*node, error) {
	at := t.root
	var trail []*node
	for i, part := range parts {
		if part == ".." {
			if len(trail) > 0 {
				at, trail = trail[len(trail)-1], trail[:len(trail)-1]
			}
			continue
		}
		if !at.isDir() {
			return nil, malformed("%q has files below it and is no folder", strings.Join(parts[:i], "/"))
		}
		next := at.children[part]
		if next == nil {
			if layer == nil {
				return nil, nil
			}
			if t.entries++; t.entries > MaxEntries {
				return nil, tooLarge("it has more than %d entries", MaxEntries)
			}
			next = &node{children: map[string]*node{}, layer: *layer}
			at.children[part] = next
		}
		if next.target == "" {
			if at, trail = next, append(trail, at); len(trail) > maxDepth {
				return nil, tooLarge("it has more than %d folders below each other", maxDepth)
			}
			continue
		}
		if *links++; *links > maxLinks {
			return nil, malformed("%q leads through too many links", strings.Join(parts, "/"))
		}
		return t.through(next.target, parts[:i], parts[i+1:], links, layer)
	}
	return at, nil
}

// through goes on from a symbolic link at the end of a path.
func (t *tree) through(target string, before, after []string, links, layer *int) (*node, error) {
	if len(target) > maxPath {
		return nil, tooLarge("a link has more than %d bytes", maxPath)
	}
	var path []string
	if !strings.HasPrefix(target, "/") {
		path = append(path, before...)
	}
	for part := range strings.SplitSeq(target, "/") {
		if part != "" && part != "." {
			path = append(path, part)
		}
	}
	path = append(path, after...)
	if len(path) > maxPath {
		return nil, tooLarge("a path through links has more than %d parts", maxPath)
	}
	return t.walk(path, links, layer)
}

// hide removes what lower layers have: a name, or all that is in a folder.
func (t *tree) hide(dir []string, name string, layer int) error {
	links := 0
	parent, err := t.walk(dir, &links, nil)
	if err != nil || parent == nil || !parent.isDir() {
		return err
	}
	if name == opaque {
		for child, n := range parent.children {
			if lower(n, layer) {
				delete(parent.children, child)
			}
		}
		return nil
	}
	if strings.HasPrefix(name, whiteout+whiteout) {
		return nil // a note that an old driver left for itself
	}
	if name = strings.TrimPrefix(name, whiteout); name == "" || name == "." || name == ".." {
		return malformed("it removes a name that cannot be one")
	}
	if n := parent.children[name]; n != nil && lower(n, layer) {
		delete(parent.children, name)
	}
	return nil
}

// lower removes from a node what layers below one put there, and answers whether nothing is left.
func lower(n *node, layer int) bool {
	for name, child := range n.children {
		if lower(child, layer) {
			delete(n.children, name)
		}
	}
	if n.layer >= layer {
		return false
	}
	if len(n.children) == 0 {
		return true
	}
	n.header, n.layer = nil, layer
	return false
}

// finish names the inodes and answers the folders, parents first, and the inodes that stay, by their places.
func (t *tree) finish() (dirs []*tar.Header, stay map[place]*inode) {
	stay = map[place]*inode{}
	var down func(n *node, at string)
	down = func(n *node, at string) {
		for _, name := range slices.Sorted(maps.Keys(n.children)) {
			child, name := n.children[name], path.Join(at, name)
			if !child.isDir() {
				child.inode.paths = append(child.inode.paths, name)
				stay[child.inode.at] = child.inode
				continue
			}
			h := child.header
			if h == nil {
				h = &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755, Format: tar.FormatPAX}
			}
			h.Name = name + "/"
			dirs = append(dirs, h)
			down(child, name)
		}
	}
	down(t.root, "")
	return dirs, stay
}

// header keeps of an entry what a squashfs can hold.
func header(h *tar.Header) *tar.Header {
	kind := h.Typeflag
	switch kind {
	case 0, tar.TypeCont, tar.TypeGNUSparse:
		kind = tar.TypeReg
	}
	out := &tar.Header{
		Typeflag: kind, Mode: h.Mode & 0o7777, Uid: h.Uid, Gid: h.Gid, Devmajor: h.Devmajor, Devminor: h.Devminor, Format: tar.FormatPAX,
	}
	switch kind {
	case tar.TypeReg:
		out.Size = h.Size
	case tar.TypeSymlink:
		out.Linkname = h.Linkname
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattr); ok && slices.ContainsFunc(kinds(), func(k string) bool { return strings.HasPrefix(name, k) }) {
			if out.PAXRecords == nil {
				out.PAXRecords = map[string]string{}
			}
			out.PAXRecords[key] = value
		}
	}
	return out
}

const xattr = "SCHILY.xattr."

// kinds are the extended attributes that a squashfs can hold.
func kinds() []string { return []string{"user.", "trusted.", "security."} }
