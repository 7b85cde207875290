package s9pk_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

var packages = []string{"odd-names.s9pk", "packed-order.s9pk", "real-images.s9pk", "real-images-x86.s9pk"}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func open(t testing.TB, raw []byte) *s9pk.File {
	t.Helper()
	f, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// testKey is the key the made-up packages of testdata were signed with.
func testKey() sign.PrivateKey { return sign.FromSeed([32]byte(bytes.Repeat([]byte{0x42}, 32))) }

func TestPackagesOfTheOriginalOpenAndVerify(t *testing.T) {
	t.Parallel()
	for _, name := range packages {
		f := open(t, testdata(t, name))
		if err := f.VerifyAll(context.Background(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for e := range f.All() {
			if e.Kind != merkle.File {
				continue
			}
			if content, err := f.ReadFile(e.Path, 1<<20); err != nil || int64(len(content)) != e.Size {
				t.Errorf("%s: %s: %v", name, e.Path, err)
			}
		}
	}
}

func TestCommitmentIsTheRecordedOne(t *testing.T) {
	t.Parallel()
	f := open(t, testdata(t, "real-images.s9pk"))
	want := bytes.TrimSpace(testdata(t, "real-images.commitment.json"))
	got, err := json.Marshal(f.Commitment())
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %s, want %s, %v", got, want, err)
	}
	var back s9pk.Commitment
	if err := json.Unmarshal(want, &back); err != nil || back != f.Commitment() {
		t.Fatalf("%v, %v", back, err)
	}
	padded := bytes.Replace(want, []byte(`QHY"`), []byte(`QHY="`), 1)
	if err := json.Unmarshal(padded, &back); err != nil || back != f.Commitment() {
		t.Fatalf("padded: %v, %v", back, err)
	}
	if name := back.Name(); len(name) != 52 || name != strings.ToLower(name) {
		t.Fatalf("name %q", name)
	}
}

func TestFileTreeIsTheRecordedOne(t *testing.T) {
	t.Parallel()
	var want []string
	if err := json.Unmarshal(testdata(t, "real-images.file-tree.json"), &want); err != nil {
		t.Fatal(err)
	}
	var got []string
	for e := range open(t, testdata(t, "real-images.s9pk")).All() {
		if e.Kind == merkle.Dir {
			e.Path += "/"
		}
		got = append(got, e.Path)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestSectionsPointAtTheFilesystemsInPlace(t *testing.T) {
	t.Parallel()
	raw := testdata(t, "real-images.s9pk")
	f := open(t, raw)
	for _, path := range []string{"javascript.squashfs", "assets.squashfs", "images/x86_64/side.squashfs"} {
		at, err := f.Section(path)
		if err != nil || at.Size != 4096 || string(raw[at.Offset:at.Offset+4]) != "hsqs" || at.Aligned != (at.Offset%512 == 0) {
			t.Errorf("%s: %+v, %v", path, at, err)
		}
	}
}

func TestExpectedCommitmentIsEnforced(t *testing.T) {
	t.Parallel()
	raw := testdata(t, "packed-order.s9pk")
	right := open(t, raw).Commitment()
	for name, c := range map[string]struct {
		change func(*s9pk.Commitment)
		want   s9pk.Reason
	}{
		"same":         {func(*s9pk.Commitment) {}, ""},
		"larger table": {func(c *s9pk.Commitment) { c.RootMaxSize++ }, ""},
		"other hash":   {func(c *s9pk.Commitment) { c.RootSighash[31]++ }, s9pk.OtherPackage},
		"smaller":      {func(c *s9pk.Commitment) { c.RootMaxSize-- }, s9pk.OtherPackage},
	} {
		expected := right
		c.change(&expected)
		_, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{Commitment: &expected})
		if s9pk.ReasonOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// resign makes the header valid again after a change, as the owner of a key could.
func resign(t testing.TB, raw []byte) []byte {
	t.Helper()
	key := testKey()
	pub := key.Public()
	copy(raw[3:35], pub[:])
	s, err := key.SignDigest("s9pk", sha512.Sum512(raw[99:139]))
	if err != nil {
		t.Fatal(err)
	}
	copy(raw[35:99], s[:])
	return raw
}

func TestDamagedAndForeignFilesAreRefusedWithTheirReason(t *testing.T) {
	t.Parallel()
	raw := testdata(t, "packed-order.s9pk")
	put := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint64(b[at:], v)
			return b
		}
	}
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   s9pk.Reason
	}{
		{"nothing", func([]byte) []byte { return nil }, s9pk.NotPackage},
		{"two bytes", func(b []byte) []byte { return b[:2] }, s9pk.NotPackage},
		{"other magic", func(b []byte) []byte { b[1] = 'x'; return b }, s9pk.NotPackage},
		{"web page", func([]byte) []byte { return []byte("<!doctype html>") }, s9pk.NotPackage},
		{"first format", func(b []byte) []byte { b[2] = 1; return b }, s9pk.OldFormat},
		{"later format", func(b []byte) []byte { b[2] = 3; return b }, s9pk.UnknownFormat},
		{"header cut", func(b []byte) []byte { return b[:154] }, s9pk.Truncated},
		{"only header", func(b []byte) []byte { return b[:155] }, s9pk.Truncated},
		{"tables cut", func(b []byte) []byte { return b[:600] }, s9pk.Truncated},
		{"last byte cut", func(b []byte) []byte { return b[:len(b)-1] }, s9pk.Truncated},
		{"small-order key", func(b []byte) []byte { copy(b[3:35], make([]byte, 32)); return b }, s9pk.WeakKey},
		{"other key", func(b []byte) []byte { k := sign.FromSeed([32]byte{1}).Public(); copy(b[3:], k[:]); return b }, s9pk.BadSignature},
		{"signature changed", func(b []byte) []byte { b[40] ^= 1; return b }, s9pk.BadSignature},
		{"sighash changed", func(b []byte) []byte { b[99] ^= 1; return b }, s9pk.BadSignature},
		{"sighash changed and signed", func(b []byte) []byte { b[99] ^= 1; return resign(t, b) }, s9pk.HashMismatch},
		{"giant table signed", func(b []byte) []byte { return resign(t, put(131, 1<<20+1)(b)) }, s9pk.TooLarge},
		{"endless table signed", func(b []byte) []byte { return resign(t, put(131, 1<<63)(b)) }, s9pk.Malformed},
		{"root table elsewhere", put(139, 1<<40), s9pk.Truncated},
		{"root table in the header", put(139, 0), s9pk.Malformed},
		{"root table longer", put(147, 516), s9pk.TooLarge},
		{"root table shorter", put(147, 514), s9pk.Malformed},
		{"manifest changed", func(b []byte) []byte { b[2282+5] ^= 1; return b }, s9pk.HashMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := c.change(bytes.Clone(raw))
			_, err := s9pk.Open(bytes.NewReader(b), int64(len(b)), s9pk.Options{})
			var refused *s9pk.Error
			if !errors.As(err, &refused) || refused.Reason != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestNoChangedByteGoesUnnoticed(t *testing.T) {
	t.Parallel()
	raw := testdata(t, "real-images.s9pk")
	honest := contents(t, open(t, raw))
	for i := range raw {
		if tables := i < 800 || i > 10_000 && i < 10_560; !tables && i%59 != 0 {
			continue // inside a member one byte is like the other
		}
		damaged := bytes.Clone(raw)
		damaged[i] ^= 0x20
		f, err := s9pk.Open(bytes.NewReader(damaged), int64(len(damaged)), s9pk.Options{})
		if err == nil {
			err = f.VerifyAll(context.Background(), nil)
		}
		switch {
		case err == nil && cmp.Equal(contents(t, f), honest):
			t.Fatalf("byte %d changed goes unnoticed", i)
		case err != nil && !slices.Contains(s9pk.Reasons(), s9pk.ReasonOf(err)):
			t.Fatalf("byte %d: no reason in %v", i, err)
		}
	}
}

func contents(t *testing.T, f *s9pk.File) map[string]string {
	all := make(map[string]string)
	for e := range f.All() {
		if e.Kind == merkle.File {
			b, err := f.ReadFile(e.Path, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			all[e.Path] = string(b)
		}
	}
	return all
}

func TestReasonsAreDistinct(t *testing.T) {
	t.Parallel()
	all := s9pk.Reasons()
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) || slices.Contains(all, "") {
		t.Fatal(all)
	}
}

func TestReasonsAreExplainedToPeople(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/package-files.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range s9pk.Reasons() {
		if !bytes.Contains(page, []byte("`"+reason+"`")) {
			t.Errorf("docs/package-files.md does not explain %s", reason)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	raw := testdata(b, "real-images.s9pk")
	for b.Loop() {
		if _, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAll(b *testing.B) {
	raw := buildLarge(b, 64<<20)
	f := open(b, raw)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if err := f.VerifyAll(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
