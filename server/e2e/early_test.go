package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/legacy/legacytest"
)

// early is the package that these tests make in the format, and with the code, of StartOS 0.3.
const early = "early-notes"

// A package file of StartOS 0.3 is uploaded as it is: it is converted as a step of its installation, and its code lives a whole life
// here, from its configuration to an update that migrates its data.
func TestAPackageOfStartOS03Runs(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	image := m.savedImage()
	m.start()
	m.hearth("package", "install", m.packEarly("1.0.0", image))
	if !m.converted() {
		t.Errorf("no step converted it: %v", m.rows("operations", "list"))
	}
	if row := m.packageRow(early); row["version"] != "1.0.0:0" || row["title"] != "Early notes (Legacy)" {
		t.Errorf("it is installed as %v", row)
	}

	// It waits for its configuration.
	if _, err := m.tryHearth("package", "start", early); err == nil || !strings.Contains(err.Error(), "TASK") {
		t.Errorf("it starts before it is configured: %v", err)
	}
	if _, err := m.tryHearth("package", "action", "run", early, "config", "--input", `{"greeting":"loud!","colour":"red"}`); err == nil || !strings.Contains(err.Error(), "greeting") {
		t.Errorf("a greeting that its pattern forbids: %v", err)
	}
	m.hearth("package", "action", "run", early, "config", "--input", `{"greeting":"Hello from 0.3","colour":"red"}`)
	m.hearth("package", "start", early)
	m.healthy(early)
	if page := m.curl(m.address(early)); !strings.Contains(page, "Hello from 0.3 in red") {
		t.Errorf("its page does not say how it was configured:\n%s", page)
	}
	if said := m.hearth("package", "action", "run", early, "count", "--input", `{}`); !strings.Contains(said, "42") {
		t.Errorf("its action answers %s", said)
	}
	if said := m.hearth("package", "action", "run", early, "properties"); !strings.Contains(said, "Seen by lighttpd") {
		t.Errorf("its properties are %s", said)
	}

	// A backup of it is whole, also in what only the host of its code knows.
	dir := t.TempDir()
	m.hearth("package", "backup", early, dir)
	m.healthy(early)
	m.hearth("package", "stop", early)
	m.hearth("package", "uninstall", early, "--yes")
	m.hearth("package", "restore", early, dir)
	m.hearth("package", "start", early)
	m.healthy(early)
	if page := m.curl(m.address(early)); !strings.Contains(page, "Hello from 0.3 in red") {
		t.Errorf("what was restored says:\n%s", page)
	}

	// An update by the same people needs nobody's word, and migrates the data.
	m.hearth("package", "install", m.packEarly("1.1.0.2", image))
	m.healthy(early)
	if row := m.packageRow(early); row["version"] != "1.1.0:2" {
		t.Errorf("it is updated to %v", row)
	}
	if page := m.curl(m.address(early) + "/migrated"); strings.TrimSpace(page) != "from 1.0.0.0" {
		t.Errorf("its data were migrated: %q", page)
	}
	m.hearth("package", "uninstall", early, "--yes")
	if rows := m.rows("package", "list"); len(rows) > 0 {
		t.Errorf("something is left: %v", rows)
	}
}

// converted tells whether an installation had a step that converted its file, and has ended it.
func (m *machine) converted() bool {
	m.t.Helper()
	for _, row := range m.rows("operations", "list") {
		steps, _ := row["steps"].([]any)
		for _, one := range steps {
			if step, _ := one.(map[string]any); row["kind"] == "install" && step["name"] == "convert" && step["state"] == "done" {
				return true
			}
		}
	}
	return false
}

func (m *machine) packageRow(id string) map[string]any {
	m.t.Helper()
	for _, row := range m.rows("package", "list") {
		if row["id"] == id {
			return row
		}
	}
	m.t.Fatalf("%s is not installed", id)
	return nil
}

// savedImage is the image of the sample as a layer of an image archive.
func (m *machine) savedImage() []byte {
	m.t.Helper()
	raw, err := os.ReadFile(filepath.Join(m.bin, sample+".s9pk"))
	if err != nil {
		m.t.Fatal(err)
	}
	file, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	dir := m.t.TempDir()
	for e := range file.All() {
		if strings.HasSuffix(e.Path, "/main.squashfs") {
			content, err := file.ReadFile(e.Path, 1<<30)
			if err != nil {
				m.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "image"), content, 0o600); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	m.must("unsquashfs", "-quiet", "-no-progress", "-d", filepath.Join(dir, "root"), filepath.Join(dir, "image"))
	m.must("tar", "--numeric-owner", "-C", filepath.Join(dir, "root"), "-cf", filepath.Join(dir, "layer.tar"), ".")
	layer, err := os.ReadFile(filepath.Join(dir, "layer.tar"))
	if err != nil {
		m.t.Fatal(err)
	}
	return layer
}

// packEarly writes the package in a version, with the image as "docker save" wrote it.
func (m *machine) packEarly(version string, layer []byte) string {
	m.t.Helper()
	sum := sha256.Sum256(layer)
	digest := hex.EncodeToString(sum[:])
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest}},
		"config": map[string]any{"Env": []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	sum = sha256.Sum256(config)
	name := hex.EncodeToString(sum[:]) + ".json"
	list, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{"start9/" + early + "/main:" + version}, "Layers": []string{digest + "/layer.tar"}}})
	if err != nil {
		m.t.Fatal(err)
	}
	all := legacytest.Sections(legacytest.Manifest(func(manifest legacytest.Object) { describeEarly(manifest, version) }))
	all["docker_images"] = legacytest.Tar(map[string]string{"manifest.json": string(list), name: string(config), digest + "/layer.tar": string(layer)})
	all["assets"] = legacytest.Tar(map[string]string{"web/lighttpd.conf": "server.document-root = \"/data/www\"\nserver.port = 8080\nindex-file.names = ( \"index.html\" )\n"})
	code, err := os.ReadFile("testdata/early/embassy.js")
	if err != nil {
		m.t.Fatal(err)
	}
	all["scripts"] = code
	path := filepath.Join(m.t.TempDir(), "early.s9pk")
	if err := os.WriteFile(path, legacytest.Write(all, nil), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

func describeEarly(manifest legacytest.Object, version string) {
	type object = legacytest.Object
	docker := func(words ...string) object {
		return object{"type": "docker", "image": "main", "system": false, "entrypoint": words[0], "args": words[1:], "inject": false,
			"mounts": object{"main": "/data", "web": "/mnt/web"}, "io-format": "json", "sigterm-timeout": "10s"}
	}
	compat := func(verb string) object {
		return object{"type": "docker", "image": "compat", "system": true, "entrypoint": "compat", "args": []string{"duplicity", verb, "/mnt/backup", "/data"},
			"mounts": object{"BACKUP": "/mnt/backup", "main": "/data"}, "io-format": "yaml"}
	}
	script := object{"type": "script", "args": []string{}}
	manifest["id"], manifest["title"], manifest["version"] = early, "Early notes", version
	manifest["main"] = docker("lighttpd", "-D", "-f", "/mnt/web/lighttpd.conf")
	page := docker("test", "-s", "/data/www/index.html")
	page["name"], page["success-message"] = "Page", "It is there"
	manifest["health-checks"] = object{"web": object{"name": "Web", "success-message": nil, "type": "script", "args": []string{}}, "page": page}
	manifest["config"] = object{"get": script, "set": script}
	manifest["properties"] = script
	manifest["volumes"] = object{"main": object{"type": "data"}, "web": object{"type": "assets"}}
	manifest["interfaces"] = object{"main": object{"name": "Notes", "description": "The notes", "tor-config": object{"port-mapping": object{"80": "8080"}},
		"lan-config": object{"443": object{"ssl": true, "internal": 8080}}, "ui": true, "protocols": []string{"tcp", "http"}}}
	manifest["backup"] = object{"create": compat("create"), "restore": compat("restore")}
	manifest["migrations"] = object{"from": object{"*": object{"type": "script", "args": []string{"from"}}}, "to": object{"*": object{"type": "script", "args": []string{"to"}}}}
	manifest["actions"] = object{"count": object{"name": "Count", "description": "Counts", "warning": nil, "allowed-statuses": []string{"running", "stopped"}, "input-spec": nil,
		"implementation": docker("sh", "-c", `echo '{"version":"0","message":"Counted","value":"42","copyable":true,"qr":false}'`)}}
	manifest["dependencies"] = object{}
	manifest["hardware-requirements"] = object{"device": object{}, "ram": nil, "arch": nil}
}
