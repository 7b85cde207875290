package hosts

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// The host of the server's own page. No package can have that id.
const (
	PagePackage = "server"
	PageHost    = "page"
	PageID      = PagePackage + "/" + PageHost
	pagePort    = 80
)

// EnsurePage makes the row of the server's own page what it is in this release; what people chose of it stays. It is called
// once, before controllers run.
func (s *Service) EnsurePage(ctx context.Context, now time.Time) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		rows, err := s.own(tx, PagePackage)
		if err != nil {
			return err
		}
		row := &hostsv1.Host{Meta: &metav1.Meta{Id: PageID}, Spec: &hostsv1.HostSpec{Bindings: make(map[uint32]*hostsv1.Binding)}, Status: &hostsv1.HostStatus{}}
		for _, r := range rows {
			if hostID(r) == PageHost {
				row = r
			}
		}
		b := row.Spec.Bindings[pagePort]
		if b == nil {
			b = &hostsv1.Binding{}
			row.Spec.Bindings[pagePort] = b
		}
		if from := row.GetStatus().GetPorts()[pagePort].GetAssignedSslPort(); from != 0 && from != s.page {
			rekey(b.GetChoices(), from, s.page)
			if err := s.followPage(tx, from); err != nil {
				return err
			}
		}
		b.Enabled, b.PreferredExternalPort = true, pagePort
		b.AddSsl = &hostsv1.AddSsl{PreferredExternalPort: s.page, Alpn: []string{"h2", "http/1.1"}}
		b.Interfaces = map[string]*hostsv1.Interface{"page": {
			Id: "page", Name: "Hearth", Description: "The page of this server", Type: hostsv1.Interface_TYPE_UI, Scheme: "http", SslScheme: "https",
		}}
		row.Status.Ports = map[uint32]*hostsv1.Ports{pagePort: {AssignedSslPort: s.page}}
		return s.put(tx, row)
	})
	return err
}

// followPage lets choices for the names of services follow the page to another port, or from its port or to it: those that share it with the
// page are told apart from all else by name.
func (s *Service) followPage(tx *store.Tx, from uint32) error {
	rows, err := store.List[*hostsv1.Host](tx, "")
	if err != nil {
		return err
	}
	for _, row := range rows {
		if packageOf(row) == PagePackage {
			continue
		}
		// The names in .local stand for those that the server and the service had: they are switched whatever they are called.
		n := Network{MDNS: "server.local", Services: map[string]string{row.GetMeta().GetId(): "service.local"}}
		n.Shared = map[uint32]bool{from: true}
		was := abi.Derive(model(row, n))
		n.Shared = map[uint32]bool{s.page: true}
		is := abi.Derive(model(row, n))
		changed := false
		for p, b := range row.GetSpec().GetBindings() {
			before := was.Bindings[p].Addresses
			for _, old := range before.Available {
				for _, now := range is.Bindings[p].Addresses.Available {
					if old.SSL && now.SSL && old.Hostname == now.Hostname && old.Metadata.Kind == now.Metadata.Kind && old.Port != now.Port && !before.On(old) {
						switchOne(b.GetChoices(), old, true)
						switchOne(b.GetChoices(), now, false)
						changed = true
					}
				}
			}
		}
		if changed {
			if err := store.Put(tx, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// PageNames are the names that people gave the server's own page; none while they cannot be read.
func (s *Service) PageNames() []string {
	var names []string
	_ = s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*hostsv1.Host](tx, PageID)
		if ok {
			names = slices.AppendSeq(names, maps.Keys(row.GetSpec().GetPublicDomains()))
			names = slices.AppendSeq(names, maps.Keys(row.GetSpec().GetPrivateDomains()))
		}
		return err
	})
	slices.Sort(names)
	return slices.Compact(names)
}
