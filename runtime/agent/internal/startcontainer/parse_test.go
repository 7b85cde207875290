package startcontainer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

func files(passwd, group string) fstest.MapFS {
	return fstest.MapFS{"passwd": {Data: []byte(passwd)}, "group": {Data: []byte(group)}}
}

func TestAnImageWithoutUserFilesHasRootAndNumbers(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]identity{
		"": {home: "/root"}, "root:root": {home: "/root"}, "0": {home: "/root"}, "7:8": {uid: 7, gid: 8, home: "/"},
	} {
		got, err := lookupUser(fstest.MapFS{}, spec)
		if err != nil || got.uid != want.uid || got.gid != want.gid || got.home != want.home {
			t.Errorf("%q: %+v, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"web", "0:web", "4294967295", "-1", "1:-1"} {
		if got, err := lookupUser(fstest.MapFS{}, spec); err == nil {
			t.Errorf("%q: %+v", spec, got)
		}
	}
}

func TestDamagedUserFilesAreReadAsFarAsTheyGo(t *testing.T) {
	t.Parallel()
	etc := files("#web:x:1:1::/\nweb:x:many:1::/a\n:::::\nweb:x:5:6::/b:/bin/sh\r\n+::::::\n", "a:x\nb:x:notanumber:web\nc:x:9:web\r\n")
	got, err := lookupUser(etc, "web")
	if err != nil || got.uid != 5 || got.gid != 6 || got.home != "/b" || !slices.Equal(got.groups, []uint32{6, 9}) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := lookupUser(files(strings.Repeat("x", maxUserFile+1), ""), "root"); err == nil {
		t.Error("a huge passwd was read")
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "image.env")
	if err := os.WriteFile(file, []byte("A=1\r\nA=2\n=x\nnothing\nB= spaced = \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := environment(file, []string{"B=", "C=3"})
	if want := []string{"A=2", "B=", "C=3"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := environment(filepath.Join(dir, "absent.env"), nil); err != nil || len(got) != 0 {
		t.Errorf("without a file: %q, %v", got, err)
	}
	if _, err := environment(dir, nil); err == nil {
		t.Error("a folder was read as environment")
	}
	if _, err := environment("", []string{"NOVALUE"}); err == nil {
		t.Error("a flag without value was taken")
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]unix.Winsize{"24x80": {Row: 24, Col: 80}, "24x80:100x200": {Row: 24, Col: 80, Xpixel: 100, Ypixel: 200}} {
		if got, err := parseSize(s); err != nil || *got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"x", "1", "1x", "1x2:", "1x2:3", "1x2:3x4:5", "70000x1", "1x2 ", "-1x2", "1x2x3"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestComposedMapsAreInjective(t *testing.T) {
	t.Parallel()
	for _, mappings := range [][]mapping{
		nil,
		{{33, 1000, 1}},
		{{0, 1, 100}, {1, 0, 1}},
		{{0, 1000, 1}, {1, 1000, 1}},
	} {
		extents, err := compose(mappings)
		if err != nil {
			t.Fatal(err)
		}
		used := map[int]bool{}
		for _, e := range extents {
			for i := range e.Size {
				if used[e.HostID+i] {
					t.Fatalf("%v: id %d is of two", mappings, e.HostID+i)
				}
				used[e.HostID+i] = true
			}
		}
	}
	var scattered []mapping
	for i := range uint32(200) {
		scattered = append(scattered, mapping{4 * i, 60000 - 4*i, 1})
	}
	if _, err := compose(scattered); err == nil {
		t.Error("more ranges than the kernel takes")
	}
}

func FuzzLookupUser(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n", "root")
	f.Add("web:x:33:34::/w:\n", "web:x:34:a,web\n", "web:web")
	f.Add("", "", "12:34")
	f.Fuzz(func(t *testing.T, passwd, group, spec string) {
		who, err := lookupUser(files(passwd, group), spec)
		if err != nil {
			return
		}
		if who.uid < 0 || who.uid > maxID || who.gid < 0 || who.gid > maxID || who.home == "" || len(who.groups) == 0 {
			t.Fatalf("%+v", who)
		}
	})
}

func FuzzParseMapping(f *testing.F) {
	f.Add("0:1:65535")
	f.Add("33:1000")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMapping(s)
		if err == nil && (m.count == 0 || m.from+m.count > idRange || m.to+m.count > idRange) {
			t.Fatalf("%q became %+v", s, m)
		}
	})
}
