package bench_test

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// BenchmarkForwards puts 2000 ports that lead to services in force, others than before each time, in one transaction; and has the
// program nft do the same with the same rules.
func BenchmarkForwards(b *testing.B) {
	testenv.Require(b, "netns")
	f, err := nft.New()
	must(b, err)
	b.Cleanup(func() { _ = f.Delete("1a2b"); f.Close() })
	var ours, theirs, ratios []float64
	turn := 0
	for b.Loop() {
		begin := time.Now()
		must(b, f.Ensure(forwards(turn)))
		us := time.Since(begin)
		text, err := nft.Render(forwards(turn + 1))
		must(b, err)
		tables := "add table bridge hearth_1a2b\ndelete table bridge hearth_1a2b\nadd table inet hearth_1a2b\ndelete table inet hearth_1a2b\n"
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(tables + text)
		begin = time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%.500s", err, out)
		}
		them := time.Since(begin)
		ours, theirs, ratios = append(ours, milliseconds(us)), append(theirs, milliseconds(them)), append(ratios, us.Seconds()/them.Seconds())
		turn += 2
	}
	report(b, median(ours), "ours-ms")
	report(b, median(theirs), "nft-ms")
	report(b, median(ratios), "ratio")
	b.ReportMetric(0, "ns/op")
}

// forwards are rules with 2000 ports of this machine that lead to other ports of services: each is a rule of its own for TCP and
// one for UDP, in both directions a packet can come from.
func forwards(turn int) nft.Rules {
	addr := netip.MustParseAddr("10.0.3.11")
	r := nft.Rules{
		Tag: "1a2b", Bridge: "hearth0", Host: netip.MustParsePrefix("10.0.3.1/24"),
		Services: []nft.Service{{Link: "h1a2baaaaaaaa", Address: addr, MAC: netdev.MAC(addr)}},
	}
	for i := range uint16(2000) {
		port := 20000 + i
		r.Forwards = append(r.Forwards, nft.Forward{
			Address: netip.MustParseAddr("192.168.1.5"), Ports: nft.PortRange{First: port, Last: port}, Target: addr, First: port + 1 + uint16(turn%100),
		})
	}
	return r
}
