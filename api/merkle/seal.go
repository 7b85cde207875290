package merkle

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/blake3"
)

// Seal hashes all files and answers what is to be signed; the place of the tree is not part of it. On a Builder from
// Rewrite nothing is hashed again.
func (b *Builder) Seal(ctx context.Context) (Root, error) {
	if !b.sealed {
		if err := sealFiles(ctx, b.root); err != nil {
			return Root{}, err
		}
		b.root.sealTables()
		b.sealed = true
	}
	return Root{Sighash: b.root.hash, MaxSize: b.root.size}, nil
}

// sealFiles hashes the files below root: those that can be read anywhere on all cores, the others as they stream.
func sealFiles(ctx context.Context, root *node) error {
	s := sealing{pool: newPool(ctx, false, func(int64) {}), buf: make([]byte, chunk)}
	err := s.begin(ctx, root)
	if hashed := sourceError(s.pool.wait()); err == nil {
		err = hashed
	}
	for _, o := range s.opened {
		if closed := o.close(); err == nil {
			err = closed
		}
	}
	if err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// sealing are the sources being hashed. All that were opened are closed once the pool has ended.
type sealing struct {
	pool   *pool
	opened []*openSource
	buf    []byte
}

// begin hands out all files of a tree. It stops early, without an error of its own, when the pool has failed.
func (s *sealing) begin(ctx context.Context, root *node) error {
	for n := range root.all() {
		if n.kind != File {
			continue
		}
		if n.source.Hash != nil {
			n.hash = *n.source.Hash
			continue
		}
		r, err := n.source.Open()
		if err != nil {
			return fmt.Errorf("cannot read %q: %w", n.path, err)
		}
		file, ok := r.(io.ReaderAt)
		if !ok {
			if err := n.sealStream(ctx, r, s.buf); err != nil {
				return err
			}
			continue
		}
		o := &openSource{node: n, file: file, closer: r}
		s.opened = append(s.opened, o)
		if !s.pool.hash(&digest{file: file, path: n.path, size: n.size, done: o.done}) {
			return nil
		}
	}
	return nil
}

// openSource is a source while it is hashed in parts. It belongs to the worker that hashes its last part, and once all
// workers have ended to who began them.
type openSource struct {
	node   *node
	file   io.ReaderAt
	closer io.Closer
	closed bool
}

func (o *openSource) done(h Hash) error {
	o.node.hash = h
	// One byte more than announced is enough to notice that there is more.
	if n, _ := o.file.ReadAt(make([]byte, 1), o.node.size); n > 0 {
		return o.node.longer()
	}
	return o.close()
}

func (o *openSource) close() error {
	if o.closed {
		return nil
	}
	o.closed = true
	if err := o.closer.Close(); err != nil {
		return fmt.Errorf("cannot read %q: %w", o.node.path, err)
	}
	return nil
}

// sourceError words what was found out about a source as if it were a part of a package.
func sourceError(err error) error {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return err
	case e.Reason == Truncated:
		return fmt.Errorf("cannot use %q: it has fewer bytes than announced", e.Path)
	}
	return fmt.Errorf("cannot read %q: %w", e.Path, e.Err)
}

func (n *node) sealStream(ctx context.Context, r io.ReadCloser, buf []byte) error {
	hash := blake3.New()
	if err := n.copyFrom(ctx, r, hash, buf); err != nil {
		return err
	}
	hash.Sum(n.hash[:0])
	return nil
}

// sealTables hashes the tables of a directory and all below it, whose files have their hashes.
func (n *node) sealTables() {
	for _, c := range n.children {
		if c.kind == Dir {
			c.sealTables()
		}
	}
	n.size = n.tableLength()
	n.hash = n.sighash()
}
