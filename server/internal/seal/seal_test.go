package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hearthos/hearth/server/internal/seal"
	"pgregory.net/rapid"
)

func load(t testing.TB, path string) *seal.Box {
	t.Helper()
	b, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newBox(t testing.TB) *seal.Box { return load(t, filepath.Join(t.TempDir(), "key")) }

func TestSecretsOpenOnlyWhereTheyBelong(t *testing.T) {
	t.Parallel()
	box, other := newBox(t), newBox(t)
	rapid.Check(t, func(t *rapid.T) {
		kind, id := rapid.String().Draw(t, "kind"), rapid.String().Draw(t, "id")
		secret := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "secret")
		sealed, err := box.Seal(kind, id, secret)
		if err != nil || len(sealed) != len(secret)+seal.Overhead {
			t.Fatalf("%d bytes, %v", len(sealed), err)
		}
		if got, err := box.Open(kind, id, sealed); err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := other.Open(kind, id, sealed); !errors.Is(err, seal.ErrOtherKey) {
			t.Fatalf("another key: %v", err)
		}
		for _, moved := range [][2]string{{kind, id + "x"}, {kind + "x", id}, {"x" + kind, id}, {kind + id, ""}, {id, kind}} {
			if moved == [2]string{kind, id} {
				continue
			}
			if _, err := box.Open(moved[0], moved[1], sealed); !errors.Is(err, seal.ErrDamaged) {
				t.Fatalf("moved from %q to %q: %v", [2]string{kind, id}, moved, err)
			}
		}
		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "at")
		bent := bytes.Clone(sealed)
		bent[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := box.Open(kind, id, bent); err == nil {
			t.Fatalf("bit of byte %d bent and still opens", at)
		}
		if _, err := box.Open(kind, id, sealed[:at]); !errors.Is(err, seal.ErrDamaged) {
			t.Fatalf("cut at %d: %v", at, err)
		}
		if again, _ := box.Seal(kind, id, secret); bytes.Equal(again, sealed) {
			t.Fatal("sealed twice, the same came out")
		}
	})
}

// Kind and id are bound with their lengths: run together they could be those of another row.
func TestNamesThatRunTogetherAreNotTheSame(t *testing.T) {
	t.Parallel()
	box := newBox(t)
	sealed, err := box.Seal("a", "\x01b", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.Open("a\x02", "b", sealed); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestKeyFileIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	var all sync.WaitGroup
	boxes := make([]*seal.Box, 8)
	for i := range boxes {
		all.Go(func() { boxes[i], _ = seal.Load(path) })
	}
	all.Wait()
	sealed, err := boxes[0].Seal("k", "id", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range append(boxes, load(t, path)) {
		if got, err := b.Open("k", "id", sealed); err != nil || string(got) != "secret" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestFilesThatAreNoKeyAreRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	good := "hearth-seal-key-1 " + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"readable by others": {good, 0o604},
		"empty":              {"", 0o600},
		"no header":          {good[8:], 0o600},
		"short":              {good[:40], 0o600},
		"long":               {good + good, 0o600},
		"huge":               {strings.Repeat("x", 1<<20), 0o600},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Load(path); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if got, _ := os.ReadFile(path); string(got) != c.content {
			t.Errorf("%s: changed", name)
		}
	}
	if _, err := seal.Load(t.TempDir()); err == nil {
		t.Error("a folder was accepted")
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	box := load(t, path)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.Fields(string(raw))[1])
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "box", box)
	fmt.Fprintf(&out, "%v %+v %#v %s %x %d", box, box, box, box, box, box)
	for _, form := range []string{string(key), fmt.Sprintf("%x", key[:8]), fmt.Sprint(key[:4])[1:8]} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the key is in %s", out.String())
		}
	}
}

func FuzzOpen(f *testing.F) {
	box := newBox(f)
	good, err := box.Seal("k", "id", []byte("secret"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:9])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if got, err := box.Open("k", "id", sealed); err == nil && !bytes.Equal(sealed, good) {
			t.Fatalf("made up bytes open as %q", got)
		}
	})
}
