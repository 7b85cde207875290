package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/cli/internal/image"
)

// entry is a file of a layer; its content is its own.
type entry struct {
	name, link, text string
	kind             byte
	mode             int64
	uid              int
	xattrs           map[string]string
}

func file(name, text string) entry {
	return entry{name: name, text: text, kind: tar.TypeReg, mode: 0o644}
}
func dir(name string) entry      { return entry{name: name, kind: tar.TypeDir, mode: 0o755} }
func link(name, to string) entry { return entry{name: name, link: to, kind: tar.TypeLink} }
func symlink(name, to string) entry {
	return entry{name: name, link: to, kind: tar.TypeSymlink, mode: 0o777}
}
func hide(name string) entry { return file(name, "") }

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.link, Mode: e.mode, Uid: e.uid, Gid: e.uid, Format: tar.FormatPAX}
		if e.kind == tar.TypeReg {
			h.Size = int64(len(e.text))
		}
		for key, value := range e.xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+key] = value
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil && e.kind == tar.TypeReg {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// dockerArchive is what "docker save" writes.
func dockerArchive(t testing.TB, tag, arch string, layers ...[]byte) []byte {
	t.Helper()
	return dockerArchiveOf(t, tag, arch, "", layers...)
}

// dockerArchiveOf has an image that says by which signal it ends, too.
func dockerArchiveOf(t testing.TB, tag, arch, stopSignal string, layers ...[]byte) []byte {
	t.Helper()
	var digests, names []string
	var members []entry
	for _, l := range layers {
		digests = append(digests, "sha256:"+sha(l))
		names = append(names, sha(l)+"/layer.tar")
		members = append(members, file(sha(l)+"/layer.tar", string(l)))
	}
	config := encode(t, map[string]any{"architecture": arch, "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": digests},
		"config": map[string]any{"Env": []string{"A=b", "C=<d>"}, "Entrypoint": []string{"/bin/a", "<&>"}, "User": "me", "StopSignal": stopSignal}})
	list := encode(t, []map[string]any{{"Config": sha(config) + ".json", "RepoTags": []string{tag}, "Layers": names}})
	return makeTar(t, append(members, file(sha(config)+".json", string(config)), file("manifest.json", string(list)))...)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// layout writes an OCI layout with one image, its layers compressed.
func layout(t testing.TB, arch string, layers ...[]byte) string {
	t.Helper()
	at := t.TempDir()
	blob := func(b []byte, kind string) map[string]any {
		write(t, filepath.Join(at, "blobs/sha256", sha(b)), b)
		return map[string]any{"mediaType": kind, "size": len(b), "digest": "sha256:" + sha(b)}
	}
	var digests []string
	var descriptors []any
	for _, l := range layers {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(l); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		digests = append(digests, "sha256:"+sha(l))
		descriptors = append(descriptors, blob(z.Bytes(), "application/vnd.oci.image.layer.v1.tar+gzip"))
	}
	config := blob(encode(t, map[string]any{"architecture": arch, "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": digests}}),
		"application/vnd.oci.image.config.v1+json")
	manifest := blob(encode(t, map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": descriptors}),
		"application/vnd.oci.image.manifest.v1+json")
	manifest["annotations"] = map[string]string{"org.opencontainers.image.ref.name": "one"}
	write(t, filepath.Join(at, "index.json"), encode(t, map[string]any{"schemaVersion": 2, "manifests": []any{manifest}}))
	write(t, filepath.Join(at, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return at
}

func write(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func source(t testing.TB, text string) image.Source {
	t.Helper()
	s, err := image.ParseSource(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func needsSquashfs(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("mksquashfs"); err != nil {
		t.Skip("needs mksquashfs")
	}
}

// made makes a source for x86_64.
func made(t testing.TB, s image.Source) (string, image.Config) {
	t.Helper()
	needsSquashfs(t)
	scratch := t.TempDir()
	out, config, err := s.Make(t.Context(), "x86_64", filepath.Join(scratch, "out.squashfs"), image.Options{Scratch: scratch})
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(scratch, "layer-*")); len(left) > 0 {
		t.Errorf("copies of layers are left: %q", left)
	}
	return out, config
}

// names lists a squashfs: mode, owner, name and target of each entry.
func names(t testing.TB, squashfs string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "unsquashfs", "-llnumeric", squashfs).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 6 {
			continue
		}
		at := strings.Index(line, "squashfs-root")
		list = append(list, f[0]+" "+f[1]+" "+strings.TrimSpace(strings.TrimPrefix(line[at:], "squashfs-root")))
	}
	return list
}

func content(t testing.TB, squashfs, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "unsquashfs", "-cat", squashfs, name).Output()
	if err != nil {
		t.Fatal(name, err)
	}
	return string(out)
}

func TestLayersAreFlattenedAsContainerEnginesDo(t *testing.T) {
	t.Parallel()
	lower := makeTar(t, dir("./"), dir("etc"), file("etc/gone", "x"), file("etc/kept", "1"), dir("all/"), file("all/a", "a"), file("all/b", "b"),
		file("shared", "first"), link("other", "shared"), dir("usr/"), dir("usr/lib"), symlink("lib", "usr/lib"), file("was-file", "x"),
		dir("was-dir"), file("was-dir/in", "x"), dir("tree"), file("tree/old", "x"), file("removed-target", "keep me"), link("survivor", "removed-target"))
	upper := makeTar(t, hide("etc/.wh.gone"), file("etc/kept", "2"), dir("all"), file("all/c", "c"), hide("all/.wh..wh..opq"),
		file("shared", "second"), file("lib/through", "t"), dir("was-file"), file("was-file/in", "y"), file("was-dir", "z"),
		file("tree/new", "n"), hide(".wh.tree"), hide(".wh.removed-target"), hide(".wh..wh.plnk"), hide(".wh.never-was"),
		entry{name: "owned", kind: tar.TypeReg, mode: 0o4755, uid: 1000, text: "o"}, file("implied/deep/x", "x"))
	path := write(t, filepath.Join(t.TempDir(), "a.tar"), dockerArchive(t, "x/y:1", "amd64", lower, upper))
	for name, s := range map[string]image.Source{"archive": source(t, "docker-archive:"+path+":x/y:1"), "layout": source(t, "oci:"+layout(t, "amd64", lower, upper))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, _ := made(t, s)
			want := []string{
				"drwxr-xr-x 0/0 ", "drwxr-xr-x 0/0 /all", "-rw-r--r-- 0/0 /all/c", "drwxr-xr-x 0/0 /etc", "-rw-r--r-- 0/0 /etc/kept",
				"drwxr-xr-x 0/0 /implied", "drwxr-xr-x 0/0 /implied/deep", "-rw-r--r-- 0/0 /implied/deep/x",
				"lrwxrwxrwx 0/0 /lib -> usr/lib", "-rw-r--r-- 0/0 /other", "-rwsr-xr-x 1000/1000 /owned", "-rw-r--r-- 0/0 /shared",
				"-rw-r--r-- 0/0 /survivor", "drwxr-xr-x 0/0 /tree", "-rw-r--r-- 0/0 /tree/new", "drwxr-xr-x 0/0 /usr",
				"drwxr-xr-x 0/0 /usr/lib", "-rw-r--r-- 0/0 /usr/lib/through", "-rw-r--r-- 0/0 /was-dir", "drwxr-xr-x 0/0 /was-file",
				"-rw-r--r-- 0/0 /was-file/in",
			}
			if diff := cmp.Diff(want, names(t, out)); diff != "" {
				t.Error(diff)
			}
			for name, text := range map[string]string{"etc/kept": "2", "shared": "second", "other": "first", "survivor": "keep me", "was-file/in": "y"} {
				if got := content(t, out, name); got != text {
					t.Errorf("%s holds %q", name, got)
				}
			}
		})
	}
}

func TestWhiteoutsAreNamesInTheTarOfARoot(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "a.tar"), makeTar(t, entry{name: "./", kind: tar.TypeDir, mode: 0o1750}, file("./.wh.x", ""), file("x", "1"), file("x", "2")))
	out, _ := made(t, source(t, "tar:"+path))
	if diff := cmp.Diff([]string{"drwxr-x--T 0/0 ", "-rw-r--r-- 0/0 /.wh.x", "-rw-r--r-- 0/0 /x"}, names(t, out)); diff != "" {
		t.Error(diff)
	}
	if got := content(t, out, "x"); got != "2" {
		t.Errorf("the later of two files of a name must win: %q", got)
	}
}

func TestFolderTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	needsSquashfs(t)
	at, scratch := t.TempDir(), t.TempDir()
	write(t, filepath.Join(at, "a"), []byte(strings.Repeat("a", 3_000_000)))
	write(t, filepath.Join(at, "d/b"), []byte("b"))
	var before, whole int64
	_, _, err := source(t, "dir:"+at).Make(t.Context(), "x86_64", filepath.Join(scratch, "out"), image.Options{Scratch: scratch, Progress: func(done, total int64) {
		if done < before || total != 3_000_001 {
			t.Errorf("%d of %d after %d", done, total, before)
		}
		before, whole = done, total
	}})
	if err != nil || before != whole || whole == 0 {
		t.Errorf("ended with %d of %d, %v", before, whole, err)
	}
}

func TestConfigurationIsWhatTheImageSays(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "a.tar"), dockerArchive(t, "x/y:1", "amd64", makeTar(t, file("a", "a"))))
	_, config := made(t, source(t, "docker-archive:"+path))
	raw, err := config.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(raw), `{"workdir":"/","user":"me","entrypoint":["/bin/a","<&>"],"cmd":null}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := string(config.EnvFile()); got != "A=b\nC=<d>" {
		t.Errorf("environment %q", got)
	}
}

func TestStopSignalIsKeptWhereItIsAnotherThanTheUsualOne(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"": "", "SIGTERM": "", "15": "", "SIGINT": "SIGINT", "int": "SIGINT", "2": "SIGINT", "SIGQUIT": "SIGQUIT", "SIGKILL": "", "SIGWINCH": "", "SIGRTMIN+3": "", `"x`: "",
	} {
		path := write(t, filepath.Join(t.TempDir(), "a.tar"), dockerArchiveOf(t, "x/y:1", "amd64", said, makeTar(t, file("a", "a"))))
		_, config := made(t, source(t, "docker-archive:"+path))
		raw, err := config.JSON()
		var got struct{ StopSignal string }
		if err != nil || json.Unmarshal(raw, &got) != nil || got.StopSignal != want || (want == "") != !strings.Contains(string(raw), "stopSignal") {
			t.Errorf("of %q: %s, %v", said, raw, err)
		}
	}
}

func TestSameSourceGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	var entries []entry
	for i := range 300 {
		entries = append(entries, file(strings.Repeat("d/", i%7)+"f"+strings.Repeat("x", i%200)+strconv.Itoa(i), strings.Repeat("text", i*50)))
	}
	l := makeTar(t, entries...)
	var plain, zipped bytes.Buffer
	plain.Write(l)
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(l)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	at := t.TempDir()
	sources := []image.Source{
		source(t, "oci:"+layout(t, "amd64", l)), source(t, "oci:"+layout(t, "amd64", l)),
		source(t, "tar:"+write(t, filepath.Join(at, "a.tar"), plain.Bytes())), source(t, "tar:"+write(t, filepath.Join(at, "a.tgz"), zipped.Bytes())),
		source(t, "docker-archive:"+write(t, filepath.Join(at, "d.tar"), dockerArchive(t, "x:1", "amd64", l))),
	}
	var first string
	for _, s := range sources {
		out, _ := made(t, s)
		raw, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = sha(raw)
		}
		if sha(raw) != first {
			t.Errorf("%s gives other bytes", s)
		}
	}
}

func TestWhatIsWrongWithAnImageIsTold(t *testing.T) {
	t.Parallel()
	needsSquashfs(t)
	at := t.TempDir()
	good := makeTar(t, file("a", "a"))
	root := func(entries ...entry) image.Source {
		return source(t, "tar:"+write(t, filepath.Join(t.TempDir(), "a.tar"), makeTar(t, entries...)))
	}
	damaged := layout(t, "amd64", good)
	blobs, err := filepath.Glob(filepath.Join(damaged, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range blobs {
		raw, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		if raw[0] == 0x1f {
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			_, _ = w.Write(makeTar(t, file("a", "b")))
			_ = w.Close()
			write(t, blob, z.Bytes())
		}
	}
	loop := []entry{symlink("a", "b"), symlink("b", "a"), file("a/x", "")}
	for name, c := range map[string]struct {
		source image.Source
		reason metav1.Reason
		text   string
	}{
		"leads out":           {root(file("../a", "")), metav1.Reason_REASON_IMAGE_MALFORMED, "leads elsewhere"},
		"leads out within":    {root(file("a/../../b", "")), metav1.Reason_REASON_IMAGE_MALFORMED, "leads elsewhere"},
		"link leads out":      {root(link("a", "../../etc/passwd")), metav1.Reason_REASON_IMAGE_MALFORMED, "leads elsewhere"},
		"link to nothing":     {root(link("a", "etc/passwd")), metav1.Reason_REASON_IMAGE_MALFORMED, "no file of it"},
		"link to a folder":    {root(dir("d"), link("a", "d")), metav1.Reason_REASON_IMAGE_MALFORMED, "no file of it"},
		"below a file":        {root(file("a", ""), file("a/b", "")), metav1.Reason_REASON_IMAGE_MALFORMED, "no folder"},
		"links in a circle":   {root(loop...), metav1.Reason_REASON_IMAGE_MALFORMED, "too many links"},
		"long part of a name": {root(file(strings.Repeat("a", 256), "")), metav1.Reason_REASON_IMAGE_TOO_LARGE, "255"},
		"long name":           {root(dir(strings.Repeat("a/", 3000))), metav1.Reason_REASON_IMAGE_TOO_LARGE, "4096"},
		"deep":                {root(file(strings.Repeat("a/", 700)+"b", "")), metav1.Reason_REASON_IMAGE_TOO_LARGE, "512 folders"},
		"other architecture":  {source(t, "oci:"+layout(t, "arm64", good)), metav1.Reason_REASON_IMAGE_SOURCE_NOT_FOUND, "no image for x86_64"},
		"other tag":           {source(t, "oci:"+layout(t, "amd64", good)+":two"), metav1.Reason_REASON_IMAGE_SOURCE_NOT_FOUND, `"two"`},
		"no file":             {source(t, "tar:"+filepath.Join(at, "none")), metav1.Reason_REASON_IMAGE_SOURCE_NOT_FOUND, "there is no"},
		"no archive":          {source(t, "docker-archive:"+write(t, filepath.Join(at, "x"), good)), metav1.Reason_REASON_IMAGE_MALFORMED, "no manifest.json"},
		"cut short":           {source(t, "tar:"+write(t, filepath.Join(at, "y"), makeTar(t, file("a", strings.Repeat("a", 2000)))[:1400])), metav1.Reason_REASON_IMAGE_MALFORMED, "layer 1"},
		"changed layer":       {source(t, "oci:"+damaged), metav1.Reason_REASON_IMAGE_MALFORMED, "is not what the image's configuration says"},
		"no squashfs":         {source(t, "squashfs:"+write(t, filepath.Join(at, "z"), good)), metav1.Reason_REASON_IMAGE_MALFORMED, "no squashfs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scratch := t.TempDir()
			_, _, err := c.source.Make(t.Context(), "x86_64", filepath.Join(scratch, "out"), image.Options{Scratch: scratch})
			if fault.Reason(err) != c.reason || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v (%s), want %s about %q", err, fault.Reason(err), c.reason, c.text)
			}
		})
	}
}
