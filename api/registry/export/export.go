// Package export is what a registry is as files: an export that any web server, CDN or stick can carry, since nothing of it
// is believed for where it comes from. It is a repository of The Update Framework (TUF) with consistent snapshots:
//
//	N.root.json             whose keys count, signed by the keys of the root before and by its own
//	timestamp.json          which snapshot is the newest; it expires first
//	V.snapshot.json         which list belongs to it
//	V.targets.json          every file below targets/ with its length and SHA-256
//	targets/H.info.json     what the registry is             H is the file's SHA-256; the names in the list are without it
//	targets/H.packages.json what it has, without pictures
//	targets/packages/H.ID.json   one package with all its versions
//	targets/files/H.NAME.s9pk    package files, named by what identifies them
//
//	export.go  names and errors
//	place.go   where an export lies
//	read.go    from a root that somebody has confirmed to a list of files that nobody else can have made
//	browse.go  what it has
//	write.go   making one, and making it anew
//	keys.go    the keys that sign it
//	check.go   what is looked at before the library reads it
//
// A reader keeps root, timestamp and snapshot between two looks (Trust): without them nobody can tell whether what is shown
// is older than what was there before. It trusts no clock but the caller's, reads nothing longer than was signed, and waits
// for nothing that comes too slowly. What is listed has the signatures of its packagers, too; whether those count is for
// others to decide. There are no delegations: one party signs an export.
package export

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

// Limits of what is read.
const (
	maxRoot      = 64 << 10
	maxTimestamp = 16 << 10
	maxSnapshot  = 64 << 10
	maxTargets   = 64 << 20
	maxInfo      = 1 << 20
	maxPackage   = 8 << 20
	maxPackages  = 512 << 20
	maxFile      = 1 << 40
	maxEntries   = 200_000
	maxRoots     = 256 // one after the other
	maxKeys      = 32
)

// Names of what is listed.
const (
	infoName     = "info.json"
	packagesName = "packages.json"
)

func packageName(id string) string { return "packages/" + id + ".json" }

func fileName(name string) string { return "files/" + name + ".s9pk" }

// consistent is where a listed file lies.
func consistent(name, sum string) string {
	dir, base := path.Split(name)
	return "targets/" + dir + sum + "." + base
}

func rootName(version int64) string     { return fmt.Sprintf("%d.root.json", version) }
func snapshotName(version int64) string { return fmt.Sprintf("%d.snapshot.json", version) }
func targetsName(version int64) string  { return fmt.Sprintf("%d.targets.json", version) }

const timestampName = "timestamp.json"

// Kind says what is wrong with an export.
type Kind int

// What can be wrong.
const (
	Unreachable Kind = iota // its place does not answer
	Incomplete              // a file that should be there is not
	Endless                 // a file is longer than was signed, or than may be
	Slow                    // next to nothing arrives
	OtherRoot               // it begins with another root than the confirmed one
	Signature               // something is not signed by those who count
	Rollback                // it is older than what was there before
	Expired                 // it is older than its signers wanted anybody to believe it
	Mixed                   // its parts are of different times
	Content                 // a file is another than the signed one
	Unlisted                // it names a file that is not in the signed list
	Invalid                 // it cannot be read
)

// Error is why an export is not believed.
type Error struct {
	Kind Kind
	File string // in which file it was seen
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.File, e.Err) }

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Err }

func wrong(kind Kind, file, format string, args ...any) *Error {
	return &Error{kind, file, fmt.Errorf(format, args...)}
}

// Fingerprint is the SHA-256 of a root as people compare it.
func Fingerprint(root []byte) string {
	sum := sha256.Sum256(root)
	text := strings.ToUpper(hex.EncodeToString(sum[:]))
	var pairs []string
	for ; text != ""; text = text[2:] {
		pairs = append(pairs, text[:2])
	}
	return strings.Join(pairs, ":")
}

// sameFingerprint compares fingerprints however they were typed.
func sameFingerprint(a, b string) bool {
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s)) }
	return plain(a) == plain(b)
}
