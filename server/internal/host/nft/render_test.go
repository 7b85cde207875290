package nft_test

import (
	"bytes"
	"errors"
	"flag"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func example() nft.Rules {
	addr := netip.MustParseAddr
	return nft.Rules{
		Tag: tag, Bridge: "hearth0", Host: netip.MustParsePrefix("10.0.3.1/24"), Host6: netip.MustParsePrefix("fd00:3::1/64"), Flows: 32768,
		Services: []nft.Service{
			{Link: "h1a2bbbbbbbbb", Address: addr("10.0.3.12"), Address6: addr("fd00:3::a00:30c"), MAC: netdev.MAC(addr("10.0.3.12"))},
			{Link: "h1a2baaaaaaaa", Address: addr("10.0.3.11"), Address6: addr("fd00:3::a00:30b"), MAC: netdev.MAC(addr("10.0.3.11"))},
		},
		Allowed: []nft.Pair{{addr("10.0.3.12"), addr("10.0.3.11")}, {addr("10.0.3.11"), addr("10.0.3.12")}},
		Uses:    []nft.Use{{addr("10.0.3.12"), 62000}, {addr("10.0.3.11"), 62001}, {addr("10.0.3.11"), 62000}},
		Closed:  []string{"lan1", "lan0", "lan1"}, Closed6: []string{"lan1"}, Hairpin: true,
		Forwards: []nft.Forward{
			{Address: addr("192.168.1.5"), Ports: nft.PortRange{First: 5000, Last: 5499}, Target: addr("10.0.3.11"), First: 5000},
			{Address: addr("192.168.1.5"), Ports: nft.PortRange{First: 6000, Last: 6002}, Target: addr("10.0.3.11"), First: 9000, Source: netip.MustParsePrefix("192.168.1.0/24")},
			{Address: addr("192.168.1.5"), Ports: nft.PortRange{First: 22, Last: 22}, Target: addr("10.0.3.12"), First: 22},
			{Address: addr("192.168.1.5"), Ports: nft.PortRange{First: 22, Last: 22}, Target: addr("10.0.3.12"), First: 2222}, // too late
			{Address: addr("2001:db8::5"), Ports: nft.PortRange{First: 5000, Last: 5499}, Target: addr("fd00:3::a00:30b"), First: 5000},
			{Address: addr("2001:db8::5"), Ports: nft.PortRange{First: 22, Last: 22}, Target: addr("fd00:3::a00:30c"), First: 22, Source: netip.MustParsePrefix("2001:db8::/64")},
		},
		Ports: []nft.PortRange{{49152, 65535}, {443, 443}, {8000, 8010}, {8005, 8020}, {80, 80}, {444, 450}},
	}
}

func TestRendering(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]nft.Rules{"example": example(), "bounded": bounded()} {
		got, err := nft.Render(rules)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name+".nft")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("rendering of %s changed (-want +got):\n%s", name, d)
		}
	}
}

func TestOrderAndRepetitionDoNotMatter(t *testing.T) {
	t.Parallel()
	want, err := nft.Render(example())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := example()
		r.Services = rapid.Permutation(append(r.Services, r.Services...)).Draw(rt, "services")
		r.Allowed = rapid.Permutation(append(r.Allowed, r.Allowed[0])).Draw(rt, "allowed")
		r.Uses = rapid.Permutation(append(r.Uses, r.Uses[0])).Draw(rt, "uses")
		r.Ports = rapid.Permutation(r.Ports).Draw(rt, "ports")
		got, err := nft.Render(r)
		if err != nil || got != want {
			rt.Fatalf("%v\n%s", err, cmp.Diff(want, got))
		}
	})
}

// TestTheKernelHoldsWhatIsRendered gives the text to the nft program and the rules to the kernel by ourselves: what the
// program lists afterwards must be the same.
func TestTheKernelHoldsWhatIsRendered(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "netns")
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs the program nft")
	}
	empty := example()
	empty.Services, empty.Allowed, empty.Ports, empty.Uses, empty.Forwards = nil, nil, nil, nil, nil
	for name, r := range map[string]nft.Rules{"example": example(), "empty": empty, "bounded": bounded()} {
		text, err := nft.Render(r)
		if err != nil {
			t.Fatal(err)
		}
		byProgram := listing(t, func() {
			cmd := exec.Command("nft", "-f", "-")
			cmd.Stdin = bytes.NewReader([]byte(text))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("nft does not take the text: %v\n%s\n%s", err, out, text)
			}
		})
		byUs := listing(t, func() {
			f, err := nft.New()
			must(t, err)
			defer f.Close()
			for range 2 {
				must(t, f.Ensure(r))
			}
			tags, err := f.Tags()
			must(t, err)
			if !slices.Equal(tags, []string{tag}) {
				t.Errorf("tags are %v", tags)
			}
		})
		if d := cmp.Diff(ordered(byProgram), ordered(byUs)); d != "" || byUs == "" {
			t.Errorf("%s: -text +kernel:\n%s", name, d)
		}
	}
}

// listing runs fn in a namespace of its own and returns the rules that are there afterwards.
func listing(t *testing.T, fn func()) string {
	t.Helper()
	var out []byte
	onThread(func() {
		must(t, unix.Unshare(unix.CLONE_NEWNET))
		fn()
		var err error
		out, err = exec.Command("nft", "list", "ruleset").CombinedOutput()
		must(t, err)
	})
	return string(out)
}

// ordered is a listing without the order in which tables, and what is in them, were made: what stays was there first.
func ordered(listing string) string {
	tables := strings.SplitAfter(listing, "\n}\n")
	for i, table := range tables {
		head, body, _ := strings.Cut(table, "\n")
		parts := strings.Split(strings.TrimSuffix(body, "}\n"), "\n\n")
		for j, part := range parts {
			parts[j] = strings.Trim(part, "\n")
		}
		slices.Sort(parts)
		tables[i] = head + "\n" + strings.Join(parts, "\n\n") + "\n}\n"
	}
	slices.Sort(tables)
	return strings.Join(tables, "")
}

func TestManyRulesAreTakenAtOnce(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "netns")
	r := example()
	r.Host = netip.MustParsePrefix("10.0.0.1/16")
	r.Services, r.Allowed = nil, nil
	for i := range 4000 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(1 + i/200), byte(1 + i%200)})
		b := netip.AddrFrom4([4]byte{10, 0, 100, byte(1 + i%200)})
		r.Services = append(r.Services, nft.Service{Link: "h1a2b" + string(rune('a'+i%26)) + "x", Address: a, MAC: netdev.MAC(a)})
		r.Allowed = append(r.Allowed, nft.Pair{From: a, To: b}, nft.Pair{From: b, To: a})
	}
	onThread(func() {
		must(t, unix.Unshare(unix.CLONE_NEWNET))
		f, err := nft.New()
		must(t, err)
		defer f.Close()
		must(t, f.Ensure(r))
		must(t, f.Delete(tag))
	})
}

func TestRulesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*nft.Rules){
		"tag":                    func(r *nft.Rules) { r.Tag = "1A2B" },
		"bridge":                 func(r *nft.Rules) { r.Bridge = "a b" },
		"injection":              func(r *nft.Rules) { r.Bridge = `x" accept` },
		"host":                   func(r *nft.Rules) { r.Host = netip.MustParsePrefix("fd00::1/64") },
		"host6":                  func(r *nft.Rules) { r.Host6 = netip.MustParsePrefix("10.0.3.1/24") },
		"services without host6": func(r *nft.Rules) { r.Host6 = netip.Prefix{} },
		"IPv6 address elsewhere": func(r *nft.Rules) { r.Services[0].Address6 = netip.MustParseAddr("fd00:4::2") },
		"the machine's IPv6":     func(r *nft.Rules) { r.Services[0].Address6 = netip.MustParseAddr("fd00:3::1") },
		"pair by IPv6":           func(r *nft.Rules) { r.Allowed[0].To = netip.MustParseAddr("fd00:3::a00:30b") },
		"two protocols":          func(r *nft.Rules) { r.Forwards[0].Target = netip.MustParseAddr("fd00:3::a00:30b") },
		"a mapped address":       func(r *nft.Rules) { r.Forwards[4].Address = netip.MustParseAddr("::ffff:192.0.2.1") },
		"foreign link":           func(r *nft.Rules) { r.Services[0].Link = "eth0" },
		"other instance":         func(r *nft.Rules) { r.Services[0].Link = "h9999aaaa" },
		"address elsewhere":      func(r *nft.Rules) { r.Services[0].Address = netip.MustParseAddr("10.0.4.2") },
		"the machine's address":  func(r *nft.Rules) { r.Services[0].Address = netip.MustParseAddr("10.0.3.1") },
		"no hardware address":    func(r *nft.Rules) { r.Services[0].MAC = nil },
		"group hardware address": func(r *nft.Rules) { r.Services[0].MAC = net.HardwareAddr{1, 0, 0, 0, 0, 1} },
		"pair elsewhere":         func(r *nft.Rules) { r.Allowed[0].To = netip.MustParseAddr("10.0.4.2") },
		"use from elsewhere":     func(r *nft.Rules) { r.Uses[0].From = netip.MustParseAddr("10.0.4.2") },
		"use of port 0":          func(r *nft.Rules) { r.Uses[0].Port = 0 },
		"port 0":                 func(r *nft.Rules) { r.Ports[0].First = 0 },
		"ports backwards":        func(r *nft.Rules) { r.Ports[0] = nft.PortRange{First: 9, Last: 8} },
		"a range with bits":      func(r *nft.Rules) { r.Near = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")} },
		"no range":               func(r *nft.Rules) { r.Services[0].Reach = &nft.Reach{Ranges: make([]netip.Prefix, 1)} },
		"too many ranges": func(r *nft.Rules) {
			r.Services[0].Reach = &nft.Reach{Ranges: slices.Repeat([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nft.MaxRanges+1)}
		},
		"too many": func(r *nft.Rules) { r.Allowed = make([]nft.Pair, nft.MaxPairs+1) },
	} {
		r := example()
		change(&r)
		if _, err := nft.Render(r); !errors.Is(err, nft.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
