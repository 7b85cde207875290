package s9pk

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/sign"
)

// HeaderSize is the length of the fixed beginning of a file; it is all that Header needs.
const HeaderSize = 155

// MaxRootTable bounds the root table of a package whose commitment is not known beforehand.
const MaxRootTable = 1 << 20

const (
	formatOld     = 1
	formatCurrent = 2
)

// Header is the fixed beginning of a file. One that ParseHeader answered has a valid signature.
type Header struct {
	Signer     sign.PublicKey
	Signature  sign.Signature
	Commitment Commitment
	// Position and Length are those of the root table; they are not signed.
	Position, Length int64
}

// Commitment identifies a package: whoever has the same one has the same package.
type Commitment struct {
	RootSighash merkle.Hash
	RootMaxSize int64
}

// Name is the commitment's hash as text for file names and messages, 52 lower-case characters.
func (c Commitment) Name() string { return c.RootSighash.String() }

// Message is what a signer of the package signs.
func (c Commitment) Message() []byte {
	return binary.BigEndian.AppendUint64(c.RootSighash[:len(c.RootSighash):len(c.RootSighash)], uint64(c.RootMaxSize))
}

type commitmentJSON struct {
	RootSighash string `json:"rootSighash"`
	RootMaxsize uint64 `json:"rootMaxsize"`
}

// MarshalJSON writes the form registries use.
func (c Commitment) MarshalJSON() ([]byte, error) {
	return json.Marshal(commitmentJSON{base64.RawStdEncoding.EncodeToString(c.RootSighash[:]), uint64(c.RootMaxSize)})
}

// UnmarshalJSON reads the form registries use; the hash may be padded.
func (c *Commitment) UnmarshalJSON(data []byte) error {
	var in commitmentJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	encoding := base64.RawStdEncoding
	if len(in.RootSighash)%4 == 0 {
		encoding = base64.StdEncoding
	}
	hash, err := encoding.DecodeString(in.RootSighash)
	if err != nil || len(hash) != len(c.RootSighash) || in.RootMaxsize > math.MaxInt64 {
		return fmt.Errorf("cannot read a commitment: its hash or size is malformed")
	}
	*c = Commitment{merkle.Hash(hash), int64(in.RootMaxsize)}
	return nil
}

// ParseHeader reads the first HeaderSize bytes of a file and verifies the signature in them. Fewer bytes are a truncated
// file.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < 3 || b[0] != 0x3b || b[1] != 0x3b {
		return Header{}, refuse(NotPackage, "it is not an S9PK file")
	}
	switch {
	case b[2] == formatOld:
		return Header{}, refuse(OldFormat, "it is in the first S9PK format and must be converted")
	case b[2] != formatCurrent:
		return Header{}, refuse(UnknownFormat, fmt.Sprintf("version %d of the S9PK format is unknown", b[2]))
	case len(b) < HeaderSize:
		return Header{}, refuse(Truncated, "the file ends in the middle of its header")
	}
	h := Header{
		Signer:    sign.PublicKey(b[3:35]),
		Signature: sign.Signature(b[35:99]),
	}
	h.Commitment.RootSighash = merkle.Hash(b[99:131])
	for i, field := range []*int64{&h.Commitment.RootMaxSize, &h.Position, &h.Length} {
		v := binary.BigEndian.Uint64(b[131+8*i:])
		if v > math.MaxInt64 {
			return Header{}, refuse(Malformed, "a number in its header is out of range")
		}
		*field = int64(v)
	}
	if h.Signer.SmallOrder() {
		return Header{}, refuse(WeakKey, "its signer's key is of small order and proves nothing")
	}
	if err := h.Signer.Verify(sign.ContextPackage, h.Commitment.Message(), h.Signature); err != nil {
		return Header{}, refuse(BadSignature, "its signature does not match")
	}
	return h, nil
}

// bytes is the inverse of ParseHeader.
func (h Header) bytes() []byte {
	b := make([]byte, 0, HeaderSize)
	b = append(b, 0x3b, 0x3b, formatCurrent)
	b = append(b, h.Signer[:]...)
	b = append(b, h.Signature[:]...)
	b = append(b, h.Commitment.Message()...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Position))
	return binary.BigEndian.AppendUint64(b, uint64(h.Length))
}

// check holds a header against what is known of the package beforehand.
func (h Header) check(known *Commitment) error {
	switch {
	case known == nil && h.Commitment.RootMaxSize > MaxRootTable:
		return refuse(TooLarge, "its root table is larger than is allowed")
	case known != nil && h.Commitment.RootSighash != known.RootSighash:
		return refuse(OtherPackage, "it is another package than expected")
	case known != nil && h.Commitment.RootMaxSize > known.RootMaxSize:
		return refuse(OtherPackage, "its root table is larger than expected")
	}
	return nil
}
