package door

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
)

// check says which certificates of an upstream are good.
type check struct {
	roots *x509.CertPool
	names []string
}

// check makes a check ready; nil for none.
func (c *compiler) check(field string, m *doorv1.UpstreamCheck) *check {
	if m == nil {
		return nil
	}
	out := &check{roots: x509.NewCertPool(), names: m.GetNames()}
	c.limit(field+".roots", "bytes", len(m.GetRoots()), maxChain)
	c.limit(field+".names", "names", len(m.GetNames()), maxNames)
	if len(m.GetRoots()) <= maxChain && !out.roots.AppendCertsFromPEM(m.GetRoots()) {
		c.wrong(field+".roots", "holds no certificate") // one that is trusted by nobody would be taken for a service that is away
	}
	return out
}

// good tells why the certificate that an upstream showed is not good. A nil check takes any.
func (k *check) good(s tls.ConnectionState) error {
	if k == nil {
		return nil
	}
	if len(s.PeerCertificates) == 0 {
		return errors.New("the upstream shows no certificate")
	}
	leaf := s.PeerCertificates[0]
	opt := x509.VerifyOptions{Roots: k.roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, c := range s.PeerCertificates[1:] {
		opt.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(opt); err != nil {
		return fmt.Errorf("the upstream's certificate is not trusted: %w", err)
	}
	if len(k.names) == 0 {
		return nil
	}
	var last error
	for _, name := range k.names {
		if last = leaf.VerifyHostname(name); last == nil {
			return nil
		}
	}
	return fmt.Errorf("the upstream's certificate is for somebody else: %w", last)
}
