package hosts

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// maxSupplied bounds what packages supply for one host, in bytes. It is apart from what the host's own package says, so
// that no supplier is in its way.
const maxSupplied = 16 << 10

// RegisterPlugin makes a package one that supplies addresses. Whether its manifest says so is the caller's to check.
func (s *Service) RegisterPlugin(tx *store.Tx, pkg, tableAction string) error {
	return store.Put(tx, &hostsv1.UrlPlugin{Meta: &metav1.Meta{Id: pkg}, Spec: &hostsv1.UrlPluginSpec{TableAction: tableAction}})
}

// Supply adds an address that pkg supplies to the binding it names, of any package or of the server's page. The same
// address again replaces what was said of it.
func (s *Service) Supply(tx *store.Tx, v abi.PluginHostname, address *hostsv1.SuppliedAddress) error {
	pkg, host := target(v)
	rows, err := s.own(tx, pkg)
	if err != nil {
		return err
	}
	row, b := rows.binding(host, v.InternalPort)
	if b == nil || row.GetSpec().GetKept() {
		return notFound(pkg, host, v.InternalPort)
	}
	b.Supplied = append(slices.DeleteFunc(b.Supplied, func(o *hostsv1.SuppliedAddress) bool { return same(o, address) }), address)
	size := 0
	for _, other := range row.Spec.Bindings {
		for _, a := range other.Supplied {
			size += proto.Size(a)
		}
	}
	if size > maxSupplied {
		return invalid("hostnameInfo", "the addresses supplied for host %s take more than %d bytes", row.GetMeta().GetId(), maxSupplied)
	}
	return s.put(tx, row)
}

// ClearSupplied takes every address away that pkg supplied and is not in except.
func (s *Service) ClearSupplied(tx *store.Tx, pkg string, except []abi.PluginHostname) error {
	type place struct {
		pkg, host string
		port      uint32
	}
	keep := make(map[place][]*hostsv1.SuppliedAddress)
	for _, v := range except {
		p, host := target(v)
		at := place{p, host, v.InternalPort}
		keep[at] = append(keep[at], &hostsv1.SuppliedAddress{PackageId: pkg, Ssl: v.SSL, Internet: v.Public, Hostname: v.Hostname, Port: uint32(v.Port)})
	}
	rows, err := s.own(tx, "")
	if err != nil {
		return err
	}
	for _, row := range rows {
		changed := false
		for port, b := range row.Spec.Bindings {
			before := len(b.Supplied)
			kept := keep[place{packageOf(row), hostID(row), port}]
			b.Supplied = slices.DeleteFunc(b.Supplied, func(a *hostsv1.SuppliedAddress) bool {
				return a.GetPackageId() == pkg && !slices.ContainsFunc(kept, func(k *hostsv1.SuppliedAddress) bool { return same(k, a) })
			})
			changed = changed || len(b.Supplied) != before
		}
		if changed {
			if err := s.put(tx, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// target is the host that an address is supplied for.
func target(v abi.PluginHostname) (pkg, host string) {
	if v.PackageID == nil {
		return PagePackage, PageHost
	}
	return *v.PackageID, v.HostID
}

// same tells whether two are one address of one supplier.
func same(a, b *hostsv1.SuppliedAddress) bool {
	return a.GetPackageId() == b.GetPackageId() && a.GetSsl() == b.GetSsl() && a.GetInternet() == b.GetInternet() &&
		a.GetHostname() == b.GetHostname() && a.GetPort() == b.GetPort()
}
