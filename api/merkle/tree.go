package merkle

import (
	"encoding/binary"
	"io"

	"lukechampine.com/blake3/guts"
)

// BLAKE3 is itself a tree: leaves of a kilobyte, joined in pairs. That is what lets several cores hash one file. A file
// is cut into segments, whose subtrees are independent, and a segment into groups, the most that one instruction of the
// machine takes at once.
const (
	group   = guts.MaxSIMD * guts.ChunkSize
	segment = 1 << 20
)

type chainingValue = [8]uint32

// subtrees joins subtrees of one height, pushed from left to right, into one tree.
type subtrees struct {
	left   []chainingValue // complete and waiting for their right side, the largest first
	pushed uint64
}

// push takes a complete subtree that is not the last.
func (s *subtrees) push(n guts.Node) {
	cv := guts.ChainingValue(n)
	for waiting := s.pushed; waiting&1 == 1; waiting >>= 1 {
		last := len(s.left) - 1
		cv = guts.ChainingValue(guts.ParentNode(s.left[last], cv, &guts.IV, 0))
		s.left = s.left[:last]
	}
	s.left = append(s.left, cv)
	s.pushed++
}

// finish takes the last subtree, which may be smaller, and answers the top of the whole.
func (s *subtrees) finish(n guts.Node) guts.Node {
	for i := len(s.left) - 1; i >= 0; i-- {
		n = guts.ParentNode(s.left[i], guts.ChainingValue(n), &guts.IV, 0)
	}
	return n
}

// segmentTop hashes one segment of a file. Hashing a group reads all of its bytes, also those behind a last one that is
// shorter, so that one is copied to scratch, which has room for a group.
func segmentTop(data, scratch []byte, index int64, left []chainingValue) guts.Node {
	s := subtrees{left: left[:0]}
	counter := uint64(index) * (segment / guts.ChunkSize)
	for ; len(data) > group; data = data[group:] {
		s.push(guts.CompressBuffer((*[group]byte)(data), group, &guts.IV, counter, 0))
		counter += guts.MaxSIMD
	}
	size := len(data)
	if size < group {
		copy(scratch, data)
		data = scratch
	}
	return s.finish(guts.CompressBuffer((*[group]byte)(data), size, &guts.IV, counter, 0))
}

// rootHash turns the top of a whole file's tree into its hash.
func rootHash(top guts.Node) (h Hash) {
	top.Flags |= guts.FlagRoot
	words := guts.CompressNode(top)
	for i := range len(h) / 4 {
		binary.LittleEndian.PutUint32(h[4*i:], words[i])
	}
	return h
}

// digest is a file being hashed by several workers.
type digest struct {
	node *node
	// tops are those of the segments, each written by the worker that hashed it; left counts the segments to come.
	tops []guts.Node
	left int64
}

func segments(size int64) int64 { return max(1, (size+segment-1)/segment) }

// sum joins the segments once all are there.
func (d *digest) sum() Hash {
	var s subtrees
	last := len(d.tops) - 1
	for _, top := range d.tops[:last] {
		s.push(top)
	}
	return rootHash(s.finish(d.tops[last]))
}

// readSegment reads one segment of a file into buf.
func readSegment(file io.ReaderAt, n *node, index int64, buf []byte) (int, error) {
	start := index * segment
	size := int(min(n.size-start, segment))
	return size, readFull(file, buf[:size], n.position+start, n.path)
}
