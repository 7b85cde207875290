package cert

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// Issued is a leaf as people see it.
type Issued struct {
	// ID is the same for the same holder, names and algorithm, also after a renewal.
	ID          string
	Holder      Holder
	Names       []string
	Algorithm   Algorithm
	Begin, End  time.Time
	Fingerprint string
	// Asked is when it was last asked for since the server started; zero where nobody did.
	Asked time.Time
}

// keptUnused is for how long a leaf stays that nobody uses any more: a network that comes back gets the same key again.
const keptUnused = 7 * 24 * time.Hour

// Issued answers the leaves there are, the newest first.
func (a *Authority) Issued() []Issued {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Issued, 0, len(a.leaves))
	for id, l := range a.leaves {
		i := l.issued(id)
		i.Asked = a.asked[id]
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Issued) int { return cmp.Or(b.Begin.Compare(a.Begin), cmp.Compare(a.ID, b.ID)) })
	return out
}

func (l *leaf) issued(id string) Issued {
	c := l.certificate
	return Issued{
		ID: id, Holder: l.holder, Names: namesOf(c), Algorithm: algorithmOf(l.key), Begin: c.NotBefore, End: c.NotAfter, Fingerprint: fingerprint(c),
	}
}

// ForDevice is Leaf for a device, with what it is as people see it.
func (a *Authority) ForDevice(names []string, alg Algorithm) (i Issued, chain, key []byte, err error) {
	if chain, key, _, err = a.Leaf(Device, names, alg); err != nil {
		return Issued{}, nil, nil, err
	}
	if names, err = canonical(names); err != nil {
		return Issued{}, nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	id := leafID(Device, names, alg)
	l := a.leaves[id]
	if l == nil { // forgotten by somebody else just now
		return Issued{}, nil, nil, notFound(id)
	}
	return l.issued(id), chain, key, nil
}

// Sweep removes the leaves of the server and of packages that have not been used for keptUnused. When one was used last is the time
// of its file, which the sweeps before have set. A device's stays until somebody forgets it.
func (a *Authority) Sweep(now time.Time, used func(Issued) bool) error {
	var errs []error
	for _, i := range a.Issued() {
		if i.Holder != Device {
			errs = append(errs, a.sweep(now, i, used(i)))
		}
	}
	return errors.Join(errs...)
}

func (a *Authority) sweep(now time.Time, i Issued, used bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := a.leafPath(i.ID)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it was removed meanwhile
		return nil
	case err != nil:
		return fmt.Errorf("cannot tell when a certificate was used: %w", err)
	case used || now.Sub(a.asked[i.ID]) < keptUnused:
		if now.Sub(info.ModTime()) < keptUnused/7 {
			return nil // it is known well enough
		}
		return os.Chtimes(path, now, now)
	case now.Sub(info.ModTime()) < keptUnused:
		return nil
	}
	return a.remove(i.ID)
}

// Forget removes a leaf of a device and its key. What was handed out stays valid to its end.
func (a *Authority) Forget(id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.leaves[id]; l == nil || l.holder != Device {
		return notFound(id)
	}
	return a.remove(id)
}

func notFound(id string) error {
	return fault.New(metav1.Reason_REASON_CERTIFICATE_NOT_FOUND, "there is no certificate of a device with the id %.64q", id).With("id", id)
}
