package netdev_test

import (
	"net"
	"runtime"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/netdev"
)

func TestPortsThatProgramsListenOnAreKnown(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // a network namespace is one of threads
	defer runtime.UnlockOSThread()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skip(err)
		}
		port := uint32(l.Addr().(*net.TCPAddr).Port)
		if ports, err := netdev.Listening(); err != nil || !ports[port] {
			t.Errorf("%s: %v, %v", l.Addr(), ports, err)
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if ports, err := netdev.Listening(); err != nil || ports[uint32(c.LocalAddr().(*net.TCPAddr).Port)] {
			t.Errorf("a connection is taken for a listener: %v, %v", ports, err)
		}
		c.Close()
		l.Close()
	}
}
