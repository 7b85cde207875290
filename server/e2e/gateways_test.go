package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What derives from the machine's addresses follows them while the server runs: the list of gateways, the addresses of a
// service, the sockets of the front door and the certificate.
func TestAddressesFollowTheMachinesInterfaces(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	const address = "192.168.77.5"
	gateway := func() map[string]any {
		for _, row := range m.rows("gateway", "list") {
			if row["id"] == "lan0" {
				return row
			}
		}
		return nil
	}
	pages := func() (urls []string) {
		for _, row := range m.rows("package", "addresses", "hello-hearth") {
			if row["ssl"] == true && row["gateway"] == "lan0" && !strings.Contains(fmt.Sprint(row["url"]), ".local") {
				urls = append(urls, row["url"].(string))
			}
		}
		return urls
	}
	if g := gateway(); g != nil {
		t.Fatalf("there is %v before its link is", g)
	}
	m.must("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
	m.must("ip", "link", "set", "lan0", "up")
	m.must("ip", "link", "set", "lan1", "up")
	m.must("ip", "addr", "add", address+"/24", "dev", "lan0")
	m.must("ip", "addr", "add", "fd77::5/64", "dev", "lan0", "nodad")
	m.must("ip", "route", "add", "default", "via", "192.168.77.1")
	m.eventually(30*time.Second, "the gateway is listed", func() error {
		g := gateway()
		if g == nil || g["outbound"] != true || fmt.Sprint(g["addresses"]) != "[192.168.77.5/24 fd77::5/64]" || fmt.Sprint(g["routers"]) != "[192.168.77.1]" {
			return fmt.Errorf("it is %v", g)
		}
		return nil
	})
	for _, number := range []string{address, "[fd77::5]"} {
		m.eventually(30*time.Second, "the page is served at "+number, func() error {
			i := slices.IndexFunc(pages(), func(u string) bool { return strings.HasPrefix(u, "https://"+number+":") })
			if i < 0 {
				return fmt.Errorf("it has the addresses %v", pages())
			}
			_, err := m.run("curl", "--silent", "--fail", "--globoff", "--cacert", m.root(), pages()[i])
			return err
		})
	}
	m.must("ip", "addr", "del", address+"/24", "dev", "lan0")
	m.eventually(30*time.Second, "the address is gone everywhere", func() error {
		if urls := pages(); len(urls) != 1 || !strings.Contains(urls[0], "fd77::5") {
			return fmt.Errorf("the page has the addresses %v", urls)
		}
		if sockets := m.must("ss", "-Hltn"); strings.Contains(sockets, address+":") {
			return fmt.Errorf("the front door still listens there:\n%s", sockets)
		}
		return nil
	})
	m.hearth("gateway", "rename", "lan0", "cable")
	m.must("ip", "link", "del", "lan0")
	m.eventually(30*time.Second, "the gateway is known and gone", func() error {
		if g := gateway(); g == nil || g["connected"] == true || g["name"] != "cable" {
			return fmt.Errorf("it is %v", g)
		}
		return nil
	})
	m.hearth("gateway", "forget", "lan0")
	if g := gateway(); g != nil {
		t.Errorf("it is forgotten and there: %v", g)
	}
}

// The firewall of the services is back at once when somebody has flushed or changed it, not only at the next look.
func TestTheFirewallIsBackWhenSomebodyHasChangedIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	tables := strings.Fields(m.must("nft", "list", "tables"))
	name := "hearth_" + m.tag()
	if len(tables) != 9 || !slices.Contains(tables, name) || !slices.Contains(tables, name+"_flows") {
		t.Fatalf("the tables are %v", tables)
	}
	whole := m.must("nft", "list", "ruleset")
	for _, meddling := range [][]string{
		{"flush", "ruleset"},
		{"delete", "table", "bridge", name},
		{"delete", "table", "inet", name + "_flows"},
		{"insert", "rule", "inet", name, "forward", "accept"},
	} {
		m.must("nft", meddling...)
		m.eventually(30*time.Second, "the rules are as before", func() error {
			if have := m.must("nft", "list", "ruleset"); have != whole {
				return fmt.Errorf("they are\n%s", have)
			}
			return nil
		})
	}
}

// The network of the services is whole again when somebody has switched it off or taken it apart, and they are reached.
func TestTheBridgeIsBackWhenSomebodyHasTakenIt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	m.installSample()
	page := m.address(sample)
	bridge := strings.Fields(m.must("ip", "-brief", "link", "show", "type", "bridge"))[0]
	member, _, _ := strings.Cut(strings.Fields(m.must("ip", "-brief", "link", "show", "master", bridge))[0], "@")
	for _, meddling := range [][]string{
		{"link", "set", bridge, "down"},
		{"link", "set", member, "nomaster"},
		{"link", "set", member, "down"},
		{"link", "delete", bridge},
	} {
		m.must("ip", meddling...)
		m.eventually(30*time.Second, strings.Join(meddling, " ")+" is undone", func() error {
			on, err := m.run("ip", "-brief", "link", "show", "master", bridge, "up")
			if err == nil && !strings.Contains(on, member) {
				err = fmt.Errorf("on the bridge are %q", on)
			}
			return err
		})
		m.eventually(30*time.Second, "the page is served after "+strings.Join(meddling, " "), func() error {
			_, err := m.run("curl", "--silent", "--fail", "--max-time", "5", "--cacert", m.root(), page)
			return err
		})
	}
	for _, row := range m.rows("doctor") {
		if row["name"] == "network" && row["result"] != "ok" {
			t.Errorf("the doctor says %v", row)
		}
	}
}
