package seal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/server/internal/seal"
)

const (
	password = "correct horse"
	slot     = "password-owner"
)

// files are what is in a folder, by path.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, sub := range []string{"", "escrow"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			name := filepath.Join(sub, e.Name())
			raw, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			out[name] = raw
		}
	}
	return out
}

// place makes a folder with these files.
func place(t testing.TB, all map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "escrow"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, raw := range all {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func lose(t testing.TB, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
}

func TestChangeOfTheKeyKeepsEverythingOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := load(t, dir)
	before := ring.ID()
	old := sealIn(t, ring, "k", "id")
	if err := ring.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	during := ring.ID()
	if err := ring.Begin(t.Context()); err != nil || ring.ID() != during || during == before || !ring.Changing() {
		t.Fatalf("begun twice: %v, %v", err, ring.ID())
	}
	fresh := sealIn(t, ring, "k", "id")
	wrapped, changed, err := ring.Rewrap("k", "id", old)
	if err != nil || !changed || !bytes.Equal(wrapped[len(wrapped)-6-16:], old[len(old)-6-16:]) {
		t.Fatalf("Rewrap: %v, %v: the secret itself must stay as it is", changed, err)
	}
	if _, changed, err := ring.Rewrap("k", "id", wrapped); changed || err != nil {
		t.Errorf("wrapped twice: %v, %v", changed, err)
	}
	if _, _, err := ring.Rewrap("k", "other", old); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("wrapped for another: %v", err)
	}
	for name, sealed := range map[string][]byte{"old": old, "fresh": fresh, "wrapped": wrapped} {
		if !opens(t, ring, "k", "id", sealed) || !opens(t, load(t, dir), "k", "id", sealed) {
			t.Errorf("%s does not open during the change", name)
		}
	}
	if err := ring.Finish(t.Context()); err != nil || ring.Changing() || ring.ID() != during {
		t.Fatal(err)
	}
	if opens(t, ring, "k", "id", old) || !opens(t, ring, "k", "id", wrapped) || !opens(t, load(t, dir), "k", "id", wrapped) {
		t.Error("after the change the old key still opens, or the new one does not")
	}
	if err := ring.Finish(t.Context()); err != nil || ring.ID() != during {
		t.Errorf("finished twice: %v", err)
	}
}

func TestLostKeyComesBackByCodeAndByPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := load(t, dir)
	code := seal.NewRecoveryCode()
	for name, secret := range map[string]string{seal.RecoverySlot: code, slot: password} {
		if err := ring.Deposit(name, secret, noon); err != nil {
			t.Fatal(err)
		}
	}
	sealed := sealIn(t, ring, "k", "id")
	typed := " " + string(bytes.ToUpper(bytes.ReplaceAll([]byte(code), []byte("-"), []byte(" "))))
	for given, from := range map[string]string{code: seal.RecoverySlot, typed: seal.RecoverySlot, password: slot} {
		at := place(t, files(t, dir))
		lose(t, at)
		if _, err := seal.Load(at); !errors.Is(err, seal.ErrLost) {
			t.Fatalf("a lost key: %v", err)
		}
		if _, err := seal.Recover(at, "something else"); !errors.Is(err, seal.ErrWrongSecret) {
			t.Errorf("a wrong secret: %v", err)
		}
		if name, err := seal.Recover(at, given); err != nil || name != from {
			t.Fatalf("Recover(%q) = %q, %v", given, name, err)
		}
		if back := load(t, at); back.ID() != ring.ID() || !opens(t, back, "k", "id", sealed) {
			t.Error("another key came back")
		}
		if _, err := seal.Recover(at, given); err == nil {
			t.Error("a key that was there was replaced")
		}
	}
}

func TestAReplacedCodeNoLongerOpens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := load(t, dir)
	first, second := seal.NewRecoveryCode(), seal.NewRecoveryCode()
	for _, code := range []string{first, second} {
		if err := ring.Deposit(seal.RecoverySlot, code, noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := ring.Deposit(slot, password, noon); err != nil {
		t.Fatal(err)
	}
	if err := ring.Withdraw(slot); err != nil {
		t.Fatal(err)
	}
	if slots, err := ring.Slots(); err != nil || len(slots) != 1 || slots[0] != (seal.Slot{Name: seal.RecoverySlot, CreateTime: noon}) {
		t.Errorf("Slots = %v, %v", slots, err)
	}
	lose(t, dir)
	for _, gone := range []string{first, password} {
		if _, err := seal.Recover(dir, gone); !errors.Is(err, seal.ErrWrongSecret) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := seal.Recover(dir, second); err != nil {
		t.Error(err)
	}
}

func TestWhatIsPreparedOpensNothingBeforeItsCommitAndFollowsAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := load(t, dir)
	first, second := seal.NewRecoveryCode(), seal.NewRecoveryCode()
	if err := ring.Deposit(seal.RecoverySlot, first, noon); err != nil {
		t.Fatal(err)
	}
	if err := ring.Prepare(seal.RecoverySlot, second, noon); err != nil {
		t.Fatal(err)
	}
	if slots, err := ring.Slots(); err != nil || len(slots) != 1 {
		t.Errorf("Slots = %v, %v", slots, err)
	}
	for _, step := range []func(context.Context) error{ring.Begin, ring.Finish} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	opens := func(code string) bool {
		t.Helper()
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		lose(t, copied)
		if _, err := seal.Recover(copied, code); err != nil {
			return false
		}
		return load(t, copied).ID() == ring.ID()
	}
	if !opens(first) || opens(second) {
		t.Errorf("before the commit: the first opens: %t, the second: %t", opens(first), opens(second))
	}
	if err := ring.Commit(seal.RecoverySlot); err != nil {
		t.Fatal(err)
	}
	if opens(first) || !opens(second) {
		t.Errorf("after the commit: the first opens: %t, the second: %t", opens(first), opens(second))
	}
	if err := ring.Commit(seal.RecoverySlot); err == nil {
		t.Error("nothing was prepared, and committed")
	}
}

// Whenever the machine stops during a change of the key, and then loses the file of the root key, the copy brings back
// what opens everything that is sealed at that moment.
func TestCopiesFollowEveryStepOfAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := load(t, dir)
	if err := ring.Deposit(slot, password, noon); err != nil {
		t.Fatal(err)
	}
	old := sealIn(t, ring, "k", "id")
	before := files(t, dir)
	if err := ring.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh := sealIn(t, ring, "k", "id")
	during := files(t, dir)
	if err := ring.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := files(t, dir)
	with := func(base map[string][]byte, from map[string][]byte, names ...string) map[string][]byte {
		out := map[string][]byte{}
		for name, raw := range base {
			out[name] = raw
		}
		for _, name := range names {
			out[name] = from[name]
		}
		return out
	}
	escrow := "escrow/" + slot + ".json"
	for name, c := range map[string]struct {
		files map[string][]byte
		holds [][]byte
	}{
		"before":                   {before, [][]byte{old}},
		"copies have the new key":  {with(before, during, escrow), [][]byte{old}},
		"the file has the new key": {with(before, during, escrow, "root.key"), [][]byte{old, fresh}},
		"during":                   {during, [][]byte{old, fresh}},
		"the file lost the old":    {with(during, after, "root.key"), [][]byte{fresh}},
		"the id lost the old":      {with(during, after, "root.key", "root.id"), [][]byte{fresh}},
		"after":                    {after, [][]byte{fresh}},
	} {
		for _, lost := range []bool{false, true} {
			at := place(t, c.files)
			if lost {
				lose(t, at)
				if _, err := seal.Recover(at, password); err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
			}
			back := load(t, at)
			for i, sealed := range c.holds {
				if !opens(t, back, "k", "id", sealed) {
					t.Errorf("%s, lost %v: secret %d does not open", name, lost, i)
				}
			}
		}
	}
}

func FuzzRecover(f *testing.F) {
	dir := f.TempDir()
	ring := load(f, dir)
	if err := ring.Deposit(slot, password, noon); err != nil {
		f.Fatal(err)
	}
	good := files(f, dir)
	f.Add(good["escrow/"+slot+".json"])
	f.Add([]byte(`{"version":1,"argon2id_memory_kib":4294967295}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var cost struct {
			Memory uint32 `json:"argon2id_memory_kib"`
			Passes uint32 `json:"argon2id_passes"`
		}
		if json.Unmarshal(raw, &cost) == nil && cost.Memory*cost.Passes > 1<<10 && !bytes.Equal(raw, good["escrow/"+slot+".json"]) {
			t.Skip("costly, and no other way than the good one")
		}
		at := place(t, map[string][]byte{"root.id": good["root.id"], "escrow/" + slot + ".json": raw})
		if _, err := seal.Recover(at, password); err != nil {
			if left, _ := os.ReadDir(at); len(left) != 2 {
				t.Fatalf("a refusal left %v", left)
			}
			return
		}
		if load(t, at).ID() != ring.ID() {
			t.Fatal("made up bytes brought another key")
		}
	})
}
