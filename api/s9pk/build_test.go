package s9pk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

func members(t testing.TB, f *s9pk.File) map[string]merkle.Source {
	t.Helper()
	all := make(map[string]merkle.Source)
	for e := range f.All() {
		if e.Kind == merkle.File && e.Path != s9pk.PathManifest {
			content, err := f.ReadFile(e.Path, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			all[e.Path] = s9pk.FromBytes(content)
		}
	}
	return all
}

func build(t testing.TB, in s9pk.BuildInput) []byte {
	t.Helper()
	var out bytes.Buffer
	c, err := s9pk.Build(context.Background(), &out, in)
	if err != nil {
		t.Fatal(err)
	}
	if got := open(t, out.Bytes()).Commitment(); got != c {
		t.Fatalf("Build answered %v, the file says %v", c, got)
	}
	return out.Bytes()
}

func TestBuildGivesTheOriginalsBytes(t *testing.T) {
	t.Parallel()
	want := testdata(t, "packed-order.s9pk")
	f := open(t, want)
	got := build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members(t, f), Key: testKey(), Order: s9pk.ByName})
	if !bytes.Equal(got, want) {
		t.Fatal("the same package became other bytes")
	}
	if again := build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members(t, f), Key: testKey(), Order: s9pk.ByName}); !bytes.Equal(again, got) {
		t.Fatal("building twice gives two files")
	}
}

func TestRebuiltPackageHasTheSameCommitmentUnderAnotherKey(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "real-images.s9pk"))
	g := open(t, build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members(t, f), Key: testKey()}))
	if f.Commitment() != g.Commitment() || g.Signer() != testKey().Public() {
		t.Fatalf("%v became %v", f.Commitment(), g.Commitment())
	}
}

func TestRewriteKeepsBytesOrSignature(t *testing.T) {
	t.Parallel()
	for _, name := range packages {
		raw := testdata(t, name)
		f := open(t, raw)
		if got := rewrite(t, f, nil, s9pk.ByName); !bytes.Equal(got, raw) {
			t.Errorf("%s: rewriting in the same order changed it", name)
		}
		sorted := rewrite(t, f, nil, s9pk.Priority)
		g := open(t, sorted)
		if g.Header().Signature != f.Header().Signature || g.Commitment() != f.Commitment() || len(sorted) != len(raw) {
			t.Errorf("%s: the other order changed what is signed", name)
		}
		if got := rewrite(t, g, nil, s9pk.ByName); !bytes.Equal(got, raw) {
			t.Errorf("%s: there and back again differs", name)
		}
	}
}

func rewrite(t testing.TB, f *s9pk.File, keep *s9pk.Layout, o s9pk.Order) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := f.Rewrite(context.Background(), &out, keep, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPriorityPutsTheManifestFirstAmongFiles(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "packed-order.s9pk"))
	g := open(t, rewrite(t, f, nil, s9pk.Priority))
	before := int64(0)
	for _, path := range []string{"manifest.json", "icon.svg", "LICENSE.md", "instructions.md", "javascript.squashfs", "dependencies/bitcoind/icon.png", "images/x86_64/main.squashfs"} {
		at, err := g.Section(path)
		if err != nil || at.Offset <= before {
			t.Errorf("%s lies at %d, the one before it at %d, %v", path, at.Offset, before, err)
		}
		before = at.Offset
	}
}

func TestFilteredCopyServesItsArchitectureAlone(t *testing.T) {
	t.Parallel()
	raw := testdata(t, "real-images.s9pk")
	f := open(t, raw)
	keep, err := f.Layout("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	small := rewrite(t, f, keep, s9pk.Priority)
	g := open(t, small)
	if len(small) >= len(raw) || g.Commitment() != f.Commitment() {
		t.Fatalf("%d of %d bytes, %v", len(small), len(raw), g.Commitment())
	}
	if err := g.VerifyAll(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Layout("x86_64"); err != nil {
		t.Error(err)
	}
	if _, err := g.Layout("aarch64"); s9pk.ReasonOf(err) != s9pk.ArchUnsupported {
		t.Errorf("aarch64: %v", err)
	}
	if again := rewrite(t, g, keep, s9pk.Priority); !bytes.Equal(again, small) {
		t.Error("filtering twice gives two files")
	}
}

func TestRewriteOfADamagedPackageFails(t *testing.T) {
	t.Parallel()
	raw := testdata(t, "real-images.s9pk")
	raw[len(raw)-1] ^= 1
	err := open(t, raw).Rewrite(context.Background(), io.Discard, nil, s9pk.Priority)
	if s9pk.ReasonOf(err) != s9pk.HashMismatch {
		t.Fatal(err)
	}
}

func TestBuildRefusesIncompleteAndUnknownMembers(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "packed-order.s9pk"))
	full := members(t, f)
	drop := func(path string) func(map[string]merkle.Source) {
		return func(m map[string]merkle.Source) { delete(m, path) }
	}
	add := func(path string) func(map[string]merkle.Source) {
		return func(m map[string]merkle.Source) { m[path] = s9pk.FromBytes([]byte("x")) }
	}
	for _, c := range []struct {
		name   string
		change func(map[string]merkle.Source)
		want   s9pk.Reason
	}{
		{"no icon", drop("icon.svg"), s9pk.MissingMember},
		{"no license", drop("LICENSE.md"), s9pk.MissingMember},
		{"no instructions", drop("instructions.md"), s9pk.MissingMember},
		{"no code", drop("javascript.squashfs"), s9pk.MissingMember},
		{"no environment", drop("images/x86_64/main.env"), s9pk.MissingMember},
		{"image missing where it must be emulated", drop("images/aarch64/main.squashfs"), s9pk.ArchUnsupported},
		{"second icon", add("icon.png"), s9pk.UnknownMember},
		{"readme", add("README.md"), s9pk.UnknownMember},
		{"image the manifest does not know", add("images/x86_64/other.squashfs"), s9pk.UnknownMember},
		{"dependency the manifest does not know", add("dependencies/lnd/icon.png"), s9pk.UnknownMember},
		{"path that leads out", add("../x"), s9pk.UnknownMember},
	} {
		changed := maps.Clone(full)
		c.change(changed)
		_, err := s9pk.Build(context.Background(), io.Discard, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: changed, Key: testKey()})
		if s9pk.ReasonOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	unpacked := bytes.Replace(f.ManifestJSON(), []byte(`"packed"`), []byte(`{"dockerTag":"a:1"}`), 1)
	if _, err := s9pk.Build(context.Background(), io.Discard, s9pk.BuildInput{Manifest: unpacked, Members: full, Key: testKey()}); s9pk.ReasonOf(err) != s9pk.BadManifest {
		t.Errorf("an image that is not packed: %v", err)
	}
	if _, err := s9pk.Build(context.Background(), io.Discard, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: full, Key: sign.PrivateKey{}}); err == nil {
		t.Error("a package was built without a key")
	}
}

func TestMembersComeFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "LICENSE.md")
	if err := os.WriteFile(path, []byte("MIT"), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := s9pk.FromFile(path)
	if err != nil || source.Size != 3 {
		t.Fatalf("%+v, %v", source, err)
	}
	f := open(t, testdata(t, "packed-order.s9pk"))
	m := members(t, f)
	m[s9pk.PathLicense] = source
	g := open(t, build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: m, Key: testKey()}))
	if got, err := g.ReadFile(s9pk.PathLicense, 10); err != nil || string(got) != "MIT" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := s9pk.FromFile(dir); err == nil {
		t.Error("a directory was taken as a member")
	}
}

// A host reads how to run an image from these two. What it could not read is not signed.
func TestTextsOfImagesThatNoHostReadsAreNotSigned(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "real-images.s9pk"))
	for name, c := range map[string]struct {
		member, text, says string
	}{
		"no JSON":               {"images/x86_64/main.json", "not json", "clean JSON object"},
		"a list":                {"images/x86_64/main.json", "[]", "clean JSON object"},
		"a number for a folder": {"images/x86_64/main.json", `{"workdir":7}`, "does not describe an image"},
		"too long":              {"images/x86_64/main.json", `{"a":"` + strings.Repeat("a", 1<<20) + `"}`, "larger than"},
		"no pair":               {"images/x86_64/main.env", "PATH=/bin\nHOME\n", "line 2 is not NAME=VALUE"},
		"no name":               {"images/x86_64/main.env", "=1", "line 1 is not NAME=VALUE"},
		"a zero byte":           {"images/x86_64/main.env", "A=\x00", "line 1 is not NAME=VALUE"},
		"no squashfs":           {"images/x86_64/main.squashfs", "a text", "it is no squashfs"},
		"nothing":               {"javascript.squashfs", "", "it is no squashfs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := f.Source(c.member); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			_, err := f.Edit(t.Context(), &out, s9pk.EditInput{Key: testKey(), Members: map[string]merkle.Source{c.member: s9pk.FromBytes([]byte(c.text))}})
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.member) || out.Len() != 0 {
				t.Errorf("%d bytes, %v", out.Len(), err)
			}
		})
	}
}

// What was left out of a copy cannot be signed anew. It is gone for good where somebody says so.
func TestACopyWithoutSomePartsIsEditedWithoutThem(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "real-images.s9pk"))
	keep, err := f.Layout("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	g := open(t, rewrite(t, f, keep, s9pk.Priority))
	var out bytes.Buffer
	_, err = g.Edit(t.Context(), &out, s9pk.EditInput{Key: testKey()})
	if s9pk.ReasonOf(err) != s9pk.NotFound || !strings.Contains(err.Error(), "images/aarch64") || !strings.Contains(err.Error(), "edit the whole package") || out.Len() != 0 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	in := s9pk.EditInput{Key: testKey(), Removed: []string{"images/aarch64"}}
	var images struct{ Images map[string]map[string]any }
	if err := json.Unmarshal(g.ManifestJSON(), &images); err != nil {
		t.Fatal(err)
	}
	for _, image := range images.Images {
		image["arch"] = []string{"x86_64"}
	}
	in.Manifest = manifestWith(t, map[string]any{"images": images.Images, "hardwareRequirements": map[string]any{"arch": []string{"x86_64"}}})
	if _, err := g.Edit(t.Context(), &out, in); err != nil {
		t.Fatal(err)
	}
	h := open(t, out.Bytes())
	for e := range h.All() {
		if e.Kind == merkle.Missing || strings.Contains(e.Path, "aarch64") {
			t.Errorf("there is %s", e.Path)
		}
	}
	if err := h.VerifyAll(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func buildLarge(t testing.TB, size int) []byte {
	t.Helper()
	f := open(t, testdata(t, "packed-order.s9pk"))
	m := members(t, f)
	m["images/x86_64/main.squashfs"] = s9pk.FromBytes(bytes.Repeat([]byte("0123456789abcdef"), size/16))
	return build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: m, Key: testKey()})
}

// manifestWith answers a valid manifest with some members replaced; nil removes one.
func manifestWith(t testing.TB, changes map[string]any) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(testdata(t, "real-images.manifest.json"), &m); err != nil {
		t.Fatal(err)
	}
	for k, v := range changes {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestLayoutFollowsTheManifest(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "real-images.s9pk"))
	l, err := f.Layout("aarch64")
	if err != nil {
		t.Fatal(err)
	}
	main, _ := l.Image("main")
	side, _ := l.Image("side")
	if main.Arch != "aarch64" || side.Arch != "x86_64" || side.Squashfs != "images/x86_64/side.squashfs" {
		t.Errorf("main %+v, side %+v", main, side)
	}
	if l.Icon != "icon.svg" || l.Assets != s9pk.PathAssets || l.Instructions != s9pk.PathInstructions || l.Has("images/x86_64/main.squashfs") {
		t.Errorf("%+v", l)
	}
	if _, err := f.Layout("riscv64"); s9pk.ReasonOf(err) != s9pk.ArchUnsupported {
		t.Errorf("riscv64: %v", err)
	}
	all, err := f.Layout("")
	if err != nil || len(all.Images) != 3 {
		t.Errorf("%+v, %v", all, err)
	}
	if d, err := f.ImageDefaults(main); err != nil || d.Workdir == "" || d.User == "" || len(d.Env) == 0 || !strings.HasPrefix(d.Env[0], "PATH=") {
		t.Errorf("%+v, %v", d, err)
	}
	p := open(t, testdata(t, "packed-order.s9pk"))
	l, err = p.Layout("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	if title, err := p.DependencyTitle(l.Dependencies["bitcoind"]); err != nil || title.In("en_US") == "" {
		t.Errorf("%v, %v", title, err)
	}
	if s9pk.IconType(l.Dependencies["bitcoind"].Icon) != "image/png" || s9pk.IconType("png") != "" {
		t.Error("icon types are wrong")
	}
	if _, err := open(t, testdata(t, "odd-names.s9pk")).Layout("x86_64"); s9pk.ReasonOf(err) != s9pk.MissingMember {
		t.Errorf("odd-names: %v", err)
	}
}

func TestLargestIconIsTheIcon(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "real-images.s9pk"))
	sizes := func(names ...string) *merkle.Builder {
		b := merkle.NewBuilder()
		for path, s := range members(t, f) {
			if !strings.HasPrefix(path, "icon") {
				if err := b.Add(path, s); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, name := range names {
			if err := b.Add(name, s9pk.FromBytes(make([]byte, i+1))); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Add(s9pk.PathManifest, s9pk.FromBytes(f.ManifestJSON())); err != nil {
			t.Fatal(err)
		}
		return b
	}
	for want, b := range map[string]*merkle.Builder{
		"icon.webp": sizes("icon.png", "icon-x.png", "icon.txt", "icon.webp"),
		"":          sizes("icon", "icon-x.png", "icon.txt"),
	} {
		root, err := b.Seal(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		g := open(t, signed(t, b, root))
		l, err := g.Layout("x86_64")
		if want == "" {
			if s9pk.ReasonOf(err) != s9pk.MissingMember {
				t.Errorf("no icon: %v", err)
			}
		} else if err != nil || l.Icon != want {
			t.Errorf("got %v, %v, want %s", l, err, want)
		}
	}
}

// signed writes a tree that Build would refuse.
func signed(t testing.TB, b *merkle.Builder, root merkle.Root) []byte {
	t.Helper()
	plan, err := b.Plan(s9pk.HeaderSize, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, s9pk.HeaderSize)
	copy(raw, "\x3b\x3b\x02")
	message := s9pk.Commitment{RootSighash: root.Sighash, RootMaxSize: root.MaxSize}.Message()
	copy(raw[99:], message)
	place := s9pk.Commitment{RootMaxSize: plan.Root.Position}.Message()
	copy(raw[139:], place[32:])
	length := s9pk.Commitment{RootMaxSize: plan.Root.Length}.Message()
	copy(raw[147:], length[32:])
	out := bytes.NewBuffer(resign(t, raw))
	if err := plan.Write(context.Background(), out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
