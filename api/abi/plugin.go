package abi

import (
	"encoding/json"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/api/ids"
)

// Limits of what a package says of an address it supplies.
const (
	maxSuppliedInfo    = 2 << 10
	maxSuppliedActions = 16
	maxExceptions      = 1024
)

// URLPlugin is the name by which the manifest of a package says that it supplies addresses.
const URLPlugin = "url-v0"

// PluginHostname is the parameter hostnameInfo of the effect plugin.url.export-url: an address, and which binding it is of.
type PluginHostname struct {
	PackageID    *string         `json:"packageId"` // null for the server's own page
	HostID       string          `json:"hostId"`
	InternalPort uint32          `json:"internalPort"`
	SSL          bool            `json:"ssl"`
	Public       bool            `json:"public"`
	Hostname     string          `json:"hostname"`
	Port         NullablePort    `json:"port"`
	Info         json.RawMessage `json:"info"`
}

// ParsePluginHostname reads the parameter hostnameInfo.
func ParsePluginHostname(data []byte) (PluginHostname, error) {
	var v PluginHostname
	given, err := decode("hostnameInfo", data, &v)
	if err == nil && !given {
		err = invalid("hostnameInfo", "it is missing")
	}
	if err != nil {
		return v, err
	}
	return v, v.check("hostnameInfo")
}

// ParsePluginHostnames reads the parameter except of the effect plugin.url.clear-urls.
func ParsePluginHostnames(data []byte) ([]PluginHostname, error) {
	var list []PluginHostname
	if _, err := decode("except", data, &list); err != nil {
		return nil, err
	}
	if len(list) > maxExceptions {
		return nil, invalid("except", "it has more than %d members", maxExceptions)
	}
	return list, nil
}

func (v PluginHostname) check(parameter string) error {
	switch {
	case v.InternalPort == 0 || v.InternalPort > maxPort:
		return invalid(parameter, "its member internalPort is no port")
	case v.Port > maxPort:
		return invalid(parameter, "its member port is no port")
	case v.Hostname == "" || len(v.Hostname) > 253 ||
		strings.Trim(strings.ToLower(v.Hostname), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "":
		return invalid(parameter, "its member hostname is no name")
	case len(v.Info) > maxSuppliedInfo:
		return invalid(parameter, "its member info is longer than %d bytes", maxSuppliedInfo)
	}
	return nil
}

// Supplied answers the address as a row holds it, with the actions of the package that supplies it.
func (v PluginHostname) Supplied(pkg, remove string, overflow []string) (*hostsv1.SuppliedAddress, error) {
	if len(overflow) > maxSuppliedActions {
		return nil, invalid("overflowActions", "it has more than %d members", maxSuppliedActions)
	}
	for _, id := range overflow {
		if _, err := ids.ParseAction(id); err != nil {
			return nil, invalid("overflowActions", "%s", err)
		}
	}
	if _, err := ids.ParseAction(remove); remove != "" && err != nil {
		return nil, invalid("removeAction", "%s", err)
	}
	return &hostsv1.SuppliedAddress{
		PackageId: pkg, Ssl: v.SSL, Internet: v.Public, Hostname: v.Hostname, Port: uint32(v.Port),
		RemoveAction: remove, OverflowActions: overflow, Info: v.Info,
	}, nil
}
