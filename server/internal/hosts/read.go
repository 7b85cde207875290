package hosts

import (
	"slices"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

var null = []byte("null")

// HostJSON answers the object packages see for a host, or null where the package has no such host. Its bytes are equal
// as long as nothing in it has changed.
func (s *Service) HostJSON(tx *store.Tx, pkg, host string) ([]byte, error) {
	id, err := ids.Join(pkg, host)
	if err != nil {
		return null, nil
	}
	row, ok, err := store.Lookup[*hostsv1.Host](tx, id)
	if err != nil || !ok {
		return null, err
	}
	return HostJSON(row, s.Network()), nil
}

// PortsJSON answers the object packages see for the ports of a binding.
func (s *Service) PortsJSON(tx *store.Tx, pkg, host string, internalPort uint32) ([]byte, error) {
	p, err := s.Ports(tx, pkg, host, internalPort)
	if err != nil {
		return nil, err
	}
	return abi.Encode(abi.NetOf(p)), nil
}

// InterfaceJSON answers the object packages see for an interface, or null where the package exports no such one.
func (s *Service) InterfaceJSON(tx *store.Tx, pkg, id string) ([]byte, error) {
	all, err := s.interfaces(tx, pkg)
	if err != nil {
		return nil, err
	}
	if i, ok := all[id]; ok {
		return abi.Encode(i), nil
	}
	return null, nil
}

// InterfacesJSON answers the interfaces of a package by their ids.
func (s *Service) InterfacesJSON(tx *store.Tx, pkg string) ([]byte, error) {
	all, err := s.interfaces(tx, pkg)
	if err != nil {
		return nil, err
	}
	return abi.Encode(all), nil
}

func (s *Service) interfaces(tx *store.Tx, pkg string) (map[string]abi.ServiceInterface, error) {
	rows, err := s.own(tx, pkg)
	if err != nil {
		return nil, err
	}
	all := make(map[string]abi.ServiceInterface)
	for _, row := range rows {
		for port, b := range row.Spec.Bindings {
			for id, i := range b.GetInterfaces() {
				all[id] = abi.Interface(hostID(row), port, i)
			}
		}
	}
	return all, nil
}

// Names answers the names a package may have certificates and keys for: its own among services, the address of its
// container, and the server's name in .local while the package is reached under it, which services that speak TLS
// themselves need. Addresses of the server and localhost are not among them.
func (s *Service) Names(tx *store.Tx, pkg string) ([]string, error) {
	names := []string{pkg + ".startos", pkg + ".embassy"}
	p, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil {
		return nil, err
	}
	if ip := p.GetStatus().GetIpv4(); ok && ip != "" {
		names = append(names, ip)
	}
	rows, err := s.own(tx, pkg)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		for _, a := range row.Status.Addresses {
			if a.GetKind() == hostsv1.Address_KIND_MDNS && !slices.Contains(names, a.GetHostname()) {
				names = append(names, a.GetHostname())
			}
		}
	}
	return names, nil
}

// List answers the hosts of a package, or of all where pkg is empty, by id.
func (s *Service) List(pkg string) (hosts []*hostsv1.Host, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		hosts, err = store.List[*hostsv1.Host](tx, pkg)
		return err
	})
	return hosts, err
}
