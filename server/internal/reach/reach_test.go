package reach_test

import (
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/reach"
	"github.com/hearthos/hearth/server/internal/store"
)

// site is a page over TLS for example.com at port 443 of 192.168.1.5 and of loopback, and something silent at port 80.
func site(t *testing.T) (root []byte, dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	t.Helper()
	page := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	at := map[string]string{
		"192.168.1.5:443": page.Listener.Addr().String(), "127.0.0.1:443": page.Listener.Addr().String(),
		"192.168.1.5:80": plain.Addr().String(), "203.0.113.9:443": page.Listener.Addr().String(),
	}
	dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		to, ok := at[address]
		if !ok {
			return nil, &net.OpError{Op: "dial", Err: errors.New("nobody listens")}
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: page.Certificate().Raw}), dial
}

func newArea(t *testing.T, started bool) *reach.Service {
	t.Helper()
	s, _ := newAreaOver(t, started)
	return s
}

func newAreaOver(t *testing.T, started bool) (*reach.Service, *store.Store) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	forge := &packagesv1.Package{Meta: &metav1.Meta{Id: "forge"}, Status: &packagesv1.PackageStatus{}}
	if started {
		forge.Status.StartTime = timestamppb.New(time.Unix(1, 0))
	}
	if _, err := st.Update(t.Context(), time.Unix(1, 0), func(tx *store.Tx) error { return store.Put(tx, forge) }); err != nil {
		t.Fatal(err)
	}
	root, dial := site(t)
	names := map[string]string{"example.com": "192.168.1.5", "other.test": "192.168.1.5", "away.test": "192.168.1.77", "moved.test": "9.9.9.9", "router.test": "203.0.113.9"}
	return reach.New(reach.Options{
		Store: st, Root: func() []byte { return root }, Dial: dial,
		Gateways: func() []abi.Gateway {
			return []abi.Gateway{
				{ID: "lo", Subnets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
				{ID: "eth1", Subnets: []netip.Prefix{netip.MustParsePrefix("192.168.0.5/24")}},
				{ID: "eth0", Subnets: []netip.Prefix{netip.MustParsePrefix("192.168.1.5/24")}},
			}
		},
		Resolve: func(ctx context.Context, name string) ([]netip.Addr, error) {
			if name == "slow.test" { // whoever is asked is away
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if at, ok := names[name]; ok {
				return []netip.Addr{netip.MustParseAddr(at)}, nil
			}
			return nil, errors.New("no such name")
		},
		Own: func(_ context.Context, at netip.Addr, name string) ([]netip.Addr, error) {
			if at != netip.MustParseAddr("192.168.1.5") {
				return nil, errors.New("nobody answers there")
			}
			return map[string][]netip.Addr{"home.test": {at}, "slow.test": {at}, "moved.test": {at}, "stray.test": {netip.MustParseAddr("192.168.1.77")}}[name], nil
		},
	}), st
}

func TestAVerdictNamesTheFirstThingThatIsMissing(t *testing.T) {
	t.Parallel()
	const (
		private, public = hostsv1.Address_KIND_PRIVATE_DOMAIN, hostsv1.Address_KIND_PUBLIC_DOMAIN
		number          = hostsv1.Address_KIND_IPV4
	)
	up, down := newArea(t, true), newArea(t, false)
	for name, c := range map[string]struct {
		address *hostsv1.Address
		missing hostsv1.Verdict_Step
		says    string // in the message or the remedy
	}{
		"a name":                  {&hostsv1.Address{Kind: private, Hostname: "example.com", Port: 443, Ssl: true, Gateway: "eth0"}, 0, ""},
		"a name of two gateways":  {&hostsv1.Address{Kind: private, Hostname: "example.com", Port: 443, Ssl: true, Gateway: "wlan0,eth0"}, 0, ""},
		"a plain port":            {&hostsv1.Address{Kind: number, Hostname: "192.168.1.5", Port: 80, Gateway: "eth0"}, 0, ""},
		"by the router":           {&hostsv1.Address{Kind: public, Hostname: "router.test", Port: 443, Gateway: "eth0", Access: hostsv1.Access_ACCESS_INTERNET}, 0, ""},
		"a range":                 {&hostsv1.Address{Kind: number, Hostname: "192.168.1.5", Port: 5000, NumberOfPorts: 10, Gateway: "eth0"}, 0, ""},
		"one of another package":  {&hostsv1.Address{Kind: hostsv1.Address_KIND_SUPPLIED, Hostname: "abc.onion", SuppliedBy: "tor"}, 0, ""},
		"a gateway that is gone":  {&hostsv1.Address{Kind: private, Hostname: "example.com", Port: 443, Gateway: "wlan0"}, hostsv1.Verdict_STEP_GATEWAY, "wlan0 is not connected"},
		"a name of nobody":        {&hostsv1.Address{Kind: private, Hostname: "none.test", Port: 443, Gateway: "eth0"}, hostsv1.Verdict_STEP_DNS, "record of type A with the address 192.168.1.5"},
		"a public name of nobody": {&hostsv1.Address{Kind: public, Hostname: "none.test", Port: 443, Gateway: "eth0"}, hostsv1.Verdict_STEP_DNS, "address of your router"},
		"a name of ours alone": {&hostsv1.Address{Kind: private, Hostname: "home.test", Port: 80, Gateway: "eth0"}, 0,
			"who asks this server for names finds it; for who asks others nobody knows the name home.test"},
		"a name of ours while others are away":      {&hostsv1.Address{Kind: private, Hostname: "slow.test", Port: 80, Gateway: "eth0"}, 0, "nobody knows the name slow.test"},
		"a name of ours that others lead elsewhere": {&hostsv1.Address{Kind: private, Hostname: "moved.test", Port: 80, Gateway: "eth0"}, 0, "the name moved.test leads to 9.9.9.9"},
		"a public name of ours alone":               {&hostsv1.Address{Kind: public, Hostname: "home.test", Port: 80, Gateway: "eth0"}, hostsv1.Verdict_STEP_DNS, "nobody knows"},
		"a name that leads elsewhere here":          {&hostsv1.Address{Kind: private, Hostname: "stray.test", Port: 80, Gateway: "eth0"}, hostsv1.Verdict_STEP_DNS, "nobody knows"},
		"a name of another":                         {&hostsv1.Address{Kind: private, Hostname: "away.test", Port: 443, Gateway: "eth0"}, hostsv1.Verdict_STEP_DNS, "leads to 192.168.1.77, which is not this server"},
		"a port that is closed":                     {&hostsv1.Address{Kind: number, Hostname: "192.168.1.5", Port: 444, Gateway: "eth0"}, hostsv1.Verdict_STEP_PORT, "port 444 of 192.168.1.5 does not answer: refused"},
		"a port without a place":                    {&hostsv1.Address{Kind: number, Hostname: "192.168.1.5", Port: 444, Gateway: "eth0", Unserved: "its share is used up"}, hostsv1.Verdict_STEP_PORT, "does not serve it: its share is used upSee 'hearth warnings'"},
		"a router that is closed":                   {&hostsv1.Address{Kind: public, Hostname: "router.test", Port: 8443, Gateway: "eth0", Access: hostsv1.Access_ACCESS_INTERNET}, hostsv1.Verdict_STEP_PORT, "Let the router forward port 8443"},
		"another's certificate":                     {&hostsv1.Address{Kind: private, Hostname: "other.test", Port: 443, Ssl: true, Gateway: "eth0", InternalPort: 80}, hostsv1.Verdict_STEP_CERTIFICATE, "other.test"},
		"its own certificate":                       {&hostsv1.Address{Kind: private, Hostname: "other.test", Port: 443, Ssl: true, Gateway: "eth0", InternalPort: 8443}, 0, ""},
	} {
		row := &hostsv1.Host{
			Meta: &metav1.Meta{Id: "forge/main"},
			Spec: &hostsv1.HostSpec{Bindings: map[uint32]*hostsv1.Binding{
				80: {AddSsl: &hostsv1.AddSsl{}}, 8443: {Secure: &hostsv1.Secure{Ssl: true}}, 0: {AddSsl: &hostsv1.AddSsl{}},
			}},
			Status: &hostsv1.HostStatus{Addresses: []*hostsv1.Address{c.address}},
		}
		v := up.Try(t.Context(), time.Unix(2, 0), row).GetStatus().GetVerdicts()[0]
		if v.GetWorks() != (c.missing == 0) || v.GetMissing() != c.missing || !strings.Contains(v.GetMessage()+v.GetRemedy(), c.says) {
			t.Errorf("%s: %v", name, v)
		}
		if !v.GetWorks() && (v.GetMessage() == "" || v.GetRemedy() == "") {
			t.Errorf("%s: nothing is said: %v", name, v)
		}
		if v := down.Try(t.Context(), time.Unix(2, 0), row).GetStatus().GetVerdicts()[0]; v.GetMissing() != hostsv1.Verdict_STEP_SERVICE {
			t.Errorf("%s, with the service stopped: %v", name, v)
		}
	}
}

// Without TLS a name is where the numbers are that are on: it is tried there.
func TestANameIsTriedWhereItIsOn(t *testing.T) {
	t.Parallel()
	s := newArea(t, true)
	row := &hostsv1.Host{Meta: &metav1.Meta{Id: "forge/main"}, Status: &hostsv1.HostStatus{Addresses: []*hostsv1.Address{
		{Kind: hostsv1.Address_KIND_MDNS, Hostname: "home.local", Port: 80, Gateway: "eth1,eth0"},
		{Kind: hostsv1.Address_KIND_IPV4, Hostname: "192.168.1.5", Port: 80, Gateway: "eth0"},
	}}}
	for _, v := range s.Try(t.Context(), time.Unix(2, 0), row).GetStatus().GetVerdicts() {
		if !v.GetWorks() {
			t.Errorf("%s: %s", v.GetHostname(), v.GetMessage())
		}
	}
}

func TestWhatWasFoundIsKeptUntilTheHostGoes(t *testing.T) {
	t.Parallel()
	s := newArea(t, true)
	row := &hostsv1.Host{Meta: &metav1.Meta{Id: "forge/main"}, Status: &hostsv1.HostStatus{Addresses: []*hostsv1.Address{
		{Kind: hostsv1.Address_KIND_IPV4, Hostname: "192.168.1.5", Port: 80, Gateway: "eth0"},
		{Kind: hostsv1.Address_KIND_IPV4, Hostname: "192.168.1.5", Port: 81, Gateway: "eth0"},
	}}}
	s.Try(t.Context(), time.Unix(7, 0), row)
	last := s.Last("forge/main").GetStatus()
	if v := last.GetVerdicts(); len(v) != 2 || v[0].GetPort() != 80 || !v[0].GetWorks() || v[1].GetPort() != 81 || v[1].GetWorks() || last.GetCheckTime().GetSeconds() != 7 {
		t.Errorf("kept is %v", last)
	}
	if _, err := s.Controller().Reconcile(t.Context(), "forge/main"); err != nil { // the store has no such host
		t.Fatal(err)
	}
	if last := s.Last("forge/main"); last != nil {
		t.Errorf("of a host that is gone there is %v", last)
	}
}

// A service that was just started takes a moment to listen, so its addresses are looked at again soon, and less and less often
// while nothing changes.
func TestWhatDoesNotWorkIsTriedAgainSoonAfterAChange(t *testing.T) {
	t.Parallel()
	s, st := newAreaOver(t, true)
	c := s.Controller()
	put := func(change func(tx *store.Tx) error) {
		t.Helper()
		if _, err := st.Update(t.Context(), time.Unix(2, 0), change); err != nil {
			t.Fatal(err)
		}
	}
	at := func(port uint32) {
		t.Helper()
		put(func(tx *store.Tx) error {
			return store.Put(tx, &hostsv1.Host{Meta: &metav1.Meta{Id: "forge/main"}, Spec: &hostsv1.HostSpec{}, Status: &hostsv1.HostStatus{
				Addresses: []*hostsv1.Address{{Kind: hostsv1.Address_KIND_IPV4, Hostname: "192.168.1.5", Port: port, Gateway: "eth0"}},
			}})
		})
	}
	tried := func(when string, want ...time.Duration) {
		t.Helper()
		for i, w := range want {
			if got, err := c.Reconcile(t.Context(), "forge/main"); err != nil || got != w {
				t.Errorf("%s, at try %d the next is after %s, want %s (%v)", when, i, got, w, err)
			}
		}
	}
	const ms = time.Millisecond
	soon := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 51200 * ms, time.Minute, time.Minute}
	at(81)
	tried("at first", soon[:4]...)
	if last := s.Last("forge/main"); last != nil {
		t.Errorf("a port that nobody has listened on for a moment is told of: %v", last)
	}
	tried("after a moment", soon[4:]...)
	if last := s.Last("forge/main"); last == nil || last.GetStatus().GetVerdicts()[0].GetWorks() {
		t.Errorf("a port that stays closed is told as %v", last)
	}
	put(func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "forge"}, Status: &packagesv1.PackageStatus{StartTime: timestamppb.New(time.Unix(9, 0))}})
	})
	tried("started anew", soon...)
	at(82)
	tried("with another address", soon[:2]...)
	at(80)
	tried("with one that works", 5*time.Minute, 5*time.Minute)
	if last := s.Last("forge/main"); !last.GetStatus().GetVerdicts()[0].GetWorks() {
		t.Errorf("one that works is told as %v", last)
	}
	put(func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "forge"}, Status: &packagesv1.PackageStatus{}})
	})
	tried("stopped", soon[:1]...)
	if last := s.Last("forge/main"); last.GetStatus().GetVerdicts()[0].GetMissing() != hostsv1.Verdict_STEP_SERVICE {
		t.Errorf("a service that was stopped is told as %v", last)
	}
	put(func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "forge"}, Status: &packagesv1.PackageStatus{StartTime: timestamppb.New(time.Unix(9, 0))}})
	})
	at(81)
	tried("broken again", soon[:2]...)
}

// What the front door has said that it does not serve is told at once: nothing is about to answer there.
func TestWhatIsNotServedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s, st := newAreaOver(t, true)
	row := &hostsv1.Host{Meta: &metav1.Meta{Id: "forge/main"}, Spec: &hostsv1.HostSpec{}, Status: &hostsv1.HostStatus{Addresses: []*hostsv1.Address{
		{Kind: hostsv1.Address_KIND_IPV4, Hostname: "192.168.1.5", Port: 81, Gateway: "eth0", Unserved: "no place"},
	}}}
	if _, err := st.Update(t.Context(), time.Unix(2, 0), func(tx *store.Tx) error { return store.Put(tx, row) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Controller().Reconcile(t.Context(), "forge/main"); err != nil {
		t.Fatal(err)
	}
	if last := s.Last("forge/main").GetStatus().GetVerdicts(); len(last) != 1 || !strings.Contains(last[0].GetMessage(), "no place") {
		t.Errorf("told is %v", last)
	}
}
