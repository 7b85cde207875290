package settings_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/naming"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/settings"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

type world struct {
	*settings.Keeper
	t       *testing.T
	store   *store.Store
	ring    *seal.Ring
	rebuilt int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	ring, err := seal.Load(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: st, ring: ring}
	w.Keeper = settings.New(settings.Options{
		Store: st, Ring: ring, Hostname: func(name string) string { return naming.Hostname(name, "1234") },
		Rebuild: func(*store.Tx) error { w.rebuilt++; return nil },
		Renamed: func(context.Context, string) {},
	})
	return w
}

// mail is how packages see it.
func (w *world) mail() (spec *systemv1.SmtpSpec, password string) {
	w.t.Helper()
	err := w.store.View(func(tx *store.Tx) (err error) {
		spec, password, err = w.SMTPIn(tx)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return spec, password
}

func (w *world) set(spec *systemv1.SmtpSpec, password *string) *systemv1.Smtp {
	w.t.Helper()
	row, err := w.SetSMTP(w.t.Context(), noon, spec, password)
	if err != nil {
		w.t.Fatal(err)
	}
	return row
}

func smtp() *systemv1.SmtpSpec {
	return &systemv1.SmtpSpec{Host: "mail.example", Port: 587, Sender: "Home <home@mail.example>", Username: "home"}
}

func TestTheHostNameFollowsFromTheName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	row, err := w.SetName(t.Context(), noon, " Anna's Büro ", "")
	if err != nil || row.GetSpec().GetName() != "Anna's Büro" || row.GetSpec().GetHostname() != "annas-bro" {
		t.Errorf("%v, %v", row, err)
	}
	if row, err = w.SetName(t.Context(), noon, "Home", "our-home"); err != nil || row.GetSpec().GetHostname() != "our-home" {
		t.Errorf("%v, %v", row, err)
	}
	for name, c := range map[string]struct {
		name, hostname string
		reason         metav1.Reason
	}{
		"capitals":       {"Home", "Home", metav1.Reason_REASON_HOSTNAME_INVALID},
		"dots":           {"Home", "home.local", metav1.Reason_REASON_HOSTNAME_INVALID},
		"too short":      {"Home", "a", metav1.Reason_REASON_HOSTNAME_INVALID},
		"no name":        {"  ", "", metav1.Reason_REASON_INVALID_ARGUMENT},
		"control":        {"a\x1bb", "", metav1.Reason_REASON_INVALID_ARGUMENT},
		"ends in hyphen": {"Home", "home-", metav1.Reason_REASON_HOSTNAME_INVALID},
	} {
		if _, err := w.SetName(t.Context(), noon, c.name, c.hostname); !fault.Is(err, c.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if row, err := w.Get(); err != nil || row.GetSpec().GetHostname() != "our-home" {
		t.Errorf("after refusals: %v, %v", row, err)
	}
}

func TestAnotherLanguageRebuildsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		language string
		rebuilt  int
	}{{"en_US", 0}, {"de_DE", 1}, {"de_DE", 1}, {"en_US", 2}} {
		if _, err := w.SetLanguage(t.Context(), noon, c.language); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Language(); err != nil || got != c.language || w.rebuilt != c.rebuilt {
			t.Errorf("%s: speaks %s, rebuilt %d times: %v", c.language, got, w.rebuilt, err)
		}
	}
}

func TestThePasswordIsKeptSealedAndInNoRowThatIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if spec, _ := w.mail(); spec != nil {
		t.Fatalf("before: %v", spec)
	}
	const secret = "open sesame, please"
	if row := w.set(smtp(), proto.String(secret)); !row.GetSpec().GetHasPassword() || row.GetSpec().GetSecurity() != systemv1.SmtpSpec_SECURITY_STARTTLS {
		t.Errorf("%v", row)
	}
	if _, got := w.mail(); got != secret {
		t.Errorf("the password is %q", got)
	}
	err := w.store.View(func(tx *store.Tx) error {
		for _, id := range []string{"server"} {
			row, err := store.Get[*systemv1.SmtpPassword](tx, id)
			if err != nil || bytes.Contains(row.GetSpec().GetSealed(), []byte(secret)) {
				t.Errorf("%v, %v", row, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Left as it is, and taken away.
	if row := w.set(smtp(), nil); !row.GetSpec().GetHasPassword() {
		t.Error("a change without a password loses it")
	}
	if _, got := w.mail(); got != secret {
		t.Errorf("afterwards it is %q", got)
	}
	if row := w.set(smtp(), proto.String("")); row.GetSpec().GetHasPassword() {
		t.Error("an empty password leaves the one there was")
	}
	if spec, got := w.mail(); got != "" || spec.GetHost() != "mail.example" {
		t.Errorf("%v with %q", spec, got)
	}
	w.set(smtp(), proto.String(secret))
	if err := w.ClearSMTP(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if row := w.set(smtp(), nil); row.GetSpec().GetHasPassword() {
		t.Error("the password came back after it was cleared")
	}
}

func TestThePasswordOutlivesAChangeOfTheRootKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(smtp(), proto.String("secret"))
	if err := w.ring.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Rewrap(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.ring.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, got := w.mail(); got != "secret" {
		t.Errorf("it is %q", got)
	}
}

func TestWhatIsNoMailServerIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, change := range map[string]func(*systemv1.SmtpSpec){
		"no address":       func(s *systemv1.SmtpSpec) { s.Sender = "somebody" },
		"a line in it":     func(s *systemv1.SmtpSpec) { s.Sender = "a@b.c\r\nBcc: all@b.c" },
		"a path as a host": func(s *systemv1.SmtpSpec) { s.Host = "mail/../.." },
		"a line as a host": func(s *systemv1.SmtpSpec) { s.Host = "mail\nrest" },
	} {
		spec := smtp()
		change(spec)
		if _, err := w.SetSMTP(t.Context(), noon, spec, nil); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
