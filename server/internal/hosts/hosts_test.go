package hosts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/store"
)

var today = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// tester is a test of this process or one run of a property.
type tester interface {
	Helper()
	Fatal(...any)
}

type fixture struct {
	t     tester
	store *store.Store
	ring  *seal.Ring
	*hosts.Service
}

func newFixture(t *testing.T, reserved ...uint32) fixture {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	ring, err := seal.Load(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := hosts.New(st, ring, 443, nil, reserved...)
	s.SetNetwork(house)
	return fixture{t, st, ring, s}
}

func (f fixture) do(fn func(tx *store.Tx) error) error {
	f.t.Helper()
	_, err := f.store.Update(context.Background(), today, fn)
	return err
}

func (f fixture) must(fn func(tx *store.Tx) error) {
	f.t.Helper()
	if err := f.do(fn); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) bind(pkg, host string, port, preferred uint32, ssl *hostsv1.AddSsl, secure *hostsv1.Secure) *hostsv1.Ports {
	f.t.Helper()
	f.must(func(tx *store.Tx) error { return f.Bind(tx, pkg, host, port, preferred, ssl, secure) })
	return f.ports(pkg, host, port)
}

func (f fixture) ports(pkg, host string, port uint32) (p *hostsv1.Ports) {
	f.t.Helper()
	f.must(func(tx *store.Tx) (err error) { p, err = f.Ports(tx, pkg, host, port); return err })
	return p
}

func (f fixture) export(pkg, host string, port uint32, id, kind string) error {
	return f.do(func(tx *store.Tx) error {
		return f.ExportInterface(tx, pkg, abi.Exported{ID: id, Name: "Page", Type: kind, AddressInfo: abi.Encode(abi.AddressInfo{
			HostID: host, InternalPort: port, Scheme: new("http"), SSLScheme: new("https")})})
	})
}

func (f fixture) row(id string) (row *hostsv1.Host) {
	f.t.Helper()
	f.must(func(tx *store.Tx) (err error) { row, err = store.Get[*hostsv1.Host](tx, id); return err })
	return row
}

func (f fixture) json(fn func(tx *store.Tx) ([]byte, error)) (out string) {
	f.t.Helper()
	f.must(func(tx *store.Tx) error { data, err := fn(tx); out = string(data); return err })
	return out
}

func addSSL() *hostsv1.AddSsl {
	return &hostsv1.AddSsl{PreferredExternalPort: 443, AddXForwardedHeaders: true, Alpn: []string{"http/1.1"}}
}

func TestPreferredPortsAreTriedAndStay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 8443)
	first := f.bind("forge", "main", 3000, 3000, addSSL(), nil)
	if first.GetAssignedPort() != 3000 || first.GetAssignedSslPort() <= 60999 {
		t.Fatalf("got %v: 3000 is free, 443 is not to be had", first)
	}
	for name, preferred := range map[string]uint32{
		"taken": 3000, "privileged": 80, "restricted": 5432, "reserved": 8443, "none": 0,
	} {
		if p := f.bind("other", name, 80, preferred, nil, nil).GetAssignedPort(); p == preferred || p < 49152 || p > 65534 {
			t.Errorf("%s: got %d", name, p)
		}
	}
	f.must(func(tx *store.Tx) error { return f.ClearBindings(tx, "forge", nil) })
	if p := f.ports("forge", "main", 3000); p.GetAssignedPort() != 3000 {
		t.Errorf("disabled, the ports are %v", p)
	}
	if again := f.bind("forge", "main", 3000, 4000, addSSL(), nil); again.GetAssignedPort() != 3000 || again.GetAssignedSslPort() != first.GetAssignedSslPort() {
		t.Errorf("bound again with another wish, the ports are %v", again)
	}
}

func TestPortsFollowWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, c := range map[string]struct {
		ssl         *hostsv1.AddSsl
		secure      *hostsv1.Secure
		plain, ends bool
	}{
		"http":        {addSSL(), nil, true, true},
		"ssh":         {nil, &hostsv1.Secure{}, true, false},
		"passed":      {nil, &hostsv1.Secure{Ssl: true}, true, false},
		"wrapped":     {addSSL(), &hostsv1.Secure{Ssl: true}, false, true},
		"unprotected": {nil, nil, true, false},
	} {
		p := f.bind("pkg", name, 80, 80, c.ssl, c.secure)
		if (p.GetAssignedPort() != 0) != c.plain || (p.GetAssignedSslPort() != 0) != c.ends {
			t.Errorf("%s: got %v", name, p)
		}
	}
	before := f.ports("pkg", "http", 80)
	freed := f.bind("pkg", "http", 80, 80, nil, nil)
	if freed.GetAssignedSslPort() != 0 || freed.GetAssignedPort() != before.GetAssignedPort() {
		t.Errorf("without TLS the ports are %v", freed)
	}
	if back := f.bind("pkg", "http", 80, 80, addSSL(), nil); back.GetAssignedSslPort() != before.GetAssignedSslPort() {
		t.Errorf("with TLS again the ports are %v, before %v", back, before)
	}
}

func TestBindingTheSameAgainChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	again := func() {
		f.bind("forge", "main", 3000, 80, addSSL(), nil)
		if err := f.export("forge", "main", 3000, "ui", "ui"); err != nil {
			t.Fatal(err)
		}
		f.must(func(tx *store.Tx) error {
			if err := f.ClearBindings(tx, "forge", []abi.BindID{{ID: "main", InternalPort: 3000}}); err != nil {
				return err
			}
			return f.ClearInterfaces(tx, "forge", []string{"ui"})
		})
	}
	again()
	before := f.store.Revision()
	again()
	if after := f.store.Revision(); after != before {
		t.Errorf("the store went from %d to %d", before, after)
	}
}

func TestPackagesInitAsTheyDo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bind("forge", "main", 3000, 80, addSSL(), nil)
	f.bind("forge", "main", 22, 22, nil, &hostsv1.Secure{})
	f.bind("forge", "gone", 9, 9, nil, nil)
	for _, e := range []struct {
		port     uint32
		id, kind string
	}{{3000, "http", "ui"}, {22, "ssh", "api"}, {3000, "gone", "api"}} {
		if err := f.export("forge", "main", e.port, e.id, e.kind); err != nil {
			t.Fatal(err)
		}
	}
	f.must(func(tx *store.Tx) error {
		if err := f.ClearBindings(tx, "forge", []abi.BindID{{ID: "main", InternalPort: 3000}, {ID: "main", InternalPort: 22}}); err != nil {
			return err
		}
		return f.ClearInterfaces(tx, "forge", []string{"http", "ssh"})
	})
	row := f.row("forge/main")
	if len(row.GetSpec().GetBindings()) != 2 || len(row.GetSpec().GetBindings()[3000].GetInterfaces()) != 1 {
		t.Errorf("got %v", row.GetSpec())
	}
	if a := row.GetStatus().GetAddresses(); len(a) == 0 || a[0].GetInterfaceId() != "http" || !strings.HasPrefix(a[0].GetUrl(), "https://localhost:") {
		t.Errorf("addresses %v", a)
	}
	if f.row("forge/gone").GetSpec().GetBindings()[9].GetEnabled() {
		t.Error("a binding that was cleared is enabled")
	}
	var all map[string]abi.ServiceInterface
	if err := json.Unmarshal([]byte(f.json(func(tx *store.Tx) ([]byte, error) { return f.InterfacesJSON(tx, "forge") })), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all["ssh"].AddressInfo.InternalPort != 22 || all["http"].Type != "ui" {
		t.Errorf("interfaces %v", all)
	}
}

func TestWhatIsReadAsJSON(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.bind("forge", "main", 22, 2222, nil, &hostsv1.Secure{})
	if err := f.export("forge", "main", 22, "ssh", "api"); err != nil {
		t.Fatal(err)
	}
	const one = `{"id":"ssh","name":"Page","description":"","masked":false,"addressInfo":{"username":null,"hostId":"main",` +
		`"internalPort":22,"scheme":"http","sslScheme":"https","suffix":""},"type":"api"}`
	for name, c := range map[string]struct {
		want string
		read func(tx *store.Tx) ([]byte, error)
	}{
		"ports":                {fmt.Sprintf(`{"assignedPort":%d,"assignedSslPort":null}`, p.GetAssignedPort()), func(tx *store.Tx) ([]byte, error) { return f.PortsJSON(tx, "forge", "main", 22) }},
		"interface":            {one, func(tx *store.Tx) ([]byte, error) { return f.InterfaceJSON(tx, "forge", "ssh") }},
		"interfaces":           {`{"ssh":` + one + `}`, func(tx *store.Tx) ([]byte, error) { return f.InterfacesJSON(tx, "forge") }},
		"no interface":         {`null`, func(tx *store.Tx) ([]byte, error) { return f.InterfaceJSON(tx, "forge", "ui") }},
		"no interfaces":        {`{}`, func(tx *store.Tx) ([]byte, error) { return f.InterfacesJSON(tx, "other") }},
		"no host":              {`null`, func(tx *store.Tx) ([]byte, error) { return f.HostJSON(tx, "forge", "other") }},
		"no id of a host":      {`null`, func(tx *store.Tx) ([]byte, error) { return f.HostJSON(tx, "forge", "../main") }},
		"host, as by the rule": {string(hosts.HostJSON(f.row("forge/main"), house)), func(tx *store.Tx) ([]byte, error) { return f.HostJSON(tx, "forge", "main") }},
	} {
		if diff := cmp.Diff(c.want, f.json(c.read)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	err := f.do(func(tx *store.Tx) error { _, err := f.PortsJSON(tx, "forge", "main", 23); return err })
	if !fault.Is(err, metav1.Reason_REASON_HOST_NOT_FOUND) {
		t.Errorf("ports of another binding: %v", err)
	}
}

func TestExportNeedsABindingAndMoves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bind("forge", "main", 80, 80, addSSL(), nil)
	f.bind("forge", "next", 81, 81, addSSL(), nil)
	for name, err := range map[string]error{
		"another host":    f.export("forge", "other", 80, "ui", "ui"),
		"another port":    f.export("forge", "main", 81, "ui", "ui"),
		"another package": f.export("other", "main", 80, "ui", "ui"),
	} {
		if !fault.Is(err, metav1.Reason_REASON_HOST_NOT_FOUND) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := errors.Join(f.export("forge", "main", 80, "ui", "ui"), f.export("forge", "next", 81, "ui", "ui")); err != nil {
		t.Fatal(err)
	}
	if row := f.row("forge/main"); len(row.GetSpec().GetBindings()[80].GetInterfaces()) != 0 || len(row.GetStatus().GetAddresses()) != 0 {
		t.Errorf("the interface is still at its first binding: %v", row)
	}
	if row := f.row("forge/next"); len(row.GetStatus().GetAddresses()) == 0 {
		t.Error("the interface has no address at its second binding")
	}
}

func TestRemovedPackageFreesItsPortsAndNobodyElses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bind("forge", "main", 80, 7000, nil, nil)
	f.bind("forge-two", "main", 80, 7001, nil, nil)
	f.must(func(tx *store.Tx) error { return f.Forget(tx, "forge", store.NewRoom()) })
	if list, err := f.List(""); err != nil || len(list) != 1 || list[0].GetMeta().GetId() != "forge-two/main" {
		t.Errorf("left: %v, %v", list, err)
	}
	if p := f.bind("third", "main", 80, 7000, nil, nil); p.GetAssignedPort() != 7000 {
		t.Errorf("got %v", p)
	}
}

func TestWhatIsKeptWaitsForThePackage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.bind("forge", "main", 80, 7000, addSSL(), nil)
	if err := f.export("forge", "main", 80, "ui", "ui"); err != nil {
		t.Fatal(err)
	}
	f.must(func(tx *store.Tx) error { return f.BindRange(tx, "forge", "main", 5000, 50000, 10) })
	if _, err := f.AddPrivateDomain(t.Context(), today, hosts.Target{Package: "forge", Host: "main"}, "cloud.lan", nil, 0); err != nil {
		t.Fatal(err)
	}
	f.must(func(tx *store.Tx) error { return f.Keep(tx, "forge") })
	kept := f.row("forge/main")
	if len(kept.GetStatus().GetAddresses()) != 0 || !kept.GetSpec().GetKept() {
		t.Errorf("what is kept is %v", kept)
	}
	if got := f.json(func(tx *store.Tx) ([]byte, error) { return f.HostJSON(tx, "forge", "main") }); got != "null" {
		t.Errorf("packages see %s", got)
	}
	if p := f.bind("other", "main", 80, 7000, nil, nil); p.GetAssignedPort() == 7000 {
		t.Error("another package has the port")
	}
	if err := f.do(func(tx *store.Tx) error { return f.BindRange(tx, "other", "main", 1, 50009, 2) }); !fault.Is(err, metav1.Reason_REASON_PORT_RANGE_TAKEN) {
		t.Errorf("another package has the range: %v", err)
	}
	if again := f.bind("forge", "main", 80, 9000, addSSL(), nil); !proto.Equal(before, again) {
		t.Errorf("had %v, got %v", before, again)
	}
	if err := f.export("forge", "main", 80, "ui", "ui"); err != nil {
		t.Fatal(err)
	}
	if a := f.row("forge/main").GetStatus().GetAddresses(); !slices.ContainsFunc(a, func(a *hostsv1.Address) bool { return a.GetUrl() == "https://cloud.lan" }) {
		t.Errorf("the name is gone: %v", a)
	}
}

func TestBindRefusesWhatIsWrongOrTooMuch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, fn := range map[string]func(tx *store.Tx) error{
		"no port":                func(tx *store.Tx) error { return f.Bind(tx, "pkg", "main", 0, 80, nil, nil) },
		"a port too large":       func(tx *store.Tx) error { return f.Bind(tx, "pkg", "main", 65536, 80, nil, nil) },
		"a wish too large":       func(tx *store.Tx) error { return f.Bind(tx, "pkg", "main", 80, 65536, nil, nil) },
		"an id that is none":     func(tx *store.Tx) error { return f.Bind(tx, "pkg", "main/../x", 80, 80, nil, nil) },
		"a range of one":         func(tx *store.Tx) error { return f.BindRange(tx, "pkg", "main", 5000, 50000, 1) },
		"a range of too many":    func(tx *store.Tx) error { return f.BindRange(tx, "pkg", "main", 5000, 50000, 501) },
		"a range of ours":        func(tx *store.Tx) error { return f.BindRange(tx, "pkg", "main", 5000, 1000, 100) },
		"a range beyond the end": func(tx *store.Tx) error { return f.BindRange(tx, "pkg", "main", 5000, 65500, 100) },
		"a range from beyond":    func(tx *store.Tx) error { return f.BindRange(tx, "pkg", "main", 65500, 50000, 100) },
		"too many bindings": func(tx *store.Tx) error {
			return f.many(tx, 65, func(i int) (string, uint32) { return "main", uint32(i + 1) })
		},
		"too many hosts": func(tx *store.Tx) error {
			return f.many(tx, 65, func(i int) (string, uint32) { return fmt.Sprint("h", i), 80 })
		},
		"too much in one host": func(tx *store.Tx) error { return f.large(tx) },
	} {
		if err := f.do(fn); !fault.Is(err, metav1.Reason_REASON_EFFECT_INVALID) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if list, err := f.List(""); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func (f fixture) many(tx *store.Tx, n int, name func(int) (string, uint32)) error {
	for i := range n {
		host, port := name(i)
		if err := f.Bind(tx, "pkg", host, port, 0, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (f fixture) large(tx *store.Tx) error {
	if err := f.Bind(tx, "pkg", "main", 80, 80, nil, nil); err != nil {
		return err
	}
	for i := range 100 {
		err := f.ExportInterface(tx, "pkg", abi.Exported{ID: fmt.Sprint("i", i), Type: "api", Description: strings.Repeat("x", 4000),
			AddressInfo: []byte(`{"hostId":"main","internalPort":80,"suffix":""}`)})
		if err != nil {
			return err
		}
	}
	return nil
}

func TestPortsRunOut(t *testing.T) {
	t.Parallel()
	reserved := make([]uint32, 0, 1<<14)
	for p := uint32(49152); p <= 65534; p++ {
		if p != 50000 {
			reserved = append(reserved, p)
		}
	}
	f := newFixture(t, reserved...)
	if p := f.bind("a", "main", 80, 80, nil, nil); p.GetAssignedPort() != 50000 {
		t.Errorf("the last free port is not found: %v", p)
	}
	err := f.do(func(tx *store.Tx) error { return f.Bind(tx, "b", "main", 80, 80, nil, nil) })
	if !fault.Is(err, metav1.Reason_REASON_PORT_EXHAUSTED) {
		t.Errorf("got %v", err)
	}
	if p := f.bind("b", "main", 80, 7000, nil, nil); p.GetAssignedPort() != 7000 {
		t.Errorf("a preferred port outside the range: %v", p)
	}
}

// TestPortsAreNeverShared lets packages bind, change, clear, leave with and without their data, and the server restart, in
// any order, and holds the rows against a model that knows only which binding needs which ports.
func TestPortsAreNeverShared(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 7002)
	rapid.Check(t, func(rt *rapid.T) {
		f := &fixture{rt, f.store, f.ring, f.Service}
		for _, p := range []string{"a", "a-b", "c"} {
			f.must(func(tx *store.Tx) error { return f.Forget(tx, p, store.NewRoom()) })
		}
		model, ranges := make(map[string]*hostsv1.Ports), make(map[string][2]uint32)
		pkg, port := rapid.SampledFrom([]string{"a", "a-b", "c"}), rapid.Uint32Range(1, 3)
		rt.Repeat(map[string]func(*rapid.T){
			"bind": func(rt *rapid.T) {
				p, n := pkg.Draw(rt, "pkg"), port.Draw(rt, "port")
				var ssl *hostsv1.AddSsl
				var secure *hostsv1.Secure
				if rapid.Bool().Draw(rt, "ssl") {
					ssl = &hostsv1.AddSsl{PreferredExternalPort: rapid.Uint32Range(7000, 7003).Draw(rt, "preferred ssl")}
				}
				if rapid.Bool().Draw(rt, "secure") {
					secure = &hostsv1.Secure{Ssl: rapid.Bool().Draw(rt, "self")}
				}
				got := f.bind(p, "main", n, rapid.Uint32Range(7000, 7003).Draw(rt, "preferred"), ssl, secure)
				key := fmt.Sprint(p, "/main:", n)
				if old := model[key]; old != nil {
					if old.GetAssignedPort() != 0 && got.GetAssignedPort() != 0 && old.GetAssignedPort() != got.GetAssignedPort() ||
						old.GetAssignedSslPort() != 0 && got.GetAssignedSslPort() != 0 && old.GetAssignedSslPort() != got.GetAssignedSslPort() {
						rt.Fatalf("%s moved from %v to %v", key, old, got)
					}
				}
				model[key] = got
			},
			"bind range": func(rt *rapid.T) {
				p, first := pkg.Draw(rt, "pkg"), port.Draw(rt, "first")
				outside, n := rapid.Uint32Range(6998, 7004).Draw(rt, "outside"), rapid.Uint32Range(2, 3).Draw(rt, "n")
				key := fmt.Sprint(p, "/main:", first)
				err := f.do(func(tx *store.Tx) error { return f.BindRange(tx, p, "main", first, outside, n) })
				free := true
				for q := outside; q < outside+n; q++ {
					free = free && q != 7002
					for _, m := range model {
						free = free && q != m.GetAssignedPort() && q != m.GetAssignedSslPort()
					}
					for other, r := range ranges {
						free = free && (other == key || q < r[0] || q >= r[0]+r[1])
					}
				}
				if free != (err == nil) || err != nil && !fault.Is(err, metav1.Reason_REASON_PORT_RANGE_TAKEN) {
					rt.Fatalf("%d ports from %d: free is %t, got %v; %v, %v", n, outside, free, err, model, ranges)
				}
				if free {
					ranges[key] = [2]uint32{outside, n}
				}
			},
			"clear": func(rt *rapid.T) {
				f.must(func(tx *store.Tx) error { return f.ClearBindings(tx, pkg.Draw(rt, "pkg"), nil) })
			},
			"uninstall keeping data": func(rt *rapid.T) {
				f.must(func(tx *store.Tx) error { return f.Keep(tx, pkg.Draw(rt, "pkg")) })
			},
			"restart": func(*rapid.T) { f.Service = hosts.New(f.store, f.ring, 443, nil, 7002) },
			"remove": func(rt *rapid.T) {
				p := pkg.Draw(rt, "pkg")
				f.must(func(tx *store.Tx) error { return f.Forget(tx, p, store.NewRoom()) })
				maps.DeleteFunc(model, func(k string, _ *hostsv1.Ports) bool { return strings.HasPrefix(k, p+"/") })
				maps.DeleteFunc(ranges, func(k string, _ [2]uint32) bool { return strings.HasPrefix(k, p+"/") })
			},
			"": func(rt *rapid.T) {
				taken := make(map[uint32]string)
				list, err := f.List("")
				if err != nil {
					rt.Fatal(err)
				}
				count := 0
				for _, row := range list {
					for port, p := range row.GetStatus().GetPorts() {
						count++
						key := fmt.Sprint(row.GetMeta().GetId(), ":", port)
						if diff := cmp.Diff([]uint32{model[key].GetAssignedPort(), model[key].GetAssignedSslPort()}, []uint32{p.GetAssignedPort(), p.GetAssignedSslPort()}); diff != "" {
							rt.Fatal(key, diff)
						}
						for _, n := range []uint32{p.GetAssignedPort(), p.GetAssignedSslPort()} {
							if other, has := taken[n]; has && n != 0 || n == 7002 {
								rt.Fatalf("%s and %s have port %d", key, other, n)
							}
							taken[n] = key
						}
					}
				}
				if count != len(model) {
					rt.Fatalf("%d bindings, want %d", count, len(model))
				}
				for _, row := range list {
					for first, r := range row.GetSpec().GetRanges() {
						key := fmt.Sprint(row.GetMeta().GetId(), ":", first)
						if got := [2]uint32{r.GetExternalStartPort(), r.GetNumberOfPorts()}; got != ranges[key] {
							rt.Fatalf("the range %s is %v, want %v", key, got, ranges[key])
						}
						for n := range r.GetNumberOfPorts() {
							if p := r.GetExternalStartPort() + n; taken[p] != "" {
								rt.Fatalf("%s and %s have port %d", key, taken[p], p)
							} else {
								taken[p] = key
							}
						}
					}
				}
			},
		})
	})
}

func TestHostsOfAPackageThatIsNotInstalledAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.List("absent"); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		t.Errorf("%v", err)
	}
}

// Another program's port is not handed out; a binding that has its port keeps it, and is told where it is not served.
func TestPortsOfOtherProgramsAreNotHandedOut(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	busy := map[uint32]bool{}
	s := hosts.New(st, nil, 443, func() map[uint32]bool { return maps.Clone(busy) })
	s.SetNetwork(house)
	f := fixture{t, st, nil, s}
	s.Look()
	f.must(func(tx *store.Tx) error { return s.Bind(tx, "forge", "main", 80, 3000, nil, &hostsv1.Secure{}) })
	f.must(func(tx *store.Tx) error {
		return s.ExportInterface(tx, "forge", abi.Exported{
			ID: "ui", Name: "UI", Type: "ui", AddressInfo: []byte(`{"username":null,"hostId":"main","internalPort":80,"scheme":"http","sslScheme":null,"suffix":""}`),
		})
	})
	before := f.ports("forge", "main", 80).GetAssignedPort()
	busy[3000], busy[before] = true, true
	s.Look()
	f.must(func(tx *store.Tx) error { return s.Bind(tx, "other", "main", 80, 3000, nil, &hostsv1.Secure{}) })
	if p := f.ports("other", "main", 80).GetAssignedPort(); busy[p] {
		t.Errorf("a port that another program has was handed out: %d", p)
	}
	f.must(func(tx *store.Tx) error { return s.Bind(tx, "forge", "main", 80, 3000, nil, &hostsv1.Secure{}) })
	if p := f.ports("forge", "main", 80).GetAssignedPort(); p != before {
		t.Errorf("the port changed from %d to %d", before, p)
	}

	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(before))
	unserved := func(names, of map[string]string) hosts.Unserved {
		return hosts.Unserved{At: map[netip.AddrPort]string{at: "in use"}, Names: names, Hosts: of}
	}
	if !s.SetUnserved(unserved(nil, nil)) || s.SetUnserved(unserved(nil, nil)) {
		t.Error("what is not served is news once")
	}
	if s.SetNetwork(house) {
		t.Error("the same network is news, or what is not served was forgotten")
	}
	f.must(func(tx *store.Tx) error { return s.Bind(tx, "forge", "main", 80, 3000, nil, &hostsv1.Secure{}) })
	told := 0
	f.must(func(tx *store.Tx) error {
		row, err := store.Get[*hostsv1.Host](tx, "forge/main")
		for _, a := range row.GetStatus().GetAddresses() {
			if want := map[bool]string{true: "in use"}[a.GetHostname() == "localhost"]; a.GetUnserved() != want {
				t.Errorf("%s is told as %q", a.GetUrl(), a.GetUnserved())
			}
			told++
		}
		return err
	})
	if told < 2 {
		t.Errorf("there are %d addresses", told)
	}
	// A host of which nothing can be served is told at all its addresses.
	s.SetUnserved(unserved(nil, map[string]string{"forge/main": "unusable"}))
	f.must(func(tx *store.Tx) error { return s.Bind(tx, "forge", "main", 80, 3000, nil, &hostsv1.Secure{}) })
	f.must(func(tx *store.Tx) error {
		row, err := store.Get[*hostsv1.Host](tx, "forge/main")
		for _, a := range row.GetStatus().GetAddresses() {
			if a.GetUnserved() != "unusable" {
				t.Errorf("%s is told as %q", a.GetUrl(), a.GetUnserved())
			}
		}
		return err
	})
}
