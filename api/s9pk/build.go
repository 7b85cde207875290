package s9pk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/sign"
)

// Order decides how the members of the root follow each other in the file. It changes neither commitment nor signature.
type Order int

// Priority puts first what a catalogue shows, as the original does whenever it rewrites a package; ByName is how it packs
// one at first.
const (
	Priority Order = iota
	ByName
)

func (o Order) function() func(string) int {
	if o == ByName {
		return nil
	}
	return rootPriority
}

func rootPriority(name string) int {
	switch name {
	case PathManifest:
		return 0
	case PathLicense:
		return 2
	case PathInstructions:
		return 3
	case dirDependencies:
		return 4
	case PathJavaScript:
		return 5
	case PathAssets:
		return 6
	case dirImages:
		return 7
	}
	if stem := strings.LastIndexByte(name, '.'); stem >= 0 && name[:stem] == "icon" {
		return 1
	}
	return 8
}

// BuildInput is a package to be written. Members are all files but the manifest by their paths; see the package comment
// for what must be there. The manifest is written as it is given.
type BuildInput struct {
	Manifest []byte
	Members  map[string]merkle.Source
	Key      sign.PrivateKey
	Order    Order
}

// FromBytes is a member held in memory.
func FromBytes(b []byte) merkle.Source {
	return merkle.Source{Size: int64(len(b)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}}
}

// FromFile is a member read from a regular file, which must not change until the package is written.
func FromFile(path string) (merkle.Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return merkle.Source{}, fmt.Errorf("cannot pack a file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return merkle.Source{}, fmt.Errorf("cannot pack %q: it is not a regular file", path)
	}
	return merkle.Source{Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(path) }}, nil
}

// Build checks, signs and writes a package. Every source is read twice, once to hash and once to write. The same input
// gives the same bytes. After an error what was written is worthless.
func Build(ctx context.Context, w io.Writer, in BuildInput) (Commitment, error) {
	if err := checkDescriptions(in.Members); err != nil {
		return Commitment{}, err
	}
	members := maps.Clone(in.Members)
	if members == nil {
		members = make(map[string]merkle.Source)
	}
	members[PathManifest] = FromBytes(in.Manifest)
	if err := checkInput(in.Manifest, members); err != nil {
		return Commitment{}, err
	}
	b := merkle.NewBuilder()
	for _, path := range slices.Sorted(maps.Keys(members)) {
		if err := b.Add(path, members[path]); err != nil {
			return Commitment{}, err
		}
	}
	root, err := b.Seal(ctx)
	if err != nil {
		return Commitment{}, err
	}
	h := Header{Signer: in.Key.Public(), Commitment: Commitment{root.Sighash, root.MaxSize}}
	if root.MaxSize > MaxRootTable {
		return Commitment{}, refuse(TooLarge, "its root table is larger than is allowed")
	}
	if h.Signature, err = in.Key.Sign(sign.ContextPackage, h.Commitment.Message()); err != nil {
		return Commitment{}, err
	}
	return h.Commitment, writeFile(ctx, w, h, b, in.Order)
}

// pluginURL is the one plugin there is: a package that gives others addresses. A server may know more than whoever packs.
const pluginURL = "url-v0"

// checkInput holds what is to be packed against the layout of a package for all its architectures.
func checkInput(manifest []byte, members map[string]merkle.Source) error {
	m, err := ParseManifest(manifest)
	if err != nil {
		return err
	}
	for _, plugin := range m.Plugins {
		if plugin != pluginURL {
			return refuseMember(BadManifest, PathManifest, fmt.Sprintf("%q is no plugin; there is %q", cut(plugin), pluginURL), nil)
		}
	}
	for id, image := range m.Images {
		if !image.Source.Packed() {
			return refuseMember(BadManifest, PathManifest, fmt.Sprintf("image %q is not packed yet", id), nil)
		}
	}
	for id, d := range m.Dependencies {
		if d.Metadata != nil || d.S9PK != nil {
			return refuseMember(BadManifest, PathManifest, fmt.Sprintf("dependency %q is not packed yet", id), nil)
		}
	}
	sizes := make(map[string]int64, len(members))
	for path, source := range members {
		sizes[path] = source.Size
	}
	l, err := layOut(m, sizes, "")
	if err != nil {
		return err
	}
	if l.Instructions == "" {
		return missing(PathInstructions)
	}
	for _, path := range slices.Sorted(maps.Keys(members)) {
		if !l.Has(path) {
			return refuseMember(UnknownMember, path, "it has no place in a package", nil)
		}
	}
	return nil
}

// Rewrite writes a copy of the package with the original signature, verifying every member on the way. With a layout only
// its members are kept, so that a host need not store the images of other machines; nil keeps all.
func (f *File) Rewrite(ctx context.Context, w io.Writer, keep *Layout, o Order) error {
	var filter func(string) bool
	if keep != nil {
		filter = keep.Has
	}
	return writeFile(ctx, w, f.header, f.Archive.Rewrite(filter), o)
}

// EditInput is what Edit changes of a package. Everything else stays as it is.
type EditInput struct {
	Manifest []byte                   // in place of the manifest; nil keeps it
	Members  map[string]merkle.Source // added, or in place of what is there
	Removed  []string                 // members, or folders with all that is in them
	Key      sign.PrivateKey
	Order    Order
}

// Edit writes a changed copy under a new signature. Members that stay are verified while they are written. What was left
// out of a copy cannot be signed: it must be among what is removed, or the whole package be edited.
func (f *File) Edit(ctx context.Context, w io.Writer, in EditInput) (Commitment, error) {
	if err := errors.Join(checkEnvironments(in.Members), checkFileSystems(in.Members)); err != nil {
		return Commitment{}, err
	}
	members, missing := make(map[string]merkle.Source), make(map[string]bool)
	for e := range f.All() {
		if e.Kind == merkle.Dir {
			continue
		}
		if e.Kind == merkle.Missing {
			if !slices.Contains(in.Removed, e.Path) {
				return Commitment{}, refuseMember(NotFound, e.Path,
					"it was left out of this copy and cannot be signed: edit the whole package, or remove this part for good", nil)
			}
			missing[e.Path] = true
			continue
		}
		source, err := f.Source(e.Path)
		if err != nil {
			return Commitment{}, err
		}
		members[e.Path] = source
	}
	delete(members, PathManifest)
	for _, path := range in.Removed {
		if path == PathManifest {
			return Commitment{}, refuseMember(MissingMember, path, "a package must have one", nil)
		}
		before := len(members)
		delete(members, path)
		maps.DeleteFunc(members, func(member string, _ merkle.Source) bool { return strings.HasPrefix(member, path+"/") })
		if len(members) == before && !missing[path] {
			return Commitment{}, refuseMember(NotFound, path, "there is no such member to remove", nil)
		}
	}
	maps.Copy(members, in.Members)
	manifest := in.Manifest
	if manifest == nil {
		manifest = f.raw
	}
	return Build(ctx, w, BuildInput{Manifest: manifest, Members: members, Key: in.Key, Order: in.Order})
}

// Sign writes a copy of the package under the signature of another key; the commitment stays the same. Every member is
// verified on the way.
func (f *File) Sign(ctx context.Context, w io.Writer, key sign.PrivateKey, o Order) error {
	h := f.header
	var err error
	h.Signer = key.Public()
	if h.Signature, err = key.Sign(sign.ContextPackage, h.Commitment.Message()); err != nil {
		return err
	}
	return writeFile(ctx, w, h, f.Archive.Rewrite(nil), o)
}

func writeFile(ctx context.Context, w io.Writer, h Header, b *merkle.Builder, o Order) error {
	plan, err := b.Plan(HeaderSize, o.function())
	if err != nil {
		return err
	}
	h.Position, h.Length = plan.Root.Position, plan.Root.Length
	if _, err := w.Write(h.bytes()); err != nil {
		return fmt.Errorf("cannot write the package: %w", err)
	}
	return plan.Write(ctx, w)
}
