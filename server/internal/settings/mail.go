package settings

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// mailPatience is how long a mail server may take for all of a mail, mailStep for one answer.
const (
	mailPatience = time.Minute
	mailStep     = 15 * time.Second
)

// maxAnswer bounds what is told of what a mail server says, in bytes.
const maxAnswer = 512

// TestSMTP sends a mail by these settings, or by those that are set where they name no host, and answers what the mail
// server said. A nil password is the one that is set, if it is for the same mail server and user name: it is given to
// nobody else.
func (k *Keeper) TestSMTP(ctx context.Context, now time.Time, to string, spec *systemv1.SmtpSpec, password *string) (string, error) {
	recipient, err := mail.ParseAddress(to)
	if err != nil {
		return "", fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot send a mail to %q: it is no address", to).Violation("to", "must be an address, as in me@example.org")
	}
	var kept *systemv1.SmtpSpec
	var secret string
	if err := k.opt.Store.View(func(tx *store.Tx) (err error) { kept, secret, err = k.SMTPIn(tx); return err }); err != nil {
		return "", err
	}
	switch {
	case spec.GetHost() != "":
		if err := checkTried(spec); err != nil {
			return "", err
		}
	case kept == nil:
		return "", fault.New(metav1.Reason_REASON_MAIL_NOT_SET, "cannot send a mail: nobody has said how")
	default:
		spec = kept
	}
	same := kept.GetHost() == spec.GetHost() && kept.GetPort() == spec.GetPort() && kept.GetUsername() == spec.GetUsername()
	if password == nil && same {
		password = &secret
	}
	from, err := mail.ParseAddress(spec.GetSender())
	if err != nil {
		return "", err // it was checked
	}
	ctx, cancel := context.WithTimeout(ctx, mailPatience)
	defer cancel()
	t := trial{spec: spec, tls: &tls.Config{ServerName: spec.GetHost(), RootCAs: k.opt.MailRoots, MinVersion: tls.VersionTLS12}}
	if password != nil {
		t.password = *password
	}
	return t.send(ctx, from, recipient, now)
}

// checkTried refuses settings that nothing can be tried with.
func checkTried(spec *systemv1.SmtpSpec) error {
	if spec.GetPort() == 0 {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot send a mail: which port is missing").Violation("port", "must be given with a host")
	}
	return checkSMTP(spec)
}

// trial is one attempt to send a mail.
type trial struct {
	spec     *systemv1.SmtpSpec
	password string
	tls      *tls.Config
}

// fails is a fault of the step that failed. What the mail server says is for people and cut.
func (t trial) fails(reason metav1.Reason, step string, err error) error {
	text := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, err.Error())
	text = strings.ToValidUTF8(text[:min(len(text), maxAnswer)], "")
	return fault.New(reason, "the mail server %s %s: %s", t.address(), step, text).With("host", t.spec.GetHost()).With("port", t.spec.GetPort())
}

func (t trial) address() string {
	return net.JoinHostPort(t.spec.GetHost(), strconv.Itoa(int(t.spec.GetPort())))
}

func (t trial) send(ctx context.Context, from, to *mail.Address, now time.Time) (string, error) {
	dialer := net.Dialer{Timeout: mailStep}
	conn, err := dialer.DialContext(ctx, "tcp", t.address())
	if err != nil {
		return "", t.fails(metav1.Reason_REASON_MAIL_UNREACHABLE, "cannot be reached", err)
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, err := t.protect(ctx, conn)
	if err != nil {
		conn.Close()
		return "", err
	}
	defer c.Close()
	c.CommandTimeout, c.SubmissionTimeout = mailStep, mailStep
	if err := t.login(c); err != nil {
		return "", t.fails(metav1.Reason_REASON_MAIL_LOGIN_REFUSED, "does not let us log in", err)
	}
	answer, err := hand(c, from, to, now)
	if err != nil {
		return "", t.fails(metav1.Reason_REASON_MAIL_REFUSED, "does not take the mail", err)
	}
	_ = c.Quit() // it has the mail
	return answer[:min(len(answer), maxAnswer)], nil
}

// protect makes the connection one with TLS, before or after the mail server has spoken.
func (t trial) protect(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	const step = "cannot be spoken with in private"
	shaking, cancel := context.WithTimeoutCause(ctx, mailStep, fmt.Errorf("no answer within %s", mailStep))
	defer cancel()
	stop := context.AfterFunc(shaking, func() { conn.Close() }) // one that waits for TLS says nothing
	c, err := t.shake(shaking, conn)
	if !stop() && shaking.Err() != nil {
		err = context.Cause(shaking)
	}
	if err != nil {
		return nil, t.fails(metav1.Reason_REASON_MAIL_TLS_FAILED, step, err)
	}
	return c, nil
}

// shake has TLS spoken on the connection.
func (t trial) shake(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	if t.spec.GetSecurity() == systemv1.SmtpSpec_SECURITY_TLS {
		protected := tls.Client(conn, t.tls)
		if err := protected.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return smtp.NewClient(protected), nil
	}
	c, err := smtp.NewClientStartTLS(conn, t.tls)
	if err != nil {
		return nil, err
	}
	return c, c.Noop() // the handshake comes with the first command
}

// login logs in by what the mail server understands. Without a user name nobody does.
func (t trial) login(c *smtp.Client) error {
	name := t.spec.GetUsername()
	switch {
	case name == "":
		return nil
	case c.SupportsAuth(sasl.Plain):
		return c.Auth(sasl.NewPlainClient("", name, t.password))
	case c.SupportsAuth(sasl.Login):
		return c.Auth(sasl.NewLoginClient(name, t.password))
	}
	return errors.New("it offers no way that this server knows")
}

// hand gives the mail server a mail, and answers what it said.
func hand(c *smtp.Client, from, to *mail.Address, now time.Time) (string, error) {
	if err := c.Mail(from.Address, nil); err != nil {
		return "", fmt.Errorf("from %s: %w", from.Address, err)
	}
	if err := c.Rcpt(to.Address, nil); err != nil {
		return "", fmt.Errorf("to %s: %w", to.Address, err)
	}
	body, err := c.Data()
	if err != nil {
		return "", err
	}
	text := strings.Join([]string{
		"From: " + from.String(), "To: " + to.String(), "Date: " + now.Format(time.RFC1123Z),
		"Subject: " + mime.QEncoding.Encode("utf-8", "A mail to try out Hearth"),
		fmt.Sprintf("Message-ID: <%d.hearth@%s>", now.UnixNano(), cmp.Or(from.Address[strings.LastIndexByte(from.Address, '@')+1:], "localhost")),
		"MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "",
		"This mail was sent to try out the mail settings of your server.", "They work.", "",
	}, "\r\n")
	if _, err := io.WriteString(body, text); err != nil {
		return "", err
	}
	resp, err := body.CloseWithResponse()
	if err != nil {
		return "", err
	}
	return resp.StatusText, nil
}
