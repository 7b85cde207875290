package lxctest_test

import (
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
)

func TestFakeConforms(t *testing.T) {
	t.Parallel()
	lxctest.Conformance(t, func(*testing.T) lxctest.Subject {
		stubborn := map[string]bool{}
		f := &lxctest.Fake{Stubborn: func(name string) bool { return stubborn[name] }}
		return lxctest.Subject{
			Open: func(*testing.T) lxctest.Runtime { return f },
			Spec: func(_ *testing.T, name string, polite bool) lxc.Spec {
				stubborn[name] = !polite
				return lxc.Spec{
					Name: name, Rootfs: "/run/root", IDBase: lxctest.IDBase,
					Hostname: strings.ToUpper(name), Init: []string{"/sbin/init"},
				}
			},
			Ready: func(*testing.T, lxc.Spec) {},
			Kill:  func(_ *testing.T, c lxc.Container) { f.Kill(c.Name) },
		}
	})
}
