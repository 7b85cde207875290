package abi

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

const (
	maxPort     = 65535
	maxALPN     = 16
	maxALPNName = 255 // its length is one byte in a handshake
	maxBindings = 1024
)

// AddSSL is how the host adds TLS in front of a binding.
type AddSSL struct {
	PreferredExternalPort  uint32          `json:"preferredExternalPort"`
	AddXForwardedHeaders   bool            `json:"addXForwardedHeaders"`
	ALPN                   *ALPN           `json:"alpn"`
	UpstreamCertValidation json.RawMessage `json:"upstreamCertValidation"`
	Auth                   json.RawMessage `json:"auth"`
}

// ALPN is which protocols the host offers in the handshake: what the service itself speaks, or a list.
type ALPN struct {
	Reflect   bool
	Specified []string
}

// MarshalJSON writes "reflect" or {"specified":[…]}.
func (a ALPN) MarshalJSON() ([]byte, error) {
	if a.Reflect {
		return []byte(`"reflect"`), nil
	}
	list := a.Specified
	if list == nil {
		list = []string{}
	}
	return encode(map[string][]string{"specified": list})
}

// UnmarshalJSON reads what MarshalJSON writes, and names spelled as lists of bytes.
func (a *ALPN) UnmarshalJSON(data []byte) error {
	var word string
	if json.Unmarshal(data, &word) == nil {
		if word != "reflect" {
			return errors.New(`its member alpn is neither "reflect" nor a list`)
		}
		*a = ALPN{Reflect: true}
		return nil
	}
	var list struct {
		Specified *[]json.RawMessage `json:"specified"`
	}
	if err := json.Unmarshal(data, &list); err != nil || list.Specified == nil {
		return errors.New("its member alpn has no list in specified")
	}
	*a = ALPN{Specified: make([]string, 0, min(len(*list.Specified), maxALPN))}
	for _, item := range *list.Specified {
		name, err := alpnName(item)
		if err != nil {
			return err
		}
		if len(a.Specified) == maxALPN {
			return errors.New("its member alpn has too many names")
		}
		a.Specified = append(a.Specified, name)
	}
	return nil
}

// alpnName reads one protocol name: a string, or its bytes as numbers.
func alpnName(item json.RawMessage) (string, error) {
	var name string
	if json.Unmarshal(item, &name) != nil {
		var numbers []uint8
		if err := json.Unmarshal(item, &numbers); err != nil {
			return "", errors.New("its member alpn has a name that is neither text nor bytes")
		}
		name = string(numbers)
	}
	if name == "" || len(name) > maxALPNName || !utf8.ValidString(name) {
		return "", errors.New("its member alpn has a name that is empty, too long or not text")
	}
	return name, nil
}

// Secure is how a port is secure by itself.
type Secure struct {
	SSL bool `json:"ssl"`
}

// BindID names a binding in a list of exceptions.
type BindID struct {
	ID           string `json:"id"`
	InternalPort uint32 `json:"internalPort"`
}

// ParseAddSSL reads the parameter addSsl of the effect bind; nil means null. The secrets of a gate come beside it, since they
// are kept elsewhere; nil where there is no gate.
func ParseAddSSL(data []byte) (*hostsv1.AddSsl, *hostsv1.GateCredentials, error) {
	var v AddSSL
	if given, err := decode("addSsl", data, &v); err != nil || !given {
		return nil, nil, err
	}
	if v.PreferredExternalPort > maxPort {
		return nil, nil, invalid("addSsl", "its member preferredExternalPort is no port")
	}
	row := &hostsv1.AddSsl{
		PreferredExternalPort: v.PreferredExternalPort,
		AddXForwardedHeaders:  v.AddXForwardedHeaders,
	}
	if v.ALPN != nil {
		row.AlpnReflect, row.Alpn = v.ALPN.Reflect, v.ALPN.Specified
	}
	if err := parseCheck(v.UpstreamCertValidation, row); err != nil {
		return nil, nil, err
	}
	gate, credentials, err := parseGate(v.Auth)
	row.Gate = gate
	return row, credentials, err
}

// ParseSecure reads the parameter secure of the effect bind; nil means null.
func ParseSecure(data []byte) (*hostsv1.Secure, error) {
	var v Secure
	if given, err := decode("secure", data, &v); err != nil || !given {
		return nil, err
	}
	return &hostsv1.Secure{Ssl: v.SSL}, nil
}

// ParseBindIDs reads the parameter except of the effect clear-bindings.
func ParseBindIDs(data []byte) ([]BindID, error) {
	var v []BindID
	if _, err := decode("except", data, &v); err != nil {
		return nil, err
	}
	if len(v) > maxBindings {
		return nil, invalid("except", "it has more than %d members", maxBindings)
	}
	return v, nil
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func addSSLOf(row *hostsv1.AddSsl) *AddSSL {
	if row == nil {
		return nil
	}
	v := &AddSSL{PreferredExternalPort: row.GetPreferredExternalPort(), AddXForwardedHeaders: row.GetAddXForwardedHeaders()}
	if row.GetAlpnReflect() || len(row.GetAlpn()) > 0 {
		v.ALPN = &ALPN{Reflect: row.GetAlpnReflect(), Specified: row.GetAlpn()}
	}
	v.UpstreamCertValidation, v.Auth = checkOf(row), gateOf(row.GetGate())
	return v
}

func secureOf(row *hostsv1.Secure) *Secure {
	if row == nil {
		return nil
	}
	return &Secure{SSL: row.GetSsl()}
}
