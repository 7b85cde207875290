package codec

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Once says that a member came twice.
const Once = "may be there once only"

// MustBe says what a value of a field must be, to those whose value could not be read.
func MustBe(fd protoreflect.FieldDescriptor) string {
	if fd.IsMap() {
		fd = fd.MapValue()
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return "must be a string of valid UTF-8"
	case protoreflect.BoolKind:
		return "must be true or false"
	case protoreflect.EnumKind:
		var names []string
		values := fd.Enum().Values()
		for i := range values.Len() {
			if values.Get(i).Number() != 0 {
				names = append(names, string(values.Get(i).Name()))
			}
		}
		return "must be one of " + strings.Join(names, ", ")
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return "must be a whole number of 32 bits"
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return "must be a whole number of 64 bits"
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "must be a whole number of 32 bits, and not below 0"
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "must be a whole number of 64 bits, and not below 0"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "must be a number"
	case protoreflect.BytesKind:
		return "must be base64"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		switch fd.Message().FullName() {
		case "google.protobuf.Timestamp":
			return "must be a time as in 2026-01-31T12:00:00Z"
		case "google.protobuf.Duration":
			return "must be a duration as in 90s"
		}
	}
	return "must be another value"
}
