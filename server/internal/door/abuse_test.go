package door_test

import (
	"io"
	"net"
	"testing"
	"time"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// Who may use nothing at an address is not told that there is something: no alert, no redirect to TLS.
func TestStrangersGetNoWord(t *testing.T) {
	t.Parallel()
	r := newRig(t, door.Options{})
	at := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: echo(t, "hello"), AllowedSources: []string{"10.9.9.9/32"}}))["tcp "+tlsAddress]
	for _, said := range []string{"", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", string(firstMessage(t, r.config("a.test")))} {
		c, err := net.Dial("tcp", at)
		if err != nil {
			continue // it ended before it was noticed here
		}
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, _ = io.WriteString(c, said)
		if heard, err := io.ReadAll(c); len(heard) > 0 || err == nil {
			t.Errorf("a stranger who says %.20q hears %q, %v", said, heard, err)
		}
	}
}
