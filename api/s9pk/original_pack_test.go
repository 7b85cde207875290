package s9pk_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

// The two programs that the original's pack asks for images, as far as it uses them.
const (
	dockerStandIn = `#!/bin/sh
case $1 in
create) echo made-up ;;
container) echo '{"Env":["PATH=/bin","A=b"],"WorkingDir":"/srv","User":"","Entrypoint":["/bin/tiny"],"Cmd":null}' ;;
export) tar -c --mtime=@0 --owner=0 --group=0 -C "$(dirname "$0")" docker ;;
esac
`
	tar2sqfsStandIn = `#!/bin/sh
for out; do :; done
exec mksquashfs - "$out" -tar -quiet -no-progress >/dev/null
`
	packedCode = `exports.manifest = {id: "tiny", version: "1.0.0:0", canMigrateTo: "!", canMigrateFrom: "*", title: "Tiny",
description: {short: "s", long: "l"}, releaseNotes: {en_US: "r"}, license: "MIT", upstreamRepo: "https://example.com/u",
packageRepo: "https://example.com/p", osVersion: "0.4.0", sdkVersion: "2.0.9",
images: {main: {source: {dockerTag: "x:1"}, arch: ["x86_64"], emulateMissingAs: "x86_64"}}, volumes: ["main"],
dependencies: {other: {description: "why", optional: true, metadata: {title: "Other", icon: "icon.svg"}}},
hardwareRequirements: {device: [], ram: null, arch: ["x86_64"]}}
`
)

// originalPacks has the original pack a project and answers the file and its key.
func originalPacks(t *testing.T) (path string, key sign.PrivateKey, run func(args ...string)) {
	t.Helper()
	tools := os.Getenv("STARTOS_TOOLS")
	if tools == "" {
		t.Skip("needs the original's start-cli: STARTOS_TOOLS is not set")
	}
	for _, program := range []string{"mksquashfs", "git", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bin/docker": dockerStandIn, "bin/tar2sqfs": tar2sqfsStandIn, "p/javascript/index.js": packedCode,
		"p/icon.svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`, "p/LICENSE": "free", "p/instructions.md": "do", "p/assets/a": "a",
		".startos/none": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	execute := func(program string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = filepath.Join(dir, "p")
		cmd.Env = append(os.Environ(), "HOME="+dir, "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v: %s", program, args, err, text)
		}
	}
	keyFile := filepath.Join(dir, "key.pem")
	run = func(args ...string) {
		t.Helper()
		execute(filepath.Join(tools, "start-cli"), append([]string{"--developer-key-path", keyFile}, args...)...)
	}
	run("init-key")
	raw, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".startos/build-key"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	execute("git", "init", "-q")
	execute("git", "-c", "user.email=a@example.com", "-c", "user.name=a", "commit", "-q", "--allow-empty", "-m", "first")
	path = filepath.Join(dir, "tiny.s9pk")
	run("s9pk", "pack", ".", "-o", path)
	if key, err = sign.LoadKey(keyFile); err != nil {
		t.Fatal(err)
	}
	return path, key, run
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What the original packs, edits and converts is read and verified here, and the same input gives the same bytes.
func TestOriginalsFilesAreReadAndReproduced(t *testing.T) {
	t.Parallel()
	path, key, run := originalPacks(t)
	packed := readFile(t, path)
	f := open(t, packed)
	if err := f.VerifyAll(t.Context(), nil); err != nil || f.Signer() != key.Public() {
		t.Fatal(err)
	}
	again := build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members(t, f), Key: key, Order: s9pk.ByName})
	if !bytes.Equal(again, packed) {
		t.Error("the same members and key give other bytes than the original's pack")
	}
	l, err := f.Layout("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	if title, err := f.DependencyTitle(l.Dependencies["other"]); err != nil || title.In("") != "Other" {
		t.Error(title, err)
	}

	run("s9pk", "convert", path)
	if converted := readFile(t, path); !bytes.Equal(converted, rewrite(t, f, nil, s9pk.Priority)) {
		t.Error("the original converts its own package otherwise")
	}
	run("s9pk", "edit", path, "manifest", `.title = "Changed"`)
	edited := open(t, readFile(t, path))
	if err := edited.VerifyAll(t.Context(), nil); err != nil || edited.Manifest().Title != "Changed" {
		t.Fatal(edited.Manifest().Title, err)
	}
	m := *f.Manifest()
	m.Title = "Changed"
	manifest, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var ours bytes.Buffer
	if _, err := f.Edit(t.Context(), &ours, s9pk.EditInput{Manifest: manifest, Key: key}); err != nil || !bytes.Equal(ours.Bytes(), readFile(t, path)) {
		t.Errorf("the same edit gives other bytes than the original's, %v", err)
	}
	signed := save(t, nil)
	out, err := os.Create(signed)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := f.Sign(t.Context(), out, testKey(), s9pk.Priority); err != nil {
		t.Fatal(err)
	}
	run("s9pk", "convert", signed)
	if again := open(t, readFile(t, signed)); again.Signer() != testKey().Public() || again.Commitment() != f.Commitment() {
		t.Error("the original changed a package that was signed again")
	}
}

// The reader inside the SDK was written apart from the original's host and from us.
func TestReaderOfTheSDKAcceptsWhatIsWrittenHere(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "node_modules/@start9labs/start-sdk")); err != nil {
		t.Skip("needs the npm package @start9labs/start-sdk: npm install")
	}
	f := open(t, testdata(t, "packed-order.s9pk"))
	written := map[string][]byte{
		"built":       build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members(t, f), Key: testKey()}),
		"by name":     build(t, s9pk.BuildInput{Manifest: f.ManifestJSON(), Members: members(t, f), Key: testKey(), Order: s9pk.ByName}),
		"large":       buildLarge(t, 300<<10),
		"rewritten":   rewrite(t, open(t, testdata(t, "real-images.s9pk")), nil, s9pk.Priority),
		"one machine": filtered(t, "real-images.s9pk", "x86_64"),
	}
	names := slices.Sorted(maps.Keys(written))
	args := []string{filepath.Join(root, "api/s9pk/testdata/read.cjs")}
	for _, name := range names {
		args = append(args, save(t, written[name]))
	}
	cmd := exec.CommandContext(t.Context(), node, args...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the reader refuses one of %q: %v: %s%s", names, err, out, stderr.Bytes())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(names) {
		t.Fatalf("%d answers for %d files: %s", len(lines), len(names), out)
	}
	for i, name := range names {
		checkSeen(t, name, []byte(lines[i]), open(t, written[name]))
	}
}

// checkSeen compares what the other reader saw in a package with what ours does.
func checkSeen(t *testing.T, name string, line []byte, ours *s9pk.File) {
	t.Helper()
	var seen struct {
		Manifest              json.RawMessage
		License, Instructions string
		Files                 map[string]int64
		Dependencies          map[string]any
	}
	if err := json.Unmarshal(line, &seen); err != nil {
		t.Fatalf("%s: %s: %v", name, line, err)
	}
	license, err := ours.ReadFile(s9pk.PathLicense, 1<<20)
	if err != nil || seen.License != string(license) {
		t.Errorf("%s: license %q, %v", name, seen.License, err)
	}
	if m, err := s9pk.ParseManifest(seen.Manifest); err != nil || m.Version.String() != ours.Manifest().Version.String() || m.ID != ours.Manifest().ID {
		t.Errorf("%s: manifest %s, %v", name, seen.Manifest, err)
	}
	if len(seen.Dependencies) != len(ours.Manifest().Dependencies) {
		t.Errorf("%s: dependencies %v", name, seen.Dependencies)
	}
	for e := range ours.All() {
		if e.Kind == merkle.File && seen.Files[e.Path] != e.Size {
			t.Errorf("%s: %s has %d bytes there and %d here", name, e.Path, seen.Files[e.Path], e.Size)
		}
	}
}
