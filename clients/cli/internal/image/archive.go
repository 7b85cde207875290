package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const (
	maxMembers = 1 << 16 // of an archive
	maxIndexes = 3       // below each other
	refName    = "org.opencontainers.image.ref.name"
)

// fromLayout is an image of an OCI layout: the one with the tag, or the only one, for the architecture.
func fromLayout(dir, tag, arch string) (*Image, error) {
	info, err := os.Stat(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, missing(filepath.Join(dir, "index.json"), err)
	}
	if info.Size() > maxJSON {
		return nil, tooLarge("the index of %s has more than %d bytes", dir, maxJSON)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, malformed("%s: %v", dir, err)
	}
	s := selection{dir: dir, tag: tag, arch: platform(arch).Architecture}
	if err := s.search(index, 0); err != nil {
		return nil, err
	}
	if tag != "" && !s.tagged {
		return nil, notFound("cannot pack: %s has no image named %q", dir, tag)
	}
	switch len(s.found) {
	case 0:
		return nil, notFound("cannot pack: %s has no image for %s", dir, arch)
	case 1:
		return fromManifest(s.found[0], dir, arch)
	}
	return nil, notFound("cannot pack: %s has %d images for %s; say which, as in oci:%s:TAG", dir, len(s.found), arch, dir)
}

// selection looks for images in a layout.
type selection struct {
	dir, tag, arch string
	tagged         bool
	found          []v1.Image
}

func (s *selection) search(index v1.ImageIndex, depth int) error {
	m, err := index.IndexManifest()
	if err != nil {
		return malformed("an index of %s: %v", s.dir, err)
	}
	for _, d := range m.Manifests {
		if depth == 0 && s.tag != "" && d.Annotations[refName] != s.tag {
			continue
		}
		s.tagged = true
		if p := d.Platform; p != nil && p.Architecture != "" && (p.Architecture != s.arch || p.OS != "linux" && p.OS != "") {
			continue
		}
		if err := s.manifest(index, d, depth); err != nil {
			return err
		}
	}
	return nil
}

func (s *selection) manifest(index v1.ImageIndex, d v1.Descriptor, depth int) error {
	if d.Size > maxJSON {
		return tooLarge("a manifest of %s has more than %d bytes", s.dir, maxJSON)
	}
	if err := s.checkBlob(d); err != nil {
		return err
	}
	switch {
	case d.MediaType.IsIndex():
		if depth == maxIndexes {
			return tooLarge("%s has more than %d indexes below each other", s.dir, maxIndexes)
		}
		inner, err := index.ImageIndex(d.Digest)
		if err != nil {
			return malformed("an index of %s: %v", s.dir, err)
		}
		return s.search(inner, depth+1)
	case d.MediaType.IsImage():
		img, err := index.Image(d.Digest)
		if err != nil {
			return malformed("a manifest of %s: %v", s.dir, err)
		}
		m, err := img.Manifest()
		if err != nil {
			return malformed("a manifest of %s: %v", s.dir, err)
		}
		if err := s.checkBlob(m.Config); err != nil {
			return err
		}
		c, err := img.ConfigFile()
		if err != nil {
			return malformed("a configuration of %s: %v", s.dir, err)
		}
		if c.Architecture == s.arch {
			s.found = append(s.found, img)
		}
	}
	return nil
}

// checkBlob bounds a description before anything reads it whole, and holds it against its digest.
func (s *selection) checkBlob(d v1.Descriptor) error {
	if d.Digest.Algorithm != "sha256" || len(d.Digest.Hex) != 64 {
		return malformed("%s names a blob %q", s.dir, d.Digest)
	}
	f, err := os.Open(filepath.Join(s.dir, "blobs", d.Digest.Algorithm, d.Digest.Hex))
	if err != nil {
		return malformed("%s lacks a blob: %v", s.dir, err)
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(f, maxJSON+1))
	switch {
	case err != nil:
		return err
	case n > maxJSON:
		return tooLarge("a description in %s has more than %d bytes", s.dir, maxJSON)
	case hex.EncodeToString(sum.Sum(nil)) != d.Digest.Hex:
		return malformed("a blob of %s is not what its digest says", s.dir)
	}
	return nil
}

func fromArchiveFile(path, tag, arch string) (*Image, error) {
	f, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return fromArchive(func() (io.ReadCloser, error) { return os.Open(path) }, path, tag, arch)
}

// MakeFromArchive is Make for an archive inside of another file.
func MakeFromArchive(ctx context.Context, in *io.SectionReader, tag, arch, out string, o Options) (Config, error) {
	i, err := fromArchive(func() (io.ReadCloser, error) {
		return section{io.NewSectionReader(in, 0, in.Size())}, nil
	}, "the archive", tag, arch)
	if err != nil {
		return Config{}, err
	}
	return i.Config, i.Write(ctx, out, o)
}

// section is a part of a file that somebody else closes.
type section struct{ *io.SectionReader }

// Close does nothing.
func (section) Close() error { return nil }

// fromArchive is an image of an archive as "docker save" writes them: the one with the tag, or the only one.
func fromArchive(open func() (io.ReadCloser, error), what, tag, arch string) (*Image, error) {
	if err := checkArchive(open, what); err != nil {
		return nil, err
	}
	var choice *name.Tag
	if tag != "" {
		t, err := name.NewTag(tag)
		if err != nil {
			return nil, notFound("cannot pack: %q names no image: %v", tag, err)
		}
		choice = &t
	}
	list, err := tarball.LoadManifest(open)
	if err != nil {
		return nil, malformed("%s: %v", what, err)
	}
	if choice == nil && len(list) != 1 {
		return nil, notFound("cannot pack: %s has %d images; say which, as in docker-archive:FILE:TAG", what, len(list))
	}
	img, err := tarball.Image(open, choice)
	if err != nil {
		return nil, notFound("cannot pack: %s has no image %q: %v", what, tag, err)
	}
	return fromImage(img, what, arch)
}

// checkArchive bounds what the library is going to read whole: the list of images and the configurations it names.
func checkArchive(open func() (io.ReadCloser, error), what string) error {
	sizes := map[string]int64{}
	var list []struct{ Config string }
	err := eachMember(open, what, func(h *tar.Header, in io.Reader) error {
		member := path.Clean(h.Name)
		if sizes[member] = h.Size; member != "manifest.json" {
			return nil
		}
		if h.Size > maxJSON {
			return tooLarge("the list of images of %s has more than %d bytes", what, maxJSON)
		}
		if err := json.NewDecoder(in).Decode(&list); err != nil {
			return malformed("the list of images of %s: %v", what, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if list == nil {
		return malformed("%s holds no images: it has no manifest.json", what)
	}
	for _, l := range list {
		if sizes[path.Clean(l.Config)] > maxJSON {
			return tooLarge("a configuration in %s has more than %d bytes", what, maxJSON)
		}
	}
	return nil
}

func eachMember(open func() (io.ReadCloser, error), what string, fn func(*tar.Header, io.Reader) error) error {
	in, err := open()
	if err != nil {
		return err
	}
	defer in.Close()
	r := tar.NewReader(in)
	for n := 0; ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return malformed("%s is no whole tar archive: %v", what, err)
		}
		if n == maxMembers {
			return tooLarge("%s has more than %d members", what, maxMembers)
		}
		if err := fn(h, r); err != nil {
			return err
		}
	}
}
