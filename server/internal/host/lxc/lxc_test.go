package lxc_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
)

func TestMain(m *testing.M) { mounttest.Main(m) }

const (
	polite   = `trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done`
	stubborn = `trap '' TERM; echo ready; while :; do sleep 1000; done`
)

func TestConformance(t *testing.T) {
	n := 10
	lxctest.Conformance(t, func(t *testing.T) lxctest.Subject {
		m := lxctest.NewMachine(t)
		return lxctest.Subject{
			Open: func(t *testing.T) lxctest.Runtime {
				r := m.Open(t)
				t.Cleanup(func() { r.Close() })
				return r
			},
			Spec: func(t *testing.T, name string, isPolite bool) lxc.Spec {
				n++
				if isPolite {
					return m.Spec(t, name, n, polite)
				}
				return m.Spec(t, name, n, stubborn)
			},
			Kill: func(t *testing.T, c lxc.Container) {
				p, err := lxc.Open(c)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				if err := p.Signal(unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
