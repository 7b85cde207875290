package registryd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/registryd/blob"
)

const (
	followEvery = time.Second // a poll, since storage tells nobody that it has changed
	readers     = 16          // of parts at once
)

// follower reads what another registry has written. It shows states of that registry, each whole, and never an older one than it
// showed; where the storage does not answer it goes on showing the last one.
type follower struct {
	service  *Service
	revision atomic.Uint64
	writer   atomic.Pointer[string]

	head *registryv1.StorageHead // that is shown; the rest is for one goroutine
	tag  string
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			err := f.step(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				f.service.opt.Log.Warn("cannot follow the registry that writes; what was read last is shown", "error", err)
			}
			failing = err != nil
		}
	}
}

// step shows what has been written since.
func (f *follower) step(ctx context.Context) error {
	head, tag, err := loadHead(ctx, f.service.storage, f.tag)
	switch {
	case errors.Is(err, blob.ErrSame):
		return nil
	case errors.Is(err, fs.ErrNotExist) && f.head == nil:
		return errors.New("the storage holds no registry: start the one that writes first, with --storage")
	case err != nil:
		return err
	case head.GetTerm() < f.head.GetTerm(), head.GetTerm() == f.head.GetTerm() && head.GetRevision() < f.head.GetRevision():
		return fmt.Errorf("the storage holds an older state than before: %d of %d, after %d of %d", head.GetRevision(), head.GetTerm(), f.head.GetRevision(), f.head.GetTerm())
	}
	next := newCatalog()
	if err := f.read(ctx, head, next); err != nil {
		return err
	}
	rest, err := loadPart(ctx, f.service.storage, head.GetRest())
	if err == nil {
		err = next.setRest(rest)
	}
	if err != nil {
		return err
	}
	f.service.catalog.take(next)
	f.head, f.tag = head, tag
	f.revision.Store(head.GetRevision())
	url := head.GetUrl()
	f.writer.Store(&url)
	return nil
}

// read reads the packages that are other ones than those that are shown.
func (f *follower) read(ctx context.Context, head *registryv1.StorageHead, into *catalog) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for id := range f.head.GetPackages() {
		if _, there := head.GetPackages()[id]; !there {
			into.packages[id] = nil
		}
	}
	var mu sync.Mutex // guards into
	var wait sync.WaitGroup
	room := make(chan struct{}, readers)
	for id, digest := range head.GetPackages() {
		if string(f.head.GetPackages()[id]) == string(digest) {
			continue
		}
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			e, err := f.entry(ctx, id, digest)
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			into.packages[id] = e
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

func (f *follower) entry(ctx context.Context, id string, digest []byte) (*entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	part, err := loadPart(ctx, f.service.storage, digest)
	if err != nil {
		return nil, err
	}
	if part.GetPackage().GetMeta().GetId() != id {
		return nil, fmt.Errorf("cannot use %s: it is not of %s", partName(digest), id)
	}
	return newEntry(part)
}

func (f *follower) refusal() error {
	url := ""
	if w := f.writer.Load(); w != nil {
		url = *w
	}
	return fault.New(metav1.Reason_REASON_REGISTRY_REPLICA, "cannot change anything here: this registry is a replica of %s", url).With("writer", url)
}
