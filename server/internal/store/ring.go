package store

import (
	"fmt"
	"slices"
	"sync"
)

// ringBytes bounds what the ring holds, measured by the records of its entries.
const ringBytes = 16 << 20

// ring holds the newest revisions for all watchers. Entries follow each other without a gap and are immutable.
type ring struct {
	mu    sync.Mutex // guards the following; a leaf
	slots []*entry   // the entry of revision r is at r % len
	first uint64     // oldest revision held
	next  uint64     // the revision the next entry has
	bytes int
	wake  chan struct{}    // closed and replaced when something is added
	calls map[string]*call // by the kinds waited for, those that nothing has ended yet
}

// call is a wait for the next change of some kinds. All who wait for the same kinds share one.
type call struct {
	kinds kindSet
	ended chan struct{}
	// before is, once the call has ended, the newest revision up to which nothing of the kinds had changed.
	before uint64
}

// kindSet are numbers of kinds, in ascending order.
type kindSet []uint16

// key is the set as something to compare.
func (k kindSet) key() string { return fmt.Sprint([]uint16(k)) }

func (k kindSet) in(e *entry) bool {
	return slices.ContainsFunc(e.changes, func(c change) bool {
		_, in := slices.BinarySearch(k, c.key.kind)
		return in
	})
}

func newRing(size int, revision uint64) *ring {
	return &ring{slots: make([]*entry, size), first: revision + 1, next: revision + 1, wake: make(chan struct{}), calls: map[string]*call{}}
}

// add appends entries and calls publish before anybody can see or be woken by them.
func (r *ring) add(entries []*entry, publish func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		for r.next > r.first && (r.next-r.first == uint64(len(r.slots)) || r.bytes+e.size > ringBytes) {
			old := &r.slots[r.first%uint64(len(r.slots))]
			r.bytes -= (*old).size
			*old = nil
			r.first++
		}
		r.slots[e.revision%uint64(len(r.slots))] = e
		r.bytes += e.size
		r.next = e.revision + 1
	}
	publish()
	close(r.wake)
	r.wake = make(chan struct{})
	for key, c := range r.calls {
		if first := slices.IndexFunc(entries, c.kinds.in); first >= 0 {
			c.before = entries[first].revision - 1
			close(c.ended)
			delete(r.calls, key)
		}
	}
}

// await answers the call for the next change of the kinds after revision; nil when there are newer revisions already, of
// whatever kind. key is that of the kinds.
func (r *ring) await(revision uint64, kinds kindSet, key string) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	if revision+1 < r.next {
		return nil
	}
	c := r.calls[key]
	if c == nil {
		c = &call{kinds: kinds, ended: make(chan struct{})}
		r.calls[key] = c
	}
	return c
}

// after appends up to limit entries that follow revision, and answers whether the ring reaches back that far and a channel
// that is closed when there is more.
func (r *ring) after(revision uint64, limit int, to []*entry) (entries []*entry, held bool, wake <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if revision+1 < r.first {
		return to, false, r.wake
	}
	if revision+1 >= r.next {
		return to, true, r.wake
	}
	to = slices.Grow(to, int(min(uint64(limit), r.next-revision-1)))
	for rev := revision + 1; rev < r.next && limit > 0; rev++ {
		to = append(to, r.slots[rev%uint64(len(r.slots))])
		limit--
	}
	return to, true, r.wake
}
