package main

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"strings"
)

// normalTar rewrites a tar so that mksquashfs takes it: it refuses names such as "./bin", and the root itself.
func normalTar(in io.Reader) io.ReadCloser {
	r, w := io.Pipe()
	go func() { w.CloseWithError(rewriteTar(in, w)) }()
	return r
}

func rewriteTar(in io.Reader, out io.Writer) error {
	from, to := tar.NewReader(in), tar.NewWriter(out)
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			return to.Close()
		}
		if err != nil {
			return err
		}
		dir := strings.HasSuffix(h.Name, "/")
		if h.Name = strings.TrimPrefix(path.Clean("/"+h.Name), "/"); h.Name == "" {
			continue
		}
		if dir {
			h.Name += "/"
		}
		if h.Typeflag == tar.TypeLink {
			h.Linkname = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		}
		h.Format = tar.FormatPAX
		if err := to.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
	}
}
