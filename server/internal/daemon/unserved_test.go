package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/cert"
	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/proxy"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/warn"
)

// A port of which another program has an address is not the door's, although the door has its others: it is not handed out.
func TestAPortThatAnotherProgramHasInPartIsNotTheDoors(t *testing.T) {
	held, unserved := sorted([]*doorv1.Socket{
		{Address: "tcp 10.0.3.1:50001"},
		{Address: "tcp 127.0.0.1:50001", Error: "address already in use"},
		{Address: "tcp 10.0.3.1:50002"},
		{Address: "udp 10.0.3.1:50003"},
	})
	if held[50001] || !held[50002] || held[50003] {
		t.Errorf("the door's ports are %v", held)
	}
	at := netip.MustParseAddrPort("127.0.0.1:50001")
	if len(unserved) != 1 || unserved[at] == "" {
		t.Errorf("it does not get %v", unserved)
	}
}

// judge is a front door that judges tables as a real one does and serves nothing.
type judge struct{}

func (judge) Check(_ context.Context, t *doorv1.Table) error { return door.Check(t) }

func (judge) Apply(_ context.Context, t *doorv1.Table) (*doorv1.ApplyResponse, error) {
	return &doorv1.ApplyResponse{}, door.Check(t)
}

func (judge) GetStatus(context.Context) (*doorv1.GetStatusResponse, error) {
	return &doorv1.GetStatusResponse{}, nil
}

type noNames struct{}

func (noNames) Certificate([]abi.Gateway) []string { return []string{"localhost"} }

func (noNames) Local() []string { return nil }

func (noNames) Records([]*packagesv1.Package, []*packagesv1.Dependency) []*doorv1.Record { return nil }

type leaves struct{ serverCertificates }

func (leaves) InForce(time.Time) {}

// What is not served is warned of by name: packages with more ports than one may have, what the door cannot use, and a door that can use nothing.
func TestWhatIsNotServedIsWarnedOf(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	ring, err := seal.Load(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	authority, err := cert.Open(t.TempDir(), "test", ring)
	if err != nil {
		t.Fatal(err)
	}
	warned := func(web string) string {
		t.Helper()
		d := &Daemon{proxy: proxy.New(proxy.Options{
			Store: st, Log: slog.New(slog.DiscardHandler), Door: judge{}, Names: noNames{}, Certificates: leaves{serverCertificates{&Daemon{authority: authority}}},
			Server: proxy.Server{Web: []string{web}, WebUpstream: "unix:/web", RedirectPort: 8443},
		})}
		_ = d.proxy.Follow(t.Context()) // a door that can use nothing is an error, too
		var out []string
		for _, c := range []warn.Condition{d.shareCondition(), d.unusableCondition(), d.stuckCondition()} {
			found, err := c.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				out = append(out, c.Name+" "+f.About+" "+f.Values["Count"]+f.Values["Part"])
			}
		}
		return strings.Join(out, "; ")
	}
	if got := warned("127.0.0.1:8443"); got != "" {
		t.Errorf("a server without services warns of %s", got)
	}
	bindings, ports := map[uint32]*hostsv1.Binding{}, map[uint32]*hostsv1.Ports{}
	for p := range uint32(66) {
		bindings[p+1] = &hostsv1.Binding{Enabled: true, AddSsl: &hostsv1.AddSsl{}}
		ports[p+1] = &hostsv1.Ports{AssignedSslPort: 61000 + p}
	}
	odd := map[uint32]*hostsv1.Binding{80: {Enabled: true, AddSsl: &hostsv1.AddSsl{Alpn: slices.Repeat([]string{"x"}, 17)}}}
	if _, err := st.Update(t.Context(), time.Unix(1, 0), func(tx *store.Tx) (err error) {
		for id, address := range map[string]string{"many": "10.0.3.8", "odd": "10.0.3.9"} {
			err = errors.Join(err, store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: id}, Status: &packagesv1.PackageStatus{Ipv4: address}}))
		}
		return errors.Join(err,
			store.Put(tx, &hostsv1.Host{Meta: &metav1.Meta{Id: "many/main"}, Spec: &hostsv1.HostSpec{Bindings: bindings}, Status: &hostsv1.HostStatus{Ports: ports}}),
			store.Put(tx, &hostsv1.Host{Meta: &metav1.Meta{Id: "odd/main"}, Spec: &hostsv1.HostSpec{Bindings: odd}, Status: &hostsv1.HostStatus{Ports: map[uint32]*hostsv1.Ports{80: {AssignedSslPort: 62000}}}}))
	}); err != nil {
		t.Fatal(err)
	}
	if got := warned("127.0.0.1:8443"); !regexp.MustCompile(`^door-share many [0-9]+; door-part odd/main odd/main$`).MatchString(got) {
		t.Errorf("what is warned of is %s", got)
	}
	if got := warned("8443"); got != "door-stuck  " {
		t.Errorf("a door that can use nothing is warned of as %s", got)
	}
}
