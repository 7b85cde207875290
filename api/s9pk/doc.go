// Package s9pk reads, checks and writes package files of the second S9PK format, byte for byte as StartOS does.
//
// It deliberately runs no programs and unpacks nothing: file systems inside a package are made by others and used in
// place, through Section. It does not decide whom to trust; it neither fetches nor reads the first format, which packages
// fetch and legacy do. Every refusal carries a Reason of a closed set, so that its cause can be told to a person and acted
// upon.
//
// # The file
//
// All integers are big-endian, all positions count from the first byte of the file.
//
//	  0    3   3b 3b and the version of the format, 02
//	  3   32   Ed25519 public key of the signer
//	 35   64   signature
//	 99   32   sighash of the root directory
//	131    8   length of the root table when it was signed ("maxsize")
//	139    8   position of the root table
//	147    8   length of the root table in this file
//	155        tables and members, see package merkle
//
// The signature is Ed25519ph with context "s9pk" over sighash and maxsize, 40 bytes. Those two numbers are the commitment:
// who knows them can recognise the package whoever serves it, and a registry signs nothing else. The sighash covers names,
// sizes and hashes of all members but neither their order nor their positions, so a copy that lacks the images of other
// machines is still the same package under the same signature.
//
// # The members
//
//	manifest.json                            required, see Manifest
//	icon.<ext>                               required, an image
//	LICENSE.md                               required
//	instructions.md                          required when packing
//	javascript.squashfs                      required, the package's code
//	assets.squashfs                          optional
//	dependencies/<package>/metadata.json     optional, the title of a dependency
//	dependencies/<package>/icon.<ext>        optional
//	images/<arch>/<image>.squashfs           per image and architecture
//	images/<arch>/<image>.json               its working directory, user, entry point and command, and
//	                                         by which signal that ends, unless by SIGTERM
//	images/<arch>/<image>.env                its environment, one K=V a line
//
// A host of one architecture needs the images of that architecture, or of the one the manifest says to emulate.
//
// # The order of the bytes
//
// Nothing is aligned and nothing is padded: squashfs members begin at any byte, which loop devices accept. The tree is
// written breadth first, so everything a catalogue shows (manifest, icon, texts) comes before the large images. Two
// orders exist for the members of the root: by name in a freshly packed file, and by priority (manifest, icon, license,
// instructions, code, assets) in one that was rewritten. Both are valid everywhere and have the same signature.
//
// # What is verified when
//
// Open verifies the signature, the commitment where one is known, and every table; it reads and verifies the manifest.
// Bytes of other members are verified by reading them through Open of the Archive or all at once by VerifyAll. Until one
// of these has run, Section points to bytes nobody vouches for.
package s9pk
