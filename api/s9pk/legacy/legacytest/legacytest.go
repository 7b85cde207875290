// Package legacytest writes packages of the first format, which nothing else makes any more, for tests of what reads them.
package legacytest

import (
	"archive/tar"
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hearthos/hearth/api/sign"
)

// Object is a JSON Object.
type Object = map[string]any

// Manifest is a whole one of a package that runs its script alone; change may alter it.
func Manifest(change func(m Object)) []byte {
	script := Object{"type": "script"}
	m := Object{
		"eos-version": "0.3.5.1", "id": "ghost", "title": "Ghost", "version": "5.79.1.2", "git-hash": nil,
		"description":   Object{"short": "A blog", "long": "A blog of one's own"},
		"assets":        Object{"license": "LICENSE", "icon": "ghost.svg", "instructions": "i.md"},
		"release-notes": "first", "license": "MIT", "wrapper-repo": "https://example.com/w", "upstream-repo": "https://example.com/u",
		"support-site": nil, "marketing-site": nil, "donation-url": "https://example.com/give",
		"main": script, "health-checks": Object{"web": script}, "config": Object{"get": script, "set": script}, "properties": nil,
		"volumes": Object{"main": Object{"type": "data"}, "cert": Object{"type": "certificate"}},
		"backup":  Object{"create": script, "restore": script}, "migrations": Object{"from": Object{"*": script}, "to": Object{}},
		"actions": Object{"reset": Object{"name": "Reset", "implementation": script}},
		"dependencies": Object{
			"mysql": Object{"version": "^8.0.0", "requirement": Object{"type": "required"}, "description": "keeps the texts"},
			"nostr": Object{"version": "*", "requirement": Object{"type": "opt-in", "how": "say so"}, "description": nil},
		},
		"hardware-requirements": Object{"device": Object{"display": "nvidia"}, "ram": 1 << 30, "arch": []string{"x86_64"}},
	}
	if change != nil {
		change(m)
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	raw, err := mode.Marshal(m)
	if err != nil {
		panic(err)
	}
	return raw
}

// Tar is an archive of files.
func Tar(files map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg})
		_, writeErr := io.WriteString(w, files[name])
		if err := errors.Join(err, writeErr); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Sections are those of a package with the manifest.
func Sections(manifest []byte) map[string][]byte {
	return map[string][]byte{
		"manifest": manifest, "license": []byte("free"), "instructions": []byte("do"), "icon": []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
		"docker_images": Tar(nil), "assets": Tar(map[string]string{"compat/a.yaml": "a: 1\n"}), "scripts": []byte("export const main = 1"),
	}
}

// order is that of the sections in the file.
func order() []string {
	return []string{"manifest", "license", "instructions", "icon", "docker_images", "assets", "scripts"}
}

// Write lays a file out as the original did; change may alter it before it is signed.
func Write(all map[string][]byte, change func(file []byte) []byte) []byte {
	table := 0
	for _, name := range order() {
		table += 1 + len(name) + 16
	}
	file := make([]byte, 103, 103+table)
	copy(file, "\x3b\x3b\x01")
	binary.BigEndian.PutUint32(file[99:], uint32(table))
	at := 103 + table
	for _, name := range order() {
		file = append(append(file, byte(len(name))), name...)
		file = binary.BigEndian.AppendUint64(file, uint64(at))
		file = binary.BigEndian.AppendUint64(file, uint64(len(all[name])))
		at += len(all[name])
	}
	for _, name := range order() {
		file = append(file, all[name]...)
	}
	if change != nil {
		file = change(file)
	}
	key := sign.FromSeed([32]byte{1})
	public := key.Public()
	copy(file[3:], public[:])
	if len(file) > 103+table {
		s, err := key.SignDigest("s9pk", sha512.Sum512(file[103+table:]))
		if err != nil {
			panic(err)
		}
		copy(file[35:], s[:])
	}
	return file
}
