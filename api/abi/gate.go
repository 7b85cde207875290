package abi

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

// Limits of a gate and of the certificates of a service. The front door compares all secrets for each request.
const (
	maxCredentials  = 256
	maxUser         = 256
	maxSecret       = 4 << 10
	maxRealm        = 256
	maxCertificates = 16 << 10
)

// The ways in which a gate is told a secret, and the word for no check of a service's certificate.
const (
	gateBasic   = "basic"
	gateBearer  = "bearer"
	checkNobody = "disable"
)

// DefaultRealm is what people are told that they are let into where the package says nothing.
const DefaultRealm = "StartOS"

// Auth is the gate of a binding as packages write it. Told to packages it holds no secret: others may read a host.
type Auth struct {
	Type        string            `json:"type"`
	Tokens      *[]string         `json:"tokens,omitempty"`
	Credentials *[]AuthCredential `json:"credentials,omitempty"`
	Realm       *string           `json:"realm"`
}

// AuthCredential is a user name and its password.
type AuthCredential struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// parseGate reads the member auth. A gate without secrets lets nobody pass, which is not the same as none.
func parseGate(data json.RawMessage) (*hostsv1.Gate, *hostsv1.GateCredentials, error) {
	if absent(data) {
		return nil, nil, nil
	}
	var v Auth
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, nil, invalid("addSsl", "its member auth: %s", describe(err))
	}
	gate, known := &hostsv1.Gate{}, &hostsv1.GateCredentials{}
	if v.Realm != nil {
		if gate.Realm = *v.Realm; len(gate.Realm) > maxRealm {
			return nil, nil, invalid("addSsl", "its member auth has a realm that is longer than %d bytes", maxRealm)
		}
	}
	var err error
	switch {
	case v.Type == gateBasic && v.Credentials != nil && v.Tokens == nil:
		gate.Scheme = hostsv1.Gate_SCHEME_BASIC
		err = addUsers(known, *v.Credentials)
	case v.Type == gateBearer && v.Tokens != nil && v.Credentials == nil:
		gate.Scheme = hostsv1.Gate_SCHEME_BEARER
		err = addTokens(known, *v.Tokens)
	default:
		err = invalid("addSsl", `its member auth is neither of the type "basic" with credentials nor "bearer" with tokens`)
	}
	if err == nil && len(known.GetCredentials()) > maxCredentials {
		err = invalid("addSsl", "its member auth has more than %d secrets", maxCredentials)
	}
	if err != nil {
		return nil, nil, err
	}
	return gate, known, nil
}

func addUsers(known *hostsv1.GateCredentials, list []AuthCredential) error {
	for _, c := range list {
		switch {
		case c.Username == "" || len(c.Username) > maxUser || strings.ContainsFunc(c.Username, unspeakable):
			return invalid("addSsl", "its member auth has a user name that cannot stand in a header: it has 1 to %d visible characters of ASCII, none of them a colon, a quote or a backslash", maxUser)
		case len(c.Password) > maxSecret:
			return invalid("addSsl", "its member auth has a password that is longer than %d bytes", maxSecret)
		}
		known.Credentials = append(known.Credentials, credential(gateBasic, c.Username+":"+c.Password, c.Username))
	}
	return nil
}

func addTokens(known *hostsv1.GateCredentials, list []string) error {
	for _, token := range list {
		if token == "" || len(token) > maxSecret || strings.TrimSpace(token) != token {
			return invalid("addSsl", "its member auth has a token that is empty, longer than %d bytes or has a space at an end", maxSecret)
		}
		known.Credentials = append(known.Credentials, credential(gateBearer, token, ""))
	}
	return nil
}

// credential is what is kept of a secret: the front door compares digests, so nobody needs more.
func credential(scheme, secret, user string) *hostsv1.GateCredential {
	digest := sha256.Sum256([]byte(scheme + " " + secret))
	return &hostsv1.GateCredential{Digest: digest[:], User: user}
}

func unspeakable(r rune) bool {
	return r < 0x20 || r >= 0x7f || r == '"' || r == '\\' || r == ':'
}

// gateOf writes a gate without its secrets.
func gateOf(gate *hostsv1.Gate) json.RawMessage {
	v := Auth{Realm: nullable(gate.GetRealm())}
	switch gate.GetScheme() {
	case hostsv1.Gate_SCHEME_BASIC:
		v.Type, v.Credentials = gateBasic, &[]AuthCredential{}
	case hostsv1.Gate_SCHEME_BEARER:
		v.Type, v.Tokens = gateBearer, &[]string{}
	default:
		return nil
	}
	return Encode(v)
}

// parseCheck reads the member upstreamCertValidation.
func parseCheck(data json.RawMessage, row *hostsv1.AddSsl) error {
	if absent(data) {
		return nil
	}
	var word string
	if json.Unmarshal(data, &word) == nil && word == checkNobody {
		row.UpstreamUnchecked = true
		return nil
	}
	var pinned struct {
		Certificate *string `json:"certificate"`
	}
	if json.Unmarshal(data, &pinned) != nil || pinned.Certificate == nil {
		return invalid("addSsl", `its member upstreamCertValidation is neither "disable" nor has a certificate`)
	}
	if len(*pinned.Certificate) > maxCertificates || !holdsCertificates(*pinned.Certificate) {
		return invalid("addSsl", "its member upstreamCertValidation has no certificate in PEM, or more than %d bytes", maxCertificates)
	}
	row.UpstreamCertificates = []byte(*pinned.Certificate)
	return nil
}

// holdsCertificates tells whether text is PEM with a certificate in it, and each certificate in it can be read.
func holdsCertificates(text string) bool {
	found := false
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return found
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return false
		}
		found = true
	}
}

// checkOf writes how the certificate of a service is checked; nothing where it is as usual.
func checkOf(row *hostsv1.AddSsl) json.RawMessage {
	switch {
	case row.GetUpstreamUnchecked():
		return Encode(checkNobody)
	case len(row.GetUpstreamCertificates()) > 0:
		return Encode(map[string]string{"certificate": string(row.GetUpstreamCertificates())})
	}
	return nil
}
