package settings_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/emersion/go-sasl"
	mailer "github.com/emersion/go-smtp"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/settings"
	"google.golang.org/protobuf/proto"
)

// mailServer is a mail server on loopback, for the user "home" with the password "secret".
type mailServer struct {
	spec  *systemv1.SmtpSpec
	roots *x509.CertPool

	mu    sync.Mutex // guards mails
	mails []string
}

// session is a connection to a mail server.
type session struct {
	server *mailServer
	known  bool
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) error {
		if name != "home" || password != "secret" {
			return &mailer.SMTPError{Code: 535, EnhancedCode: mailer.EnhancedCode{5, 7, 8}, Message: "who are you"}
		}
		s.known = true
		return nil
	}), nil
}

func (s *session) Mail(string, *mailer.MailOptions) error {
	if !s.known {
		return mailer.ErrAuthRequired
	}
	return nil
}

func (s *session) Rcpt(to string, _ *mailer.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &mailer.SMTPError{Code: 550, EnhancedCode: mailer.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, string(raw))
	return err
}

func (*session) Reset()        {}
func (*session) Logout() error { return nil }

// newMailServer starts a mail server that speaks TLS at once, or after STARTTLS.
func newMailServer(t *testing.T, security systemv1.SmtpSpec_Security) *mailServer {
	t.Helper()
	cert, roots := certificate(t)
	m := &mailServer{roots: roots}
	server := mailer.NewServer(mailer.BackendFunc(func(*mailer.Conn) (mailer.Session, error) { return &session{server: m}, nil }))
	server.Domain, server.TLSConfig = "localhost", &tls.Config{Certificates: []tls.Certificate{cert}}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := lis.Addr().(*net.TCPAddr).Port
	if security == systemv1.SmtpSpec_SECURITY_TLS {
		lis = tls.NewListener(lis, server.TLSConfig)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; err != nil && !errors.Is(err, mailer.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the mail server ended with %v", err)
		}
	})
	m.spec = &systemv1.SmtpSpec{Host: "localhost", Port: uint32(port), Sender: "Home <home@example.org>", Username: "home", Security: security}
	return m
}

// certificate is one for localhost, and who has signed it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// try sends a mail to an address as settings say.
func (w *world) try(roots *x509.CertPool, to string, spec *systemv1.SmtpSpec, password *string) (string, error) {
	w.t.Helper()
	keeper := settings.New(settings.Options{Store: w.store, Ring: w.ring, Renamed: func(context.Context, string) {}, MailRoots: roots})
	return keeper.TestSMTP(w.t.Context(), noon, to, proto.CloneOf(spec), password)
}

func TestAMailIsHandedToARealMailServer(t *testing.T) {
	t.Parallel()
	for _, security := range []systemv1.SmtpSpec_Security{systemv1.SmtpSpec_SECURITY_STARTTLS, systemv1.SmtpSpec_SECURITY_TLS} {
		t.Run(security.String(), func(t *testing.T) {
			t.Parallel()
			w, m := newWorld(t), newMailServer(t, security)
			answer, err := w.try(m.roots, "Me <me@example.org>", m.spec, proto.String("secret"))
			if err != nil || answer == "" {
				t.Fatalf("%q, %v", answer, err)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if len(m.mails) != 1 || !strings.Contains(m.mails[0], "To: \"Me\" <me@example.org>") || !strings.Contains(m.mails[0], "Subject: ") {
				t.Errorf("the mail server got %q", m.mails)
			}
		})
	}
}

func TestAFaultSaysWhichStepOfAMailFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start, whole := newMailServer(t, systemv1.SmtpSpec_SECURITY_STARTTLS), newMailServer(t, systemv1.SmtpSpec_SECURITY_TLS)
	change := func(m *mailServer, fn func(*systemv1.SmtpSpec)) *systemv1.SmtpSpec {
		spec := proto.CloneOf(m.spec)
		fn(spec)
		return spec
	}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint32(dead.Addr().(*net.TCPAddr).Port)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	secret := proto.String("secret")
	for name, c := range map[string]struct {
		roots    *x509.CertPool
		to       string
		spec     *systemv1.SmtpSpec
		password *string
		want     metav1.Reason
	}{
		"nobody listens":             {whole.roots, "me@example.org", change(whole, func(s *systemv1.SmtpSpec) { s.Port = port }), secret, metav1.Reason_REASON_MAIL_UNREACHABLE},
		"signed by a stranger":       {start.roots, "me@example.org", whole.spec, secret, metav1.Reason_REASON_MAIL_TLS_FAILED},
		"signed by a stranger later": {whole.roots, "me@example.org", start.spec, secret, metav1.Reason_REASON_MAIL_TLS_FAILED},
		"tls where there is none": {start.roots, "me@example.org", change(start, func(s *systemv1.SmtpSpec) { s.Security = systemv1.SmtpSpec_SECURITY_TLS }), secret,
			metav1.Reason_REASON_MAIL_TLS_FAILED},
		"a wrong password":        {start.roots, "me@example.org", start.spec, proto.String("guess"), metav1.Reason_REASON_MAIL_LOGIN_REFUSED},
		"no password":             {start.roots, "me@example.org", start.spec, nil, metav1.Reason_REASON_MAIL_LOGIN_REFUSED},
		"nobody logs in":          {start.roots, "me@example.org", change(start, func(s *systemv1.SmtpSpec) { s.Username = "" }), nil, metav1.Reason_REASON_MAIL_REFUSED},
		"no such mailbox":         {whole.roots, "nobody@example.org", whole.spec, secret, metav1.Reason_REASON_MAIL_REFUSED},
		"no address":              {whole.roots, "nobody", whole.spec, secret, metav1.Reason_REASON_INVALID_ARGUMENT},
		"no port":                 {whole.roots, "me@example.org", change(whole, func(s *systemv1.SmtpSpec) { s.Port = 0 }), secret, metav1.Reason_REASON_INVALID_ARGUMENT},
		"nothing given, none set": {whole.roots, "me@example.org", &systemv1.SmtpSpec{}, nil, metav1.Reason_REASON_MAIL_NOT_SET},
	} {
		if _, err := w.try(c.roots, c.to, c.spec, c.password); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// The password that is set goes to the mail server it is for, and to no other that somebody names.
func TestThePasswordThatIsSetIsGivenToItsMailServerAlone(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), newMailServer(t, systemv1.SmtpSpec_SECURITY_TLS)
	if _, err := w.SetSMTP(t.Context(), noon, proto.CloneOf(m.spec), proto.String("secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.try(m.roots, "me@example.org", &systemv1.SmtpSpec{}, nil); err != nil {
		t.Errorf("as it is set: %v", err)
	}
	if _, err := w.try(m.roots, "me@example.org", m.spec, nil); err != nil {
		t.Errorf("the same, given: %v", err)
	}
	other := newMailServer(t, systemv1.SmtpSpec_SECURITY_TLS)
	if _, err := w.try(other.roots, "me@example.org", other.spec, nil); !fault.Is(err, metav1.Reason_REASON_MAIL_LOGIN_REFUSED) {
		t.Errorf("another mail server: %v", err)
	}
}
