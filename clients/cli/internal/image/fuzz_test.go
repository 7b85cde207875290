package image_test

import (
	"archive/tar"
	"bytes"
	"io"
	"path/filepath"
	"strconv"
	"strings"
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
			hasReason(t, err)
		}
	})
}

func hasReason(t *testing.T, err error) {
	t.Helper()
	switch fault.Reason(err) {
	case metav1.Reason_REASON_IMAGE_MALFORMED, metav1.Reason_REASON_IMAGE_TOO_LARGE, metav1.Reason_REASON_IMAGE_SOURCE_NOT_FOUND:
	default:
		if err != nil {
			t.Fatalf("refused without a reason: %v", err)
		}
	}
}

// The description of a layout as fuzzing begins with it: each $ is the digest of a blob, or of the layer that one holds.
const (
	indexText = `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:$MANIFEST",` +
		`"annotations":{"org.opencontainers.image.ref.name":"one"}}]}`
	manifestText = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":$CONFIGSIZE,"digest":"sha256:$CONFIG"},` +
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":$LAYERSIZE,"digest":"sha256:$LAYER"}]}`
	configText = `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:$LAYER"]},"config":{"Env":["A=b"]}}`
)

// A layout of anybody's making is flattened, or refused with a reason of images; a blob that is not what its name says is
// never taken for it.
func FuzzLayout(f *testing.F) {
	lower := makeTar(f, dir("a"), file("a/b", "x"), link("c", "a/b"), symlink("l", "a"))
	f.Add(indexText, manifestText, configText, lower, false)
	f.Add(indexText, manifestText, configText, lower, true)
	f.Add(strings.Replace(indexText, "manifest.v1", "index.v1", 1), indexText, configText, lower, false)
	f.Add(strings.Replace(indexText, "$MANIFEST", "../../../../etc/passwd", 1), manifestText, configText, lower, false)
	f.Add(indexText, strings.Replace(manifestText, "$LAYERSIZE", "9223372036854775807", 1), configText, makeTar(f, symlink("a", "../.."), file("a/x", "")), false)
	f.Add(indexText, strings.Replace(manifestText, "$CONFIGSIZE", "4194305", 1), strings.Replace(configText, "$LAYER", "$CONFIG", 1), lower, false)
	f.Fuzz(func(t *testing.T, index, manifest, config string, layer []byte, lie bool) {
		at := t.TempDir()
		blob := func(content string) string {
			name := sha([]byte(content))
			if lie {
				content = "x" + content
			}
			write(t, filepath.Join(at, "blobs/sha256", name), []byte(content))
			return name
		}
		names := []string{"$LAYERSIZE", strconv.Itoa(len(layer)), "$LAYER", blob(string(layer))}
		config = strings.NewReplacer(names...).Replace(config)
		names = append(names, "$CONFIGSIZE", strconv.Itoa(len(config)), "$CONFIG", blob(config))
		manifest = strings.NewReplacer(names...).Replace(manifest)
		names = append(names, "$MANIFEST", blob(manifest))
		write(t, filepath.Join(at, "index.json"), []byte(strings.NewReplacer(names...).Replace(index)))
		err := image.FlattenLayout(t.Context(), at, "", t.TempDir(), io.Discard)
		hasReason(t, err)
		if lie && err == nil {
			t.Fatal("what is not what its digest says was taken")
		}
	})
}
