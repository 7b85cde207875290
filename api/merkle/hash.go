package merkle

import (
	"context"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"lukechampine.com/blake3/guts"
)

// digest is a file being hashed by several workers.
type digest struct {
	file     io.ReaderAt
	path     string
	position int64
	size     int64
	// done is called with the hash by the worker that hashed the last segment.
	done func(Hash) error
	// tops are those of the segments, each written by the worker that hashed it; left counts the segments to come.
	tops []guts.Node
	left atomic.Int64
}

// job is one segment to hash.
type job struct {
	of    *digest
	index int64
}

// pool is the workers that hash segments. Its memory is a piece a worker, whatever the size of the files.
type pool struct {
	jobs   chan job
	group  *errgroup.Group
	ctx    context.Context // that of the call that began it; ends with the first failure
	hashed atomic.Int64
	tell   func() // called by who hands out and waits, now and then
	tick   *time.Ticker
}

// often is how often somebody hears how far the work is.
const often = 100 * time.Millisecond

// newPool begins to hash on all cores, or with one worker. How far it is is told as often as is worth it.
func newPool(ctx context.Context, alone bool, tell func(hashed int64)) *pool {
	workers := runtime.GOMAXPROCS(0)
	if alone {
		workers = 1
	}
	p := &pool{jobs: make(chan job), tick: time.NewTicker(often)}
	p.tell = func() { tell(p.hashed.Load()) }
	p.group, p.ctx = errgroup.WithContext(ctx)
	for range workers {
		p.group.Go(p.work)
	}
	return p
}

// hash hands out the segments of a file. It answers false when the pool has failed or its context has ended.
func (p *pool) hash(d *digest) bool {
	count := max(1, (d.size+segment-1)/segment)
	d.tops = make([]guts.Node, count)
	d.left.Store(count)
	for i := range count {
		for sent := false; !sent; {
			select {
			case p.jobs <- job{d, i}:
				sent = true
			case <-p.tick.C:
				p.tell()
			case <-p.ctx.Done():
				return false
			}
		}
	}
	return true
}

// wait ends the pool once all that was handed out is hashed.
func (p *pool) wait() error {
	defer p.tick.Stop()
	close(p.jobs)
	ended := make(chan error, 1)
	go func() { ended <- p.group.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case <-p.tick.C:
			p.tell()
		}
	}
}

func (p *pool) work() error {
	var buf []byte
	h := segmentHash{scratch: make([]byte, group)}
	for j := range p.jobs {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		d := j.of
		start := j.index * segment
		size := min(d.size-start, segment)
		h.begin(j.index)
		top, ok := mappedTop(d.file, d.position+start, int(size), &h)
		if !ok {
			if buf == nil {
				buf = make([]byte, piece)
			}
			var err error
			h.begin(j.index)
			if top, err = p.readTop(d, start, size, buf, &h); err != nil {
				return err
			}
		} else {
			p.hashed.Add(size)
		}
		d.tops[j.index] = top
		if d.left.Add(-1) == 0 {
			if err := d.done(d.sum()); err != nil {
				return err
			}
		}
	}
	return nil
}

// readTop hashes a segment that is read into buf, piece by piece.
func (p *pool) readTop(d *digest, start, size int64, buf []byte, h *segmentHash) (guts.Node, error) {
	for at := d.position + start; ; at += piece {
		if p.ctx.Err() != nil {
			return guts.Node{}, context.Cause(p.ctx)
		}
		part := buf[:min(size, piece)]
		if err := readFull(d.file, part, at, d.path); err != nil {
			return guts.Node{}, err
		}
		p.hashed.Add(int64(len(part)))
		if size -= int64(len(part)); size == 0 {
			return h.end(part), nil
		}
		h.add(part)
	}
}

// sum joins the segments once all are there.
func (d *digest) sum() Hash {
	var s subtrees
	last := len(d.tops) - 1
	for _, top := range d.tops[:last] {
		s.push(top)
	}
	return rootHash(s.finish(d.tops[last]))
}
