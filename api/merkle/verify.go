package merkle

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/zeebo/blake3"
)

const chunk = 256 << 10

// Open answers the bytes of a file. They are verified while they are read: the last chunk is held back until the hash of
// the whole was right, and a file of at most 256 KiB gives nothing before. A reader that sees io.EOF has seen exactly what
// was signed. The reader needs no closing and is for one goroutine.
func (a *Archive) Open(path string) (io.Reader, error) {
	n, err := a.fileAt(path)
	if err != nil {
		return nil, err
	}
	return &reader{file: a.file, node: n, hash: blake3.New(), next: n.position, left: n.size}, nil
}

// ReadFile answers the verified bytes of a file of at most limit bytes.
func (a *Archive) ReadFile(path string, limit int64) ([]byte, error) {
	n, err := a.fileAt(path)
	if err != nil {
		return nil, err
	}
	if n.size > limit {
		return nil, refuse(TooLarge, path, "it has %d bytes and may have %d", n.size, limit)
	}
	data := make([]byte, n.size)
	if err := readFull(a.file, data, n.position, path); err != nil {
		return nil, err
	}
	if Sum(data) != n.hash {
		return nil, changed(path)
	}
	return data, nil
}

// Sequential is implemented by readers that are quick only in order, and are then read by one worker.
type Sequential interface{ Sequential() }

// VerifyAll hashes every file once, about in the order of the bytes on disk and on all cores, and stops at one that is
// not what was signed. progress, when not nil, is called now and then and once at the end from the calling goroutine
// with bytes done and bytes in total. It needs a quarter of a megabyte of memory a core, whatever the size of the package.
func (a *Archive) VerifyAll(ctx context.Context, progress func(done, total int64)) error {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	var files []*node
	var total int64
	for n := range a.root.all() {
		if n.kind == File {
			files = append(files, n)
			total += n.size
		}
	}
	slices.SortFunc(files, func(x, y *node) int { return cmp.Compare(x.position, y.position) })
	_, alone := a.file.(Sequential)
	p := newPool(ctx, alone, func(hashed int64) { progress(hashed, total) })
	for _, n := range files {
		d := &digest{file: a.file, path: n.path, position: n.position, size: n.size, done: func(h Hash) error {
			if h != n.hash {
				return changed(n.path)
			}
			return nil
		}}
		if !p.hash(d) {
			break
		}
	}
	if err := p.wait(); err != nil {
		return err
	}
	if ctx.Err() != nil && p.hashed.Load() < total {
		return context.Cause(ctx)
	}
	progress(total, total)
	return nil
}

func (n *node) matches(h *blake3.Hasher) bool {
	var sum Hash
	h.Sum(sum[:0])
	return sum == n.hash
}

func changed(path string) error {
	return refuse(HashMismatch, path, "its bytes are not what was signed")
}

// reader reads ahead by one chunk, so that the last one can be held back.
type reader struct {
	file  io.ReaderAt
	node  *node
	hash  *blake3.Hasher
	next  int64  // place of the next chunk
	left  int64  // bytes not yet read from the file
	ready []byte // bytes that may be given out
	buf   []byte
	err   error // answered once ready is empty; io.EOF after a right hash
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.ready) == 0 && r.err == nil {
		r.fill()
	}
	if len(r.ready) > 0 {
		n := copy(p, r.ready)
		r.ready = r.ready[n:]
		return n, nil
	}
	return 0, r.err
}

// fill reads the next chunk and, after the last one, compares the hash before anything of it becomes ready.
func (r *reader) fill() {
	if r.buf == nil {
		r.buf = make([]byte, min(chunk, r.node.size))
	}
	part := r.buf[:min(r.left, int64(len(r.buf)))]
	if err := readFull(r.file, part, r.next, r.node.path); err != nil {
		r.err = err
		return
	}
	_, _ = r.hash.Write(part)
	r.next += int64(len(part))
	r.left -= int64(len(part))
	if r.left == 0 {
		if !r.node.matches(r.hash) {
			r.err = changed(r.node.path)
			return
		}
		r.err = io.EOF
	}
	r.ready = part
}
