package idmap_test

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/testenv"
)

const base = 100000

func TestComposeLayersEntriesOverTheBase(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		entries []idmap.Entry
		want    []idmap.Extent
	}{
		{"no entry is the base", nil, []idmap.Extent{{Disk: 0, Host: base, Count: 65536}}},
		{
			"an override pushes the id that passed through to nobody", []idmap.Entry{{From: 0, To: 1000, Count: 1}},
			[]idmap.Extent{{0, base + 1000, 1}, {1, base + 1, 999}, {1001, base + 1001, 64535}},
		},
		{
			"two entries swap", []idmap.Entry{{0, 60000, 1}, {33, 0, 1}, {60000, 33, 1}},
			[]idmap.Extent{{0, base + 33, 1}, {1, base + 1, 32}, {33, base, 1}, {34, base + 34, 59966}, {60001, base + 60001, 5535}},
		},
		{
			"entries chain, the lower id wins between touched ones", []idmap.Entry{{0, 1000, 1}, {1000, 2000, 1}},
			[]idmap.Extent{{0, base + 2000, 1}, {1, base + 1, 999}, {1001, base + 1001, 999}, {2001, base + 2001, 63535}},
		},
		{
			"everything moved to the end", []idmap.Entry{{0, 65535, 1}},
			[]idmap.Extent{{0, base + 65535, 1}, {1, base + 1, 65534}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m, err := idmap.Compose(base, tc.entries)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, m.Extents()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestComposeRefusesWhatLeavesTheContainer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		base    uint32
		entries []idmap.Entry
	}{
		"base of the host's root":      {0, nil},
		"base near the end":            {1<<32 - 65536, nil},
		"empty entry":                  {base, []idmap.Entry{{1, 2, 0}}},
		"target in the next container": {base, []idmap.Entry{{0, 65536, 1}}},
		"range over the end":           {base, []idmap.Entry{{65535, 0, 2}}},
		"overflow":                     {base, []idmap.Entry{{1, 2, 1<<32 - 1}}},
		"too many":                     {base, make([]idmap.Entry, idmap.MaxEntries+1)},
	} {
		if _, err := idmap.Compose(tc.base, tc.entries); !errors.Is(err, idmap.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	fragmented := make([]idmap.Entry, 0, 200)
	for i := range uint32(200) {
		fragmented = append(fragmented, idmap.Entry{From: 4 * i, To: 4*i + 1, Count: 1})
	}
	if _, err := idmap.Compose(base, fragmented); !errors.Is(err, idmap.ErrInvalid) {
		t.Errorf("fragmented: got %v", err)
	}
}

func TestMapIsTheInjectivePartOfTheComposition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) idmap.Entry {
			count := rapid.Uint32Range(1, 3000).Draw(t, "count")
			return idmap.Entry{
				From:  rapid.Uint32Range(0, idmap.Range-count).Draw(t, "from"),
				To:    rapid.Uint32Range(0, idmap.Range-count).Draw(t, "to"),
				Count: count,
			}
		}), 0, 4).Draw(t, "entries")
		m, err := idmap.Compose(base, entries)
		if err != nil {
			t.Fatal(err)
		}
		claims := make(map[uint32][]uint32)
		for disk := range uint32(idmap.Range) {
			id := disk
			for _, e := range entries {
				if id >= e.From && id < e.From+e.Count {
					id = e.To + id - e.From
				}
			}
			claims[id] = append(claims[id], disk)
		}
		shown := 0
		for id, disks := range claims {
			winners := 0
			for _, d := range disks {
				if host, ok := m.Host(d); ok {
					winners++
					if host != base+id {
						t.Fatalf("disk %d appears as %d, want %d", d, host, base+id)
					}
				}
			}
			if winners != 1 {
				t.Fatalf("id %d is claimed by %v and given to %d of them", id, disks, winners)
			}
			shown++
		}
		total := uint32(0)
		for _, e := range m.Extents() {
			total += e.Count
		}
		if int(total) != shown {
			t.Fatalf("map covers %d ids, want %d", total, shown)
		}
	})
}

func FuzzComposeStaysInsideTheContainer(f *testing.F) {
	f.Add(uint32(base), uint32(0), uint32(1000), uint32(1), uint32(1000), uint32(0), uint32(1))
	f.Fuzz(func(t *testing.T, base, f1, t1, n1, f2, t2, n2 uint32) {
		m, err := idmap.Compose(base, []idmap.Entry{{f1, t1, n1}, {f2, t2, n2}})
		if err != nil {
			return
		}
		ext := m.Extents()
		slices.SortFunc(ext, func(a, b idmap.Extent) int { return int(a.Host) - int(b.Host) })
		for i, e := range ext {
			if e.Count == 0 || e.Host < base || uint64(e.Host)+uint64(e.Count) > uint64(base)+idmap.Range {
				t.Fatalf("extent %v leaves base %d", e, base)
			}
			if i > 0 && ext[i-1].Host+ext[i-1].Count > e.Host {
				t.Fatalf("extents %v and %v overlap", ext[i-1], e)
			}
		}
	})
}

func TestNamespacesCarryTheMapAndAreReused(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root", "netns")
	var ns idmap.Namespaces
	custom, err := idmap.Compose(base, []idmap.Entry{{From: 0, To: 1000, Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, m := range []idmap.Map{idmap.Base(base), custom, idmap.Base(base)} {
		err := ns.Use(m, func(fd int) error {
			link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			seen[link]++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 2 {
		t.Errorf("made %v, want two namespaces of which one was used twice", seen)
	}
	for link := range seen {
		if !strings.HasPrefix(link, "user:[") {
			t.Errorf("not a user namespace: %s", link)
		}
	}
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ns.Use(custom, func(int) error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
