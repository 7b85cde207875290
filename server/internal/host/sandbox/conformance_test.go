package sandbox_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/netdev/netdevtest"
	"github.com/hearthos/hearth/server/internal/host/sandbox"
)

// newHost makes a machine that ends with the test.
func newHost(t *testing.T) *sandbox.Host {
	t.Helper()
	h := sandbox.New(sandbox.Options{Bridge: netip.MustParsePrefix("10.0.9.1/24")})
	t.Cleanup(h.Close)
	h.Place(t.TempDir())
	return h
}

func TestContainersConform(t *testing.T) {
	t.Parallel()
	lxctest.Conformance(t, func(t *testing.T) lxctest.Subject {
		h := newHost(t)
		return lxctest.Subject{
			Open: func(*testing.T) lxctest.Runtime { return h.Containers },
			Spec: func(t *testing.T, name string, polite bool) lxc.Spec {
				h.Play(name, sandbox.Play{Stubborn: !polite})
				return lxc.Spec{
					Name: name, Rootfs: t.TempDir(), IDBase: lxctest.IDBase, Hostname: strings.ToUpper(name), Init: []string{"/sbin/init"},
				}
			},
			Ready: func(*testing.T, lxc.Spec) {},
			Kill:  func(_ *testing.T, c lxc.Container) { h.Crash(c) },
		}
	})
}

func TestNetworkConforms(t *testing.T) {
	t.Parallel()
	netdevtest.Conformance(t, newHost(t).Network)
}
