package merkle

import (
	"encoding/binary"

	"lukechampine.com/blake3/guts"
)

// BLAKE3 is itself a tree: leaves of a kilobyte, joined in pairs. That is what lets several cores hash one file. A file
// is cut into segments, whose subtrees are independent, and a segment into groups, the most that one instruction of the
// machine takes at once. A segment is as large as it may be while a package of some segments still keeps all cores busy:
// what it costs to map one is the same for any size. Where it cannot be mapped it is read in pieces.
const (
	group   = guts.MaxSIMD * guts.ChunkSize
	piece   = 256 << 10
	segment = 8 << 20
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

// segmentHash hashes one segment of a file, piece by piece.
type segmentHash struct {
	subtrees
	counter uint64
	scratch []byte // room for a group
}

func (h *segmentHash) begin(index int64) {
	h.left, h.pushed, h.counter = h.left[:0], 0, uint64(index)*(segment/guts.ChunkSize)
}

// add takes a piece that is not the last, which is whole groups.
func (h *segmentHash) add(data []byte) {
	for ; len(data) > 0; data = data[group:] {
		h.push(guts.CompressBuffer((*[group]byte)(data), group, &guts.IV, h.counter, 0))
		h.counter += guts.MaxSIMD
	}
}

// end takes the last piece and answers the top of the segment. Hashing a group reads all of its bytes, also those behind
// a last one that is shorter, so that one is copied to where there is room.
func (h *segmentHash) end(data []byte) guts.Node {
	if whole := (len(data) - 1) / group * group; whole > 0 {
		h.add(data[:whole])
		data = data[whole:]
	}
	size := len(data)
	if size < group {
		copy(h.scratch, data)
		data = h.scratch
	}
	return h.finish(guts.CompressBuffer((*[group]byte)(data), size, &guts.IV, h.counter, 0))
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
