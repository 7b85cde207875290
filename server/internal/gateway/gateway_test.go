package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// What the rules do with packets is tested where they are made (host/nft); here it is which rules follow from rows.
func TestPortsOfAServiceAreForItselfAndThoseThatDependOnIt(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "netns")
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs the program nft")
	}
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	six := netip.MustParsePrefix("fd00:3::1/64")
	_, err = st.Update(t.Context(), time.Now(), func(tx *store.Tx) error {
		for pkg, ip := range map[string]string{"forge": "10.0.3.11", "client": "10.0.3.12", "stranger": "10.0.3.13"} {
			row := &packagesv1.Container{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.ContainerSpec{Ipv4: ip}}
			if pkg != "client" { // which is parked
				row.Spec.Instance = "01" + pkg
			}
			if pkg != "stranger" { // whose container is of the time before services had IPv6
				row.Spec.Ipv6 = netdev.Address6(six, netip.MustParseAddr(ip)).String()
			}
			if err := store.Put(tx, row); err != nil {
				return err
			}
		}
		if err := store.Put(tx, &packagesv1.Dependency{Meta: &metav1.Meta{Id: "client/forge"}}); err != nil {
			return err
		}
		return store.Put(tx, &hostsv1.Host{
			Meta:   &metav1.Meta{Id: "forge/main"},
			Spec:   &hostsv1.HostSpec{Bindings: map[uint32]*hostsv1.Binding{80: {Enabled: true}, 81: {}}},
			Status: &hostsv1.HostStatus{Ports: map[uint32]*hostsv1.Ports{80: {AssignedPort: 62001, AssignedSslPort: 62002}, 81: {AssignedPort: 62003}}},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{
		Tag: "1a2b", Bridge: "hearth0", Address: netip.MustParsePrefix("10.0.3.1/24"), Address6: six, Ports: []uint16{8443},
		Interface: func(pkg string) string { return "h1a2b" + pkg }, Opened: filepath.Join(t.TempDir(), "forwarding"),
	}
	rules := inNamespace(t, func() (string, error) {
		devices, err := netdev.New()
		if err != nil {
			return "", err
		}
		defer devices.Close()
		firewall, err := nft.New()
		if err != nil {
			return "", err
		}
		defer firewall.Close()
		g := gateway.New(cfg, st, slog.New(slog.DiscardHandler), devices, firewall)
		if err := g.Ensure(t.Context()); err != nil {
			return "", err
		}
		out, err := exec.Command("sh", "-c", "nft list ruleset; ip -6 neigh show nud permanent").CombinedOutput()
		return string(out), err
	})
	for _, want := range []string{"10.0.3.11 . 62001", "10.0.3.11 . 62002", "10.0.3.12 . 62001", "10.0.3.12 . 62002", "8443",
		"fd00:3::a00:30b . 62001", "fd00:3::a00:30c . 62001", "fd00:3::a00:30c . fd00:3::a00:30b", "fd00:3::a00:30b dev hearth0 lladdr 02:68:0a:00:03:0b",
	} {
		if !strings.Contains(rules, want) {
			t.Errorf("%q is not in the rules", want)
		}
	}
	for _, not := range []string{"10.0.3.13 . ", "62003", "fd00:3::a00:30d", "fd00:3::a00:30c dev"} {
		if strings.Contains(rules, not) {
			t.Errorf("%q is in the rules", not)
		}
	}
	if t.Failed() {
		t.Log(rules)
	}
}

// A link of a network that is not the way out forwards for the services, too, and leads nowhere else; so it is told after a restart,
// when nothing but a file knows who opened it. What somebody has opened stays as it is.
func TestEachGatewayForwardsForServicesAlone(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "netns")
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	cfg := gateway.Config{
		Tag: "1a2b", Bridge: "hearth0", Address: netip.MustParsePrefix("10.0.3.1/24"),
		Address6: netip.MustParsePrefix("fd00:3::1/64"), Interface: func(pkg string) string { return "h1a2b" + pkg }, Opened: filepath.Join(t.TempDir(), "forwarding"),
	}
	inNamespace(t, func() (string, error) {
		script := `set -e
sysctl -qw net.ipv6.conf.all.forwarding=0
sysctl -qw net.ipv4.ip_forward=0
for i in 0 1 2; do ip link add lan$i type veth peer name peer$i; ip link set peer$i up; ip link set lan$i up; ip addr add 192.168.7$i.5/24 dev lan$i; done
ip route add default via 192.168.70.1
sysctl -qw net.ipv4.conf.lan2.forwarding=1`
		if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
			return string(out), err
		}
		devices, err := netdev.New()
		if err != nil {
			return "", err
		}
		defer devices.Close()
		for _, when := range []string{"at first", "after a restart"} {
			rules := &rulesOf{}
			if err := gateway.New(cfg, st, slog.New(slog.DiscardHandler), devices, rules).Ensure(t.Context()); err != nil {
				return "", err
			}
			if got := strings.Join(rules.last.Closed, " "); got != "lan0 lan1" {
				t.Errorf("%s closed are %q", when, got)
			}
			if got := strings.Join(rules.last.Closed6, " "); got != "lan0 lan1 lan2 peer0 peer1 peer2" {
				t.Errorf("%s closed over IPv6 are %q", when, got)
			}
			if on, err := devices.Routes6(); !on || err != nil {
				t.Errorf("%s IPv6 is forwarded: %v, %v", when, on, err)
			}
			for _, link := range []string{"lan0", "lan1", "lan2"} {
				if on, err := devices.Forwards(link); !on || err != nil {
					t.Errorf("%s %s forwards: %v, %v", when, link, on, err)
				}
			}
		}
		if out, err := exec.Command("sysctl", "-qw", "net.ipv4.ip_forward=1").CombinedOutput(); err != nil {
			return string(out), err
		}
		rules := &rulesOf{}
		err = gateway.New(cfg, st, slog.New(slog.DiscardHandler), devices, rules).Ensure(t.Context())
		if len(rules.last.Closed) > 0 || len(rules.last.Closed6) == 0 {
			t.Errorf("closed are on a router %v, and over IPv6, for which it was none, %v", rules.last.Closed, rules.last.Closed6)
		}
		cfg.Opened = filepath.Join(t.TempDir(), "forwarding") // as after a boot, of a machine that is told to forward
		if err := gateway.New(cfg, st, slog.New(slog.DiscardHandler), devices, rules).Ensure(t.Context()); err != nil || len(rules.last.Closed6) > 0 {
			t.Errorf("closed are on a router over IPv6 %v, %v", rules.last.Closed6, err)
		}
		return "", err
	})
}

// A neighbour who gives the services' network to a link takes IPv6 from them, and no more than that.
func TestServicesGoWithoutIPv6WhereAnotherLinkHasTheirNetwork(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "netns")
	st, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	cfg := gateway.Config{
		Tag: "1a2b", Bridge: "hearth0", Address: netip.MustParsePrefix("10.0.3.1/24"), Address6: netip.MustParsePrefix("fd00:3::1/64"),
		Interface: func(pkg string) string { return "h1a2b" + pkg }, Opened: filepath.Join(t.TempDir(), "forwarding"),
	}
	inNamespace(t, func() (string, error) {
		devices, err := netdev.New()
		if err != nil {
			return "", err
		}
		defer devices.Close()
		rules := &rulesOf{}
		g := gateway.New(cfg, st, slog.New(slog.DiscardHandler), devices, rules)
		look := func(script, rival string) error {
			if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			if err := g.Ensure(t.Context()); err != nil {
				return err
			}
			at, err := g.Bridge6()
			if at.IsValid() != (rival == "") || rules.last.Host6.IsValid() != (rival == "") {
				t.Errorf("beside %q services have %v, and the rules %v", rival, at, rules.last.Host6)
			}
			if !slices.Contains(rules.last.Closed6, "lan0") {
				t.Errorf("beside %q the machine is a router", rival)
			}
			if got, err := g.Rival6(); got != rival || err != nil {
				t.Errorf("the rival is %q, want %q: %v", got, rival, err)
			}
			return err
		}
		return "", errors.Join(
			look("sysctl -qw net.ipv6.conf.all.forwarding=0; ip link add lan0 type veth peer name peer0; ip link set peer0 up; ip link set lan0 up", ""),
			look("ip addr add fd00:3::7/64 dev lan0 nodad", "lan0"),
			look("ip addr del fd00:3::7/64 dev lan0", ""))
	})
}

// rulesOf remembers the rules that were put in force last.
type rulesOf struct{ last nft.Rules }

func (r *rulesOf) Ensure(rules nft.Rules) error                             { r.last = rules; return rules.Check() }
func (r *rulesOf) Has(string) (bool, error)                                 { return true, nil }
func (r *rulesOf) Changes(context.Context, string) (<-chan struct{}, error) { return nil, nil }

// inNamespace runs fn on a thread with a network of its own, which ends with it.
func inNamespace(t *testing.T, fn func() (string, error)) string {
	t.Helper()
	type result struct {
		out string
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- result{err: err}
			return
		}
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			done <- result{string(out), err}
			return
		}
		out, err := fn()
		done <- result{out, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err, r.out)
	}
	return r.out
}
