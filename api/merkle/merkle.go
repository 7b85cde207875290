// Package merkle reads and writes the signed tree inside a package file: directories of named files, where one hash
// vouches for every name, size and byte below it.
//
// A directory is a table of contents. Each entry has the BLAKE3 hash of a file's bytes, or, for a directory, its sighash:
// the hash of its table with every child written as if it were missing. So neither positions nor the order in the file
// are signed, and a copy without some members still carries the original signature.
//
//	table     uvarint count, then per entry
//	entry     uvarint length, name, 32 bytes hash, u64 size, u8 kind
//	          kind 0  missing     nothing more
//	          kind 1  file        u64 position of its bytes
//	          kind 2  directory   u64 position and u64 length of its table
//
// Integers are big-endian, positions count from the first byte of the file the tree lies in. The size of a directory is
// the length its table had when it was signed.
//
// The package knows nothing of signatures, headers or manifests; package s9pk does. Invariants: an Archive exists only if
// every table in it is well formed, lies inside the file, overlaps nothing and hashes to what its parent says; the bytes
// of a file are not vouched for by that, but no reader made here gives the last of them before their hash was right.
package merkle

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zeebo/blake3"
)

// Hash is a BLAKE3-256 hash.
type Hash [32]byte

// Sum hashes b.
func Sum(b []byte) Hash { return blake3.Sum256(b) }

var nameEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String is the hash as 52 characters of lower-case base32, the form used in file names.
func (h Hash) String() string { return nameEncoding.EncodeToString(h[:]) }

// Hex is the hash as 64 hexadecimal digits.
func (h Hash) Hex() string { return hex.EncodeToString(h[:]) }

// Kind is what an entry is; its values are those of the wire.
type Kind uint8

// The kinds of an entry. A Missing one was left out of this copy and keeps the hash and size it was signed with.
const (
	Missing Kind = 0
	File    Kind = 1
	Dir     Kind = 2
)

// Limits bound what a foreign tree may cost. A zero field means the default.
type Limits struct {
	Depth   int   // directories below each other, the root included
	Entries int   // entries of all directories together
	Table   int64 // bytes of one table
	Tables  int64 // bytes of all tables together
	Name    int   // bytes of one name
}

// DefaultLimits leave room for some hundred times what packages in the wild have; they stand in for zero fields.
func DefaultLimits() Limits {
	return Limits{Depth: 8, Entries: 16384, Table: 1 << 20, Tables: 4 << 20, Name: 255}
}

func (l Limits) orDefault() Limits {
	set := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&l.Depth, DefaultLimits().Depth)
	set(&l.Entries, DefaultLimits().Entries)
	set(&l.Name, DefaultLimits().Name)
	if l.Table <= 0 {
		l.Table = DefaultLimits().Table
	}
	if l.Tables <= 0 {
		l.Tables = DefaultLimits().Tables
	}
	return l
}

// Reason says why something was refused. The set is closed: package s9pk lists all of them.
type Reason string

// The reasons this package gives.
const (
	Truncated      Reason = "TRUNCATED"         // a region reaches past the end of the file
	Malformed      Reason = "MALFORMED_TABLE"   // a table cannot be parsed
	Overlap        Reason = "OVERLAP"           // two regions share bytes
	BadName        Reason = "BAD_NAME"          // a name that is no single path segment
	DuplicateName  Reason = "DUPLICATE_NAME"    // two entries of one directory have the same name
	TooDeep        Reason = "TOO_DEEP"          // directories are nested beyond the limit
	TooManyEntries Reason = "TOO_MANY_ENTRIES"  // more entries than the limit
	TooLarge       Reason = "TOO_LARGE"         // a table or a member is larger than allowed
	HashMismatch   Reason = "HASH_MISMATCH"     // a table or a file is not what was signed
	Unsigned       Reason = "UNSIGNED_BYTES"    // bytes that belong to no table and no member
	NotFound       Reason = "MEMBER_NOT_FOUND"  // no such file in this copy
	NotFile        Reason = "MEMBER_NOT_FILE"   // a directory where a file is needed
	Unreadable     Reason = "UNREADABLE"        // the medium failed; the tree itself may be fine
	Broken         Reason = "CONNECTION_BROKEN" // the connection it is read by broke; the tree itself may be fine
)

// ErrBroken is what readers wrap for a connection that ended before the bytes had come, so that it is not taken for the end
// of the file.
var ErrBroken = errors.New("the connection broke")

// ReadError answers the refusal for an error of the reader of a file, path being the member it was about.
func ReadError(path string, err error) error {
	switch {
	case errors.Is(err, ErrBroken):
		return &Error{Reason: Broken, Path: path, Why: "it could not be read to its end", Err: err}
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(Truncated, path, "the file ends in the middle of it")
	}
	return &Error{Reason: Unreadable, Path: path, Why: "the file cannot be read", Err: err}
}

// Error is a refusal with its reason. Path is the member it is about, "" for the tree as a whole.
type Error struct {
	Reason Reason
	Path   string
	Why    string
	Err    error // cause, for Unreadable and where another parser refused
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("cannot accept ")
	if e.Path == "" {
		b.WriteString("the package")
	} else {
		fmt.Fprintf(&b, "%q in the package", short(e.Path))
	}
	b.WriteString(": ")
	b.WriteString(e.Why)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf answers the reason of the first Error in err's chain, or "" when there is none.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func refuse(reason Reason, path, format string, args ...any) error {
	return &Error{Reason: reason, Path: path, Why: fmt.Sprintf(format, args...)}
}

// short cuts text that goes into messages; names in a tree may be long.
func short(s string) string {
	const enough = 160
	if len(s) <= enough {
		return s
	}
	return strings.ToValidUTF8(s[:enough], "") + "…"
}
