package merkle

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/zeebo/blake3"
)

// Source gives the bytes of a file that is to be written. Open is called once to hash and once to write and must give the
// same Size bytes both times; what differs fails the writing. Where the hash of the bytes is known they are opened only
// once, to write. What Open gives is hashed on all cores when it is an io.ReaderAt, too, as a file is.
type Source struct {
	Size int64
	Open func() (io.ReadCloser, error)
	Hash *Hash
}

// Source is a file of the archive as one to be written into another; its bytes are verified then.
func (a *Archive) Source(path string) (Source, error) {
	n, err := a.fileAt(path)
	if err != nil {
		return Source{}, err
	}
	return a.sourceOf(n), nil
}

func (a *Archive) sourceOf(n *node) Source {
	return Source{Size: n.size, Hash: &n.hash, Open: func() (io.ReadCloser, error) {
		r, err := a.Open(n.path)
		return io.NopCloser(r), err
	}}
}

// Builder collects files into a tree and writes it. The order of calls is Add…, Seal, WriteTo; it is for one goroutine.
// The same files, priority and start give the same bytes.
type Builder struct {
	root   *node
	sealed bool
}

// NewBuilder begins an empty tree.
func NewBuilder() *Builder { return &Builder{root: &node{kind: Dir}} }

// Add puts a file at path, making the directories above it.
func (b *Builder) Add(path string, s Source) error {
	if b.sealed {
		return fmt.Errorf("cannot add %q: the tree is sealed", path)
	}
	if s.Size < 0 || s.Size == math.MaxInt64 || s.Open == nil {
		return fmt.Errorf("cannot add %q: it has no size or no content", path)
	}
	dir := b.root
	names := strings.Split(path, "/")
	for i, name := range names {
		if why := badName(name); why != "" || len(name) > DefaultLimits().Name {
			return refuse(BadName, path, "it is no path of plain names %s", why)
		}
		if i+1 >= DefaultLimits().Depth {
			return refuse(TooDeep, path, "directories are nested deeper than %d", DefaultLimits().Depth)
		}
		at := slices.IndexFunc(dir.children, func(c *node) bool { return c.name == name })
		last := i == len(names)-1
		switch {
		case at >= 0 && (last || dir.children[at].kind != Dir):
			return refuse(DuplicateName, path, "the name is taken")
		case at >= 0:
			dir = dir.children[at]
		case last:
			dir.children = append(dir.children, &node{name: name, path: path, kind: File, size: s.Size, source: s})
		default:
			child := &node{name: name, path: join(dir.path, name), kind: Dir}
			dir.children = append(dir.children, child)
			dir = child
		}
	}
	return nil
}

// Rewrite answers a sealed Builder over the members of a that keep permits; nil keeps all. What is left out stays in the
// tree as missing, so the result carries the same sighash. Bodies are verified while they are written.
func (a *Archive) Rewrite(keep func(path string) bool) *Builder {
	return &Builder{root: a.copyNode(a.root, keep), sealed: true}
}

func (a *Archive) copyNode(n *node, keep func(string) bool) *node {
	c := &node{name: n.name, path: n.path, kind: n.kind, hash: n.hash, size: n.size}
	switch n.kind {
	case File:
		if keep != nil && !keep(n.path) {
			c.kind = Missing
		}
		c.source = a.sourceOf(n)
	case Dir:
		kept := keep == nil || n == a.root
		for _, child := range n.children {
			child = a.copyNode(child, keep)
			kept = kept || child.kind != Missing
			c.children = append(c.children, child)
		}
		// A directory of which nothing is kept is left out itself, as the original does.
		if !kept {
			c.kind, c.children = Missing, nil
		}
	}
	return c
}

// copyBody streams the source of a file to w and refuses another size than was announced.
func (n *node) copyBody(ctx context.Context, w io.Writer, buf []byte) error {
	r, err := n.source.Open()
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", n.path, err)
	}
	return n.copyFrom(ctx, r, w, buf)
}

// copyFrom copies what is left of an opened source and closes it.
func (n *node) copyFrom(ctx context.Context, r io.ReadCloser, w io.Writer, buf []byte) (err error) {
	defer func() {
		if closed := r.Close(); err == nil && closed != nil {
			err = fmt.Errorf("cannot read %q: %w", n.path, closed)
		}
	}()
	// One byte more than announced is enough to notice that there is more.
	done, err := io.CopyBuffer(w, io.LimitReader(contextReader{ctx, r}, n.size+1), buf)
	if err != nil {
		return fmt.Errorf("cannot copy %q: %w", n.path, err)
	}
	if done > n.size {
		return n.longer()
	}
	if done != n.size {
		return fmt.Errorf("cannot use %q: it has %d bytes instead of the %d announced", n.path, done, n.size)
	}
	return nil
}

func (n *node) longer() error {
	return fmt.Errorf("cannot use %q: it has more than the %d bytes announced", n.path, n.size)
}

// contextReader ends a copy soon after its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// Plan is where everything of a sealed tree will lie in the file.
type Plan struct {
	Root Root
	// End is the first byte behind the tree.
	End   int64
	order []*node
}

// Plan lays the tree out from byte start on, without gaps: the root table, then breadth first every table and body, in
// each directory first the directories, then the files, then what is missing. Names decide within these; in the root
// priority does first, when it is given (lower comes earlier).
func (b *Builder) Plan(start int64, priority func(name string) int) (*Plan, error) {
	if !b.sealed {
		return nil, fmt.Errorf("cannot lay out a tree that is not sealed")
	}
	for n := range b.root.all() {
		n.arrange(nil)
	}
	b.root.arrange(priority)
	b.root.position = start
	p := &Plan{End: start + b.root.length, order: []*node{b.root}}
	for i := 0; i < len(p.order); i++ {
		for _, c := range p.order[i].children {
			if c.kind == Missing {
				continue
			}
			c.position = p.End
			if c.extent() > math.MaxInt64-p.End {
				return nil, fmt.Errorf("cannot lay out the tree: it is larger than a file can be")
			}
			p.End += c.extent()
			p.order = append(p.order, c)
		}
	}
	p.Root = Root{Sighash: b.root.hash, MaxSize: b.root.size, Position: start, Length: b.root.length, Reserved: start}
	return p, nil
}

func (n *node) arrange(priority func(string) int) {
	if n.kind != Dir {
		return
	}
	rank := [...]int{Missing: 2, File: 1, Dir: 0}
	slices.SortFunc(n.children, func(x, y *node) int {
		if d := rank[x.kind] - rank[y.kind]; d != 0 {
			return d
		}
		if priority != nil && x.kind != Missing {
			if d := priority(x.name) - priority(y.name); d != 0 {
				return d
			}
		}
		return strings.Compare(x.name, y.name)
	})
	n.length = n.tableLength()
}

// Write writes the tree as planned; the caller has written the bytes before it. Every body is hashed again on its way, and
// a source that changed since Seal fails the writing with reason HashMismatch.
func (p *Plan) Write(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, chunk)
	buf := make([]byte, chunk)
	for _, n := range p.order {
		if n.kind == Dir {
			if _, err := out.Write(n.appendTable(nil)); err != nil {
				return fmt.Errorf("cannot write the table of %q: %w", n.path, err)
			}
			continue
		}
		hash := blake3.New()
		if err := n.copyBody(ctx, io.MultiWriter(hash, out), buf); err != nil {
			return err
		}
		if !n.matches(hash) {
			return refuse(HashMismatch, n.path, "its source changed while it was written")
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("cannot write the package: %w", err)
	}
	return nil
}
