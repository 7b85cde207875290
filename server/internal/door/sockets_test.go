package door_test

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"

	"github.com/hearthos/hearth/server/internal/door"
)

// The table has sockets for all addresses of IPv4 and for single ones of IPv6 on the same port.
func TestSocketsOfOneFamilyLeaveTheOtherFree(t *testing.T) {
	t.Parallel()
	var sockets door.DirectSockets
	all, err := sockets.Listen("0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = all.Close() }()
	address := net.JoinHostPort("::1", strconv.Itoa(all.Addr().(*net.TCPAddr).Port))
	one, err := sockets.Listen(address)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skip("this machine has no IPv6")
	}
	if err != nil {
		t.Fatalf("beside %s: %v", all.Addr(), err)
	}
	_ = one.Close()
}
