package image

import (
	"context"
	"io"
	"net/http"
)

// Encrypted is what registries are asked through.
func Encrypted(next http.RoundTripper) http.RoundTripper { return encrypted{next} }

// FlattenArchive is what MakeFromArchive does, without mksquashfs.
func FlattenArchive(ctx context.Context, in *io.SectionReader, scratch string, out io.Writer) error {
	i, err := fromArchive(func() (io.ReadCloser, error) {
		return section{io.NewSectionReader(in, 0, in.Size())}, nil
	}, "the archive", "", "x86_64")
	if err != nil {
		return err
	}
	return i.flatten(ctx, scratch, out)
}

// FlattenLayout is what Make does with an OCI layout, without mksquashfs.
func FlattenLayout(ctx context.Context, dir, tag, scratch string, out io.Writer) error {
	i, err := fromLayout(dir, tag, "x86_64")
	if err != nil {
		return err
	}
	return i.flatten(ctx, scratch, out)
}

// FlattenTar is what Make does with the tar of a root, without mksquashfs.
func FlattenTar(ctx context.Context, path, scratch string, out io.Writer) error {
	i, err := fromTar(path)
	if err != nil {
		return err
	}
	return i.flatten(ctx, scratch, out)
}

func (i *Image) flatten(ctx context.Context, scratch string, out io.Writer) error {
	t, layers, err := i.index(ctx, scratch)
	if err != nil {
		return err
	}
	return t.emit(ctx, out, layers, nil)
}
