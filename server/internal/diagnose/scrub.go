package diagnose

import (
	"regexp"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// secretName matches names of fields and map keys whose values are secret, whoever made them up.
var secretName = regexp.MustCompile(`(?i)password|passwd|passphrase|secret|token|ticket|api_?key|private_?key|credential|(?:recovery|claim)_?code|mnemonic|cookie`)

// Scrub empties the fields of a message that the contract marks as secret, and values of maps whose key says so.
func Scrub(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		secret, _ := proto.GetExtension(f.Options(), optionsv1.E_Secret).(bool)
		switch {
		case secret:
			m.Clear(f)
		case f.IsMap():
			scrubMap(f, v.Map())
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				Scrub(v.List().Get(i).Message())
			}
		default:
			Scrub(v.Message())
		}
		return true
	})
}

func scrubMap(f protoreflect.FieldDescriptor, m protoreflect.Map) {
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		switch {
		case f.MapValue().Message() != nil:
			Scrub(v.Message())
		case f.MapValue().Kind() == protoreflect.StringKind && secretName.MatchString(k.String()):
			m.Set(k, protoreflect.ValueOfString(removed))
		}
		return true
	})
}
