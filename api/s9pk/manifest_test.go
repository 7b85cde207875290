package s9pk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
)

func TestManifestIsWrittenAsTheOriginalWritesIt(t *testing.T) {
	t.Parallel()
	for _, name := range packages {
		f := open(t, testdata(t, name))
		got, err := f.Manifest().Encode()
		if err != nil || !bytes.Equal(got, f.ManifestJSON()) {
			t.Errorf("%s:\n got %s\nwant %s\n%v", name, got, f.ManifestJSON(), err)
		}
	}
}

func TestManifestFieldsAreRead(t *testing.T) {
	t.Parallel()
	m, err := s9pk.ParseManifest(testdata(t, "real-images.manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != "oracle-img" || m.Version.String() != "1.2.3:4" || m.Volumes[0] != "main" || *m.Images["side"].EmulateMissingAs != "x86_64" {
		t.Errorf("%+v", m)
	}
	if m.ReleaseNotes.In("de_AT") != "erste" || m.ReleaseNotes.In("fr_FR") != "first" || m.Description.Short.In("de_DE") != "A made-up package" {
		t.Errorf("%+v", m.ReleaseNotes)
	}
	if !m.Version.Satisfies(m.CanMigrateFrom) || m.Version.Satisfies(m.CanMigrateTo) {
		t.Errorf("%s, %s", m.CanMigrateFrom, m.CanMigrateTo)
	}
	if !m.Hardware.AllowsArch("aarch64") || m.Hardware.AllowsArch("riscv64") || !(s9pk.Hardware{}).AllowsArch("riscv64") {
		t.Error("architectures are wrong")
	}
}

func TestAbsentMembersHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	m, err := s9pk.ParseManifest(manifestWith(t, map[string]any{
		"gitHash": nil, "packageRepo": nil, "marketingUrl": nil, "donationUrl": nil, "osVersion": nil, "sdkVersion": nil, "hardwareAcceleration": nil,
		"userspaceFilesystems": nil, "virtualNetworking": nil, "plugins": nil, "satisfies": nil, "dependencies": nil, "hardwareRequirements": nil,
		"alerts": map[string]any{"install": "old"}, "ID": "not the id", "docsUrl": 7,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != "oracle-img" || m.PackageRepo != "https://example.com/" || m.OSVersion.String() != s9pk.CompatibleOS || m.SDKVersion != nil || m.Hardware.Arch != nil {
		t.Errorf("%+v", m)
	}
	raw, err := m.Encode()
	if err != nil || !bytes.Contains(raw, []byte(`"plugins":[],"satisfies":[]`)) ||
		!bytes.Contains(raw, []byte(`"dependencies":{},"hardwareRequirements":{"device":[],"ram":null,"arch":null}`)) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestBrokenManifestsAreRefused(t *testing.T) {
	t.Parallel()
	var cases [][]byte
	for _, required := range []string{"id", "version", "canMigrateTo", "canMigrateFrom", "title", "description", "releaseNotes", "license", "upstreamRepo", "images", "volumes"} {
		cases = append(cases, manifestWith(t, map[string]any{required: nil}))
	}
	for key, value := range map[string]any{
		"id": "Bad_Id", "version": "1.0", "canMigrateTo": "foo", "title": 7, "description": "short", "releaseNotes": map[string]any{"en_US": 1},
		"images": map[string]any{"Main": map[string]any{}}, "volumes": []any{"a/b"}, "dependencies": map[string]any{"..": map[string]any{}},
		"osVersion": "x", "upstreamRepo": "example.com", "donationUrl": "", "marketingUrl": "1http://a", "packageRepo": "https:", "satisfies": []any{"1"}, "hardwareAcceleration": "yes", "plugins": make([]string, 300), "hardwareRequirements": map[string]any{"arch": []any{"../x"}},
	} {
		if list, ok := value.([]string); ok {
			for i := range list {
				list[i] = fmt.Sprint(i)
			}
		}
		cases = append(cases, manifestWith(t, map[string]any{key: value}))
	}
	valid := string(manifestWith(t, nil))
	for _, text := range []string{
		"", "{}", "[]", "null", valid + " {}", valid[:len(valid)-1], strings.Replace(valid, `{`, `{"id":"other",`, 1), "\xff" + valid,
		strings.Repeat("[", 100_000), strings.Replace(valid, `"title":"`, "\"title\":\"\xc3\x28", 1),
		strings.Replace(valid, `"packed"`, `"unpacked"`, 1), strings.Replace(valid, `"packed"`, `{}`, 1),
	} {
		cases = append(cases, []byte(text))
	}
	for _, raw := range cases {
		_, err := s9pk.ParseManifest(raw)
		if s9pk.ReasonOf(err) != s9pk.BadManifest || len(err.Error()) > 600 {
			t.Errorf("%.80s…: %v", raw, err)
		}
		if strings.Contains(err.Error(), "Go ") {
			t.Errorf("it speaks of Go: %v", err)
		}
	}
	for key, c := range map[string]struct {
		value any
		says  string
	}{
		"title":                {7, "title: must be a string, not this number"},
		"gitHash":              {[]any{}, "gitHash: must be a string, not an array"},
		"hardwareAcceleration": {"yes", "hardwareAcceleration: must be true or false, not a string"},
		"volumes":              {map[string]any{}, "volumes: must be an array, not an object"},
		"images":               {"none", "images: must be an object, not a string"},
		"hardwareRequirements": {map[string]any{"ram": -1.5}, "must be a whole number from 0, not this number"},
	} {
		if _, err := s9pk.ParseManifest(manifestWith(t, map[string]any{key: c.value})); err == nil || !strings.HasSuffix(err.Error(), c.says) {
			t.Errorf("%s: %v, want …%s", key, err, c.says)
		}
	}
	if _, err := s9pk.ParseManifest(make([]byte, s9pk.MaxManifest+1)); s9pk.ReasonOf(err) != s9pk.TooLarge {
		t.Error(err)
	}
}

func TestLaterSystemsAreNamed(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{"0.3.5.1": true, "0.4.0-alpha.20": true, "0.4.0-beta.9": true, "0.4.0-beta.10": true, "0.4.0-beta.11": false, "0.4.0": false, "1.0.0-alpha.1": false} {
		m, err := s9pk.ParseManifest(manifestWith(t, map[string]any{"osVersion": version}))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.CheckOSVersion(); (err == nil) != ok || !ok && s9pk.ReasonOf(err) != s9pk.NewerOS {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestUnpackedSourcesRoundTrip(t *testing.T) {
	t.Parallel()
	in := map[string]any{
		"a": map[string]any{"source": map[string]any{"dockerTag": "debian:13"}, "arch": []any{"x86_64", "aarch64", "x86_64"}, "emulateMissingAs": nil, "nvidiaContainer": true},
		"b": map[string]any{"source": map[string]any{"dockerBuild": map[string]any{"workdir": "w", "buildArgs": map[string]any{"K": "v", "E": map[string]any{"env": "HOME"}}}}, "arch": []any{"x86_64"}},
	}
	deps := map[string]any{"c": map[string]any{"description": nil, "optional": true, "metadata": map[string]any{"title": "C", "icon": "c.png"}}}
	m, err := s9pk.ParseManifest(manifestWith(t, map[string]any{"images": in, "dependencies": deps}))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"a":{"source":{"dockerTag":"debian:13"},"arch":["aarch64","x86_64"],"emulateMissingAs":null,"nvidiaContainer":true}`,
		`"b":{"source":{"dockerBuild":{"workdir":"w","dockerfile":null,"buildArgs":{"E":{"env":"HOME"},"K":"v"}}},"arch":["x86_64"],"emulateMissingAs":null,"nvidiaContainer":false}`,
		`"dependencies":{"c":{"description":null,"optional":true,"metadata":{"title":"C","icon":"c.png"}}}`,
	} {
		if !bytes.Contains(raw, []byte(want)) {
			t.Errorf("%s lacks %s", raw, want)
		}
	}
	image := m.Images["a"]
	image.Source = s9pk.ImageSource{}
	m.Images["a"] = image
	if raw, _ := m.Encode(); !bytes.Contains(raw, []byte(`"a":{"source":"packed"`)) {
		t.Errorf("%s", raw)
	}
	var again s9pk.Manifest
	if err := json.Unmarshal(raw, &again); err != nil || again.Images["b"].Source.DockerBuild.BuildArgs["E"].Env != "HOME" {
		t.Errorf("%+v, %v", again.Images, err)
	}
}

func TestLocaleStringKeepsItsOrder(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]map[string]string{
		`"plain"`:                               {"en_US": "plain", "": "plain"},
		`{}`:                                    {"en_US": ""},
		`{"pl_PL":"p","en_GB":"g","en_US":"u"}`: {"en_US": "u", "en_AU": "g", "en": "g", "de_DE": "p", "": "p"},
		`{"b":"<&>","a":""}`:                    {"a": "", "x": "<&>"},
	} {
		var l s9pk.LocaleString
		if err := json.Unmarshal([]byte(in), &l); err != nil {
			t.Fatal(err)
		}
		for locale, text := range want {
			if got := l.In(locale); got != text {
				t.Errorf("%s in %q: %q", in, locale, got)
			}
		}
		if out, err := l.MarshalJSON(); err != nil || string(out) != in {
			t.Errorf("%s became %s, %v", in, out, err)
		}
	}
	for _, bad := range []string{`null`, `1`, `[]`, `{"a":1}`, `{"a":{"b":"c"}}`, `{"a":null}`} {
		var l s9pk.LocaleString
		if err := l.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestHardwareIsWrittenAsTheOriginalWritesIt(t *testing.T) {
	t.Parallel()
	filter := map[string]any{"class": "display", "description": "d", "product": "x", "capabilities": []any{"b", "a", "b"}}
	m, err := s9pk.ParseManifest(manifestWith(t, map[string]any{"hardwareRequirements": map[string]any{"device": []any{filter}, "ram": 1 << 40}}))
	if err != nil {
		t.Fatal(err)
	}
	want := `"hardwareRequirements":{"device":[{"description":"d","class":"display","product":"x","vendor":null,"capabilities":["a","b"],"driver":null}],"ram":1099511627776,"arch":null}}`
	if raw, err := m.Encode(); err != nil || !bytes.HasSuffix(raw, []byte(want)) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestPathsOfImages(t *testing.T) {
	t.Parallel()
	if got := s9pk.ImagePath("x86_64", ids.Image("main"), "env"); got != "images/x86_64/main.env" {
		t.Error(got)
	}
}
