package s9pk_test

import (
	"bytes"
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
