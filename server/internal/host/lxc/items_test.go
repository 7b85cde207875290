package lxc_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxcwire"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestSpecIsRenderedForLiblxc(t *testing.T) {
	t.Parallel()
	spec := lxc.Spec{
		Name: "vault", Rootfs: "/run/hearth/beef/c/vault/root", IDBase: 165536, Hostname: "vault",
		Init: []string{"/usr/lib/hearth/agent"}, Env: []string{"LANG=de_DE.UTF-8"},
		Network: &lxc.Network{
			Interface: "hbeefabcdefgh", Bridge: "hbeefbr", Address: netip.MustParsePrefix("10.0.3.7/24"), Gateway: netip.MustParseAddr("10.0.3.1"),
			Address6: netip.MustParsePrefix("fd00:3::7/64"), Gateway6: netip.MustParseAddr("fd00:3::1"), MTU: 1400,
		},
		Mounts: []lxc.Mount{
			{Source: "/run/hearth/beef/c/vault/vol/main", Target: "/media/startos/volumes/main"},
			{Source: "/run/hearth/beef/a path\\with	blanks", Target: "/x y", File: true},
		},
		Devices: []lxc.Device{{Path: "/dev/net/tun", Mode: 0o666}},
		Rlimits: []lxc.Rlimit{{Name: "nofile", Soft: 1024, Hard: 1048576}},
		Limits: lxc.Limits{
			Memory: 1 << 30, CPU: 1500, CPUWeight: 200, PIDs: 4096,
			IO: []lxc.IOLimit{{Major: 8, Minor: 16, Read: 1000, Write: 2000}},
		},
	}
	cfg := lxc.Config{Tag: "beef", RunDir: "/run/hearth/beef", CgroupParent: "hearth.slice"}
	controllers := []string{"memory", "cpu", "pids"}
	for name, items := range map[string][]lxcwire.Item{
		"generation-1": lxc.ItemsFor(cfg, spec, append(controllers, "blkio"), nil),
		"generation-2": lxc.ItemsFor(cfg, spec, nil, append(controllers, "io")),
		"hybrid":       lxc.ItemsFor(cfg, lxc.Spec{Name: "a", Limits: lxc.Limits{Memory: 1 << 20, PIDs: 5}}, []string{"memory"}, []string{"pids"}),
	} {
		var b strings.Builder
		for _, i := range items {
			fmt.Fprintf(&b, "%s = %s\n", i.Key, i.Value)
		}
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestHardwareAddressesAreStableLocalAndOwn(t *testing.T) {
	t.Parallel()
	a := lxc.MAC("beef", "vault")
	if a.String() != lxc.MAC("beef", "vault").String() {
		t.Error("not stable")
	}
	for _, other := range []string{lxc.MAC("beef", "vaul").String(), lxc.MAC("bee", "fvault").String(), lxc.MAC("dead", "vault").String()} {
		if other == a.String() {
			t.Error("not own")
		}
	}
	if a[0]&1 != 0 || a[0]&2 == 0 {
		t.Errorf("%s is not a local unicast address", a)
	}
}

func TestProcessNamesCannotForgeTheirStatus(t *testing.T) {
	t.Parallel()
	tail := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for _, name := range []string{"(sh)", "(a b)", "(x) Z 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 99 (y)", "()", "(()", "())"} {
		start, dead, err := lxc.ParseStat([]byte("123 " + name + tail))
		if err != nil || start != 4711 || dead {
			t.Errorf("%s: %d, %v, %v", name, start, dead, err)
		}
	}
	if _, dead, err := lxc.ParseStat([]byte("123 (sh)" + strings.Replace(tail, "S", "Z", 1))); err != nil || !dead {
		t.Errorf("zombie: %v, %v", dead, err)
	}
	for status, want := range map[string]bool{
		"Name:\tsh\nNSpid:\t4711\t1\n": true, "NSpid:\t4711\t1\t1\n": false, "NSpid:\t1\n": false, "NSpid:\t4711\t2\n": false, "": false,
		"Name:\tNSpid:\t5\t1\nNSpid:\t5\t7\n": false,
	} {
		if got := lxc.IsInit([]byte(status)); got != want {
			t.Errorf("%q: %v", status, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"))
	f.Add([]byte("((((((("))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _ = lxc.ParseStat(b)
		_ = lxc.IsInit(b)
	})
}
