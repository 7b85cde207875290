package store

import (
	"fmt"
	"math"
	"slices"
	"sync"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Row is a message with the option hearth.options.v1.kind.
type Row interface {
	proto.Message
	GetMeta() *metav1.Meta
}

// KindInfo is what the contract says about a kind of rows.
type KindInfo struct {
	Number     uint16
	ID         string
	Durability optionsv1.Durability
	// ReadRole is the least role that may read rows; ROLE_UNSPECIFIED: the kind is internal.
	ReadRole optionsv1.Role
	// Personal: each row belongs to the account whose id its own begins with, and only that may read it.
	Personal bool
	// OfPackage: the first segment of a row's id is the package the row is of.
	OfPackage bool

	message protoreflect.MessageType
}

// New makes an empty row of the kind.
func (k KindInfo) New() Row { return k.message.New().Interface().(Row) }

// Ephemeral tells whether rows live in memory only.
func (k KindInfo) Ephemeral() bool {
	return k.Durability == optionsv1.Durability_DURABILITY_EPHEMERAL
}

// Kinds answers all kinds whose generated code is linked into this program, ordered by number. It panics when two share
// a number or a name, or a message with the option is no row: the contract is broken then.
func Kinds() []KindInfo {
	all := make([]KindInfo, 0, len(kinds().ordered))
	for _, k := range kinds().ordered {
		all = append(all, *k)
	}
	return all
}

type kindTable struct {
	ordered   []*KindInfo
	byNumber  map[uint16]*KindInfo
	byID      map[string]*KindInfo
	byMessage map[protoreflect.FullName]*KindInfo
}

// kinds is computed once: generated code registers itself before main begins, and never later.
var kinds = sync.OnceValue(func() *kindTable {
	t := &kindTable{
		byNumber: make(map[uint16]*KindInfo), byID: make(map[string]*KindInfo),
		byMessage: make(map[protoreflect.FullName]*KindInfo),
	}
	protoregistry.GlobalTypes.RangeMessages(func(m protoreflect.MessageType) bool {
		if k := kindOf(m); k != nil {
			t.add(k)
		}
		return true
	})
	slices.SortFunc(t.ordered, func(a, b *KindInfo) int { return int(a.Number) - int(b.Number) })
	return t
})

func (t *kindTable) add(k *KindInfo) {
	if other, taken := t.byNumber[k.Number]; taken {
		panic(fmt.Sprintf("kinds %q and %q have the same number", k.ID, other.ID))
	}
	if _, taken := t.byID[k.ID]; taken {
		panic(fmt.Sprintf("two kinds have the name %q", k.ID))
	}
	t.ordered = append(t.ordered, k)
	t.byNumber[k.Number], t.byID[k.ID], t.byMessage[k.message.Descriptor().FullName()] = k, k, k
}

func kindOf(m protoreflect.MessageType) *KindInfo {
	opts := m.Descriptor().Options()
	if !proto.HasExtension(opts, optionsv1.E_Kind) {
		return nil
	}
	k := proto.GetExtension(opts, optionsv1.E_Kind).(*optionsv1.Kind)
	_, isRow := m.Zero().Interface().(Row)
	if !isRow || k.GetNumber() == 0 || k.GetNumber() > math.MaxUint16 || k.GetId() == "" ||
		k.GetDurability() == optionsv1.Durability_DURABILITY_UNSPECIFIED {
		panic(fmt.Sprintf("message %s has a kind that is not whole", m.Descriptor().FullName()))
	}
	return &KindInfo{
		Number: uint16(k.GetNumber()), ID: k.GetId(), Durability: k.GetDurability(), ReadRole: k.GetReadRole(),
		Personal: k.GetPersonal(), OfPackage: k.GetOfPackage(), message: m,
	}
}

// kindFor answers the kind of a row type; a type without one is a defect of the caller.
func kindFor[T Row]() *KindInfo {
	var zero T
	return kindOfRow(zero)
}

func kindOfRow(row Row) *KindInfo {
	name := row.ProtoReflect().Descriptor().FullName()
	k, ok := kinds().byMessage[name]
	if !ok {
		panic(fmt.Sprintf("message %s is not a kind", name))
	}
	return k
}

// durableKind is kindFor for rows on disk.
func durableKind[T Row]() *KindInfo {
	k := kindFor[T]()
	if k.Ephemeral() {
		panic(fmt.Sprintf("kind %q is ephemeral and takes no part in transactions", k.ID))
	}
	return k
}

// ephemeralKind is kindFor for rows in memory.
func ephemeralKind[T Row]() *KindInfo {
	k := kindFor[T]()
	if !k.Ephemeral() {
		panic(fmt.Sprintf("kind %q is durable and changes in transactions only", k.ID))
	}
	return k
}
