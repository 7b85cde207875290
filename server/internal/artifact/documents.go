package artifact

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
)

const (
	// MaxDocument bounds what is answered of a package for people to see. Larger texts and icons count as absent.
	MaxDocument = 1 << 20
	// maxElsewhere bounds assets that are read out of a file that lies elsewhere: they are held in memory.
	maxElsewhere = 16 << 20
	// maxChecked bounds how many documents are known to have been compared with what was signed.
	maxChecked = 1024
)

// Large is the content of a document that is not held in memory. It was compared with what was signed.
type Large struct {
	*io.SectionReader
	file *os.File
}

// Close ends reading.
func (l *Large) Close() error { return l.file.Close() }

// Document reads what a kept file brings for people to see. Content of more than MaxDocument bytes is not in the document: it is what is
// returned beside it, for the caller to close. It is compared with what was signed before it is read for the first time since
// the server started, which takes as long as reading it.
func (k *Keeper) Document(ctx context.Context, id string, kind packagesv1.Document_Kind) (*packagesv1.Document, *Large, error) {
	if !idPattern.MatchString(id) {
		return nil, nil, fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no package file %q", id)
	}
	f, err := os.Open(k.Path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no package file %q", id)
	}
	if err != nil {
		return nil, nil, err
	}
	d, large, err := k.documentOf(ctx, f, kind)
	if err != nil || large == nil {
		return d, nil, errors.Join(err, f.Close())
	}
	return d, large, nil
}

func (k *Keeper) documentOf(ctx context.Context, f *os.File, kind packagesv1.Document_Kind) (*packagesv1.Document, *Large, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
	if err != nil {
		return nil, nil, refusal(err)
	}
	path, mediaType, err := k.placeOf(file, kind)
	if err != nil {
		return nil, nil, err
	}
	if e, _ := file.Lookup(path); kind != packagesv1.Document_KIND_ASSETS || e.Size <= MaxDocument {
		d, err := k.document(file, kind, MaxDocument)
		return d, nil, err
	}
	if err := k.check(ctx, file, path); err != nil {
		return nil, nil, err
	}
	e, _ := file.Lookup(path)
	section, err := file.Section(path)
	if err != nil {
		return nil, nil, refusal(err)
	}
	return &packagesv1.Document{Kind: kind, MediaType: mediaType, Digest: e.Hash[:]}, &Large{io.NewSectionReader(f, section.Offset, section.Size), f}, nil
}

// checkedKey is a member of a kept file. What is kept is not written to.
type checkedKey struct {
	file merkle.Hash
	path string
}

// check compares a member with what was signed, once.
func (k *Keeper) check(ctx context.Context, file *s9pk.File, path string) error {
	key := checkedKey{file.Commitment().RootSighash, path}
	k.mu.Lock()
	done := k.checked[key]
	k.mu.Unlock()
	if done {
		return nil
	}
	r, err := file.Open(path)
	if err != nil {
		return refusal(err)
	}
	for err == nil && ctx.Err() == nil {
		_, err = io.CopyN(io.Discard, r, 8<<20)
	}
	switch {
	case err == nil:
		return ctx.Err()
	case !errors.Is(err, io.EOF):
		return refusal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.checked) >= maxChecked {
		clear(k.checked) // all of them can be compared again
	}
	k.checked[key] = true
	return nil
}

// DocumentIn reads a document out of a file that lies elsewhere, of which only what its signers have signed is believed.
func (k *Keeper) DocumentIn(r io.ReaderAt, size int64, c s9pk.Commitment, kind packagesv1.Document_Kind) (*packagesv1.Document, error) {
	file, err := s9pk.Open(r, size, s9pk.Options{Commitment: &c})
	if err != nil {
		return nil, refusal(err)
	}
	return k.document(file, kind, maxElsewhere)
}

// placeOf finds a document.
func (k *Keeper) placeOf(file *s9pk.File, kind packagesv1.Document_Kind) (path, mediaType string, err error) {
	layout, err := file.Layout(k.architecture)
	if err != nil {
		return "", "", refusal(err)
	}
	mediaType = "text/markdown"
	switch kind {
	case packagesv1.Document_KIND_ICON:
		path = layout.Icon
		mediaType = s9pk.IconType(path)
	case packagesv1.Document_KIND_INSTRUCTIONS:
		path = layout.Instructions
	case packagesv1.Document_KIND_LICENSE:
		path = s9pk.PathLicense
	case packagesv1.Document_KIND_ASSETS:
		path = layout.Assets
		mediaType = "application/vnd.squashfs"
	}
	if e, ok := file.Lookup(path); path == "" || !ok || e.Size > MaxDocument && kind != packagesv1.Document_KIND_ASSETS {
		return "", "", fault.New(metav1.Reason_REASON_NOT_FOUND, "the package has no such document").With("kind", kind)
	}
	return path, mediaType, nil
}

// document reads a document of up to so many bytes.
func (k *Keeper) document(file *s9pk.File, kind packagesv1.Document_Kind, most int64) (*packagesv1.Document, error) {
	path, mediaType, err := k.placeOf(file, kind)
	if err != nil {
		return nil, err
	}
	e, _ := file.Lookup(path)
	if e.Size > most {
		return nil, fault.New(metav1.Reason_REASON_DOCUMENT_TOO_LARGE, "cannot read a document of %d bytes out of a file that lies elsewhere: at most %d are read", e.Size, most).With("size", e.Size)
	}
	content, err := file.ReadFile(path, most)
	if err != nil {
		return nil, refusal(err)
	}
	return &packagesv1.Document{Kind: kind, MediaType: mediaType, Content: content, Digest: e.Hash[:]}, nil
}
