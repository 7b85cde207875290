// Package settings keeps what people choose for the whole server: what it is called, which language its services speak,
// how they send mail, and whom the resolver asks.
//
// It deliberately does nothing with what is chosen: the daemon renames what has the name, the runner gives containers
// their language, and services ask for the mail by their effect.
//
// Invariants: the password for mail is in no row that somebody may read, and its row holds it sealed; the three rows are
// written by this area alone.
package settings

import (
	"context"
	"crypto/x509"
	"net/mail"
	"strings"
	"time"
	"unicode"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// server is the id of the rows: there is one of each kind.
const server = "server"

// passwordKind is what the password is sealed for.
const passwordKind = "smtppassword"

// DefaultLanguage is what services speak as long as nobody chose a language.
const DefaultLanguage = "en_US"

// ControllerName is the name of the controller.
const ControllerName = "settings"

// Ring seals secrets; *seal.Ring does.
type Ring interface {
	Seal(kind, id string, secret []byte) ([]byte, error)
	Open(kind, id string, sealed []byte) ([]byte, error)
	Rewrap(kind, id string, sealed []byte) (again []byte, changed bool, err error)
}

// Options are what the area needs of others.
type Options struct {
	Store *store.Store
	Ring  Ring
	// Hostname makes a host name of a name; what it makes of a host name is that name.
	Hostname func(name string) string
	// Rebuild asks for a new container of every package, in the caller's transaction.
	Rebuild func(tx *store.Tx) error
	// Renamed is told the host name that counts, "" where nobody chose one, whenever it may be another.
	Renamed func(ctx context.Context, hostname string)
	// MailRoots are who may have signed the certificates of mail servers; nil: those of the machine.
	MailRoots *x509.CertPool
}

// Keeper keeps the settings. It is safe for concurrent use.
type Keeper struct{ opt Options }

// New returns the keeper.
func New(opt Options) *Keeper { return &Keeper{opt: opt} }

// Controller tells of the host name at boot and whenever it changes.
func (k *Keeper) Controller() reconcile.Controller {
	keys := []string{server}
	return reconcile.Controller{
		Name: ControllerName, Drives: []string{"names"}, Workers: 1,
		Sources: []reconcile.Source{{Selector: store.Selector{Kind: "settings"}, Keys: func(store.Change) []string { return keys }}},
		List:    func() ([]string, error) { return keys, nil },
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
			row, err := k.Get()
			if err == nil {
				k.opt.Renamed(ctx, row.GetSpec().GetHostname())
			}
			return 0, err
		},
	}
}

// Get answers the settings.
func (k *Keeper) Get() (row *systemv1.Settings, err error) {
	err = k.opt.Store.View(func(tx *store.Tx) error {
		row, err = settingsOf(tx)
		return err
	})
	return row, err
}

func settingsOf(tx *store.Tx) (*systemv1.Settings, error) {
	row, there, err := store.Lookup[*systemv1.Settings](tx, server)
	if err == nil && !there {
		row = &systemv1.Settings{Meta: &metav1.Meta{Id: server}, Spec: &systemv1.SettingsSpec{}}
	}
	return row, err
}

// Language is what services speak.
func (k *Keeper) Language() (string, error) {
	row, err := k.Get()
	if err != nil || row.GetSpec().GetLanguage() == "" {
		return DefaultLanguage, err
	}
	return row.GetSpec().GetLanguage(), nil
}

func (k *Keeper) change(ctx context.Context, now time.Time, fn func(tx *store.Tx, spec *systemv1.SettingsSpec) error) (row *systemv1.Settings, err error) {
	_, err = k.opt.Store.Update(ctx, now, func(tx *store.Tx) error {
		if row, err = settingsOf(tx); err != nil {
			return err
		}
		if err := fn(tx, row.Spec); err != nil {
			return err
		}
		return store.Put(tx, row)
	})
	return row, err
}

// SetName changes what the server is called. An empty host name follows from the name.
func (k *Keeper) SetName(ctx context.Context, now time.Time, name, hostname string) (*systemv1.Settings, error) {
	name = strings.TrimSpace(name)
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot call the server %q: a name has printable characters", name).
			Violation("name", "must have printable characters")
	}
	if hostname == "" {
		hostname = k.opt.Hostname(name)
	} else if k.opt.Hostname(hostname) != hostname {
		return nil, fault.New(metav1.Reason_REASON_HOSTNAME_INVALID, "cannot use %q as the host name", hostname).
			With("hostname", hostname).Violation("hostname", "must be 4 to 63 lower-case letters, digits and single hyphens")
	}
	return k.change(ctx, now, func(_ *store.Tx, spec *systemv1.SettingsSpec) error {
		spec.Name, spec.Hostname = name, hostname
		return nil
	})
}

// SetLanguage changes what services speak; all get a new container where it is another language than before.
func (k *Keeper) SetLanguage(ctx context.Context, now time.Time, language string) (*systemv1.Settings, error) {
	return k.change(ctx, now, func(tx *store.Tx, spec *systemv1.SettingsSpec) error {
		before := spec.GetLanguage()
		if before == "" {
			before = DefaultLanguage
		}
		spec.Language = language
		if before == language {
			return nil
		}
		return k.opt.Rebuild(tx)
	})
}

// SMTP answers how services send mail; nil where nothing is set.
func (k *Keeper) SMTP() (row *systemv1.Smtp, err error) {
	err = k.opt.Store.View(func(tx *store.Tx) error {
		found, there, err := store.Lookup[*systemv1.Smtp](tx, server)
		if there {
			row = found
		}
		return err
	})
	return row, err
}

// SMTPIn answers how services send mail with the password, "" where there is none, in one view of the store; nil where
// nothing is set.
func (k *Keeper) SMTPIn(tx *store.Tx) (*systemv1.SmtpSpec, string, error) {
	row, there, err := store.Lookup[*systemv1.Smtp](tx, server)
	if err != nil || !there {
		return nil, "", err
	}
	secret, there, err := store.Lookup[*systemv1.SmtpPassword](tx, server)
	if err != nil || !there {
		return row.GetSpec(), "", err
	}
	password, err := k.opt.Ring.Open(passwordKind, server, secret.GetSpec().GetSealed())
	return row.GetSpec(), string(password), err
}

// SetSMTP changes how services send mail. A nil password leaves the one there is, an empty one takes it away.
func (k *Keeper) SetSMTP(ctx context.Context, now time.Time, spec *systemv1.SmtpSpec, password *string) (*systemv1.Smtp, error) {
	if err := checkSMTP(spec); err != nil {
		return nil, err
	}
	row := &systemv1.Smtp{Meta: &metav1.Meta{Id: server}, Spec: spec}
	_, err := k.opt.Store.Update(ctx, now, func(tx *store.Tx) (err error) {
		if password != nil {
			if err := k.keepPassword(tx, *password); err != nil {
				return err
			}
		}
		if _, row.Spec.HasPassword, err = store.Lookup[*systemv1.SmtpPassword](tx, server); err != nil {
			return err
		}
		return store.Put(tx, row)
	})
	return row, err
}

// keepPassword seals a password within the transaction, so that it is either sealed with the newest root key or there when
// a change of the key wraps all anew.
func (k *Keeper) keepPassword(tx *store.Tx, password string) error {
	if password == "" {
		return store.Delete[*systemv1.SmtpPassword](tx, server)
	}
	sealed, err := k.opt.Ring.Seal(passwordKind, server, []byte(password))
	if err != nil {
		return err
	}
	return store.Put(tx, &systemv1.SmtpPassword{Meta: &metav1.Meta{Id: server}, Spec: &systemv1.SmtpPasswordSpec{Sealed: sealed}})
}

func checkSMTP(spec *systemv1.SmtpSpec) error {
	if spec.GetSecurity() == systemv1.SmtpSpec_SECURITY_UNSPECIFIED {
		spec.Security = systemv1.SmtpSpec_SECURITY_STARTTLS
	}
	if _, err := mail.ParseAddress(spec.GetSender()); err != nil {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot send mail from %q: it is no address", spec.GetSender()).
			Violation("sender", "must be an address, as in Home <home@example.org>")
	}
	if strings.ContainsFunc(spec.GetHost(), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("/@?#", r)
	}) {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot send mail by %q: it is no host", spec.GetHost()).
			Violation("host", "must be the name or address of a mail server")
	}
	return nil
}

// ClearSMTP forgets how services send mail, the password too.
func (k *Keeper) ClearSMTP(ctx context.Context, now time.Time) error {
	_, err := k.opt.Store.Update(ctx, now, func(tx *store.Tx) error {
		if err := store.Delete[*systemv1.SmtpPassword](tx, server); err != nil {
			return err
		}
		return store.Delete[*systemv1.Smtp](tx, server)
	})
	return err
}

// Rewrap wraps the password with the newest root key.
func (k *Keeper) Rewrap(ctx context.Context) error {
	_, err := k.opt.Store.Update(ctx, time.Now(), func(tx *store.Tx) error {
		row, there, err := store.Lookup[*systemv1.SmtpPassword](tx, server)
		if err != nil || !there {
			return err
		}
		again, changed, err := k.opt.Ring.Rewrap(passwordKind, server, row.GetSpec().GetSealed())
		if err != nil || !changed {
			return err
		}
		row.Spec = &systemv1.SmtpPasswordSpec{Sealed: again}
		return store.Put(tx, row)
	})
	return err
}
