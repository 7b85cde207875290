package abi

import (
	"strings"
	"unicode/utf8"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"

	"github.com/hearthos/hearth/api/ids"
)

// Limits of what an interface says about itself, in bytes. A suffix may carry a whole certificate and a credential.
const (
	maxInterfaceName        = 256
	maxInterfaceDescription = 4 << 10
	maxScheme               = 64
	maxUsername             = 256
	maxSuffix               = 8 << 10
)

// ServiceInterface is what get-service-interface answers, and what a binding of a Host holds.
type ServiceInterface struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Masked      bool        `json:"masked"`
	AddressInfo AddressInfo `json:"addressInfo"`
	Type        string      `json:"type"`
}

// AddressInfo is from what a package computes the addresses of an interface.
type AddressInfo struct {
	Username     *string `json:"username"`
	HostID       string  `json:"hostId"`
	InternalPort uint32  `json:"internalPort"`
	Scheme       *string `json:"scheme"`
	SSLScheme    *string `json:"sslScheme"`
	Suffix       string  `json:"suffix"`
}

// Exported is the parameters of the effect export-service-interface as they came.
type Exported struct {
	ID, Name, Description string
	Masked                bool
	AddressInfo           []byte
	Type                  string
}

var interfaceTypes = map[string]hostsv1.Interface_Type{
	"ui":  hostsv1.Interface_TYPE_UI,
	"api": hostsv1.Interface_TYPE_API,
	"p2p": hostsv1.Interface_TYPE_P2P,
}

// executable schemes make an address that a person clicks run as a program in the page that shows it.
var executable = map[string]bool{"javascript": true, "data": true, "vbscript": true, "blob": true, "file": true}

// ParseInterface checks the parameters of the effect export-service-interface. It answers the interface and which
// binding it is for.
func ParseInterface(p Exported) (row *hostsv1.Interface, hostID string, internalPort uint32, err error) {
	var a AddressInfo
	given, err := decode("addressInfo", p.AddressInfo, &a)
	switch {
	case err != nil:
		return nil, "", 0, err
	case !given:
		return nil, "", 0, invalid("addressInfo", "it is missing")
	case a.InternalPort == 0 || a.InternalPort > maxPort:
		return nil, "", 0, invalid("addressInfo", "its member internalPort is no port")
	}
	if _, err := ids.ParseInterface(p.ID); err != nil {
		return nil, "", 0, invalid("id", "%s", err)
	}
	row = &hostsv1.Interface{
		Id: p.ID, Name: p.Name, Description: p.Description, Masked: p.Masked, Type: interfaceTypes[p.Type],
		Username: text(a.Username), Scheme: text(a.Scheme), SslScheme: text(a.SSLScheme), Suffix: a.Suffix,
	}
	return row, a.HostID, a.InternalPort, checkInterface(row)
}

func checkInterface(row *hostsv1.Interface) error {
	if row.GetType() == hostsv1.Interface_TYPE_UNSPECIFIED {
		return invalid("type", "it is none of ui, api and p2p")
	}
	for _, t := range []struct {
		name, value string
		limit       int
	}{
		{"name", row.GetName(), maxInterfaceName},
		{"description", row.GetDescription(), maxInterfaceDescription},
		{"addressInfo", row.GetUsername(), maxUsername},
		{"addressInfo", row.GetSuffix(), maxSuffix},
	} {
		if len(t.value) > t.limit || !utf8.ValidString(t.value) {
			return invalid(t.name, "a text is longer than %d bytes or not UTF-8", t.limit)
		}
	}
	if strings.ContainsAny(row.GetUsername(), "/?#@[]\\") || hasControl(row.GetUsername()) {
		return invalid("addressInfo", "its member username has a character that ends the name")
	}
	if hasControl(row.GetSuffix()) {
		return invalid("addressInfo", "its member suffix has a control character")
	}
	for _, s := range []string{row.GetScheme(), row.GetSslScheme()} {
		if s != "" && !isScheme(s) {
			return invalid("addressInfo", "a scheme in it cannot begin an address")
		}
	}
	return nil
}

func isScheme(s string) bool {
	if len(s) > maxScheme || executable[strings.ToLower(s)] {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z' && s[i] >= 'A'
		if !letter && (i == 0 || (s[i] < '0' || s[i] > '9') && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return true
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// Interface answers the service interface a row holds.
func Interface(hostID string, internalPort uint32, row *hostsv1.Interface) ServiceInterface {
	v := ServiceInterface{
		ID: row.GetId(), Name: row.GetName(), Description: row.GetDescription(), Masked: row.GetMasked(),
		AddressInfo: AddressInfo{
			Username: nullable(row.GetUsername()), HostID: hostID, InternalPort: internalPort,
			Scheme: nullable(row.GetScheme()), SSLScheme: nullable(row.GetSslScheme()), Suffix: row.GetSuffix(),
		},
	}
	for name, t := range interfaceTypes {
		if t == row.GetType() {
			v.Type = name
		}
	}
	return v
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// CheckRangeInterface refuses what an interface of a range must not say; the parameters are those of the effect
// export-range-service-interface.
func CheckRangeInterface(row *hostsv1.RangeInterface) error {
	if _, err := ids.ParseInterface(row.GetId()); err != nil {
		return invalid("id", "%s", err)
	}
	if len(row.GetName()) > maxInterfaceName || !utf8.ValidString(row.GetName()) {
		return invalid("name", "it is longer than %d bytes or not UTF-8", maxInterfaceName)
	}
	if len(row.GetDescription()) > maxInterfaceDescription || !utf8.ValidString(row.GetDescription()) {
		return invalid("description", "it is longer than %d bytes or not UTF-8", maxInterfaceDescription)
	}
	if row.GetScheme() != "" && !isScheme(row.GetScheme()) {
		return invalid("scheme", "it cannot begin an address")
	}
	return nil
}
