package daemon

import (
	"net/netip"
	"testing"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
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
