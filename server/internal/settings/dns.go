package settings

import (
	"context"
	"net/netip"
	"slices"
	"time"

	dnsv1 "github.com/hearthos/hearth/api/gen/go/hearth/dns/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

const dnsPort = 53

// DNS answers whom people chose the resolver to ask; nil where nobody chose.
func (k *Keeper) DNS() (row *dnsv1.DnsSettings, err error) {
	err = k.opt.Store.View(func(tx *store.Tx) error {
		found, there, err := store.Lookup[*dnsv1.DnsSettings](tx, server)
		if there {
			row = found
		}
		return err
	})
	return row, err
}

// SetDNS chooses whom the resolver asks: addresses, each with a port or without. None means those of the networks. own are
// the server's addresses, which are refused.
func (k *Keeper) SetDNS(ctx context.Context, now time.Time, servers []string, own []netip.Prefix) (*dnsv1.DnsSettings, error) {
	row := &dnsv1.DnsSettings{Meta: &metav1.Meta{Id: server}, Spec: &dnsv1.DnsSettingsSpec{}}
	for _, text := range servers {
		a, err := netip.ParseAddrPort(text)
		if bare, bareErr := netip.ParseAddr(text); bareErr == nil {
			a, err = netip.AddrPortFrom(bare, dnsPort), nil
		}
		addr := a.Addr().Unmap()
		if err != nil || a.Port() == 0 || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() || addr.Zone() != "" {
			return nil, fault.New(metav1.Reason_REASON_DNS_SERVER_INVALID, "cannot ask %.80q: it is not the address of a resolver", text).With("server", text)
		}
		if slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return nil, fault.New(metav1.Reason_REASON_DNS_SERVER_INVALID, "cannot ask %s: it is this server itself, or one of its services", addr).With("server", text)
		}
		if text = netip.AddrPortFrom(addr, a.Port()).String(); !slices.Contains(row.Spec.Servers, text) {
			row.Spec.Servers = append(row.Spec.Servers, text)
		}
	}
	_, err := k.opt.Store.Update(ctx, now, func(tx *store.Tx) error {
		if len(row.Spec.Servers) == 0 {
			return store.Delete[*dnsv1.DnsSettings](tx, server)
		}
		return store.Put(tx, row)
	})
	return row, err
}
