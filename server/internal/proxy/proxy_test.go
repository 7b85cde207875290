package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// fakeDoor is a door that keeps the tables it is given. It refuses the first ones, as while it starts.
type fakeDoor struct {
	mu      sync.Mutex
	refuse  int
	sockets []*doorv1.Socket
	tables  chan *doorv1.Table
}

func (d *fakeDoor) Apply(_ context.Context, t *doorv1.Table) (*doorv1.ApplyResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse > 0 {
		d.refuse--
		return nil, errors.New("not yet")
	}
	d.tables <- proto.CloneOf(t)
	return &doorv1.ApplyResponse{Sockets: d.sockets}, nil
}

func (d *fakeDoor) Check(context.Context, *doorv1.Table) error { return nil }

func (d *fakeDoor) GetStatus(context.Context) (*doorv1.GetStatusResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &doorv1.GetStatusResponse{Sockets: d.sockets}, nil
}

func (d *fakeDoor) say(sockets ...*doorv1.Socket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sockets = sockets
}

// await answers the first table that is as wanted.
func (d *fakeDoor) await(t *testing.T, what string, ok func(*doorv1.Table) bool) *doorv1.Table {
	t.Helper()
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	for {
		select {
		case table := <-d.tables:
			if ok(table) {
				return table
			}
		case <-late.C:
			t.Fatalf("no table has %s", what)
		}
	}
}

type names struct{}

func (names) Certificate(gateways []abi.Gateway) []string {
	var out []string
	for _, g := range gateways {
		out = append(out, g.ID)
	}
	return out
}

func (names) Local() []string { return []string{"fireplace"} }

func (names) Records(packages []*packagesv1.Package, _ []*packagesv1.Dependency) []*doorv1.Record {
	var out []*doorv1.Record
	for _, p := range packages {
		out = append(out, &doorv1.Record{Name: p.GetMeta().GetId()})
	}
	return out
}

type certificates struct{}

func (certificates) InForce(time.Time) {}

func (certificates) ServerLeaf(names []string) (chain, key []byte, err error) {
	return []byte(strings.Join(names, " ")), []byte("key"), nil
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), text)
}

func listens(address string) func(*doorv1.Table) bool {
	return func(t *doorv1.Table) bool {
		return slices.ContainsFunc(t.GetListeners(), func(l *doorv1.Listener) bool { return l.GetAddress() == address })
	}
}

func TestControllerKeepsTheTableTrue(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var log buffer
	d := &fakeDoor{refuse: 1, tables: make(chan *doorv1.Table, 100)}
	s := proxy.New(proxy.Options{
		Store: st, Log: slog.New(slog.NewTextHandler(&log, nil)), Door: d, Names: names{}, Certificates: certificates{},
		Server: proxy.Server{Web: []string{"127.0.0.1:8443"}, WebUpstream: "unix:/web", RedirectPort: 8443},
	})
	m := reconcile.New(st, slog.New(slog.DiscardHandler), s.Controller())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	defer func() { stop(); <-done }()

	d.await(t, "the server's own page, though the door refused first", listens("127.0.0.1:8443"))
	house := house()
	put(t, st, house.Hosts[0], pkg("forge", ""))
	put(t, st, house.Hosts[0], pkg("forge", "10.0.3.8"))
	table := d.await(t, "the service that has a container now", listens("127.0.0.1:61002"))
	if len(table.GetResolver().GetRecords()) != 2 || string(table.GetCertificates()[0].GetChain()) != "lo lxcbr0" {
		t.Errorf("table %v", table)
	}

	d.say(&doorv1.Socket{Address: "tcp 192.168.1.5:61002", Error: "in use"}, &doorv1.Socket{Address: "tcp 127.0.0.1:61002"})
	if !s.SetNetwork(house.Gateways, "home.local", nil) || s.SetNetwork(house.Gateways, "home.local", nil) {
		t.Error("news are told wrongly")
	}
	m.Wake(proxy.ControllerName, proxy.ControllerKey)
	table = d.await(t, "the address in the house", listens("192.168.1.5:61002"))
	if l := table.GetLocal(); !slices.Equal(l.GetNames(), []string{"fireplace", "forge"}) || !slices.Equal(l.GetLinks(), []string{"eth0"}) {
		t.Errorf("the names in .local are %v", l)
	}
	labels, err := s.ServiceNames()
	if err != nil || len(labels) != 1 || labels["forge/main"] != "forge" {
		t.Errorf("the services are to be called %v (%v)", labels, err)
	}
	if !s.SetNetwork(house.Gateways, "home.local", map[string]string{"forge/main": "forge-2.local"}) {
		t.Error("a name that was claimed is no news")
	}
	m.Wake(proxy.ControllerName, proxy.ControllerKey)
	d.await(t, "a certificate for the name of the service", func(table *doorv1.Table) bool {
		return slices.ContainsFunc(table.GetCertificates(), func(c *doorv1.Certificate) bool { return c.GetId() == "domain/forge-2.local" })
	})
	s.SetNetwork(house.Gateways, "home.local", nil)
	m.Wake(proxy.ControllerName, proxy.ControllerKey)
	d.await(t, "it a second time", listens("192.168.1.5:61002"))
	d.say()
	m.Wake(proxy.ControllerName, proxy.ControllerKey)
	d.await(t, "it a third time", listens("192.168.1.5:61002"))

	if _, err := st.Update(ctx, time.Unix(1, 0), func(tx *store.Tx) error { return store.Delete[*hostsv1.Host](tx, "forge/main") }); err != nil {
		t.Fatal(err)
	}
	d.await(t, "no service any more", func(t *doorv1.Table) bool { return len(t.GetListeners()) == 1 })
	if warned := log.count("192.168.1.5:61002: in use"); warned != 1 || log.count("level=WARN") != 1 {
		t.Errorf("the socket that is not bound was told %d times", warned)
	}
	if log.count("listens everywhere") != 1 {
		t.Error("that all sockets are bound again was not told")
	}
}

func put(t *testing.T, st *store.Store, h *hostsv1.Host, p *packagesv1.Package) {
	t.Helper()
	_, err := st.Update(t.Context(), time.Unix(1, 0), func(tx *store.Tx) error {
		return errors.Join(store.Put(tx, h), store.Put(tx, p))
	})
	if err != nil {
		t.Fatal(err)
	}
}
