package proxy_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// realDoor is a door that gets no sockets, so that its tables are judged and nothing is listened on.
type realDoor struct {
	*door.Door
	fakeDoor
}

type noSockets struct{ door.DirectSockets }

func (noSockets) Listen(string) (net.Listener, error)         { return nil, errors.New("none here") }
func (noSockets) ListenPacket(string) (net.PacketConn, error) { return nil, errors.New("none here") }

func (d *realDoor) Apply(ctx context.Context, t *doorv1.Table) (*doorv1.ApplyResponse, error) {
	digest, sockets, err := d.Door.Apply(ctx, t)
	if err != nil {
		return nil, err
	}
	d.tables <- proto.CloneOf(t)
	return &doorv1.ApplyResponse{Digest: digest, Sockets: sockets}, nil
}

func (*realDoor) Check(_ context.Context, t *doorv1.Table) error { return door.Check(t) }

func (d *realDoor) GetStatus(context.Context) (*doorv1.GetStatusResponse, error) {
	digest, sockets := d.Door.Status()
	return &doorv1.GetStatusResponse{Digest: digest, Sockets: sockets}, nil
}

type realCertificates struct{ certificates }

func (realCertificates) ServerLeaf([]string) (c, k []byte, err error) { return chain, key, nil }

// ways are those at the server's address in the house, as in "home.local -> 10.0.3.8:80".
func ways(t *doorv1.Table) (out []string) {
	for _, l := range t.GetListeners() {
		if at := netip.MustParseAddrPort(l.GetAddress()); at.Addr() == netip.MustParseAddr("192.168.1.5") {
			for _, r := range l.GetRoutes() {
				to := r.GetUpstream()
				if r.GetRefused() {
					to = "nowhere"
				}
				out = append(out, strings.TrimSpace(strings.Join(r.GetNames(), ",")+" -> "+to))
			}
		}
	}
	return out
}

// What the door cannot use of a table is left out and told, and what changes elsewhere comes into force: what is switched off is off.
func TestWhatTheDoorCannotUseStopsNothingElse(t *testing.T) {
	t.Parallel()
	const page = "-> 10.0.3.8:80"
	tooMuch := slices.Repeat([]string{"x"}, 17) // protocols, which a door has a limit for
	well := func() (forge, chain *hostsv1.Host) {
		b := web()
		return host("forge/main", map[uint32]*hostsv1.Binding{80: b}, map[uint32]*hostsv1.Ports{80: {AssignedSslPort: 61002}}),
			host("chain/rpc", map[uint32]*hostsv1.Binding{9: web()}, map[uint32]*hostsv1.Ports{9: {AssignedSslPort: 61012}})
	}
	for name, c := range map[string]struct {
		change func(forge, chain *hostsv1.Host) *hostsv1.Passthrough
		part   []proxy.Part
		want   []string
	}{
		"nothing": {func(_, _ *hostsv1.Host) *hostsv1.Passthrough { return nil }, nil, []string{page, "-> 10.0.3.9:9"}},
		"a service": {func(_, chain *hostsv1.Host) *hostsv1.Passthrough {
			chain.Spec.Bindings[9].AddSsl = &hostsv1.AddSsl{Alpn: tooMuch}
			return nil
		}, []proxy.Part{{Kind: proxy.PartHost, ID: "chain/rpc"}}, []string{page}},
		"a name at a shared port": {func(forge, _ *hostsv1.Host) *hostsv1.Passthrough {
			forge.Spec.Bindings[80].AddSsl.PreferredExternalPort = 8443
			forge.Spec.PrivateDomains = map[string]*hostsv1.PrivateDomain{"Big.lan": {Gateways: []string{"eth0"}}}
			return nil
		}, []proxy.Part{{Kind: proxy.PartName, ID: "Big.lan"}}, []string{page, "-> 10.0.3.9:9"}},
		"a name that cannot even be refused": {func(_, chain *hostsv1.Host) *hostsv1.Passthrough {
			chain.Spec.PublicDomains = map[string]*hostsv1.PublicDomain{"Big.lan": {Gateway: "eth0"}}
			return nil
		}, []proxy.Part{{Kind: proxy.PartHost, ID: "chain/rpc"}}, []string{page}},
		"a name of another machine": {func(_, _ *hostsv1.Host) *hostsv1.Passthrough {
			return &hostsv1.Passthrough{Meta: &metav1.Meta{Id: "nas"}, Spec: &hostsv1.PassthroughSpec{Hostname: "nas.lan", Port: 8443, Backend: "nowhere"}}
		}, []proxy.Part{{Kind: proxy.PartPassthrough, ID: "nas"}}, []string{page, "-> 10.0.3.9:9"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			d := &realDoor{door.New(door.Options{Sockets: noSockets{}}), fakeDoor{tables: make(chan *doorv1.Table, 100)}}
			told := make(chan struct{}, 100)
			s := proxy.New(proxy.Options{
				Store: st, Log: slog.New(slog.DiscardHandler), Door: d, Names: names{}, Certificates: realCertificates{},
				Server: proxy.Server{Web: []string{"0.0.0.0:8443"}, WebUpstream: "unix:/web", RedirectPort: 8443},
				Told:   func() { told <- struct{}{} },
			})
			s.SetNetwork([]abi.Gateway{gateway("eth0", abi.GatewayTypeEthernet, "192.168.1.5/24")}, "", nil)
			forge, chain := well()
			passed := c.change(forge, chain)
			put(t, st, forge, pkg("forge", "10.0.3.8"))
			put(t, st, chain, pkg("chain", "10.0.3.9"))
			if passed != nil {
				if _, err := st.Update(t.Context(), time.Unix(1, 0), func(tx *store.Tx) error { return store.Put(tx, passed) }); err != nil {
					t.Fatal(err)
				}
			}
			m := reconcile.New(st, slog.New(slog.DiscardHandler), s.Controller())
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- m.Run(ctx) }()
			defer func() { stop(); <-done }()

			var got []string
			d.await(t, "what the door can use", func(table *doorv1.Table) bool { got = ways(table); return slices.Equal(got, c.want) })
			if len(c.part) > 0 {
				<-told
			}
			var parts []proxy.Part
			unusable, all := s.Unusable()
			for _, u := range unusable {
				if parts = append(parts, u.Part); u.Why == "" {
					t.Errorf("%v is told without a reason", u.Part)
				}
			}
			if diff := cmp.Diff(c.part, parts); diff != "" || all != "" {
				t.Errorf("what the door cannot use (-want +got), all %q:\n%s", all, diff)
			}
			// What is switched off now is off.
			forge = proto.CloneOf(forge)
			forge.Spec.Bindings[80].Enabled = false
			put(t, st, forge, pkg("forge", "10.0.3.8"))
			d.await(t, "nothing of what is off", func(table *doorv1.Table) bool { return !slices.Contains(ways(table), page) })
		})
	}
}

// A door that can use nothing goes on as it was, and that is told.
func TestADoorThatCanUseNothingIsTold(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	d := &realDoor{door.New(door.Options{Sockets: noSockets{}}), fakeDoor{tables: make(chan *doorv1.Table, 100)}}
	told := make(chan struct{}, 100)
	s := proxy.New(proxy.Options{
		Store: st, Log: slog.New(slog.DiscardHandler), Door: d, Names: names{}, Certificates: realCertificates{},
		Server: proxy.Server{Web: []string{"8443"}, WebUpstream: "unix:/web", RedirectPort: 8443}, Told: func() { told <- struct{}{} },
	})
	m := reconcile.New(st, slog.New(slog.DiscardHandler), s.Controller())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	defer func() { stop(); <-done }()
	<-told
	if parts, all := s.Unusable(); len(parts) > 0 || !strings.Contains(all, `"8443"`) {
		t.Errorf("it is told as %v, %q", parts, all)
	}
}

// Nothing that a part closes is open without it: a name is refused where it would lead, and a service is told no names at all.
func TestNothingIsOpenWithoutAPart(t *testing.T) {
	t.Parallel()
	in := street(func(_, forge *hostsv1.Host) {
		forge.Spec.Bindings[80].AddSsl.PreferredExternalPort = 0
		forge.Spec.PrivateDomains = map[string]*hostsv1.PrivateDomain{"cloud.lan": {Gateways: []string{"eth0"}}}
	})
	in.Private = map[string][]string{"cloud.lan": {"eth0"}}
	in.Confined = []proxy.Confined{{Addresses: []netip.Addr{netip.MustParseAddr("10.0.3.8")}, Asks: true, Names: []string{"api.example.org"}}}
	rest := proxy.Without(in, proxy.Part{Kind: proxy.PartName, ID: "cloud.lan"}, proxy.Part{Kind: proxy.PartReach, ID: "10.0.3.8"})
	if got, want := at(t, rest, "192.168.1.5:61002"), []string{"cloud.lan -> nowhere", "-> 10.0.3.8:80 server at for neighbours"}; !slices.Equal(got, want) {
		t.Errorf("the service is reached by %v, want %v", got, want)
	}
	resolver := render(t, rest).GetResolver()
	if len(resolver.GetNamed()) > 0 || !slices.Contains(resolver.GetLocalSources(), "10.0.3.8") {
		t.Errorf("a service is told names: %v", resolver)
	}
	if slices.ContainsFunc(resolver.GetRecords(), func(r *doorv1.Record) bool { return r.GetName() == "cloud.lan" }) {
		t.Error("the resolver answers a name that leads nowhere")
	}
	if len(slices.Collect(maps.Keys(in.Private))) != 1 || len(in.Confined[0].Names) != 1 {
		t.Error("the input was changed")
	}
}
