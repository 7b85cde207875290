package hosts

import (
	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
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
	if err != nil || !ok || row.GetSpec().GetKept() {
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

// List answers the hosts of a package, or of all where pkg is empty, by id.
func (s *Service) List(pkg string) (hosts []*hostsv1.Host, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		if pkg != "" && pkg != PagePackage {
			_, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
			if err != nil {
				return err
			}
			if !ok {
				return fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
			}
		}
		hosts, err = store.List[*hostsv1.Host](tx, pkg)
		return err
	})
	return hosts, err
}

// Host answers one host.
func (s *Service) Host(t Target) (row *hostsv1.Host, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		id, err := ids.Join(t.Package, t.Host)
		if err != nil {
			return unknownHost(t)
		}
		found, ok, err := store.Lookup[*hostsv1.Host](tx, id)
		if err == nil && (!ok || found.GetSpec().GetKept()) {
			err = unknownHost(t)
		}
		row = found
		return err
	})
	return row, err
}

func unknownHost(t Target) error {
	return fault.New(metav1.Reason_REASON_HOST_NOT_FOUND, "there is no host %q of %q", t.Host, t.Package).
		With("package", t.Package).With("host", t.Host)
}
