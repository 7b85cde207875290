package registry

import (
	"context"
	"io"
	"sync"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
)

const (
	documentTimeout = 30 * time.Second
	documentsAtOnce = 4        // that are read where they lie
	maxDocuments    = 16 << 20 // bytes of them that are kept at hand
)

// documents are those of listed files that were read. A file is what its commitment says, so they never get old.
type documents struct {
	room chan struct{} // held by who reads

	mu   sync.Mutex // guards the rest
	kept map[documentKey]*packagesv1.Document
	size int
}

type documentKey struct {
	commitment s9pk.Commitment
	kind       packagesv1.Document_Kind
}

func newDocuments() *documents {
	return &documents{room: make(chan struct{}, documentsAtOnce), kept: map[documentKey]*packagesv1.Document{}}
}

// ReadDocument reads a document out of a package file, of which it believes what fits the commitment.
type ReadDocument func(r io.ReaderAt, size int64, c s9pk.Commitment, kind packagesv1.Document_Kind) (*packagesv1.Document, error)

// Document is what a listed package brings for people to see, read out of the file where it lies: of the registry, or of the first
// that has it. What is answered is not to be changed.
func (s *Service) Document(ctx context.Context, reg, pkg, version string, kind packagesv1.Document_Kind, read ReadDocument) (*packagesv1.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	id, asset, err := s.offered(ctx, reg, pkg, version)
	if err != nil {
		return nil, err
	}
	key := documentKey{asset.Commitment, kind}
	if d := s.documents.get(key); d != nil {
		return d, nil
	}
	select {
	case s.documents.room <- struct{}{}:
		defer func() { <-s.documents.room }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d := s.documents.get(key); d != nil { // who waited before has read it
		return d, nil
	}
	file, err := s.Open(ctx, id, asset)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	d, err := read(file, file.Size(), asset.Commitment, kind)
	if err != nil {
		return nil, err
	}
	s.documents.keep(key, d)
	return d, nil
}

// offered is the file of a listed version, with the registry that lists it.
func (s *Service) offered(ctx context.Context, reg, pkg, version string) (id string, asset registry.Asset, err error) {
	target, err := targetOf(version)
	if err != nil {
		return "", asset, err
	}
	detail := registry.DetailNone
	row, l, err := s.listing(ctx, reg, "", registry.GetParams{ID: &pkg, TargetVersion: target, OtherVersions: &detail})
	if err != nil {
		return "", asset, err
	}
	best, _ := registry.Choose(registry.Candidates(l.Best), registry.Question{Target: target, Device: s.device("")})
	if len(best) == 0 || len(best[0].Version.Files) == 0 {
		return "", asset, invalid(row, "it lists no file of %s", pkg)
	}
	asset = best[0].Version.Files[0].Asset
	return row.GetMeta().GetId(), asset, check(row, asset)
}

func (d *documents) get(key documentKey) *packagesv1.Document {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept[key]
}

func (d *documents) keep(key documentKey, doc *packagesv1.Document) {
	if len(doc.GetContent()) > maxDocuments/4 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept[key] != nil {
		return
	}
	for old, have := range d.kept { // any will do: all of them can be read again
		if d.size+len(doc.GetContent()) <= maxDocuments {
			break
		}
		d.size -= len(have.GetContent())
		delete(d.kept, old)
	}
	d.kept[key] = doc
	d.size += len(doc.GetContent())
}
