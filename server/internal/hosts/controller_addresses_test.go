package hosts_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

func TestAddressesFollowTheNetwork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bind("forge", "main", 80, 80, addSSL(), nil)
	if err := f.export("forge", "main", 80, "ui", "ui"); err != nil {
		t.Fatal(err)
	}
	f.SetNetwork(hosts.Network{})
	m := reconcile.New(f.store, slog.New(slog.DiscardHandler), f.Controller())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	defer func() { stop(); <-done }()
	f.await(t, "the addresses of boot", func(a []*hostsv1.Address) bool { return !has(a, "192.168.1.5") })
	moved := hosts.Network{Gateways: []abi.Gateway{gateway("eth0", abi.GatewayTypeEthernet, 2, "192.168.7.7/24")}}
	if !f.SetNetwork(moved) || f.SetNetwork(moved) {
		t.Error("news are told wrongly")
	}
	m.Wake(hosts.ControllerName, hosts.ControllerKey)
	f.await(t, "the new address", func(a []*hostsv1.Address) bool { return has(a, "192.168.7.7") && a[0].GetHostname() == "localhost" })
}

func has(list []*hostsv1.Address, hostname string) bool {
	for _, a := range list {
		if a.GetHostname() == hostname {
			return true
		}
	}
	return false
}

// await watches the row until its addresses are as wanted.
func (f fixture) await(t *testing.T, what string, ok func([]*hostsv1.Address) bool) {
	t.Helper()
	w, err := f.store.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "host", ID: "forge/main"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for {
		batch, err := w.Next(ctx)
		if err != nil {
			t.Fatalf("cannot see %s: %v", what, err)
		}
		for _, c := range batch.Changes {
			if row, is := c.Row.(*hostsv1.Host); is && ok(row.GetStatus().GetAddresses()) {
				return
			}
		}
	}
}
