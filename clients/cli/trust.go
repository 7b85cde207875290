package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// A server makes its own root certificate, so nobody vouches for it the first time. What is shown then is compared by a
// person and pinned; from then on no other root is accepted.

// fingerprint is the SHA-256 of a certificate as people compare it.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ToUpper(strings.Join(pairs(hex.EncodeToString(sum[:])), ":"))
}

func pairs(s string) []string {
	var list []string
	for ; len(s) > 2; s = s[2:] {
		list = append(list, s[:2])
	}
	return append(list, s)
}

// sameFingerprint compares however it was typed.
func sameFingerprint(a, b string) bool {
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s)) }
	return plain(a) == plain(b)
}

// pinnedRoot reads the root of a profile.
func pinnedRoot(raw []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, unable("failed.root-pem", nil)
	}
	return x509.ParseCertificate(block.Bytes)
}

// shownRoot asks the server for its root, believing nothing: the chain it shows must hold together, and lead to a root
// that is in it.
func shownRoot(ctx context.Context, host string) (*x509.Certificate, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: u.Hostname()}} // the person compares
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	if err != nil {
		return nil, fault.New(metav1.Reason_REASON_UNAVAILABLE, "cannot reach the server at %s: %s", u.Host, err.Error())
	}
	defer conn.Close()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates
	root := chain[len(chain)-1]
	opt := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), DNSName: u.Hostname()}
	opt.Roots.AddCert(root)
	for _, c := range chain[1:] {
		opt.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(opt); err != nil || len(chain) < 2 || root.CheckSignatureFrom(root) != nil {
		return nil, fault.New(metav1.Reason_REASON_SERVER_IDENTITY, "cannot trust %s: what it shows is no Hearth server's certificate for that name", u.Host)
	}
	return root, nil
}

// checkRoot tells whether a server that could not be reached shows another root than the pinned one.
func checkRoot(ctx context.Context, to connection) error {
	if !strings.HasPrefix(to.host, "https://") || len(to.options.RootPEM) == 0 {
		return nil
	}
	pinned, err := pinnedRoot(to.options.RootPEM)
	if err != nil {
		return nil
	}
	root, err := shownRoot(ctx, to.host)
	if err != nil || root.Equal(pinned) {
		return nil
	}
	return changedRoot(to.host, pinned, root)
}

func changedRoot(host string, pinned, shown *x509.Certificate) error {
	return fault.New(metav1.Reason_REASON_SERVER_IDENTITY, "%s shows another root certificate than before: %s, pinned is %s", host, fingerprint(shown), fingerprint(pinned)).
		With("shown", fingerprint(shown)).With("pinned", fingerprint(pinned))
}

// trust finds the root to pin for a host: the one already pinned, or the one shown, if the person or --fingerprint says
// that it is the server's.
func (a *app) trust(ctx context.Context, to connection, said string) ([]byte, error) {
	if !strings.HasPrefix(to.host, "https://") {
		return nil, nil
	}
	root, err := shownRoot(ctx, to.host)
	if err != nil {
		return nil, err
	}
	if len(to.options.RootPEM) > 0 {
		pinned, err := pinnedRoot(to.options.RootPEM)
		switch {
		case err != nil:
			return nil, usageError{err}
		case !root.Equal(pinned):
			return nil, changedRoot(to.host, pinned, root)
		case said != "" && !sameFingerprint(said, fingerprint(root)):
			return nil, otherRoot(to.host, root)
		}
		return to.options.RootPEM, nil
	}
	switch print := fingerprint(root); {
	case said != "" && !sameFingerprint(said, print):
		return nil, otherRoot(to.host, root)
	case said == "":
		if err := a.compare(to.host, print); err != nil {
			return nil, err
		}
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), nil
}

// otherRoot is for a server whose root is not the one that somebody expects.
func otherRoot(host string, shown *x509.Certificate) error {
	print := fingerprint(shown)
	return fault.New(metav1.Reason_REASON_SERVER_IDENTITY, "cannot trust %s: its root certificate has the fingerprint %s", host, print).With("shown", print)
}

// compare has the person compare a fingerprint.
func (a *app) compare(host, print string) error {
	fmt.Fprintln(a.Err, a.say("login.fingerprint", map[string]any{"Host": printable(host), "Fingerprint": print}))
	if !isTerminal(a.In) {
		return wrong("usage.fingerprint")
	}
	fmt.Fprint(a.Err, a.say("login.same", nil)+" ")
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.EqualFold(strings.TrimSpace(line), a.say("login.yes", nil)) {
		return fault.New(metav1.Reason_REASON_SERVER_IDENTITY, "the root certificate of %s was not confirmed", host)
	}
	return nil
}
