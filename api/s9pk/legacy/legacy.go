// Package legacy reads package files of the first S9PK format, that of StartOS 0.3, so that they can be converted.
//
//	legacy.go    header, sections, signature
//	manifest.go  the manifest, and what it becomes
//	images.go    the archives of images
//
// It writes nothing and installs nothing: there is no other use for such a file than to become one of the second format.
// Refusals carry the reasons of package s9pk. Invariants: sections lie behind the header, within the file, and share no
// bytes; nothing of a File was verified before Verify answered without an error, since the one signature covers all bytes.
//
// # The file
//
//	  0    3   3b 3b 01
//	  3   32   Ed25519 public key of the signer
//	 35   64   signature, Ed25519ph with context "s9pk" over everything behind the table
//	 99    4   length of the table
//	103        table: for each section u8 length of its name, name, u64 position, u64 length
package legacy

import (
	"cmp"
	"context"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

// The sections of a file.
const (
	SectionManifest     = "manifest"
	SectionLicense      = "license"
	SectionInstructions = "instructions"
	SectionIcon         = "icon"
	SectionImages       = "docker_images"
	SectionAssets       = "assets"
	SectionScripts      = "scripts"
)

const (
	fixedHeader = 103
	maxTable    = 4096
	// MaxText bounds manifest, license and instructions, MaxIcon the icon and MaxScripts the code.
	MaxText    = 1 << 20
	MaxIcon    = 16 << 20
	MaxScripts = 64 << 20
	// MaxFile bounds a whole file, of which a header could announce any length.
	MaxFile = 64 << 30
)

func names() []string {
	return []string{SectionManifest, SectionLicense, SectionInstructions, SectionIcon, SectionImages, SectionAssets, SectionScripts}
}

// section is the place of a section.
type section struct {
	name           string
	offset, length int64
}

// File is a package file of the first format. It is safe for concurrent use as long as the reader below is.
type File struct {
	file      io.ReaderAt
	size      int64
	signer    sign.PublicKey
	signature sign.Signature
	body      int64 // where the signed bytes begin
	sections  map[string]section
	manifest  *Manifest
	raw       []byte // the manifest as JSON
}

func refuse(reason s9pk.Reason, path, why string, err error) error {
	return &s9pk.Error{Reason: reason, Path: path, Why: why, Err: err}
}

// Open reads header, table and manifest. The size of a stream may be a bound: then End tells what to open it with, before
// it is verified.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{file: r, size: size, sections: make(map[string]section)}
	head, err := f.read("", 0, fixedHeader)
	if err != nil && len(head) < 3 {
		return nil, refuse(s9pk.NotPackage, "", "it is not an S9PK file", nil)
	}
	switch {
	case head[0] != 0x3b || head[1] != 0x3b:
		return nil, refuse(s9pk.NotPackage, "", "it is not an S9PK file", nil)
	case head[2] != 1:
		return nil, refuse(s9pk.UnknownFormat, "", "it is not in the first S9PK format", nil)
	case err != nil:
		return nil, err
	}
	f.signer, f.signature = sign.PublicKey(head[3:35]), sign.Signature(head[35:99])
	if f.signer.SmallOrder() {
		return nil, refuse(s9pk.WeakKey, "", "its signer's key is of small order and proves nothing", nil)
	}
	length := binary.BigEndian.Uint32(head[99:])
	if length > maxTable {
		return nil, refuse(s9pk.TooLarge, "", "its table is larger than is allowed", nil)
	}
	table, err := f.read("", fixedHeader, int64(length))
	if err != nil {
		return nil, err
	}
	f.body = fixedHeader + int64(length)
	if err := f.parseTable(table); err != nil {
		return nil, err
	}
	if err := f.checkRegions(); err != nil {
		return nil, err
	}
	return f, f.readManifest()
}

// Is tells whether a file begins like one of the first format.
func Is(r io.ReaderAt) bool {
	var head [3]byte
	n, _ := r.ReadAt(head[:], 0)
	return n == len(head) && head == [3]byte{0x3b, 0x3b, 1}
}

// read reads bytes of the file; what there is of them is answered with the error.
func (f *File) read(path string, offset, length int64) ([]byte, error) {
	if offset > f.size || length > f.size-offset {
		length = max(f.size-offset, 0)
		b := make([]byte, min(length, fixedHeader))
		n, _ := f.file.ReadAt(b, offset)
		return b[:n], refuse(s9pk.Truncated, path, "the file ends in the middle of it", nil)
	}
	b := make([]byte, length)
	n, err := f.file.ReadAt(b, offset)
	if n == len(b) {
		return b, nil
	}
	return b[:n], merkle.ReadError(path, err)
}

func (f *File) parseTable(table []byte) error {
	short := refuse(s9pk.Malformed, "", "its table is cut short", nil)
	for len(table) > 0 {
		n := int(table[0])
		if len(table) < 1+n+16 {
			return short
		}
		s := section{name: string(table[1 : 1+n])}
		table = table[1+n:]
		offset, length := binary.BigEndian.Uint64(table), binary.BigEndian.Uint64(table[8:])
		table = table[16:]
		if offset > math.MaxInt64 || length > math.MaxInt64 {
			return refuse(s9pk.Malformed, "", "a number in its table is out of range", nil)
		}
		s.offset, s.length = int64(offset), int64(length)
		if !slices.Contains(names(), s.name) {
			return refuse(s9pk.UnknownMember, "", "it has a section of an unknown name", nil)
		}
		if _, double := f.sections[s.name]; double {
			return refuse(s9pk.DuplicateName, s.name, "it appears twice", nil)
		}
		f.sections[s.name] = s
	}
	for _, name := range names() {
		if _, ok := f.sections[name]; !ok && name != SectionScripts {
			return refuse(s9pk.MissingMember, name, "a package must have one", nil)
		}
	}
	return nil
}

// checkRegions holds the sections against the file and each other; one without bytes may stand anywhere.
func (f *File) checkRegions() error {
	var list []section
	for _, s := range f.sections {
		if s.length == 0 {
			continue
		}
		if s.offset > f.size || s.length > f.size-s.offset {
			return refuse(s9pk.Truncated, s.name, "it reaches past the end of the file", nil)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(x, y section) int { return cmp.Compare(x.offset, y.offset) })
	end, before := f.body, "the header"
	for _, s := range list {
		if s.offset < end {
			return refuse(s9pk.Overlap, s.name, "it shares bytes with "+before, nil)
		}
		end, before = s.offset+s.length, s.name
	}
	if end > MaxFile {
		return refuse(s9pk.TooLarge, "", fmt.Sprintf("it has %d bytes and may have %d", end, int64(MaxFile)), nil)
	}
	return nil
}

// Section gives the bytes of a section, none when the file lacks it.
func (f *File) Section(name string) *io.SectionReader {
	s := f.sections[name]
	return io.NewSectionReader(f.file, s.offset, s.length)
}

// ReadSection answers the bytes of a section of at most limit bytes.
func (f *File) ReadSection(name string, limit int64) ([]byte, error) {
	s := f.sections[name]
	if s.length > limit {
		return nil, refuse(s9pk.TooLarge, name, fmt.Sprintf("it has %d bytes and may have %d", s.length, limit), nil)
	}
	return f.read(name, s.offset, s.length)
}

// Sections answers the names and lengths of the sections, in the order of the bytes.
func (f *File) Sections() (names []string, lengths []int64) {
	list := make([]section, 0, len(f.sections))
	for _, s := range f.sections {
		list = append(list, s)
	}
	slices.SortFunc(list, func(x, y section) int {
		return cmp.Or(cmp.Compare(x.offset, y.offset), cmp.Compare(x.name, y.name))
	})
	for _, s := range list {
		names, lengths = append(names, s.name), append(lengths, s.length)
	}
	return names, lengths
}

// End is where the last section ends, which is where the file does, too.
func (f *File) End() int64 {
	end := f.body
	for _, s := range f.sections {
		if s.length > 0 {
			end = max(end, s.offset+s.length)
		}
	}
	return end
}

// Signer is the key the package was signed with.
func (f *File) Signer() sign.PublicKey { return f.signer }

// Verify reads the whole file and checks its signature. progress, when not nil, is called with bytes done and in total.
func (f *File) Verify(ctx context.Context, progress func(done, total int64)) error {
	hash, buf := sha512.New(), make([]byte, 256<<10)
	total := f.size - f.body
	for done := int64(0); done < total; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		part := buf[:min(total-done, int64(len(buf)))]
		n, err := f.file.ReadAt(part, f.body+done)
		if n < len(part) {
			return merkle.ReadError("", err)
		}
		_, _ = hash.Write(part)
		done += int64(n)
		if progress != nil {
			progress(done, total)
		}
	}
	// The length of a stream is not known, so the file is asked.
	if n, _ := f.file.ReadAt(make([]byte, 1), f.size); n > 0 {
		return refuse(s9pk.Unsigned, "", "it goes on behind its last section", nil)
	}
	if f.signer.VerifyDigest(sign.ContextPackage, sign.Digest(hash.Sum(nil)), f.signature) != nil {
		return refuse(s9pk.BadSignature, "", "its signature does not match its bytes", nil)
	}
	return nil
}
