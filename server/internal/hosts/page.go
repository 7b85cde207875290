package hosts

import (
	"context"
	"maps"
	"slices"
	"time"

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
