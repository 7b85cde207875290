package s9pk_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
)

// FuzzOpen hands in files whose header is signed again after every change, as a hostile packager could.
func FuzzOpen(f *testing.F) {
	for _, name := range packages {
		raw := testdata(f, name)
		f.Add(raw[:min(len(raw), 12_000)])
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = bytes.Clone(raw)
		if len(raw) >= s9pk.HeaderSize {
			resign(t, raw)
		}
		file, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
		if err != nil {
			if !slices.Contains(s9pk.Reasons(), s9pk.ReasonOf(err)) {
				t.Fatalf("no reason in %v", err)
			}
			return
		}
		verified := file.VerifyAll(context.Background(), nil) == nil
		for e := range file.All() {
			if e.Kind != merkle.File {
				continue
			}
			if _, err := file.ReadFile(e.Path, e.Size); verified && err != nil {
				t.Fatalf("%q: verified as a whole and refused alone: %v", e.Path, err)
			}
		}
		keep, err := file.Layout("x86_64")
		if err != nil {
			return
		}
		for _, image := range keep.Images {
			_, _ = file.ImageDefaults(image)
		}
		var out bytes.Buffer
		if err := file.Rewrite(context.Background(), &out, keep, s9pk.Priority); err != nil {
			if verified {
				t.Fatal(err)
			}
			return
		}
		again := open(t, out.Bytes())
		if again.Commitment() != file.Commitment() {
			t.Fatal("a copy became another package")
		}
		if _, err := again.Layout("x86_64"); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	for _, name := range packages {
		f.Add(open(f, testdata(f, name)).ManifestJSON())
	}
	f.Add([]byte(`{"id":"a","id":"b"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := s9pk.ParseManifest(raw)
		if err != nil {
			if !slices.Contains(s9pk.Reasons(), s9pk.ReasonOf(err)) {
				t.Fatalf("no reason in %v", err)
			}
			return
		}
		once, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := s9pk.ParseManifest(once)
		if err != nil {
			t.Fatalf("%s was written as %s: %v", raw, once, err)
		}
		if twice, err := again.Encode(); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s became %s, %v", once, twice, err)
		}
		_ = m.CheckOSVersion()
		_ = m.ReleaseNotes.In("en_US")
	})
}

// FuzzMembers fills the small members that are parsed, in a package whose tree and signature are in order.
func FuzzMembers(f *testing.F) {
	honest := open(f, testdata(f, "packed-order.s9pk"))
	full := members(f, honest)
	f.Add([]byte(`{"workdir":"","user":"","entrypoint":["a"],"cmd":null}`), []byte("A=b\nC=d"), []byte(`{"title":{"en_US":"x"}}`))
	f.Add([]byte(`{"entrypoint":{}}`), []byte("=\n\x00=\n"), []byte(`{"title":null}`))
	f.Fuzz(func(t *testing.T, image, env, metadata []byte) {
		b := merkle.NewBuilder()
		changed := maps.Clone(full)
		changed["images/x86_64/main.json"] = s9pk.FromBytes(image)
		changed["images/x86_64/main.env"] = s9pk.FromBytes(env)
		changed["dependencies/bitcoind/metadata.json"] = s9pk.FromBytes(metadata)
		changed[s9pk.PathManifest] = s9pk.FromBytes(honest.ManifestJSON())
		for path, source := range changed {
			if err := b.Add(path, source); err != nil {
				t.Fatal(err)
			}
		}
		root, err := b.Seal(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		file := open(t, signed(t, b, root))
		l, err := file.Layout("x86_64")
		if err != nil {
			t.Fatal(err)
		}
		main, _ := l.Image("main")
		d, err := file.ImageDefaults(main)
		if err != nil && s9pk.ReasonOf(err) != s9pk.BadMember {
			t.Fatal(err)
		}
		if err == nil && (d.Workdir == "" || d.User == "") {
			t.Fatalf("%+v", d)
		}
		for _, line := range d.Env {
			if strings.IndexByte(line, '=') < 1 || strings.ContainsAny(line, "\x00\n") {
				t.Fatalf("%q is no setting", line)
			}
		}
		if _, err := file.DependencyTitle(l.Dependencies["bitcoind"]); err != nil && s9pk.ReasonOf(err) != s9pk.BadMember {
			t.Fatal(err)
		}
	})
}
