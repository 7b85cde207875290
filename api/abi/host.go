package abi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

// Host is what get-host-info answers.
type Host struct {
	Bindings       Bindings                `json:"bindings"`
	BindingRanges  ByPort[Range]           `json:"bindingRanges"`
	PublicDomains  map[string]PublicDomain `json:"publicDomains"`
	PrivateDomains map[string][]string     `json:"privateDomains"`
	PortForwards   []PortForward           `json:"portForwards"`
}

// Bindings are the bindings of a Host by internal port.
type Bindings = ByPort[Binding]

// ByPort are values by a port.
type ByPort[V any] map[uint32]V

// MarshalJSON orders the ports as numbers; maps of encoding/json are ordered as text.
func (b ByPort[V]) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, p := range slices.Sorted(maps.Keys(b)) {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(strconv.Quote(strconv.FormatUint(uint64(p), 10)) + ":")
		data, err := encode(b[p])
		if err != nil {
			return nil, err
		}
		out.Write(data)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// PublicDomain is how a name on the Internet leads to the host. The authority is always this server's own.
type PublicDomain struct {
	Gateway string  `json:"gateway"`
	ACME    *string `json:"acme"`
}

// PortForward is what the router in front of a gateway has to do for the addresses of the Internet.
type PortForward struct {
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Gateway string `json:"gateway"`
	Count   uint32 `json:"count"`
}

// Range is a range of ports of the container.
type Range struct {
	Enabled           bool            `json:"enabled"`
	ExternalStartPort uint32          `json:"externalStartPort"`
	NumberOfPorts     uint32          `json:"numberOfPorts"`
	Addresses         Addresses       `json:"addresses"`
	Interface         *RangeInterface `json:"interface"`
}

// RangeInterface is how programs use a range.
type RangeInterface struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Scheme      *string `json:"scheme"`
}

// Binding is a port of the container, what it asked for and what it got.
type Binding struct {
	Enabled    bool                        `json:"enabled"`
	Options    BindOptions                 `json:"options"`
	Net        Net                         `json:"net"`
	Addresses  Addresses                   `json:"addresses"`
	Interfaces map[string]ServiceInterface `json:"interfaces"`
}

// BindOptions is what the package asked for.
type BindOptions struct {
	PreferredExternalPort uint32  `json:"preferredExternalPort"`
	AddSSL                *AddSSL `json:"addSsl"`
	Secure                *Secure `json:"secure"`
}

// Net is the ports a binding has outside; null where it has none. get-service-port-forward answers it.
type Net struct {
	AssignedPort    *uint32 `json:"assignedPort"`
	AssignedSSLPort *uint32 `json:"assignedSslPort"`
}

// Addresses are the addresses of a binding and what people switched on and off among them.
type Addresses struct {
	Enabled   []string          `json:"enabled"`
	Disabled  []Endpoint        `json:"disabled"`
	GUAAccess map[string]string `json:"guaAccess"`
	Available []HostnameInfo    `json:"available"`
}

// Endpoint is a name or number and a port, written as a pair.
type Endpoint struct {
	Hostname string
	Port     uint32
}

// MarshalJSON writes the pair.
func (e Endpoint) MarshalJSON() ([]byte, error) { return encode([]any{e.Hostname, e.Port}) }

// HostnameInfo is one name or number under which a binding is reached.
type HostnameInfo struct {
	SSL      bool         `json:"ssl"`
	Public   bool         `json:"public"`
	Hostname string       `json:"hostname"`
	Port     NullablePort `json:"port"`
	Metadata Metadata     `json:"metadata"`
}

// NullablePort is a port, or 0 for none, which is written as null.
type NullablePort uint32

// MarshalJSON writes the number or null.
func (p NullablePort) MarshalJSON() ([]byte, error) { return encode(nonzero(uint32(p))) }

// Kinds of Metadata.
const (
	KindIPv4          = "ipv4"
	KindIPv6          = "ipv6"
	KindMDNS          = "mdns"
	KindPrivateDomain = "private-domain"
	KindPublicDomain  = "public-domain"
	KindPlugin        = "plugin"
)

// Metadata says what kind of name a hostname is and through which gateways it leads. Which members it has depends on
// the kind: a number has one gateway, an IPv6 one also a scope, a name of the server's networks a list of gateways, which
// may be empty, and one that another package supplies what that package said of it.
type Metadata struct {
	Kind     string
	Gateway  string
	ScopeID  uint32
	Gateways []string

	PackageID       string
	RemoveAction    string
	OverflowActions []string
	Info            json.RawMessage
}

// MarshalJSON writes the members of the kind and no others.
func (m Metadata) MarshalJSON() ([]byte, error) {
	switch m.Kind {
	case KindMDNS, KindPrivateDomain:
		return encode(struct {
			Kind     string   `json:"kind"`
			Gateways []string `json:"gateways"`
		}{m.Kind, append([]string{}, m.Gateways...)})
	case KindIPv6:
		return encode(struct {
			Kind    string `json:"kind"`
			Gateway string `json:"gateway"`
			ScopeID uint32 `json:"scopeId"`
		}{m.Kind, m.Gateway, m.ScopeID})
	case KindPlugin:
		info := m.Info
		if len(info) == 0 {
			info = json.RawMessage("null")
		}
		return encode(struct {
			Kind            string          `json:"kind"`
			PackageID       string          `json:"packageId"`
			RemoveAction    *string         `json:"removeAction"`
			OverflowActions []string        `json:"overflowActions"`
			Info            json.RawMessage `json:"info"`
		}{m.Kind, m.PackageID, nullable(m.RemoveAction), append([]string{}, m.OverflowActions...), info})
	}
	return encode(struct {
		Kind    string `json:"kind"`
		Gateway string `json:"gateway"`
	}{m.Kind, m.Gateway})
}

// Compare orders the addresses of a binding as packages are used to see them; some take the first that fits.
func (h HostnameInfo) Compare(o HostnameInfo) int {
	return cmp.Or(
		order(h.SSL, o.SSL),
		order(h.Public, o.Public),
		strings.Compare(h.Hostname, o.Hostname),
		cmp.Compare(h.Port, o.Port),
		cmp.Compare(slices.Index(kinds[:], h.Metadata.Kind), slices.Index(kinds[:], o.Metadata.Kind)),
		strings.Compare(h.Metadata.Gateway, o.Metadata.Gateway),
		cmp.Compare(h.Metadata.ScopeID, o.Metadata.ScopeID),
		slices.Compare(h.Metadata.Gateways, o.Metadata.Gateways),
		strings.Compare(h.Metadata.PackageID, o.Metadata.PackageID),
		bytes.Compare(h.Metadata.Info, o.Metadata.Info),
	)
}

// kinds are the kinds of Metadata in their order.
var kinds = [...]string{KindIPv4, KindIPv6, KindMDNS, KindPrivateDomain, KindPublicDomain, KindPlugin}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// NetOf answers the ports object of a binding.
func NetOf(p *hostsv1.Ports) Net {
	return Net{AssignedPort: nonzero(p.GetAssignedPort()), AssignedSSLPort: nonzero(p.GetAssignedSslPort())}
}

func nonzero(p uint32) *uint32 {
	if p == 0 {
		return nil
	}
	return &p
}
