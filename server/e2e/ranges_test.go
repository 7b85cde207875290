package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A range of ports leads to its service: for the machine, for the service itself and for those that depend on it. Any other service
// is refused at once.
func TestRangesLeadToTheirService(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.must("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
	m.must("ip", "link", "set", "lan0", "up")
	m.must("ip", "link", "set", "lan1", "up")
	m.must("ip", "addr", "add", "192.168.77.5/24", "dev", "lan0")
	m.start()
	for _, pkg := range []string{friend, probe, sample} {
		m.hearth("package", "install", filepath.Join(m.bin, pkg+".s9pk"))
	}
	m.healthy(friend)
	m.healthy(probe)
	const at = "192.168.77.5:47300"
	m.eventually(10*time.Second, "the range is forwarded", func() error {
		rows := m.rows("forward", "list")
		for _, row := range rows {
			if row["address"] == at && row["mode"] == "packets" && row["numberOfPorts"] == 2.0 && strings.HasSuffix(fmt.Sprint(row["upstream"]), ":8080") {
				return nil
			}
		}
		return fmt.Errorf("the forwards are %v", rows)
	})
	if table := m.hearth("forward", "list"); !strings.Contains(table, at+"-47301") {
		t.Errorf("for people the forwards are\n%s", table)
	}
	if page := m.must("curl", "-sS", "--fail", "http://"+at); !strings.Contains(page, "hello from a friend") {
		t.Errorf("the machine itself gets %q", page)
	}
	const ask = `$s = IO::Socket::INET->new(PeerAddr => "` + at + `", Timeout => 5) or print("no: $!"), exit; print $s "GET / HTTP/1.0\r\n\r\n"; print <$s>`
	for pkg, want := range map[string]string{friend: "hello from a friend", probe: "hello from a friend", sample: "no: Connection refused"} {
		if got := m.hearth("package", "attach", pkg, "--", "perl", "-MIO::Socket::INET", "-e", ask); !strings.Contains(got, want) {
			t.Errorf("%s gets %q, want %q", pkg, got, want)
		}
	}
}
