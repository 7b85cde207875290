package account_test

import (
	"log/slog"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/store"
)

var signingKey = sign.FromSeed([32]byte{7})

// signed is a request as it arrives.
func signed(t *testing.T, key sign.PrivateKey, at time.Time, nonce int) *httpsig.Request {
	t.Helper()
	target := httpsig.Target{Method: "POST", Authority: "home.local", Path: "/x"}
	h, err := httpsig.Sign(key, target, httpsig.DigestOf(nil), at, "0123456789abcdef"+strconv.Itoa(nonce))
	if err != nil {
		t.Fatal(err)
	}
	r, err := httpsig.Parse(target, h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keyServer is a server on a folder with an account "ada" and its key.
func keyServer(t *testing.T, dir string) (*account.Service, *store.Store) {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := account.New(st, keysIn(t, t.TempDir()), slog.New(slog.DiscardHandler))
	_, err = st.Update(t.Context(), time.Now(), func(tx *store.Tx) error {
		return store.Put(tx, &accountsv1.Account{Meta: &metav1.Meta{Id: "ada"}, Spec: &accountsv1.AccountSpec{Role: optionsv1.Role_ROLE_OPERATOR}})
	})
	if err != nil {
		t.Fatal(err)
	}
	public := signingKey.Public()
	_, err = s.AddKey(t.Context(), time.Now(), account.Actor{Account: "ada", Role: optionsv1.Role_ROLE_OPERATOR}, &accountsv1.AddKeyRequest{Name: "laptop", PublicKey: public[:]})
	if err != nil && !fault.Is(err, metav1.Reason_REASON_ALREADY_EXISTS) {
		t.Fatal(err)
	}
	return s, st
}

func accept(t *testing.T, s *account.Service, r *httpsig.Request) metav1.Reason {
	t.Helper()
	id, err := s.AuthenticateKey(t.Context(), time.Now(), r, "192.0.2.1")
	if err == nil && (id.Account != "ada" || id.Role != optionsv1.Role_ROLE_OPERATOR) {
		t.Errorf("it is of %+v", id)
	}
	if err == nil {
		return metav1.Reason_REASON_UNSPECIFIED
	}
	return fault.Reason(err)
}

func TestASignedRequestPassesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, st := keyServer(t, t.TempDir())
		defer st.Close()
		r := signed(t, signingKey, time.Now(), 1)
		for range 2 {
			if got := accept(t, s, r); got != 0 {
				t.Errorf("several calls of one request: %v", got)
			}
		}
		if got := accept(t, s, signed(t, signingKey, time.Now(), 1)); got != metav1.Reason_REASON_SIGNATURE_REPLAYED {
			t.Errorf("the same again: %v", got)
		}
		if got := accept(t, s, signed(t, signingKey, time.Now(), 2)); got != 0 {
			t.Errorf("another: %v", got)
		}
		for at, want := range map[time.Duration]metav1.Reason{
			-5*time.Minute + time.Second: 0, -5*time.Minute - 2*time.Second: metav1.Reason_REASON_SIGNATURE_TIME,
			4 * time.Second: 0, 7 * time.Second: metav1.Reason_REASON_SIGNATURE_TIME, time.Hour: metav1.Reason_REASON_SIGNATURE_TIME,
		} {
			if got := accept(t, s, signed(t, signingKey, time.Now().Add(at), int(at))); got != want {
				t.Errorf("made %v from now: %v", at, got)
			}
		}
		if got := accept(t, s, signed(t, sign.FromSeed([32]byte{8}), time.Now(), 3)); got != metav1.Reason_REASON_UNAUTHENTICATED {
			t.Errorf("an unknown key: %v", got)
		}
		late := signed(t, signingKey, time.Now(), 4)
		if got := accept(t, s, late); got != 0 {
			t.Fatal(got)
		}
		time.Sleep(4 * time.Minute)
		if got := accept(t, s, signed(t, signingKey, late.Created, 4)); got != metav1.Reason_REASON_SIGNATURE_REPLAYED {
			t.Errorf("the same late: %v", got)
		}
	})
}

// Around a restart nothing passes twice, whatever the clock of the machine says after it; and what is made after the
// server started passes soon.
func TestNoSignedRequestPassesAgainAfterARestart(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"at once": 0, "the clock went back": -time.Hour, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				s, st := keyServer(t, dir)
				start := time.Now()
				var before []int
				for i, ahead := range []time.Duration{0, 4 * time.Second, -time.Minute} {
					if got := accept(t, s, signed(t, signingKey, start.Add(ahead), i)); got != 0 {
						t.Fatal(got)
					}
					before = append(before, int(ahead))
				}
				if err := st.Close(); err != nil {
					t.Fatal(err)
				}
				s, st = keyServer(t, dir)
				defer st.Close()
				for i, ahead := range before {
					r := signed(t, signingKey, start.Add(time.Duration(ahead)), i)
					// The clock as the machine has it after the start, and once it is right again.
					for _, now := range []time.Time{start.Add(jump), start.Add(10 * time.Second), start.Add(2 * time.Minute)} {
						if _, err := s.AuthenticateKey(t.Context(), now, r, "x"); !fault.Is(err, metav1.Reason_REASON_SIGNATURE_TIME) {
							t.Errorf("signed %v from the start, shown at %v: %v", time.Duration(ahead), now.Sub(start), err)
						}
					}
				}
				now := start.Add(11 * time.Second)
				if _, err := s.AuthenticateKey(t.Context(), now, signed(t, signingKey, now, 9), "x"); err != nil {
					t.Errorf("a new request after the start: %v", err)
				}
			})
		})
	}
}

func TestKeysAreOfAnAccount(t *testing.T) {
	t.Parallel()
	s, st := keyServer(t, t.TempDir())
	defer st.Close()
	public := sign.FromSeed([32]byte{9}).Public()
	add := func(by account.Actor, to string, key []byte) error {
		_, err := s.AddKey(t.Context(), time.Now(), by, &accountsv1.AddKeyRequest{Name: "x", PublicKey: key, Account: to})
		return err
	}
	viewer := account.Actor{Account: "bob", Role: optionsv1.Role_ROLE_VIEWER}
	local := account.Actor{Local: true, Role: optionsv1.Role_ROLE_OWNER}
	for name, c := range map[string]struct {
		err  error
		want metav1.Reason
	}{
		"to another's account": {add(viewer, "ada", public[:]), metav1.Reason_REASON_PERMISSION_DENIED},
		"to no account":        {add(local, "", public[:]), metav1.Reason_REASON_INVALID_ARGUMENT},
		"to none there is":     {add(local, "eve", public[:]), metav1.Reason_REASON_NOT_FOUND},
		"of small order":       {add(local, "ada", make([]byte, 32)), metav1.Reason_REASON_INVALID_ARGUMENT},
	} {
		if !fault.Is(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if keys, err := s.Keys(viewer); err != nil || len(keys) != 0 {
		t.Errorf("another sees %v, %v", keys, err)
	}
	keys, err := s.Keys(local)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	id := keys[0].GetId()
	if err := s.DeleteKey(t.Context(), time.Now(), viewer, id); !fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
		t.Errorf("another removes it: %v", err)
	}
	open := signed(t, signingKey, time.Now(), 7)
	if got := accept(t, s, open); got != 0 {
		t.Fatal(got)
	}
	if _, err := s.AuthenticateKey(t.Context(), time.Now(), open, ""); err != nil {
		t.Fatalf("a stream that is open: %v", err)
	}
	if err := s.DeleteKey(t.Context(), time.Now(), local, id); err != nil {
		t.Fatal(err)
	}
	for what, r := range map[string]*httpsig.Request{"a new request": signed(t, signingKey, time.Now(), 1), "the stream that is open": open} {
		if got := accept(t, s, r); got != metav1.Reason_REASON_UNAUTHENTICATED {
			t.Errorf("%s after it was removed: %v", what, got)
		}
	}
	// Looked at again, as streams are; no address, no use.
	if _, err := s.AuthenticateKey(t.Context(), time.Now(), open, ""); !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
		t.Errorf("a stream that is open goes on: %v", err)
	}
}
