package abi

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

// Host is what get-host-info answers.
type Host struct {
	Bindings       Bindings `json:"bindings"`
	BindingRanges  struct{} `json:"bindingRanges"`
	PublicDomains  struct{} `json:"publicDomains"`
	PrivateDomains struct{} `json:"privateDomains"`
	PortForwards   []string `json:"portForwards"`
}

// Bindings are the bindings of a Host by internal port.
type Bindings map[uint32]Binding

// MarshalJSON orders the ports as numbers; maps of encoding/json are ordered as text.
func (b Bindings) MarshalJSON() ([]byte, error) {
	ports := make([]uint32, 0, len(b))
	for p := range b {
		ports = append(ports, p)
	}
	slices.Sort(ports)
	var out bytes.Buffer
	out.WriteByte('{')
	for i, p := range ports {
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
	Enabled   []string       `json:"enabled"`
	Disabled  []string       `json:"disabled"`
	GUAAccess struct{}       `json:"guaAccess"`
	Available []HostnameInfo `json:"available"`
}

// HostnameInfo is one name or number under which a binding is reached.
type HostnameInfo struct {
	SSL      bool     `json:"ssl"`
	Public   bool     `json:"public"`
	Hostname string   `json:"hostname"`
	Port     uint32   `json:"port"`
	Metadata Metadata `json:"metadata"`
}

// Kinds of Metadata.
const (
	KindIPv4 = "ipv4"
	KindIPv6 = "ipv6"
	KindMDNS = "mdns"
)

// Metadata says what kind of name a hostname is and through which gateways it leads. Which members it has depends on
// the kind: a number has one gateway, an IPv6 one also a scope, a name a list of gateways, which may be empty.
type Metadata struct {
	Kind     string
	Gateway  string
	ScopeID  uint32
	Gateways []string
}

// MarshalJSON writes the members of the kind and no others.
func (m Metadata) MarshalJSON() ([]byte, error) {
	switch m.Kind {
	case KindMDNS:
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
		strings.Compare(h.Metadata.Kind, o.Metadata.Kind),
		strings.Compare(h.Metadata.Gateway, o.Metadata.Gateway),
		cmp.Compare(h.Metadata.ScopeID, o.Metadata.ScopeID),
		slices.Compare(h.Metadata.Gateways, o.Metadata.Gateways),
	)
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// BindingOf answers the object of one binding. available is sorted in place.
func BindingOf(hostID string, internalPort uint32, b *hostsv1.Binding, p *hostsv1.Ports, available []HostnameInfo) Binding {
	slices.SortFunc(available, HostnameInfo.Compare)
	v := Binding{
		Enabled: b.GetEnabled(),
		Options: BindOptions{
			PreferredExternalPort: b.GetPreferredExternalPort(),
			AddSSL:                addSSLOf(b.GetAddSsl()),
			Secure:                secureOf(b.GetSecure()),
		},
		Net:        NetOf(p),
		Addresses:  Addresses{Enabled: []string{}, Disabled: []string{}, Available: append([]HostnameInfo{}, available...)},
		Interfaces: make(map[string]ServiceInterface, len(b.GetInterfaces())),
	}
	for id, row := range b.GetInterfaces() {
		v.Interfaces[id] = Interface(hostID, internalPort, row)
	}
	return v
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

// HostOf answers the object of a host with these bindings.
func HostOf(bindings Bindings) Host { return Host{Bindings: bindings, PortForwards: []string{}} }
