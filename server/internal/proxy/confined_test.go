package proxy_test

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/store"
)

// A container whose file reaches nothing, or is not known, begins when the door refuses it the names of others; where the door knows
// already, or has nothing to refuse, it is not told again.
func TestAContainerBeginsWhenTheDoorKnowsThatItAsksNobody(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	for id, manifest := range map[string]string{
		"open": `{}`, "none": `{"hearth":{"network":[]}}`, "broken": `{"hearth":7}`, "named": `{"hearth":{"network":["api.example.org:443","*.example.net"]}}`,
		"other names": `{"hearth":{"network":["api.example.org"]}}`, "networks": `{"hearth":{"network":["192.0.2.0/24"]}}`,
		"names besides": `{"hearth":{"network":["lan","api.example.org"]}}`, "the Internet": `{"hearth":{"network":["internet","api.example.org"]}}`,
	} {
		row(t, st, &packagesv1.Artifact{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.ArtifactSpec{PackageId: "p", Manifest: []byte(manifest)}})
	}
	d := &fakeDoor{tables: make(chan *doorv1.Table, 100)}
	s := proxy.New(proxy.Options{
		Store: st, Log: slog.New(slog.DiscardHandler), Door: d, Names: names{}, Certificates: certificates{},
		Server: proxy.Server{Web: []string{"127.0.0.1:8443"}, WebUpstream: "unix:/web", RedirectPort: 8443, Resolver: []string{"10.0.3.1:53"}, FirewallTag: "1a2b"},
	})
	if err := s.EnsureConfined(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		artifact, address string
		told              int
		asks              bool
		names             []string
	}{
		{"open", "10.0.3.11", 0, false, nil}, {"none", "10.0.3.11", 1, false, nil}, {"none", "10.0.3.11", 0, false, nil}, {"broken", "10.0.3.12", 1, false, nil},
		{"gone", "10.0.3.13", 1, false, nil}, {"", "10.0.3.14", 0, false, nil},
		{"named", "10.0.3.12", 1, false, []string{"*.example.net", "api.example.org:443"}}, {"named", "10.0.3.12", 0, false, nil},
		{"other names", "10.0.3.12", 1, false, []string{"api.example.org"}}, {"none", "10.0.3.12", 1, false, nil}, {"names besides", "10.0.3.12", 1, true, []string{"api.example.org"}},
		{"the Internet", "10.0.3.12", 0, false, nil}, {"networks", "10.0.3.12", 0, false, nil},
	} {
		row(t, st, &packagesv1.Container{Meta: &metav1.Meta{Id: "p"}, Spec: &packagesv1.ContainerSpec{Ipv4: c.address, Artifact: c.artifact}})
		if err := s.EnsureConfined(t.Context(), "p"); err != nil {
			t.Fatal(err)
		}
		if len(d.tables) != c.told {
			t.Fatalf("%q: told %d times, want %d", c.artifact, len(d.tables), c.told)
		}
		if c.told == 0 {
			continue
		}
		want := &doorv1.Resolver{}
		if !c.asks {
			want.LocalSources = []string{c.address}
		}
		if c.names != nil {
			want.FirewallTag = "1a2b"
			want.Named = []*doorv1.Named{{Sources: []string{c.address}, Names: c.names, Set: nft.NamedSet(netip.MustParseAddr(c.address), c.names)}}
		}
		r := (<-d.tables).GetResolver()
		got := &doorv1.Resolver{LocalSources: r.GetLocalSources(), Named: r.GetNamed(), FirewallTag: r.GetFirewallTag()}
		if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.artifact, d)
		}
	}

	d.refuse = 1
	row(t, st, &packagesv1.Container{Meta: &metav1.Meta{Id: "p"}, Spec: &packagesv1.ContainerSpec{Ipv4: "10.0.3.15", Artifact: "none"}})
	if err := s.EnsureConfined(t.Context(), "p"); err == nil {
		t.Error("a container begins though the door was not told")
	}
	if err := s.EnsureConfined(t.Context(), "p"); err != nil || len(d.tables) != 1 {
		t.Errorf("the second try: %v, told %d times", err, len(d.tables))
	}
}

// row writes one row.
func row[R store.Row](t *testing.T, st *store.Store, r R) {
	t.Helper()
	if _, err := st.Update(t.Context(), time.Now(), func(tx *store.Tx) error { return store.Put(tx, r) }); err != nil {
		t.Fatal(err)
	}
}
