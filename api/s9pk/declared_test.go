package s9pk_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/hearthos/hearth/api/s9pk"
)

func TestWhatAPackageDeclaresIsReadAndKeptWhenItIsWritten(t *testing.T) {
	t.Parallel()
	m, err := s9pk.ParseManifest(manifestWith(t, map[string]any{"hearth": map[string]any{
		"limits": map[string]any{"memory": 256 << 20, "cpu": 500, "disk": 1 << 30, "gpu": 7}, "later": true,
	}}))
	if err != nil {
		t.Fatal(err)
	}
	if want := (&s9pk.Limits{Memory: 256 << 20, CPU: 500, Disk: 1 << 30}); !reflect.DeepEqual(m.Hearth.Limits, want) {
		t.Errorf("limits = %+v, want %+v", m.Hearth.Limits, want)
	}
	raw, err := m.Encode()
	if err != nil || !bytes.HasSuffix(raw, []byte(`,"hearth":{"limits":{"memory":268435456,"cpu":500,"disk":1073741824}}}`)) {
		t.Errorf("%s, %v", raw, err)
	}
	again, err := s9pk.ParseManifest(raw)
	if err != nil || !reflect.DeepEqual(m.Hearth, again.Hearth) {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestWhatCannotBeDeclaredIsRefused(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{
		"no object": []any{}, "limits that are none": map[string]any{"limits": 1}, "too little memory": map[string]any{"limits": map[string]any{"memory": 1 << 20}},
		"too much memory": map[string]any{"limits": map[string]any{"memory": 1 << 60}}, "a negative number": map[string]any{"limits": map[string]any{"cpu": -1}},
		"a share that does not exist": map[string]any{"limits": map[string]any{"ioWeight": 2000}},
	} {
		if _, err := s9pk.ParseManifest(manifestWith(t, map[string]any{"hearth": value})); s9pk.ReasonOf(err) != s9pk.BadManifest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoSaysNothingMayAllAndWhoSaysSomethingNoMore(t *testing.T) {
	t.Parallel()
	raw := func(hearth any) []byte { return manifestWith(t, map[string]any{"hearth": hearth}) }
	for name, c := range map[string]struct {
		manifest []byte
		mail     bool
	}{
		"nothing":           {raw(nil), true},
		"limits alone":      {raw(map[string]any{"limits": map[string]any{}}), true},
		"no permission":     {raw(map[string]any{"permissions": []string{}}), false},
		"other permissions": {raw(map[string]any{"permissions": []string{"packages", "later"}}), false},
		"this permission":   {raw(map[string]any{"permissions": []string{"mail", "mail"}}), true},
	} {
		m, err := s9pk.ParseManifest(c.manifest)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		encoded, err := m.Encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, text := range [][]byte{c.manifest, encoded} {
			d, err := s9pk.ParseDeclared(text)
			if err != nil || d.Asks(s9pk.PermissionMail) != c.mail {
				t.Errorf("%s: %+v, %v", name, d, err)
			}
		}
	}
}

func TestWhatAPackageReaches(t *testing.T) {
	t.Parallel()
	read := func(hearth any) s9pk.Reach {
		t.Helper()
		m, err := s9pk.ParseManifest(manifestWith(t, map[string]any{"hearth": hearth}))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		d, err := s9pk.ParseDeclared(raw)
		if err != nil || !reflect.DeepEqual(d.Reach(), m.Hearth.Reach()) {
			t.Errorf("%v: what is kept is another: %+v, %v", hearth, d.Reach(), err)
		}
		return m.Hearth.Reach()
	}
	for name, c := range map[string]struct {
		hearth  any
		targets []string
		covers  map[string]bool
	}{
		"nothing said": {nil, []string{"internet", "lan"}, map[string]bool{"api.example.org": true, "internet": true, "lan": true, "192.0.2.0/24": true, "fd00::/8": true}},
		"nothing":      {map[string]any{"network": []string{}}, nil, map[string]bool{"internet": false, "lan": false, "192.0.2.0/24": false}},
		"the Internet": {map[string]any{"network": []string{"internet"}}, []string{"internet"}, map[string]bool{"internet": true, "lan": false, "10.0.0.0/8": false}},
		"local networks": {map[string]any{"network": []string{"lan", "lan"}}, []string{"lan"},
			map[string]bool{"internet": false, "lan": true, "10.1.0.0/16": true, "fd77::/64": true, "10.0.0.0/7": false, "192.0.2.0/24": false}},
		"networks and a later word": {map[string]any{"network": []string{"192.0.2.0/24", "later", "2001:DB8:0::/32"}}, []string{"192.0.2.0/24", "2001:db8::/32"},
			map[string]bool{"internet": false, "192.0.2.128/25": true, "192.0.2.0/24": true, "192.0.2.0/23": false, "2001:db8:1::/48": true, "0.0.0.0/0": false}},
		"names": {map[string]any{"network": []string{"*.Example.net", "api.example.org:443", "api.example.org:443", "b.example.org"}}, []string{"*.example.net", "api.example.org:443", "b.example.org"},
			map[string]bool{
				"internet": false, "a.example.net": true, "a.b.example.net:80": true, "*.a.example.net": true, "example.net": false, "*.example.net:443": true, "badexample.net": false,
				"api.example.org": false, "api.example.org:443": true, "api.example.org:80": false, "b.example.org:1": true, "192.0.2.0/24": false,
			}},
	} {
		r := read(c.hearth)
		if got := r.Targets(); !reflect.DeepEqual(got, c.targets) {
			t.Errorf("%s: targets %v, want %v", name, got, c.targets)
		}
		for target, want := range c.covers {
			if r.Covers(target) != want {
				t.Errorf("%s: covers %s is %v", name, target, !want)
			}
		}
		if r.Nothing() != (len(c.targets) == 0) || r.All() != (name == "nothing said") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for _, wrong := range []any{"internet", []any{1}, []string{"10.0.0.1/8"}, []string{"10.0.0.0/40"}, []string{"::ffff:10.0.0.0/104"}, []string{"fe80::%eth0/64"}, []string{"example.org/"},
		[]string{"192.0.2.1"}, []string{"2001:db8::1"}, []string{"example.org:"}, []string{"example.org:0"}, []string{"example.org:65536"}, []string{"example.org:+80"}, []string{"*.org"}, []string{"a.*.org"},
		[]string{"a..org"}, []string{"-a.example.org"}, []string{"büro.example.org"}, []string{"example.org."}, manyNames()} {
		if _, err := s9pk.ParseManifest(manifestWith(t, map[string]any{"hearth": map[string]any{"network": wrong}})); s9pk.ReasonOf(err) != s9pk.BadManifest {
			t.Errorf("%v: %v", wrong, err)
		}
	}
}

// manyNames are more than one package may declare.
func manyNames() (list []string) {
	for i := range 65 {
		list = append(list, fmt.Sprintf("a%d.example.org", i))
	}
	return list
}

func TestANameMeansItselfOrAllNamesBelow(t *testing.T) {
	t.Parallel()
	for word, names := range map[string]map[string]bool{
		"api.example.org":   {"api.example.org": true, "example.org": false, "a.api.example.org": false},
		"*.example.org:443": {"api.example.org": true, "a.b.example.org": true, "example.org": false, "notexample.org": false, ".example.org": false},
	} {
		n, err := s9pk.ParseReachedName(word)
		if err != nil || n.String() != word {
			t.Errorf("%s is read as %s, %v", word, n, err)
		}
		for name, want := range names {
			if n.Is(name) != want {
				t.Errorf("%s means %s: %v", word, name, !want)
			}
		}
	}
}
