package account

import (
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// How often somebody may guess: from one source, a few times for one account and then once in a while, and a few times
// more for all accounts together. There is no count for an account alone: with it, anybody could shut its owner out.
const (
	perAccount      = 5
	perAccountEvery = 30 * time.Second
	perSource       = 20
	perSourceEvery  = 6 * time.Second
	maxBuckets      = 8192
)

// attempts counts guesses in memory; a restart forgets them. It is safe for concurrent use.
//
// A bucket belongs to a source and an account, or to a source alone. Whoever guesses empties his own buckets: the owner
// is let in from any other source, and sessions that are open are not asked for a password. A password that is right
// gives back what it took.
type attempts struct {
	mu      sync.Mutex // guards buckets; a leaf
	buckets map[bucketKey]*bucket
}

type bucketKey struct{ source, account string }

// bucket says when it would be full again, which is all there is to know of it.
type bucket struct{ full time.Time }

func newAttempts() *attempts { return &attempts{buckets: map[bucketKey]*bucket{}} }

// begin takes an attempt, before anything is checked, so that guesses at the same time count too. done gives it back.
func (a *attempts) begin(now time.Time, source, account string) (done func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, all := bucketKey{source, "/" + account}, bucketKey{source, ""}
	wait := max(a.missing(now, one, perAccount, perAccountEvery), a.missing(now, all, perSource, perSourceEvery))
	if wait > 0 {
		return nil, fault.New(metav1.Reason_REASON_RATE_LIMITED, "cannot check the password: there were too many attempts from where you are").
			RetryAfter(wait.Round(time.Second) + time.Second)
	}
	a.take(now, one, perAccountEvery)
	a.take(now, all, perSourceEvery)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.buckets, one)
		if b := a.buckets[all]; b != nil {
			b.full = b.full.Add(-perSourceEvery)
		}
	}, nil
}

// missing tells how long until a bucket has one to give.
func (a *attempts) missing(now time.Time, key bucketKey, size int, every time.Duration) time.Duration {
	b := a.buckets[key]
	if b == nil {
		return 0
	}
	return b.full.Sub(now) - time.Duration(size-1)*every
}

func (a *attempts) take(now time.Time, key bucketKey, every time.Duration) {
	b := a.buckets[key]
	if b == nil {
		a.makeRoom(now)
		b = &bucket{full: now}
		a.buckets[key] = b
	}
	if b.full.Before(now) {
		b.full = now
	}
	b.full = b.full.Add(every)
}

// makeRoom forgets buckets that are full, and where none is, the one that would be first: of it there is the least to
// remember. So nobody who guessed often is forgotten because others came, and what guessing costs is bounded by the hasher.
func (a *attempts) makeRoom(now time.Time) {
	if len(a.buckets) < maxBuckets {
		return
	}
	var least bucketKey
	var first *bucket
	for key, b := range a.buckets {
		if !b.full.After(now) {
			delete(a.buckets, key)
		} else if first == nil || b.full.Before(first.full) {
			least, first = key, b
		}
	}
	if len(a.buckets) >= maxBuckets {
		delete(a.buckets, least)
	}
}
