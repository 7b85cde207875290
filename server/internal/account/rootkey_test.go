package account_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/store"
)

const newPassword = "another horse battery"

// vault is a claimed server, whose owner is alex, and the folder of its root key.
type vault struct {
	*account.Service
	t        *testing.T
	st       *store.Store
	dir      string
	keys     *custody.Service
	recovery string
}

func newUnclaimed(t *testing.T) *vault {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	v := &vault{t: t, st: st, dir: t.TempDir()}
	v.keys = keysIn(t, v.dir)
	v.restart(v.keys)
	return v
}

func newVault(t *testing.T) *vault {
	t.Helper()
	v := newUnclaimed(t)
	var err error
	if _, v.recovery, err = v.Claim(t.Context(), noon, root, &accountsv1.ClaimServerRequest{Account: "alex", Password: password}); err != nil {
		t.Fatal(err)
	}
	return v
}

// restart is the area of a server that starts: nothing is left of the one before but what is on disk.
func (v *vault) restart(keys account.Custody) {
	v.Service = account.New(v.st, keys, slog.New(slog.DiscardHandler))
}

// settle has the controller look at everything once.
func (v *vault) settle() {
	v.t.Helper()
	c := v.RootKeyController()
	keys, err := c.List()
	if err != nil {
		v.t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := c.Reconcile(v.t.Context(), key); err != nil {
			v.t.Fatal(err)
		}
	}
}

// opens tells whether a lost root key comes back with a secret, tried on a copy of the folder.
func (v *vault) opens(secret string) bool {
	v.t.Helper()
	dir := v.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(v.dir)); err != nil {
		v.t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(dir, "root.key"))
	if err != nil {
		v.t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		v.t.Fatal(err)
	}
	if _, err := seal.Recover(dir, secret); err != nil {
		return false
	}
	got, err := os.ReadFile(filepath.Join(dir, "root.key"))
	return err == nil && string(got) == string(want)
}

func (v *vault) expect(when string, opening map[string]bool) {
	v.t.Helper()
	for secret, want := range opening {
		if got := v.opens(secret); got != want {
			v.t.Errorf("%s: %q brings the root key back: %t, want %t", when, secret, got, want)
		}
	}
}

func (v *vault) copies() int {
	v.t.Helper()
	names, err := v.keys.PasswordCopies()
	if err != nil {
		v.t.Fatal(err)
	}
	return len(names)
}

func (v *vault) change(by, old, fresh string) error {
	_, err := v.ChangePassword(v.t.Context(), noon, as(by, owner), &accountsv1.ChangePasswordRequest{OldPassword: old, NewPassword: fresh})
	return err
}

func TestPasswordOfAnOwnerBringsTheRootKeyBack(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.settle()
	v.expect("after the claim", map[string]bool{password: true, v.recovery: true, newPassword: false})
	if err := v.change("alex", password, newPassword); err != nil {
		t.Fatal(err)
	}
	v.settle()
	v.expect("after a change", map[string]bool{password: false, newPassword: true, v.recovery: true})
	if _, _, err := v.ResetPassword(t.Context(), noon, &accountsv1.ResetPasswordRequest{Account: "alex", NewPassword: password}); err != nil {
		t.Fatal(err)
	}
	v.settle()
	v.expect("after a reset", map[string]bool{password: true, newPassword: false, v.recovery: true})
	if n := v.copies(); n != 1 {
		t.Errorf("there are %d copies for passwords", n)
	}
}

func TestOnlyOwnersPasswordsBringTheRootKeyBack(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	const ofAdmin, ofOwner = "password of the admin", "password of the owner"
	for id, req := range map[string]*accountsv1.CreateAccountRequest{
		"ad.min_1": {Role: admin, Password: ofAdmin}, "ow.ner_1": {Role: owner, Password: ofOwner},
	} {
		req.Id = id
		if _, err := v.Create(t.Context(), noon, root, req); err != nil {
			t.Fatal(err)
		}
	}
	v.settle()
	v.expect("when made", map[string]bool{password: true, ofOwner: true, ofAdmin: false})

	become := func(id string, role optionsv1.Role) {
		t.Helper()
		if _, err := v.Update(t.Context(), noon, root, &accountsv1.UpdateAccountRequest{Id: id, Role: &role}); err != nil {
			t.Fatal(err)
		}
		v.settle()
	}
	login := func(id, secret string) {
		t.Helper()
		if _, err := v.Login(t.Context(), noon, account.LoginOptions{Source: "x"}, &accountsv1.LoginRequest{Account: id, Password: secret}); err != nil {
			t.Fatal(err)
		}
		v.settle()
	}
	become("ow.ner_1", admin)
	become("ad.min_1", owner)
	v.expect("when the roles have changed", map[string]bool{password: true, ofOwner: false, ofAdmin: false})
	login("ad.min_1", ofAdmin)
	login("ow.ner_1", ofOwner)
	v.expect("when both have logged in", map[string]bool{password: true, ofOwner: false, ofAdmin: true})
	become("ow.ner_1", owner)
	login("ow.ner_1", ofOwner)
	v.expect("when one is an owner again", map[string]bool{password: true, ofOwner: true, ofAdmin: true})
	if err := v.Delete(t.Context(), noon, root, "ow.ner_1"); err != nil {
		t.Fatal(err)
	}
	v.settle()
	v.expect("when one has gone", map[string]bool{password: true, ofOwner: false, ofAdmin: true})
}

func TestALostCopyIsMadeAgainAtALogin(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	names, err := v.keys.PasswordCopies()
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	for range 2 {
		if err := v.keys.WithdrawCopy(names[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Login(t.Context(), noon, account.LoginOptions{Source: "x"}, &accountsv1.LoginRequest{Password: password}); err != nil {
			t.Fatal(err)
		}
		v.settle()
		v.expect("after the login", map[string]bool{password: true})
	}
	if n := v.copies(); n != 1 {
		t.Errorf("there are %d copies", n)
	}
}

// crashing is a custody whose server stops at a point: nothing after it is done.
type crashing struct {
	account.Custody
	before, after func()
}

func (c crashing) CopyFor(account, password string, now time.Time) (string, error) {
	c.before()
	name, err := c.Custody.CopyFor(account, password, now)
	c.after()
	return name, err
}

func (crashing) WithdrawCopy(string) error { return errors.New("the server has stopped") }

func TestThePasswordThatCountsOpensACopyWhereverTheServerStops(t *testing.T) {
	t.Parallel()
	nothing := func() {}
	for name, c := range map[string]struct {
		at   func(stop context.CancelFunc) crashing
		done bool // the change was
	}{
		"before the copy":  {func(stop context.CancelFunc) crashing { return crashing{before: stop, after: nothing} }, false},
		"after the copy":   {func(stop context.CancelFunc) crashing { return crashing{before: nothing, after: stop} }, false},
		"after the commit": {func(context.CancelFunc) crashing { return crashing{before: nothing, after: nothing} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			stopping := c.at(stop)
			stopping.Custody = v.keys
			v.restart(stopping)
			_, err := v.ChangePassword(ctx, noon, as("alex", owner), &accountsv1.ChangePasswordRequest{OldPassword: password, NewPassword: newPassword})
			if (err == nil) != c.done {
				t.Fatalf("the change: %v", err)
			}
			counts, other := password, newPassword
			if c.done {
				counts, other = newPassword, password
			}
			v.expect("where it stopped", map[string]bool{counts: true})
			v.restart(keysIn(t, v.dir))
			v.settle()
			v.expect("after the start", map[string]bool{counts: true, other: false, v.recovery: true})
			if _, err := v.Login(t.Context(), noon, account.LoginOptions{Source: "x"}, &accountsv1.LoginRequest{Password: counts}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNoCopyIsTakenAwayThatARowIsAboutToName(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	var sweeping sync.WaitGroup
	sweep := func() {
		sweeping.Go(func() {
			if _, err := v.RootKeyController().Reconcile(context.Background(), ""); err != nil { // ended below
				t.Error(err)
			}
		})
	}
	inner := v.keys
	v.restart(sweeps{inner, sweep})
	old, fresh := password, newPassword
	for range 3 {
		if err := v.change("alex", old, fresh); err != nil {
			t.Fatal(err)
		}
		old, fresh = fresh, old
	}
	sweeping.Wait()
	v.expect("after all changes", map[string]bool{old: true})
}

// sweeps is a custody during whose work the controller wakes.
type sweeps struct {
	account.Custody
	wake func()
}

func (s sweeps) CopyFor(account, password string, now time.Time) (string, error) {
	s.wake()
	defer s.wake()
	return s.Custody.CopyFor(account, password, now)
}

func TestAServerIsClaimedOnceAndByOneRecoveryCode(t *testing.T) {
	t.Parallel()
	v := newUnclaimed(t)
	var mu sync.Mutex
	var codes []string
	var claiming sync.WaitGroup
	for _, name := range []string{"alex", "blake", "casey"} {
		claiming.Go(func() {
			_, code, err := v.Claim(context.Background(), noon, root, &accountsv1.ClaimServerRequest{Account: name, Password: password}) // ended below
			if err != nil {
				refused(t, name, err, metav1.Reason_REASON_SERVER_CLAIMED)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			codes = append(codes, code)
		})
	}
	claiming.Wait()
	v.settle()
	if len(codes) != 1 || v.copies() != 1 {
		t.Fatalf("%d have claimed it; %d copies", len(codes), v.copies())
	}
	v.expect("after the claim", map[string]bool{codes[0]: true, password: true})
}

// A claim that fails after the code was made, or whose server stops there, leaves the code that people have the one that
// opens: the state of the server was lost, say, and the folder of the root key was not.
func TestAClaimThatFailsReplacesNoRecoveryCode(t *testing.T) {
	t.Parallel()
	v := newUnclaimed(t)
	before, kept, err := v.keys.NewRecoveryCode(noon, func() error { return nil })
	if err := errors.Join(err, kept); err != nil {
		t.Fatal(err)
	}
	claim := func() (string, error) {
		_, code, err := v.Claim(t.Context(), noon, root, &accountsv1.ClaimServerRequest{Account: "alex", Password: password})
		return code, err
	}
	ctx, stop := context.WithCancel(t.Context())
	v.restart(stopping{Custody: v.keys, stop: stop})
	if _, _, err := v.Claim(ctx, noon, root, &accountsv1.ClaimServerRequest{Account: "alex", Password: password}); err == nil {
		t.Fatal("the claim succeeded")
	}
	v.expect("after the claim that failed", map[string]bool{before: true, password: false})

	// A code that was prepared when the server stopped is forgotten by the next.
	escrow := filepath.Join(v.dir, "escrow")
	text, err := os.ReadFile(filepath.Join(escrow, "recovery.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(escrow, "recovery.json.next"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	v.expect("where it stopped", map[string]bool{before: true})
	v.keys = keysIn(t, v.dir)
	v.restart(v.keys)
	if _, err := os.Stat(filepath.Join(escrow, "recovery.json.next")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was prepared is there still: %v", err)
	}
	v.expect("after the start", map[string]bool{before: true})

	code, err := claim()
	if err != nil {
		t.Fatal(err)
	}
	v.expect("after the claim", map[string]bool{before: false, code: true, password: true})
}

// stopping is a custody whose caller gives up when the code is made.
type stopping struct {
	account.Custody
	stop context.CancelFunc
}

func (s stopping) NewRecoveryCode(now time.Time, commit func() error) (code string, kept, err error) {
	return s.Custody.NewRecoveryCode(now, func() error {
		s.stop()
		return commit()
	})
}
