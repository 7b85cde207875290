package legacy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/legacy"
	"github.com/hearthos/hearth/api/s9pk/legacy/legacytest"
)

var update = flag.Bool("update", false, "write the package file that the scripts of the command line use")

// example is a package without images, which all can be converted anywhere.
const example = "../testdata/first-format.s9pk"

type object = legacytest.Object

func open(file []byte) (*legacy.File, error) {
	return legacy.Open(bytes.NewReader(file), int64(len(file)))
}

func TestOldPackagesAreReadAndVerified(t *testing.T) {
	t.Parallel()
	raw := legacytest.Write(legacytest.Sections(legacytest.Manifest(nil)), nil)
	if *update {
		if err := os.WriteFile(example, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if committed, err := os.ReadFile(example); err != nil || !bytes.Equal(committed, raw) {
		t.Errorf("%s is another file: run with -update, %v", example, err)
	}
	f, err := open(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw)-279 != len(bytes.Join(slices.Collect(maps.Values(legacytest.Sections(legacytest.Manifest(nil)))), nil)) {
		t.Errorf("the header is not the original's 279 bytes")
	}
	var done, total int64
	if err := f.Verify(t.Context(), func(d, n int64) { done, total = d, n }); err != nil || done != total || done != int64(len(raw))-279 {
		t.Fatal(done, total, err)
	}
	for name, want := range legacytest.Sections(legacytest.Manifest(nil)) {
		if got, err := io.ReadAll(f.Section(name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	var text struct{ Title string }
	if err := json.Unmarshal(f.ManifestJSON(), &text); err != nil || text.Title != "Ghost" {
		t.Errorf("%s, %v", f.ManifestJSON(), err)
	}
	for i := 279; i < len(raw); i += 97 {
		damaged := bytes.Clone(raw)
		damaged[i] ^= 1
		f, err := open(damaged)
		if err == nil {
			err = f.Verify(t.Context(), nil)
		}
		if r := s9pk.ReasonOf(err); r != s9pk.BadSignature && r != s9pk.BadManifest {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestHostileOldPackagesAreRefusedWithTheirReason(t *testing.T) {
	t.Parallel()
	put := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint64(b[at:], v)
			return b
		}
	}
	// The entry of the manifest begins at 103: its position at 112, its length at 120. The license's begin at 128.
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   s9pk.Reason
	}{
		{"other magic", func(b []byte) []byte { b[0] = 'x'; return b }, s9pk.NotPackage},
		{"second format", func(b []byte) []byte { b[2] = 2; return b }, s9pk.UnknownFormat},
		{"giant table", func(b []byte) []byte { binary.BigEndian.PutUint32(b[99:], 1<<30); return b }, s9pk.TooLarge},
		{"table cut", func(b []byte) []byte { binary.BigEndian.PutUint32(b[99:], 170); return b }, s9pk.Malformed},
		{"section past the end", put(112, 1<<40), s9pk.Truncated},
		{"section that wraps around", put(112, 1<<63-1), s9pk.Truncated},
		{"negative position", put(112, 1<<63), s9pk.Malformed},
		{"section in the header", put(112, 10), s9pk.Overlap},
		{"sections share bytes", put(136, 300), s9pk.Overlap},
		{"manifest too large", put(120, 1<<30), s9pk.Truncated},
		{"name twice", func(b []byte) []byte { return bytes.Replace(b, []byte("\x07license"), []byte("\x07scripts"), 1) }, s9pk.DuplicateName},
		{"unknown name", func(b []byte) []byte { return bytes.Replace(b, []byte("\x07license"), []byte("\x07licence"), 1) }, s9pk.UnknownMember},
	} {
		if _, err := open(legacytest.Write(legacytest.Sections(legacytest.Manifest(nil)), c.change)); s9pk.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	raw := legacytest.Write(legacytest.Sections(legacytest.Manifest(nil)), nil)
	for n := range raw {
		if n > 400 && n%31 != 0 {
			continue
		}
		f, err := open(raw[:n])
		if err == nil {
			err = f.Verify(t.Context(), nil)
		}
		if r := s9pk.ReasonOf(err); r != s9pk.Truncated && (n >= 3 || r != s9pk.NotPackage) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	// A stream may be of any length until its header says otherwise, so what that says has a bound.
	huge := legacytest.Write(legacytest.Sections(legacytest.Manifest(nil)), put(112, legacy.MaxFile))
	if _, err := legacy.Open(bytes.NewReader(huge), 1<<40); s9pk.ReasonOf(err) != s9pk.TooLarge {
		t.Errorf("a header that announces more than there may be: %v", err)
	}
	weak := bytes.Clone(raw)
	clear(weak[3:35])
	if _, err := open(weak); s9pk.ReasonOf(err) != s9pk.WeakKey {
		t.Error(err)
	}
}

func TestHostileManifestsAreRefused(t *testing.T) {
	t.Parallel()
	deep := bytes.Repeat([]byte{0x81}, 100)
	for name, raw := range map[string][]byte{
		"empty":           nil,
		"no map":          {0x01},
		"endless array":   {0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"too deep":        append(deep, 0x01),
		"key twice":       {0xa2, 0x62, 'i', 'd', 0x61, 'a', 0x62, 'i', 'd', 0x61, 'b'},
		"number as a key": {0xa1, 0x01, 0x01},
		"id that is none": legacytest.Manifest(func(m object) { m["id"] = "../x" }),
		"bytes":           legacytest.Manifest(func(m object) { m["extra"] = []byte{1} }),
		"trailing bytes":  append(legacytest.Manifest(nil), 0),
		"not UTF-8":       bytes.Replace(legacytest.Manifest(nil), []byte("Ghost"), []byte("G\xffost"), 1),
	} {
		if _, _, err := legacy.ParseManifest(raw); s9pk.ReasonOf(err) != s9pk.BadManifest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := legacy.ParseManifest(make([]byte, legacy.MaxText+1)); s9pk.ReasonOf(err) != s9pk.TooLarge {
		t.Error(err)
	}
}

func convert(t *testing.T, change func(object)) *s9pk.Manifest {
	t.Helper()
	m, _, err := legacy.ParseManifest(legacytest.Manifest(change))
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Convert([]string{"x86_64", "aarch64"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestManifestsBecomeThoseOfTheSecondFormat(t *testing.T) {
	t.Parallel()
	docker := object{"type": "docker", "image": "main", "system": false, "gpu-acceleration": true}
	got, err := convert(t, func(m object) { m["main"] = docker }).Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"ghost-legacy","version":"5.79.1:2","canMigrateTo":"!","canMigrateFrom":"*","title":"Ghost (Legacy)",` +
		`"description":{"short":"A blog","long":"A blog of one's own"},"releaseNotes":"first","gitHash":null,"license":"MIT",` +
		`"packageRepo":"https://example.com/w","upstreamRepo":"https://example.com/u","marketingUrl":"https://example.com/u",` +
		`"donationUrl":"https://example.com/give","osVersion":"0.3.5.1","sdkVersion":null,"hardwareAcceleration":true,` +
		`"userspaceFilesystems":false,"virtualNetworking":false,"plugins":[],"satisfies":[],` +
		`"images":{"main":{"source":"packed","arch":["aarch64","x86_64"],"emulateMissingAs":null,"nvidiaContainer":false}},` +
		`"volumes":["embassy","main"],"dependencies":{"mysql":{"description":"keeps the texts","optional":false},` +
		`"nostr-rs-relay":{"description":null,"optional":true}},"hardwareRequirements":{"device":[{"description":"a display device that matches \"nvidia\"",` +
		`"class":"display","product":"nvidia","vendor":null,"capabilities":null,"driver":null}],"ram":1073741824,"arch":["x86_64"]}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestSomePackagesGoOnUnderOtherNamesAndVersions(t *testing.T) {
	t.Parallel()
	for _, c := range [][4]string{
		{"hello", "Hello", "hello", "5.79.1:2"},
		{"bitcoind", "Bitcoin Knots", "bitcoind", "#knots:5.79.1:2"},
		{"bitcoind", "Bitcoin Core", "bitcoind", "5.79.1:2"},
		{"lnd", "LND", "lnd", "5.79.1-beta:2"},
		{"robosats", "Robosats", "robosats", "5.79.1-alpha:2"},
		{"synapse", "Synapse", "synapse-legacy", "5.79.1:2"},
		{"fedimintd", "Fedimint", "fedimint-guardian", "5.79.1:2"},
	} {
		m := convert(t, func(m object) { m["id"], m["title"] = c[0], c[1] })
		if string(m.ID) != c[2] || m.Version.String() != c[3] {
			t.Errorf("%s %s became %s %s", c[0], c[1], m.ID, m.Version)
		}
	}
}

func TestManifestsThatLackAFieldAreRefusedByItsName(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"title", "version", "description", "license", "wrapper-repo", "upstream-repo", "main", "volumes"} {
		_, _, err := legacy.ParseManifest(legacytest.Manifest(func(m object) { delete(m, field) }))
		if s9pk.ReasonOf(err) != s9pk.BadManifest || !strings.Contains(fmt.Sprint(err), field+" is missing") {
			t.Errorf("without %s: %v", field, err)
		}
	}
	_, _, err := legacy.ParseManifest(legacytest.Manifest(func(m object) { m["version"] = "1.2" }))
	if s9pk.ReasonOf(err) != s9pk.BadManifest || !strings.Contains(fmt.Sprint(err), "version: ") {
		t.Error(err)
	}
}

func TestImagesAreFoundByArchitecture(t *testing.T) {
	t.Parallel()
	save := func(arch string) string {
		return string(legacytest.Tar(map[string]string{"manifest.json": `[]`, "abc.json": `{"architecture":"` + arch + `"}`, "abc/layer.tar": "x"}))
	}
	find := func(images []byte) (map[string]*io.SectionReader, error) {
		all := legacytest.Sections(legacytest.Manifest(nil))
		all["docker_images"] = images
		f, err := open(legacytest.Write(all, nil))
		if err != nil {
			t.Fatal(err)
		}
		return f.Archives()
	}
	one, err := find([]byte(save("amd64")))
	if err != nil || len(one) != 1 || one["x86_64"].Size() != int64(len(save("amd64"))) {
		t.Errorf("%v, %v", one, err)
	}
	two, err := find(legacytest.Tar(map[string]string{"multiarch.cbor": "x", "aarch64.tar": save("arm64"), "x86_64.tar": save("amd64")}))
	if err != nil || len(two) != 2 {
		t.Fatalf("%v, %v", two, err)
	}
	if got, err := io.ReadAll(two["aarch64"]); err != nil || string(got) != save("arm64") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for name, images := range map[string][]byte{"no tar": []byte(strings.Repeat("x", 1024)), "no architecture": legacytest.Tar(nil)} {
		if _, err := find(images); s9pk.ReasonOf(err) != s9pk.BadMember {
			t.Errorf("%s: %v", name, err)
		}
	}
	m, _, err := legacy.ParseManifest(legacytest.Manifest(func(m object) {
		m["main"] = object{"type": "docker", "image": "main"}
		m["properties"] = object{"type": "docker", "image": "compat", "system": true}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if system := m.SystemImages(); len(system) != 1 || system[0] != "compat" {
		t.Errorf("the images of StartOS 0.3 itself are %v", system)
	}
	if out, err := m.Convert([]string{"x86_64"}, m.SystemImages()...); err != nil || len(out.Images) != 1 || len(out.Images["main"].Arch) != 1 {
		t.Errorf("without them: %v, %v", out, err)
	}
	tags, err := m.ImageTags()
	if err != nil || tags["main"] != "start9/ghost/main:5.79.1.2" || tags["compat"] != "start9/compat:latest" || len(tags) != 2 {
		t.Errorf("%v, %v", tags, err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(legacytest.Write(legacytest.Sections(legacytest.Manifest(nil)), nil))
	f.Add(legacytest.Write(legacytest.Sections([]byte{0xa0}), nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := open(raw)
		if err != nil {
			if !slices.Contains(s9pk.Reasons(), s9pk.ReasonOf(err)) {
				t.Fatalf("no reason in %v", err)
			}
			return
		}
		_ = file.Verify(context.Background(), nil)
		_, _ = file.Archives()
	})
}

func FuzzManifest(f *testing.F) {
	f.Add(legacytest.Manifest(nil))
	f.Add(legacytest.Manifest(func(m object) { m["main"] = object{"type": "docker", "image": "main"} }))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, text, err := legacy.ParseManifest(raw)
		if err != nil {
			if r := s9pk.ReasonOf(err); r != s9pk.BadManifest && r != s9pk.TooLarge {
				t.Fatal(err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%s is no JSON", text)
		}
		if out, err := m.Convert([]string{"x86_64"}, m.SystemImages()...); err == nil {
			if _, err := out.Encode(); err != nil {
				t.Fatal(err)
			}
		} else if s9pk.ReasonOf(err) != s9pk.BadManifest {
			t.Fatal(err)
		}
	})
}
