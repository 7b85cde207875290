package registryd_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/server/internal/registryd"
	"github.com/hearthos/hearth/server/internal/registryd/blob"
	"google.golang.org/protobuf/proto"
)

// held is storage that holds some files and takes none.
type held struct {
	blob.Storage
	files map[string][]byte
}

func (h held) Load(_ context.Context, name string, limit int64, _ string) ([]byte, string, error) {
	raw, there := h.files[name]
	if !there || int64(len(raw)) > limit {
		return nil, "", fs.ErrNotExist
	}
	return raw, "tag", nil
}

func digest(raw []byte) []byte { sum := sha256.Sum256(raw); return sum[:] }

// holding is the storage of a registry with one package, of which the parts are these bytes.
func holding(pkg, rest []byte) held {
	head, err := proto.Marshal(&registryv1.StorageHead{Store: "s", Term: 1, Packages: map[string][]byte{"hello": digest(pkg)}, Rest: digest(rest)})
	if err != nil {
		panic(err) // it is a message of ours
	}
	return held{files: map[string][]byte{"head/current": head, "parts/" + hex.EncodeToString(digest(pkg)): pkg, "parts/" + hex.EncodeToString(digest(rest)): rest}}
}

func replica(s blob.Storage) (*registryd.Service, error) {
	return registryd.New(context.Background(), registryd.Options{Storage: s, Log: slog.New(slog.DiscardHandler), Clock: time.Now}) // it keeps none of it
}

func seedPart(f testing.TB) []byte {
	f.Helper()
	raw, err := proto.Marshal(&registryv1.StoragePart{
		Package: &registryv1.RegistryPackage{Meta: &metav1.Meta{Id: "hello"}, Spec: &registryv1.RegistryPackageSpec{Authorized: map[string]string{"a": "*"}}},
		Versions: []*registryv1.RegistryVersion{{Meta: &metav1.Meta{Id: "hello/1"}, Spec: &registryv1.RegistryVersionSpec{
			Version: "1.0.0:0", Metadata: []byte(`{"title":"Hello","description":{"short":"a","long":"b"},"osVersion":"0.4.0"}`), SourceRange: "*",
			Files: []*registryv1.RegistryFile{{Hardware: []byte(`{"device":[]}`), Commitment: &registryv1.Commitment{RootSighash: make([]byte, 32)}, Signatures: []*registryv1.Signature{{Key: make([]byte, 32), Signature: make([]byte, 64)}}}},
		}}},
		Categories: []*registryv1.RegistryCategory{{Meta: &metav1.Meta{Id: "c"}, Spec: &registryv1.RegistryCategorySpec{Name: []byte(`"C"`)}}},
		Signers:    []*registryv1.RegistrySigner{{Meta: &metav1.Meta{Id: "a"}, Spec: &registryv1.RegistrySignerSpec{Keys: [][]byte{make([]byte, 32)}}}},
	})
	if err != nil {
		f.Fatal(err)
	}
	return raw
}

// A replica shows what it reads, or refuses it, whatever lies in the storage.
func FuzzParts(f *testing.F) {
	seed := seedPart(f)
	f.Add(seed, seed)
	f.Add([]byte{}, []byte{})
	f.Add(bytes.Repeat([]byte{0x12}, 100), seed)
	f.Fuzz(func(t *testing.T, pkg, rest []byte) {
		s, err := replica(holding(pkg, rest))
		if err != nil {
			return
		}
		found, there := s.Get("hello", registry.Question{})
		if !there {
			t.Fatal("the head names a package that is not shown")
		}
		for _, c := range found.Best {
			for _, file := range found.Row(c).GetFiles() {
				s.URLs(file)
			}
		}
		s.Packages()
		s.System(registryd.SystemQuestion{})
		s.List(registryd.Filter{Query: "h"})
	})
}

// A head is read as it was written, or refused.
func FuzzHead(f *testing.F) {
	raw := holding([]byte("a"), []byte("b")).files["head/current"]
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		head, err := registryd.ParseHead(raw)
		if err != nil {
			return
		}
		again, err := proto.Marshal(head)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := registryd.ParseHead(again); err != nil || !proto.Equal(back, head) {
			t.Fatalf("written again it is read as %v, %v", back, err)
		}
	})
}

// The parts of a catalogue are what the head names, or nothing of it is shown.
func TestAPartThatIsAnotherOneIsNotShown(t *testing.T) {
	t.Parallel()
	h := holding([]byte{}, []byte{})
	for name := range h.files {
		if name != "head/current" {
			h.files[name] = []byte("another")
		}
	}
	if s, err := replica(h); err == nil {
		t.Fatalf("it is shown: %v", s.Packages())
	}
}
