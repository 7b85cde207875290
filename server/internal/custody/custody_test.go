package custody_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/cert"
	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/operation/operationtest"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/store"
)

const operationID = "01arz3ndektsv4rrffq69g5fav"

func ring(t testing.TB, dir string) *seal.Ring {
	t.Helper()
	r, err := seal.Load(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Whatever the moment at which the machine stops, the change of the root key ends, once, and every key still opens. What
// is durable differs in the random bytes alone: the files are moved out of the matrix's sight and looked at here.
func TestChangeOfTheRootKeySurvivesCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("each schedule writes many files: not with -short")
	}
	t.Parallel()
	homes := map[string]string{} // of the files, by the folder of the schedule
	firstKey := map[string]string{}
	leaves := map[string][]byte{}
	operationtest.CrashMatrix(t, func(t testing.TB, dir string, _ *store.Store) operationtest.World {
		home, again := homes[dir]
		if !again {
			home = t.TempDir()
			homes[dir] = home
		}
		r := ring(t, home)
		authority, err := cert.Open(filepath.Join(home, "authority"), "home", r)
		if err != nil {
			t.Fatal(err)
		}
		_, key, _, err := authority.Leaf(cert.Package, []string{"home.local"}, cert.ECDSA)
		if err != nil {
			t.Fatal(err)
		}
		if !again {
			firstKey[dir], leaves[dir] = r.ID(), key
		}
		if !bytes.Equal(key, leaves[dir]) {
			t.Error("the key of the certificate is another after a crash")
		}
		return operationtest.World{
			Definitions: custody.New(r, authority).Definitions(),
			Request:     operation.Request{Asked: operation.Asked{ID: operationID}, Kind: custody.KindRotate, Target: "root-key"},
		}
	})
	for dir, home := range homes {
		r := ring(t, home)
		if r.Changing() || r.ID() == firstKey[dir] {
			t.Errorf("the root key is %s, before %s, changing: %v", r.ID(), firstKey[dir], r.Changing())
		}
		if _, err := cert.Open(filepath.Join(home, "authority"), "home", r); err != nil {
			t.Error(err)
		}
	}
	if len(homes) < 10 {
		t.Errorf("%d schedules ran", len(homes))
	}
}

func TestCopiesAreMadeReplacedAndForgotten(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := custody.New(ring(t, home))
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	names := func() string {
		d, err := s.Describe()
		if err != nil || d.GetId() == "" || d.GetRotating() {
			t.Fatalf("%v, %v", d, err)
		}
		out := ""
		for _, c := range d.GetCopies() {
			out += fmt.Sprint(c.GetName(), " ", c.GetAccount(), " ", c.GetCreateTime().AsTime().Format(time.TimeOnly), "; ")
		}
		return out
	}
	if got := names(); got != "" {
		t.Errorf("at first: %s", got)
	}
	code, kept, err := s.NewRecoveryCode(now, func() error { return nil })
	if err := errors.Join(err, kept); err != nil {
		t.Fatal(err)
	}
	first, err := s.CopyFor("a.b_c-d", "secret", now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.CopyFor("a.b_c-d", "other secret", now.Add(2*time.Second))
	if err != nil || second == first {
		t.Fatal(second, err)
	}
	both := []string{first, second}
	slices.Sort(both)
	if got, err := s.PasswordCopies(); err != nil || !slices.Equal(got, both) {
		t.Errorf("got %v, %v", got, err)
	}
	for range 2 {
		if err := s.WithdrawCopy(first); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(); got != second+" a.b_c-d 12:00:02; recovery  12:00:00; " {
		t.Errorf("got %s", got)
	}
	if err := os.Remove(filepath.Join(home, "keys", "root.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Recover(filepath.Join(home, "keys"), "secret"); err == nil {
		t.Error("a forgotten password opens")
	}
	if _, err := seal.Recover(filepath.Join(home, "keys"), code); err != nil {
		t.Error(err)
	}
}
