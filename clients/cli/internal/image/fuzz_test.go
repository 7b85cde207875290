package image_test

import (
	"archive/tar"
	"bytes"
	"io"
	"path/filepath"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/cli/internal/image"
)

// A tar or an archive of layers that anybody made is read, or refused with a reason of images; never is there a panic.
// Nothing is written: what stays of the layers goes to a sink.
func FuzzArchive(f *testing.F) {
	lower, upper := makeTar(f, dir("a"), file("a/b", "x"), link("c", "a/b"), symlink("l", "a")), makeTar(f, hide("a/.wh.b"), file("l/d", "y"), hide("a/.wh..wh..opq"))
	f.Add(dockerArchive(f, "x:1", "amd64", lower, upper))
	f.Add(lower)
	f.Add(makeTar(f, symlink("a", "../../b"), symlink("b", "/a"), file("a/x", ""), entry{name: "n", kind: tar.TypeBlock}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		section := io.NewSectionReader(bytes.NewReader(raw), 0, int64(len(raw)))
		for _, err := range []error{image.FlattenArchive(t.Context(), section, t.TempDir(), io.Discard), image.FlattenTar(t.Context(), write(t, filepath.Join(t.TempDir(), "a.tar"), raw), t.TempDir(), io.Discard)} {
			switch fault.Reason(err) {
			case metav1.Reason_REASON_IMAGE_MALFORMED, metav1.Reason_REASON_IMAGE_TOO_LARGE, metav1.Reason_REASON_IMAGE_SOURCE_NOT_FOUND:
			default:
				if err != nil {
					t.Fatalf("refused without a reason: %v", err)
				}
			}
		}
	})
}
