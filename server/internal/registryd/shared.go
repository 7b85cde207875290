package registryd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/registryd/blob"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	headFolder   = "head"
	headName     = headFolder + "/current"
	maxHead      = 64 << 20
	maxPart      = 64 << 20
	partsAtOnce  = 256              // that are read from the store at once
	lookEvery    = 10 * time.Second // whether somebody else writes
	longestPause = 30 * time.Second
	lastPatience = 5 * time.Second
)

// shared writes what the registry lists into its storage, for others to follow: a part for each package that never changes, and then
// the head that names them all. What it writes is always one state of the registry that was committed.
type shared struct {
	service *Service
	wake    chan struct{}

	mu      sync.Mutex // guards the next three
	dirty   map[string]bool
	dropped []string // names of files that nothing lists any more, to be removed when the head says so
	other   error    // why nothing is written any more: somebody else does

	head *registryv1.StorageHead // as it is in the storage; the rest is for one goroutine
	tag  string
}

// loadHead reads the head of a storage; ErrSame when it still has the tag.
func loadHead(ctx context.Context, from blob.Reader, tag string) (*registryv1.StorageHead, string, error) {
	raw, next, err := from.Load(ctx, headName, maxHead, tag)
	if err != nil {
		return nil, tag, err
	}
	head, err := ParseHead(raw)
	return head, next, err
}

// ParseHead reads the head of a storage.
func ParseHead(raw []byte) (*registryv1.StorageHead, error) {
	head := &registryv1.StorageHead{}
	if err := proto.Unmarshal(raw, head); err != nil {
		return nil, fmt.Errorf("cannot read the head of the storage: %w", err)
	}
	for id, digest := range head.GetPackages() {
		if id == "" || len(digest) != sha256.Size {
			return nil, fmt.Errorf("cannot read the head of the storage: the part of %q has no digest", id)
		}
	}
	if head.GetStore() == "" || head.GetTerm() == 0 || len(head.GetRest()) != sha256.Size {
		return nil, errors.New("cannot read the head of the storage: it is not whole")
	}
	return head, nil
}

func partName(digest []byte) string { return partFolder + "/" + hex.EncodeToString(digest) }

// loadPart reads a part, which is what its name says.
func loadPart(ctx context.Context, from blob.Reader, digest []byte) (*registryv1.StoragePart, error) {
	raw, _, err := from.Load(ctx, partName(digest), maxPart, "")
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(raw); string(sum[:]) != string(digest) {
		return nil, fmt.Errorf("cannot use %s: it is another one", partName(digest))
	}
	part := &registryv1.StoragePart{}
	if err := proto.Unmarshal(raw, part); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", partName(digest), err)
	}
	return part, nil
}

// share begins to write. Where another registry wrote before, it goes on from what that one has written, if it may.
func (s *Service) share(ctx context.Context) (*shared, error) {
	h := &shared{service: s, wake: make(chan struct{}, 1), dirty: map[string]bool{}}
	head, tag, err := loadHead(ctx, s.storage, "")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		head = &registryv1.StorageHead{Term: 1}
	case err != nil:
		return nil, err
	case head.GetStore() == s.store.ID():
	case !s.opt.TakeOver:
		return nil, storageOther(head.GetUrl())
	default:
		if err := s.restore(ctx, head); err != nil {
			return nil, fmt.Errorf("cannot take over what the storage holds: %w", err)
		}
		head.Term++
	}
	for id := range head.GetPackages() {
		h.dirty[id] = true
	}
	h.head, h.tag = head, tag
	return h, nil
}

func storageOther(url string) *fault.Error {
	return fault.New(metav1.Reason_REASON_REGISTRY_STORAGE_OTHER, "cannot write to the storage: the registry at %s does", url).With("writer", url)
}

// begin writes everything that is not in the storage yet, and removes what a crash has left there.
func (h *shared) begin(ctx context.Context) error {
	known := h.tag != ""
	h.mark(h.service.catalog.all())
	if err := h.write(ctx); err != nil || !known {
		return err // whose files lie where no head was is not known
	}
	if err := h.service.files.sweep(ctx, h.service.catalog.kept()); err != nil {
		return err
	}
	named := map[string]bool{partName(h.head.GetRest()): true}
	for _, digest := range h.head.GetPackages() {
		named[partName(digest)] = true
	}
	var gone []string
	err := h.service.storage.List(ctx, partFolder, func(name string) error {
		if !named[name] {
			gone = append(gone, name)
		}
		return nil
	})
	for _, name := range gone {
		err = errors.Join(err, h.service.storage.Remove(ctx, name))
	}
	return err
}

// mark has packages be written anew, and all that is of none.
func (h *shared) mark(packages []string) {
	h.mu.Lock()
	for _, id := range packages {
		h.dirty[id] = true
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// drop has files be removed when no head lists them.
func (h *shared) drop(names []string) {
	h.mu.Lock()
	h.dropped = append(h.dropped, names...)
	h.mu.Unlock()
}

func (h *shared) refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.other
}

// run writes what changes until ctx ends, and then once more.
func (h *shared) run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	pause := time.Second
	for {
		var again <-chan time.Time
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPatience)
			defer cancel()
			return h.write(last)
		case <-h.wake:
			err := h.write(ctx)
			if err == nil {
				pause = time.Second
				continue
			}
			h.service.opt.Log.Warn("cannot write into the storage what replicas follow", "error", err, "pause", pause)
			again = time.After(pause)
			pause = min(2*pause, longestPause)
		case <-look.C:
			if err := h.look(ctx); err != nil {
				h.service.opt.Log.Warn("cannot look into the storage", "error", err)
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-again:
			h.mark(nil)
		}
	}
}

// look finds out whether somebody else writes.
func (h *shared) look(ctx context.Context) error {
	head, tag, err := loadHead(ctx, h.service.storage, h.tag)
	if errors.Is(err, blob.ErrSame) {
		return nil
	}
	if err != nil {
		return err
	}
	if head.GetStore() == h.service.store.ID() && head.GetTerm() == h.head.GetTerm() {
		h.head, h.tag = head, tag // ours, of which the answer was lost
		return nil
	}
	h.mu.Lock()
	h.other = storageOther(head.GetUrl())
	h.mu.Unlock()
	return h.refusal()
}

// write writes parts until none is left to be written, and then the head.
func (h *shared) write(ctx context.Context) error {
	if err := h.refusal(); err != nil {
		return err
	}
	next := &registryv1.StorageHead{
		Store: h.service.store.ID(), Term: h.head.GetTerm(), WriteTime: timestamppb.New(h.service.opt.Clock()), Url: h.service.opt.URL,
		Packages: maps.Clone(h.head.GetPackages()),
	}
	if next.Packages == nil {
		next.Packages = map[string][]byte{}
	}
	var taken, dropped []string
	for {
		parts, rest, revision, err := h.take(&taken, &dropped)
		if err == nil {
			err = h.writeParts(ctx, next, parts)
		}
		if err == nil && rest != nil {
			next.Revision = revision
			next.Rest, err = h.writePart(ctx, rest, h.head.GetRest())
		}
		if err != nil {
			h.putBack(taken, dropped)
			return err
		}
		if rest != nil {
			break
		}
	}
	if err := h.swap(ctx, next); err != nil {
		h.putBack(taken, dropped)
		return err
	}
	h.clean(ctx, next, dropped)
	return nil
}

// take reads the next packages to be written, nil for one that is not there any more; or, where there are none, all else of the
// same moment.
func (h *shared) take(taken, dropped *[]string) (parts map[string]*registryv1.StoragePart, rest *registryv1.StoragePart, revision uint64, err error) {
	s := h.service
	s.changes.Lock()
	defer s.changes.Unlock()
	h.mu.Lock()
	var batch []string
	for id := range h.dirty {
		if len(batch) == partsAtOnce {
			break
		}
		batch = append(batch, id)
		delete(h.dirty, id)
	}
	if len(batch) == 0 {
		*dropped, h.dropped = h.dropped, nil
	}
	h.mu.Unlock()
	*taken = append(*taken, batch...)
	return parts, rest, revision, s.store.View(func(tx *store.Tx) error {
		if len(batch) == 0 {
			revision = tx.Revision()
			rest, err = readRest(tx)
			return err
		}
		parts = make(map[string]*registryv1.StoragePart, len(batch))
		for _, id := range batch {
			if parts[id], err = readPackage(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *shared) putBack(taken, dropped []string) {
	h.drop(dropped)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range taken {
		h.dirty[id] = true
	}
}

func (h *shared) writeParts(ctx context.Context, next *registryv1.StorageHead, parts map[string]*registryv1.StoragePart) error {
	for id, part := range parts {
		if part == nil {
			delete(next.Packages, id)
			continue
		}
		digest, err := h.writePart(ctx, part, next.Packages[id])
		if err != nil {
			return err
		}
		next.Packages[id] = digest
	}
	return nil
}

// writePart writes a part, if it is another than the one that is there.
func (h *shared) writePart(ctx context.Context, part *registryv1.StoragePart, have []byte) ([]byte, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(part)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxPart {
		return nil, fmt.Errorf("cannot write the part of %s: it has more than %d bytes", part.GetPackage().GetMeta().GetId(), maxPart)
	}
	sum := sha256.Sum256(raw)
	if string(have) == string(sum[:]) {
		return have, nil
	}
	return sum[:], h.service.storage.Put(ctx, partName(sum[:]), strings.NewReader(string(raw)))
}

// swap puts the next head in the place of the one that is there.
func (h *shared) swap(ctx context.Context, next *registryv1.StorageHead) error {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(next)
	if err != nil {
		return err
	}
	tag, err := h.service.storage.Swap(ctx, headName, raw, h.tag)
	if errors.Is(err, blob.ErrSwapped) {
		if err = h.look(ctx); err == nil {
			tag, err = h.service.storage.Swap(ctx, headName, raw, h.tag)
		}
	}
	if err != nil {
		return err
	}
	h.tag = tag
	return nil
}

// clean removes what the head does not name any more. What stays is removed at the next start.
func (h *shared) clean(ctx context.Context, next *registryv1.StorageHead, dropped []string) {
	before := h.head
	h.head = next
	named := map[string]bool{string(next.GetRest()): true}
	for _, digest := range next.GetPackages() {
		named[string(digest)] = true
	}
	old := append(slices.Collect(maps.Values(before.GetPackages())), before.GetRest())
	var err error
	for _, digest := range old {
		if len(digest) > 0 && !named[string(digest)] {
			err = errors.Join(err, h.service.storage.Remove(ctx, partName(digest)))
		}
	}
	kept := map[string]bool{}
	if len(dropped) > 0 {
		kept = h.service.catalog.kept()
	}
	for _, name := range dropped {
		if !kept[name] {
			err = errors.Join(err, h.service.files.remove(ctx, name))
		}
	}
	if err != nil {
		h.service.opt.Log.Warn("cannot remove from the storage what nothing names any more", "error", err)
	}
}

// restore brings the rows of the store to what a head names. It may be repeated.
func (s *Service) restore(ctx context.Context, head *registryv1.StorageHead) error {
	update := func(fn func(tx *store.Tx) error) error {
		_, err := s.store.Update(ctx, s.opt.Clock(), fn)
		return err
	}
	var have []string
	err := s.store.View(func(tx *store.Tx) (err error) {
		have, err = store.IDs[*registryv1.RegistryPackage](tx, "")
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range have {
		if _, there := head.GetPackages()[id]; !there {
			if err := update(func(tx *store.Tx) error { return putPackage(tx, id, nil) }); err != nil {
				return err
			}
		}
	}
	for id, digest := range head.GetPackages() {
		part, err := loadPart(ctx, s.storage, digest)
		if err == nil {
			err = update(func(tx *store.Tx) error { return putPackage(tx, id, part) })
		}
		if err != nil {
			return err
		}
	}
	rest, err := loadPart(ctx, s.storage, head.GetRest())
	if err != nil {
		return err
	}
	return update(func(tx *store.Tx) error { return putRest(tx, rest) })
}
