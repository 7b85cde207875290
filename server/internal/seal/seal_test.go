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
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/seal"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func load(t testing.TB, dir string) *seal.Ring {
	t.Helper()
	r, err := seal.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newRing(t testing.TB) *seal.Ring { return load(t, t.TempDir()) }

func TestSecretsOpenOnlyWhereTheyBelong(t *testing.T) {
	t.Parallel()
	ring, other := newRing(t), newRing(t)
	rapid.Check(t, func(t *rapid.T) {
		kind, id := rapid.String().Draw(t, "kind"), rapid.String().Draw(t, "id")
		secret := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "secret")
		sealed, err := ring.Seal(kind, id, secret)
		if err != nil || len(sealed) != len(secret)+seal.Overhead {
			t.Fatalf("%d bytes, %v", len(sealed), err)
		}
		if got, err := ring.Open(kind, id, sealed); err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := other.Open(kind, id, sealed); !errors.Is(err, seal.ErrOtherKey) {
			t.Fatalf("another key: %v", err)
		}
		for _, moved := range [][2]string{{kind, id + "x"}, {kind + "x", id}, {"x" + kind, id}, {kind + id, ""}, {id, kind}} {
			if moved == [2]string{kind, id} {
				continue
			}
			if _, err := ring.Open(moved[0], moved[1], sealed); !errors.Is(err, seal.ErrDamaged) {
				t.Fatalf("moved from %q to %q: %v", [2]string{kind, id}, moved, err)
			}
		}
		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "at")
		bent := bytes.Clone(sealed)
		bent[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := ring.Open(kind, id, bent); err == nil {
			t.Fatalf("bit of byte %d bent and still opens", at)
		}
		if _, err := ring.Open(kind, id, sealed[:at]); !errors.Is(err, seal.ErrDamaged) {
			t.Fatalf("cut at %d: %v", at, err)
		}
		if again, _ := ring.Seal(kind, id, secret); bytes.Equal(again, sealed) {
			t.Fatal("sealed twice, the same came out")
		}
	})
}

// Kind and id are bound with their lengths: run together they could be those of something else.
func TestNamesThatRunTogetherAreNotTheSame(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed := sealIn(t, ring, "a", "\x01b")
	if _, err := ring.Open("a\x02", "b", sealed); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func sealIn(t testing.TB, r *seal.Ring, kind, id string) []byte {
	t.Helper()
	sealed, err := r.Seal(kind, id, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func opens(t testing.TB, r *seal.Ring, kind, id string, sealed []byte) bool {
	t.Helper()
	got, err := r.Open(kind, id, sealed)
	return err == nil && string(got) == "secret"
}

func TestKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := load(t, dir)
	sealed := sealIn(t, first, "k", "id")
	again := load(t, dir)
	if again.ID() != first.ID() || !opens(t, again, "k", "id", sealed) {
		t.Error("another start has another key")
	}
	for _, name := range []string{"root.key", "root.id"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestFilesThatAreNoKeyAreRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	good := "hearth-root-key-1 " + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"readable by others": {good, 0o604},
		"empty":              {"", 0o600},
		"no header":          {good[8:], 0o600},
		"short":              {good[:40], 0o600},
		"long":               {strings.TrimSpace(good) + good, 0o600},
		"three keys":         {good + good + good, 0o600},
		"huge":               {strings.Repeat("x", 1<<20), 0o600},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "root.key")
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Load(dir); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if got, _ := os.ReadFile(path); string(got) != c.content {
			t.Errorf("%s: changed", name)
		}
	}
}

func TestKeyOfAnotherServerIsRefused(t *testing.T) {
	t.Parallel()
	a, b := t.TempDir(), t.TempDir()
	load(t, a)
	load(t, b)
	if err := os.Rename(filepath.Join(b, "root.key"), filepath.Join(a, "root.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(a); err == nil || !strings.Contains(err.Error(), "not that of this server") {
		t.Errorf("got %v", err)
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := load(t, dir)
	raw, err := os.ReadFile(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.Fields(string(raw))[1])
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "ring", ring)
	fmt.Fprintf(&out, "%v %+v %#v %s %x %d", ring, ring, ring, ring, ring, ring)
	for _, form := range []string{string(key), fmt.Sprintf("%x", key[:8]), fmt.Sprint(key[:4])[1:8]} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the key is in %s", out.String())
		}
	}
}

func FuzzOpen(f *testing.F) {
	ring := newRing(f)
	good := sealIn(f, ring, "k", "id")
	f.Add(good)
	f.Add(good[:9])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if got, err := ring.Open("k", "id", sealed); err == nil && !bytes.Equal(sealed, good) {
			t.Fatalf("made up bytes open as %q", got)
		}
		if _, changed, err := ring.Rewrap("k", "id", sealed); err == nil && changed {
			t.Fatal("made up bytes were wrapped anew")
		}
	})
}
