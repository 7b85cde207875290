package gateway_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// A server that is taken away leaves no router behind, and takes from nobody else what they had on.
func TestForwardingIsPutBackAsItWasFound(t *testing.T) {
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
	const links = `set -e
sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv4.ip_forward=0
for i in 0 1 2; do ip link add lan$i type veth peer name peer$i; ip link set peer$i up; ip link set lan$i up; ip addr add 192.168.7$i.5/24 dev lan$i; done
ip route add default via 192.168.70.1
sysctl -qw net.ipv4.conf.lan2.forwarding=1 net.ipv6.conf.lan2.forwarding=1 net.ipv6.conf.peer2.accept_ra=2 net.ipv6.conf.peer1.accept_ra=0`
	inNamespace(t, func() (string, error) {
		if out, err := exec.Command("sh", "-c", links).CombinedOutput(); err != nil {
			return string(out), err
		}
		devices, err := netdev.New()
		if err != nil {
			return "", err
		}
		defer devices.Close()
		devices.BeforeSettings(gateway.Remember(cfg.Opened))
		g := gateway.New(cfg, st, slog.New(slog.DiscardHandler), devices, &rulesOf{})
		look := func(when string, do func() error, want map[string]string) error {
			if err := do(); err != nil {
				return fmt.Errorf("%s: %w", when, err)
			}
			if diff := cmp.Diff(want, forwardingNow()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
			return nil
		}
		run := func(script string) func() error {
			return func() error { return exec.Command("sh", "-ec", script).Run() }
		}
		putBack := func() error { return gateway.PutBack(cfg.Opened, devices) }
		before := forwardingNow()
		if err := look("where nothing was opened", putBack, before); err != nil {
			return "", err
		}
		if err := errors.Join(g.Ensure(t.Context()), g.Ensure(t.Context()), devices.RemoveLink(cfg.Bridge)); err != nil {
			return "", err
		}
		if diff := cmp.Diff(before, forwardingNow()); !strings.Contains(diff, "lan0") || !strings.Contains(diff, "send_redirects") {
			t.Error("nothing was opened, so nothing is tested")
		}
		record, record6, err := records(cfg.Opened)
		if err != nil {
			return "", err
		}
		again := func() error {
			return errors.Join(os.WriteFile(cfg.Opened, record, 0o600), os.WriteFile(cfg.Opened+"6", record6, 0o600), putBack())
		}
		if err := errors.Join(
			look("after it was put back", putBack, before),
			look("once more", putBack, before),
			look("after an end before it was forgotten", again, before),
			look("after an end between the two", func() error {
				return errors.Join(g.Ensure(t.Context()), devices.RemoveLink(cfg.Bridge), exec.Command("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0").Run(), putBack())
			}, before),
		); err != nil {
			return "", err
		}
		changed := func() error {
			return errors.Join(g.Ensure(t.Context()), devices.RemoveLink(cfg.Bridge), run("sysctl -qw net.ipv4.conf.all.send_redirects=1")(), putBack())
		}
		if err := look("after somebody has changed a setting since", changed, before); err != nil {
			return "", err
		}
		if err := errors.Join(g.Ensure(t.Context()), devices.RemoveLink(cfg.Bridge), run("ip link del lan1")()); err != nil {
			return "", err
		}
		for name := range before {
			if strings.Contains(name, "/lan1/") || strings.Contains(name, "/peer1/") {
				delete(before, name)
			}
		}
		if err := look("without a link that was opened", putBack, before); err != nil {
			return "", err
		}
		if err := errors.Join(g.Ensure(t.Context()), devices.RemoveLink(cfg.Bridge), run("sysctl -qw net.ipv4.ip_forward=1")(), putBack()); err != nil {
			return "", err
		}
		on, err := devices.Forwards("lan0")
		if !on {
			t.Error("who has made the machine a router since is without it")
		}
		return "", err
	})
}

// records are what was written down of IPv4 and IPv6.
func records(opened string) (four, six []byte, err error) {
	four, err = os.ReadFile(opened)
	if err != nil {
		return nil, nil, err
	}
	six, err = os.ReadFile(opened + "6")
	return four, six, err
}

// forwardingNow are the settings of forwarding of all links by their paths.
func forwardingNow() map[string]string {
	have := map[string]string{}
	for _, pattern := range []string{"ipv4/conf/*/forwarding", "ipv6/conf/*/forwarding", "ipv6/conf/*/accept_ra", "ipv4/conf/all/send_redirects", "bridge/bridge-nf-call-ip*tables"} {
		paths, _ := filepath.Glob(filepath.Join("/proc/sys/net", pattern))
		for _, path := range paths {
			text, _ := os.ReadFile(path)
			_, name, _ := strings.Cut(path, "sys/net/")
			have[name] = strings.TrimSpace(string(text))
		}
	}
	return have
}
