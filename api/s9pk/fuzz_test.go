package s9pk_test

import (
	"bytes"
	"context"
	"slices"
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
