package servertest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

// Package makes a real, signed package file in a folder of the test and returns its path. On a played machine nothing of
// it is run, so its code and its image are not there to be. change, where given, changes the manifest.
func Package(t testing.TB, id string, change func(manifest map[string]any)) string {
	t.Helper()
	return PackageWith(t, id, change, nil)
}

// PackageWith makes a package file in which files, by their paths, stand in place of those that Package puts there.
func PackageWith(t testing.TB, id string, change func(manifest map[string]any), files map[string]string) string {
	t.Helper()
	manifest := map[string]any{
		"id": id, "version": "1.0.0:0", "title": id, "canMigrateTo": "!", "canMigrateFrom": "*", "releaseNotes": "The first.", "license": "MIT",
		"description": map[string]any{"short": "A package for tests", "long": "It is played."}, "osVersion": "0.4.0-beta.9",
		"packageRepo": "https://example.org/package", "upstreamRepo": "https://example.org/upstream", "volumes": []string{"main"},
		"images":       map[string]any{"main": map[string]any{"source": "packed", "arch": []string{"aarch64", "x86_64"}, "emulateMissingAs": "aarch64"}},
		"dependencies": map[string]any{}, "hardwareRequirements": map[string]any{"device": []any{}, "ram": nil, "arch": nil},
	}
	if change != nil {
		change(manifest)
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]merkle.Source{}
	for path, content := range map[string]string{
		"icon.svg": "<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "LICENSE.md": "MIT", "instructions.md": "None.", "javascript.squashfs": "code", "assets.squashfs": "",
		"images/aarch64/main.squashfs": "image", "images/aarch64/main.json": "{}", "images/aarch64/main.env": "", "images/x86_64/main.squashfs": "image", "images/x86_64/main.json": "{}", "images/x86_64/main.env": "",
	} {
		members[path] = s9pk.FromBytes([]byte(content))
	}
	for path, content := range files {
		members[path] = s9pk.FromBytes([]byte(content))
	}
	path := filepath.Join(t.TempDir(), id+".s9pk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := s9pk.Build(t.Context(), f, s9pk.BuildInput{Manifest: raw, Members: members, Key: sign.FromSeed([32]byte{7})}); err != nil {
		t.Fatal(err)
	}
	return path
}
