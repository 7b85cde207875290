package s9pk

import (
	"io"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/sign"
)

// Reason says why a package was refused. Reasons lists the whole set.
type Reason = merkle.Reason

// Error is a refusal; use errors.As, or ReasonOf for the reason alone.
type Error = merkle.Error

// The reasons a package file is refused for. Those of package merkle are repeated here, so that callers need one list.
const (
	NotPackage      Reason = "NOT_A_PACKAGE"       // not an S9PK file at all
	OldFormat       Reason = "OLD_FORMAT"          // the first S9PK format, to be converted
	UnknownFormat   Reason = "UNKNOWN_FORMAT"      // a later S9PK format
	WeakKey         Reason = "WEAK_KEY"            // signed with a key that proves nothing
	BadSignature    Reason = "BAD_SIGNATURE"       // the signature does not match
	OtherPackage    Reason = "COMMITMENT_MISMATCH" // not the package that was expected
	BadManifest     Reason = "BAD_MANIFEST"        // manifest.json cannot be understood
	BadMember       Reason = "BAD_MEMBER"          // another described member cannot be understood
	MissingMember   Reason = "MISSING_MEMBER"      // a required member is absent
	UnknownMember   Reason = "UNKNOWN_MEMBER"      // building: a member that has no place in a package
	ArchUnsupported Reason = "ARCH_NOT_SUPPORTED"  // no image for this architecture nor one to emulate
	NewerOS         Reason = "NEWER_SYSTEM_NEEDED" // made for a later system

	Truncated      = merkle.Truncated
	Malformed      = merkle.Malformed
	Overlap        = merkle.Overlap
	BadName        = merkle.BadName
	DuplicateName  = merkle.DuplicateName
	TooDeep        = merkle.TooDeep
	TooManyEntries = merkle.TooManyEntries
	TooLarge       = merkle.TooLarge
	HashMismatch   = merkle.HashMismatch
	Unsigned       = merkle.Unsigned
	NotFound       = merkle.NotFound
	NotFile        = merkle.NotFile
	Unreadable     = merkle.Unreadable
	Broken         = merkle.Broken
)

// Reasons answers the whole closed set, for whoever has to map every one of them.
func Reasons() []Reason {
	return []Reason{
		NotPackage, OldFormat, UnknownFormat, WeakKey, BadSignature, OtherPackage, BadManifest, BadMember, MissingMember,
		UnknownMember, ArchUnsupported, NewerOS, Truncated, Malformed, Overlap, BadName, DuplicateName, TooDeep,
		TooManyEntries, TooLarge, HashMismatch, Unsigned, NotFound, NotFile, Unreadable, Broken,
	}
}

// ReasonOf answers the reason of the first refusal in err's chain, or "" when there is none.
func ReasonOf(err error) Reason { return merkle.ReasonOf(err) }

func refuse(reason Reason, why string) error { return &Error{Reason: reason, Why: why} }

func refuseMember(reason Reason, path, why string, cause error) error {
	return &Error{Reason: reason, Path: path, Why: why, Err: cause}
}

// File is a package file whose signature, tables and manifest have been verified. It is immutable and safe for concurrent
// use as long as the reader below is. The methods of Archive give its members.
type File struct {
	*merkle.Archive
	header   Header
	manifest *Manifest
	raw      []byte
}

// Options tell Open what is known beforehand.
type Options struct {
	// Commitment, when set, must be the file's.
	Commitment *Commitment
	// Limits bound the tables; zero fields are defaults.
	Limits merkle.Limits
}

// Open reads header, tables and manifest of a package file of the given size and verifies them. Nothing else is read. The
// reader must stay open as long as the File is used.
func Open(r io.ReaderAt, size int64, o Options) (*File, error) {
	head := make([]byte, min(HeaderSize, max(size, 0)))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, merkle.ReadError("", err)
	}
	h, err := ParseHeader(head)
	if err != nil {
		return nil, err
	}
	if err := h.check(o.Commitment); err != nil {
		return nil, err
	}
	archive, err := merkle.Read(r, size, merkle.Root{
		Sighash: h.Commitment.RootSighash, MaxSize: h.Commitment.RootMaxSize,
		Position: h.Position, Length: h.Length, Reserved: HeaderSize,
	}, o.Limits)
	if err != nil {
		return nil, err
	}
	f := &File{Archive: archive, header: h}
	if f.raw, err = archive.ReadFile(PathManifest, MaxManifest); err != nil {
		if ReasonOf(err) == NotFound || ReasonOf(err) == NotFile {
			return nil, refuseMember(MissingMember, PathManifest, "a package must have one", nil)
		}
		return nil, err
	}
	if f.manifest, err = ParseManifest(f.raw); err != nil {
		return nil, err
	}
	return f, nil
}

// Manifest answers the parsed manifest. It is shared: do not change it.
func (f *File) Manifest() *Manifest { return f.manifest }

// ManifestJSON answers manifest.json as it stands in the file. It is shared: do not change it.
func (f *File) ManifestJSON() []byte { return f.raw }

// Header answers signer, signature and commitment.
func (f *File) Header() Header { return f.header }

// Commitment identifies the package.
func (f *File) Commitment() Commitment { return f.header.Commitment }

// Signer is the key the package was signed with. Whether it counts is for the caller to decide.
func (f *File) Signer() sign.PublicKey { return f.header.Signer }
