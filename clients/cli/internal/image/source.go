package image

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

// Kind is where an image comes from.
type Kind string

// The kinds, as people write them. A Build is not written: the manifest describes it.
const (
	Registry Kind = "docker"
	Layout   Kind = "oci"
	Archive  Kind = "docker-archive"
	Tar      Kind = "tar"
	Folder   Kind = "dir"
	Squashfs Kind = "squashfs"
	Build    Kind = "build"
)

// Source is where an image comes from. Name is a reference in a registry, or a path; Tag chooses one of several images there.
type Source struct {
	Kind      Kind
	Name, Tag string
	Recipe    Recipe // of a Build
}

// String is the source as people write it.
func (s Source) String() string {
	switch {
	case s.Kind == Registry:
		return "docker://" + s.Name
	case s.Tag != "":
		return fmt.Sprintf("%s:%s:%s", s.Kind, s.Name, s.Tag)
	}
	return fmt.Sprintf("%s:%s", s.Kind, s.Name)
}

// ParseSource reads KIND:PATH, KIND:PATH:TAG or docker://REFERENCE.
func ParseSource(text string) (Source, error) {
	kind, rest, ok := strings.Cut(text, ":")
	s := Source{Kind: Kind(kind), Name: rest}
	switch s.Kind {
	case Registry:
		s.Name, ok = strings.CutPrefix(rest, "//")
	case Layout, Archive:
		if path, tag, cut := strings.Cut(rest, ":"); cut {
			s.Name, s.Tag = path, tag
		}
	case Tar, Folder, Squashfs:
	default:
		ok = false
	}
	if !ok || s.Name == "" {
		return Source{}, fmt.Errorf("cannot use %q as an image: it is docker://NAME, oci:DIR[:TAG], docker-archive:FILE[:TAG], tar:FILE, dir:DIR or squashfs:FILE", text)
	}
	return s, nil
}

// Make writes the squashfs of a source for an architecture, in the spelling of packages, to out. It answers the file that
// holds it, which is not out when the source is a squashfs already, and what the source says about running it.
func (s Source) Make(ctx context.Context, arch, out string, o Options) (string, Config, error) {
	switch s.Kind {
	case Squashfs:
		return s.Name, Config{}, checkSquashfs(s.Name)
	case Folder:
		if info, err := os.Stat(s.Name); err != nil || !info.IsDir() {
			return "", Config{}, notFound("cannot pack: %s is no folder", s.Name)
		}
		return out, Config{}, FromFolder(ctx, s.Name, out, false, o.Progress)
	}
	i, done, err := s.open(ctx, arch, o.Scratch)
	if err != nil {
		return "", Config{}, err
	}
	defer done()
	return out, i.Config, i.Write(ctx, out, o)
}

// open opens a source that has layers; done releases what it made.
func (s Source) open(ctx context.Context, arch, scratch string) (i *Image, done func(), err error) {
	done = func() {}
	switch s.Kind {
	case Registry:
		i, err = fromRegistry(ctx, s.Name, arch)
	case Layout:
		i, err = fromLayout(s.Name, s.Tag, arch)
	case Archive:
		i, err = fromArchiveFile(s.Name, s.Tag, arch)
	case Tar:
		i, err = fromTar(s.Name)
	case Build:
		return s.Recipe.build(ctx, arch, scratch)
	default:
		err = fmt.Errorf("cannot use an image of the kind %q", s.Kind)
	}
	return i, done, err
}

func checkSquashfs(path string) error {
	f, err := openSource(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || string(magic[:]) != "hsqs" {
		return malformed("%s is no squashfs", path)
	}
	return nil
}

// openSource opens a file that is read several times, as a pipe cannot be.
func openSource(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, missing(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, notFound("cannot pack: %s is no regular file", path)
	}
	return os.Open(path)
}

func missing(path string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return notFound("cannot pack: there is no %s", path)
	}
	return err
}

// fromTar is the tar of a root file system, plain or compressed by gzip or zstd.
func fromTar(path string) (*Image, error) {
	f, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var magic [4]byte
	n, err := io.ReadFull(f, magic[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	plain := !compressed(magic[:n])
	return &Image{local: plain, layers: []layer{{open: func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil || plain {
			return f, err
		}
		return decompress(f)
	}}}}, nil
}

func compressed(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) || bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd})
}

// decompress reads what gzip or zstd compressed, and closes what it reads from.
func decompress(in io.ReadCloser) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(in, 1<<20)
	head, err := b.Peek(4)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	if head[0] == 0x1f {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, errors.Join(malformed("it is not compressed by gzip: %v", err), in.Close())
		}
		return both{z, in}, nil
	}
	z, err := zstd.NewReader(b, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return both{z.IOReadCloser(), in}, nil
}

// both closes a reader and what it reads from.
type both struct {
	io.ReadCloser
	under io.Closer
}

// Close closes both.
func (b both) Close() error { return errors.Join(b.ReadCloser.Close(), b.under.Close()) }

// platform is how images spell an architecture of packages.
func platform(arch string) v1.Platform {
	switch arch {
	case "x86_64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	}
	return v1.Platform{OS: "linux", Architecture: arch}
}

// fromManifest takes over an image whose manifest vouches for its configuration.
func fromManifest(img v1.Image, what, arch string) (*Image, error) {
	m, err := img.Manifest()
	if err != nil {
		return nil, malformed("%s: %v", what, err)
	}
	if m.Config.Size > maxJSON {
		return nil, tooLarge("the configuration of %s has more than %d bytes", what, maxJSON)
	}
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, malformed("%s: %v", what, err)
	}
	if sum := sha256.Sum256(raw); m.Config.Digest.Hex != hex.EncodeToString(sum[:]) {
		return nil, malformed("the configuration of %s is not what its manifest says", what)
	}
	return fromImage(img, what, arch)
}

// fromImage takes over an image of the library, if it is for the architecture. It does not ask for its manifest: for those
// of archives the library would have to compress all layers.
func fromImage(img v1.Image, what, arch string) (*Image, error) {
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, malformed("%s: %v", what, err)
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, malformed("the configuration of %s: %v", what, err)
	}
	if want := platform(arch).Architecture; c.Architecture != want {
		return nil, notFound("cannot pack: %s is an image for %s, not for %s", what, c.Architecture, arch)
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, malformed("%s: %v", what, err)
	}
	if len(layers) != len(c.RootFS.DiffIDs) {
		return nil, malformed("%s has %d layers and its configuration %d", what, len(layers), len(c.RootFS.DiffIDs))
	}
	i := &Image{layered: true, Config: Config{
		Workdir: c.Config.WorkingDir, User: c.Config.User, Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd, Env: c.Config.Env, StopSignal: c.Config.StopSignal,
	}}
	for n, l := range layers {
		i.layers = append(i.layers, layer{digest: c.RootFS.DiffIDs[n].Hex, open: func() (io.ReadCloser, error) {
			in, err := l.Uncompressed()
			if err != nil {
				return nil, malformed("layer %d of %s: %v", n+1, what, err)
			}
			return in, nil
		}})
	}
	return i, nil
}
