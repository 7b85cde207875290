package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/api/s9pk/legacy/legacytest"
)

// hearthHere runs the program in this process and answers what it printed.
func hearthHere(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.WithoutCancel(t.Context()), args, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("hearth %v ends with %d: %s", args, code, errs.String())
	}
	return out.String()
}

func layerOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		text := ""
		if h.Typeflag == tar.TypeReg {
			text, h.Linkname = h.Linkname, ""
			h.Size = int64(len(text))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// saved is what "docker save" wrote for an architecture: image main of two layers, and the tar of the root they make.
func saved(t *testing.T, arch string) (archive, root []byte) {
	t.Helper()
	tool := tar.Header{Typeflag: tar.TypeReg, Name: "bin/tool", Linkname: "for " + arch, Mode: 0o4755, Uid: 3, Gid: 4,
		PAXRecords: map[string]string{"SCHILY.xattr.user.note": "two words"}}
	null := tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3}
	again := tar.Header{Typeflag: tar.TypeLink, Name: "bin/again", Linkname: "bin/tool"}
	sh := tar.Header{Typeflag: tar.TypeSymlink, Name: "sh", Linkname: "bin/tool", Mode: 0o777}
	folders := []tar.Header{{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755}, {Typeflag: tar.TypeDir, Name: "dev/", Mode: 0o2750, Gid: 9}}
	gone := tar.Header{Typeflag: tar.TypeReg, Name: "gone", Mode: 0o644}
	hide := tar.Header{Typeflag: tar.TypeReg, Name: ".wh.gone", Mode: 0o644}
	layers := [][]byte{layerOf(t, append(slices.Clone(folders), tool, null, gone, again)...), layerOf(t, hide, sh)}
	var digests, names []string
	files := map[string]string{}
	for _, l := range layers {
		sum := sha256.Sum256(l)
		name := hex.EncodeToString(sum[:])
		digests, names = append(digests, "sha256:"+name), append(names, name+"/layer.tar")
		files[name+"/layer.tar"] = string(l)
	}
	config, err := json.Marshal(map[string]any{"architecture": arch, "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": digests},
		"config": map[string]any{"Env": []string{"PATH=/bin", "A=b"}, "WorkingDir": "/srv", "Entrypoint": []string{"/bin/tiny"}}})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(config)
	configName := hex.EncodeToString(sum[:]) + ".json"
	list, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{"start9/ghost/main:5.79.1.2"}, "Layers": names}})
	if err != nil {
		t.Fatal(err)
	}
	files[configName], files["manifest.json"] = string(config), string(list)
	return legacytest.Tar(files), layerOf(t, append(slices.Clone(folders), tool, null, sh, again)...)
}

// oldPackage writes a package of the first format whose main runs in an image, for machines of some architectures; nil is all.
func oldPackage(t *testing.T, images []byte, archs []string) string {
	t.Helper()
	all := legacytest.Sections(legacytest.Manifest(func(m legacytest.Object) {
		m["main"] = legacytest.Object{"type": "docker", "image": "main", "entrypoint": "tool", "mounts": legacytest.Object{"main": "/data"}}
		// Dependencies that go on under another name are named so here, and not by the original.
		m["dependencies"] = legacytest.Object{"mysql": legacytest.Object{"version": "^8.0.0", "requirement": legacytest.Object{"type": "required"}, "description": "keeps the texts"}}
		m["health-checks"] = legacytest.Object{"web": legacytest.Object{"name": "Web", "success-message": nil, "type": "script"}}
		m["actions"] = legacytest.Object{"reset": legacytest.Object{"name": "Reset", "description": "all", "warning": nil, "allowed-statuses": []string{"running"},
			"implementation": legacytest.Object{"type": "script"}, "input-spec": legacytest.Object{}}}
		m["hardware-requirements"] = legacytest.Object{"device": legacytest.Object{}, "ram": nil, "arch": archs}
	}))
	all["docker_images"] = images
	path := filepath.Join(t.TempDir(), "old.s9pk")
	if err := os.WriteFile(path, legacytest.Write(all, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
}

// Converting takes the images along: each root is byte for byte what the tar of the same root gives.
func TestImagesOfOldPackagesKeepTheirTrees(t *testing.T) {
	t.Parallel()
	needs(t, "mksquashfs", "node")
	amd, amdRoot := saved(t, "amd64")
	arm, armRoot := saved(t, "arm64")
	two := legacytest.Tar(map[string]string{"multiarch.cbor": "x", "aarch64.tar": string(arm), "x86_64.tar": string(amd)})
	roots := map[string][]byte{"x86_64": amdRoot, "aarch64": armRoot}
	for name, c := range map[string]struct {
		images []byte
		archs  []string
		only   string
		made   []string // the architectures that the package says it is for
	}{
		"one architecture":    {amd, []string{"x86_64"}, "", []string{"x86_64"}},
		"two":                 {two, []string{"aarch64", "x86_64"}, "", []string{"x86_64", "aarch64"}},
		"one chosen of two":   {two, []string{"aarch64"}, "aarch64", []string{"x86_64", "aarch64"}},
		"more than it is for": {two, []string{"x86_64"}, "", []string{"x86_64"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			key, converted := filepath.Join(dir, "key.pem"), filepath.Join(dir, "new.s9pk")
			hearthHere(t, "keys", "init", "--key", key)
			hearthHere(t, "s9pk", "convert", oldPackage(t, c.images, c.made), "--key", key, "--out", converted, "--arch", c.only)
			hearthHere(t, "s9pk", "verify", converted)
			var want, got []string
			for _, arch := range c.archs {
				for _, ext := range []string{"env", "json", "squashfs"} {
					want = append(want, "images/"+arch+"/main."+ext)
				}
				if env := hearthHere(t, "s9pk", "cat", converted, "images/"+arch+"/main.env"); env != "PATH=/bin\nA=b" {
					t.Errorf("%s: environment %q", arch, env)
				}
				if root := hearthHere(t, "s9pk", "cat", converted, "images/"+arch+"/main.squashfs"); root != rootOf(t, roots[arch]) {
					t.Errorf("%s: the root is not that of the layers", arch)
				}
			}
			for line := range strings.Lines(hearthHere(t, "s9pk", "list", converted)) {
				if f := strings.Fields(line); f[0] == "file" && strings.HasPrefix(f[3], "images/") {
					got = append(got, f[3])
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// writeProject writes a package project with one image, and further files.
func writeProject(t *testing.T, dir string, more map[string]string) {
	t.Helper()
	files := map[string]string{
		"LICENSE": "free", "instructions.md": "do", "icon.svg": "<svg/>",
		"javascript/index.js": `exports.manifest = {id: "tiny", version: "1.0.0:0", canMigrateTo: "!", canMigrateFrom: "*", title: "Tiny",
description: {short: "s", long: "l"}, releaseNotes: "r", license: "MIT", upstreamRepo: "https://example.com/u", packageRepo: "https://example.com/p",
osVersion: "0.4.0", sdkVersion: null, images: {main: {source: {dockerTag: "x"}, arch: ["x86_64"], emulateMissingAs: null}}, volumes: [],
dependencies: {}, hardwareRequirements: {device: [], ram: null, arch: null}}`,
	}
	maps.Copy(files, more)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// rootOf packs the tar of a root and answers its squashfs.
func rootOf(t *testing.T, root []byte) string {
	t.Helper()
	dir := t.TempDir()
	writeProject(t, dir, map[string]string{"root.tar": string(root)})
	key, out := filepath.Join(dir, "key.pem"), filepath.Join(dir, "out.s9pk")
	hearthHere(t, "keys", "init", "--key", key)
	hearthHere(t, "s9pk", "pack", dir, "--key", key, "--out", out, "--arch", "x86_64", "--image", "main=tar:"+filepath.Join(dir, "root.tar"))
	return hearthHere(t, "s9pk", "cat", out, "images/x86_64/main.squashfs")
}

// dockerStandIn answers what the original's convert asks docker for. Its root is the one in root.tar.
const dockerStandIn = `#!/bin/sh
case $1 in
run) ;;
load) cat >/dev/null ;;
create) echo made-up ;;
container) echo '{"Env":["PATH=/bin","A=b"],"WorkingDir":"/srv","User":"","Entrypoint":["/bin/tiny"],"Cmd":null}' ;;
export) cat "$(dirname "$0")/root.tar" ;;
esac
`

const tar2sqfsStandIn = `#!/bin/sh
for out; do :; done
exec mksquashfs - "$out" -tar -root-mode 755 -quiet -no-progress >/dev/null
`

// What the original makes of the same file has the same manifest, texts, code, assets and images.
func TestOriginalConvertsOldPackagesAlike(t *testing.T) {
	t.Parallel()
	tools := os.Getenv("STARTOS_TOOLS")
	if tools == "" {
		t.Skip("needs the original's start-cli: STARTOS_TOOLS is not set")
	}
	needs(t, "mksquashfs", "unsquashfs")
	images, root := saved(t, "amd64")
	list, err := cbor.Marshal(map[string]any{"default": "x86_64", "available": []string{"x86_64"}})
	if err != nil {
		t.Fatal(err)
	}
	// One archive alone has its images under the architecture's name at docker there, which no machine looks for.
	old := oldPackage(t, legacytest.Tar(map[string]string{"multiarch.cbor": string(list), "x86_64.tar": string(images)}), []string{"x86_64"})
	dir := t.TempDir()
	for name, text := range map[string]string{"docker": dockerStandIn, "tar2sqfs": tar2sqfsStandIn, "root.tar": string(root)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// It looks for its key in a folder above the one it works in.
	if err := os.Mkdir(filepath.Join(dir, ".startos"), 0o755); err != nil {
		t.Fatal(err)
	}
	key, ours := filepath.Join(dir, ".startos", "build-key"), filepath.Join(dir, "ours.s9pk")
	hearthHere(t, "keys", "init", "--key", key)
	hearthHere(t, "s9pk", "convert", old, "--key", key, "--out", ours)
	cmd := exec.CommandContext(t.Context(), filepath.Join(tools, "start-cli"), "--developer-key-path", key, "s9pk", "convert", old)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	hearthHere(t, "s9pk", "verify", old)
	if diff := cmp.Diff(hearthHere(t, "s9pk", "manifest", old), hearthHere(t, "s9pk", "manifest", ours)); diff != "" {
		t.Error(diff)
	}
	for _, member := range []string{"LICENSE.md", "icon.svg", "images/x86_64/main.env", "images/x86_64/main.json"} {
		if diff := cmp.Diff(hearthHere(t, "s9pk", "cat", old, member), hearthHere(t, "s9pk", "cat", ours, member)); diff != "" {
			t.Errorf("%s: %s", member, diff)
		}
	}
	for _, member := range []string{"javascript.squashfs", "assets.squashfs", "images/x86_64/main.squashfs"} {
		if diff := cmp.Diff(listing(t, old, member), listing(t, ours, member)); diff != "" {
			t.Errorf("%s: %s", member, diff)
		}
	}
}

// listing is what is in a squashfs of a package: modes, owners, sizes, names.
func listing(t *testing.T, file, member string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "member")
	if err := os.WriteFile(path, []byte(hearthHere(t, "s9pk", "cat", file, member)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "unsquashfs", "-llnumeric", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		// Of each file all but the date and time.
		if f := strings.Fields(line); len(f) > 5 {
			list = append(list, strings.Join(slices.Delete(f, len(f)-3, len(f)-1), " "))
		}
	}
	return list
}
