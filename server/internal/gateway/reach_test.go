package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/store"
)

// told is a firewall, and devices, that remember what they were given.
type told struct {
	rules []nft.Rules
}

func (f *told) Ensure(r nft.Rules) error {
	f.rules = append(f.rules, r)
	return r.Check()
}
func (*told) Has(string) (bool, error)                                       { return true, nil }
func (*told) Changes(context.Context, string) (<-chan struct{}, error)       { return nil, nil }
func (*told) EnsureBridge(netdev.Bridge) error                               { return nil }
func (*told) EnsureMembers(string, []string) error                           { return nil }
func (*told) EnableForwarding(...string) error                               { return nil }
func (*told) EnableForwarding6() error                                       { return nil }
func (*told) Routes6() (bool, error)                                         { return true, nil }
func (*told) Before6() (netdev.Before6, error)                               { return netdev.Before6{}, nil }
func (*told) EnsureNeighbours(string, map[netip.Addr]net.HardwareAddr) error { return nil }
func (*told) Forwards(string) (bool, error)                                  { return true, nil }
func (*told) Routes() (bool, error)                                          { return true, nil }
func (*told) EnsureCallers(uint32) error                                     { return nil }
func (*told) Hairpins(string) (bool, error)                                  { return true, nil }

// housed is a machine with a network whose firewall remembers what it was given.
type housed struct{ *told }

func (housed) Links() ([]netdev.Link, error) {
	return []netdev.Link{
		{Name: "lo", Kind: netdev.KindLoopback, Subnets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{Name: "eth0", Kind: netdev.KindEthernet, On: true, Up: true, Subnets: []netip.Prefix{netip.MustParsePrefix("203.0.113.5/24"), netip.MustParsePrefix("2001:db8::5/64")}},
	}, nil
}
func (housed) Changes(context.Context) (<-chan struct{}, error) { return nil, nil }

// The firewall knows what a package reaches by the file that its container is made of, before the container begins; where it knows
// already nothing is done.
func TestAContainerBeginsWithWhatItsFileDeclares(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	put := func(rows func(tx *store.Tx) error) {
		t.Helper()
		if _, err := st.Update(t.Context(), time.Now(), rows); err != nil {
			t.Fatal(err)
		}
	}
	container := func(artifact string) {
		t.Helper()
		put(func(tx *store.Tx) error {
			return store.Put(tx, &packagesv1.Container{Meta: &metav1.Meta{Id: "p"}, Spec: &packagesv1.ContainerSpec{Ipv4: "10.0.3.11", Artifact: artifact}})
		})
	}
	put(func(tx *store.Tx) error {
		for id, manifest := range map[string]string{
			"open": `{}`, "none": `{"hearth":{"network":[]}}`, "some": `{"hearth":{"network":["internet","10.9.0.0/16"]}}`, "broken": `{"hearth":7}`,
			"named": `{"hearth":{"network":["api.example.org:443","192.0.2.0/24"]}}`, "named besides": `{"hearth":{"network":["api.example.org","internet"]}}`,
		} {
			err := store.Put(tx, &packagesv1.Artifact{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.ArtifactSpec{PackageId: "p", Manifest: []byte(manifest)}})
			if err != nil {
				return err
			}
		}
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "p"}, Spec: &packagesv1.PackageSpec{Artifact: "none"}})
	})
	container("open")
	f := &told{}
	g := gateway.New(gateway.Config{
		Tag: "1a2b", Bridge: "hearth0", Address: netip.MustParsePrefix("10.0.3.1/24"), Ports: []uint16{1080}, Outward: []uint16{1080},
		Interface: func(pkg string) string { return "h1a2b" + pkg }, Opened: filepath.Join(t.TempDir(), "forwarding"),
	}, st, slog.New(slog.DiscardHandler), housed{f}, f)
	if err := g.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	some := &nft.Reach{Internet: true, Ranges: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}
	for _, c := range []struct {
		artifact string
		want     *nft.Reach
		news     bool
	}{
		{"open", nil, false}, {"some", some, true}, {"some", some, false}, {"none", &nft.Reach{}, true}, {"open", nil, true}, {"broken", &nft.Reach{}, true},
		{"named", &nft.Reach{Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Names: []string{"api.example.org:443"}}, true},
		{"named besides", &nft.Reach{Internet: true}, true},
		{"open", nil, true}, {"gone", &nft.Reach{}, true}, {"open", nil, true}, {"", &nft.Reach{}, true}, // while nothing runs, what the installed file says
	} {
		container(c.artifact)
		before := len(f.rules)
		if err := g.EnsureReach(t.Context(), "p"); err != nil {
			t.Fatal(err)
		}
		last := f.rules[len(f.rules)-1]
		if d := cmp.Diff(c.want, last.Services[0].Reach, cmpopts.EquateComparable(netip.Prefix{})); d != "" || (len(f.rules) > before) != c.news {
			t.Errorf("%q: %d times put in force (-want +got):\n%s", c.artifact, len(f.rules)-before, d)
		}
	}
	near := f.rules[0].Near
	for address, want := range map[string]bool{"203.0.113.9": true, "2001:db8::9": true, "192.168.1.1": true, "fd77::1": true, "93.184.216.34": false, "2a02::1": false, "127.0.0.1": false} {
		got := false
		for _, p := range near {
			got = got || p.Contains(netip.MustParseAddr(address))
		}
		if got != want {
			t.Errorf("%s is near: %v", address, got)
		}
	}
}
