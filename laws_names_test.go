package laws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Names of the contract become names in Python, Rust, Java and TypeScript. One that is a keyword there, or that two
// things share once it is written as that language writes it, can be reached by tricks alone. buf does not look for it.

func words(s string) []string { return strings.Fields(s) }

// keywords cannot be names as they stand, by language.
var keywords = map[string][]string{
	"Python": words(`False None True and as assert async await break class continue def del elif else except finally for from
		global if import in is lambda nonlocal not or pass raise return try while with yield`),
	"Rust": words(`as break const continue crate else enum extern false fn for if impl in let loop match mod move mut pub ref
		return self Self static struct super trait true type unsafe use where while async await dyn abstract become box do
		final macro override priv typeof unsized virtual yield try gen`),
	"Java": words(`abstract assert boolean break byte case catch char class const continue default do double else enum extends
		final finally float for goto if implements import instanceof int interface long native new package private protected
		public return short static strictfp super switch synchronized this throw throws transient try void volatile while
		true false null`),
	"TypeScript": words(`break case catch class const continue debugger default delete do else enum export extends false
		finally for function if import in instanceof new null return super switch this throw true try typeof var void while
		with yield let static implements interface package private protected public await`),
}

// members are what every object has already: a field or a method of that name hides it or is hidden.
var members = map[string][]string{
	"Java":       words(`getClass hashCode equals clone toString notify notifyAll wait finalize`),
	"TypeScript": words(`constructor toString toLocaleString toJSON valueOf hasOwnProperty isPrototypeOf propertyIsEnumerable prototype`),
}

// libraryTypes are types that generated code or whoever uses it needs by their plain names.
var libraryTypes = map[string][]string{
	"Java":       words(`Object String Integer Long Boolean Double Float Byte Short Character Class Enum Iterable Override Deprecated`),
	"TypeScript": words(`Array Boolean BigInt Date Error Function JSON Map Number Object Promise Proxy Record RegExp Set String Symbol Uint8Array`),
	"Python":     words(`False None True`),
	"Rust":       words(`Self Option Vec Box String Result Some None Ok Err Default Debug Clone Message`),
}

// tolerated are names that stay although a language has them, by what they end with and what is said, each with why.
var tolerated = map[string]string{
	`.package: "package" is taken in Java`:            "read by getPackage()",
	`.package: "package" is taken in TypeScript`:      "a property may have the name; only taking it apart needs another",
	`Request.except: "except" is taken in Python`:     "the parameter of the effects as packages know it, and made for no Python",
	`.type: "type" is taken in Rust`:                  "the parameter as packages know it; Rust writes r#type",
	`EffectsService.Await: "await" is taken in Rust`:  "made for no Rust",
	`Service.Await: "await" is taken in TypeScript`:   "a property may have the name",
	`door.v1.Record: "Record" is taken in TypeScript`: "spoken between two programs in Go",
}

// nameFaults are the names in a file that are not names everywhere.
func nameFaults(fd protoreflect.FileDescriptor) []string {
	f := &names{}
	for _, segment := range strings.Split(string(fd.Package()), ".") {
		f.refuse("package "+string(fd.Package()), segment, keywords, "Python", "Rust", "Java", "TypeScript")
	}
	outer := camel(strings.TrimSuffix(lastSegment(fd.Path()), ".proto"), true) + "OuterClass"
	f.scope(fd.Messages(), fd.Enums(), nil)
	for i := range fd.Messages().Len() {
		if string(fd.Messages().Get(i).Name()) == outer {
			f.tell("%s is what Java calls the class around the file", fd.Messages().Get(i).FullName())
		}
	}
	for i := range fd.Services().Len() {
		s := fd.Services().Get(i)
		f.refuse(string(s.FullName()), string(s.Name()), libraryTypes, "Python", "Rust", "Java", "TypeScript")
		local := make(map[string]protoreflect.FullName)
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			name := camel(snake(string(m.Name())), false)
			f.refuse(string(m.FullName()), string(m.Name()), keywords, "Python")
			f.refuse(string(m.FullName()), snake(string(m.Name())), keywords, "Rust")
			f.refuse(string(m.FullName()), name, keywords, "Java", "TypeScript")
			f.refuse(string(m.FullName()), name, members, "Java", "TypeScript")
			f.once(local, name, m.FullName())
		}
	}
	return f.list
}

// names collects what is wrong with names.
type names struct{ list []string }

func (f *names) tell(format string, args ...any) {
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

// refuse tells of a name that a table has for one of the languages.
func (f *names) refuse(what, name string, table map[string][]string, languages ...string) {
	for _, language := range languages {
		if slices.Contains(table[language], name) {
			f.tell("%s: %q is taken in %s", what, name, language)
		}
	}
}

// once tells of a name that something in the same scope has already.
func (f *names) once(seen map[string]protoreflect.FullName, name string, what protoreflect.FullName) {
	if other, twice := seen[name]; twice && other != what {
		f.tell("%s and %s are both %q", other, what, name)
	}
	seen[name] = what
}

// scope looks at the types declared in one place, within the types around it.
func (f *names) scope(messages protoreflect.MessageDescriptors, enums protoreflect.EnumDescriptors, around []protoreflect.Name) {
	modules := make(map[string]protoreflect.FullName)
	for i := range messages.Len() {
		md := messages.Get(i)
		if md.IsMapEntry() {
			continue
		}
		f.typeName(md, around)
		f.once(modules, snake(string(md.Name())), md.FullName()) // Rust has a module for what is in a message
		f.fields(md)
		f.scope(md.Messages(), md.Enums(), append(slices.Clone(around), md.Name()))
	}
	for i := range enums.Len() {
		f.typeName(enums.Get(i), around)
		f.values(enums.Get(i))
	}
}

func (f *names) typeName(d protoreflect.Descriptor, around []protoreflect.Name) {
	f.refuse(string(d.FullName()), string(d.Name()), libraryTypes, "Python", "Java")
	if len(around) == 0 { // elsewhere Rust has a module around it, and TypeScript the name of the message before it
		f.refuse(string(d.FullName()), string(d.Name()), libraryTypes, "Rust", "TypeScript")
	}
	if slices.Contains(around, d.Name()) {
		f.tell("%s: Java has no class within one of the same name", d.FullName())
	}
}

func (f *names) fields(md protoreflect.MessageDescriptor) {
	getters := make(map[string]protoreflect.FullName)
	for i := range md.Fields().Len() {
		d := md.Fields().Get(i)
		f.refuse(string(d.FullName()), string(d.Name()), keywords, "Python", "Rust")
		f.refuse(string(d.FullName()), d.JSONName(), keywords, "Java", "TypeScript")
		f.refuse(string(d.FullName()), d.JSONName(), members, "TypeScript")
		f.refuse(string(d.FullName()), "get"+camel(string(d.Name()), true), members, "Java")
		for _, getter := range gettersOf(d) {
			f.once(getters, getter, d.FullName())
		}
	}
	// Rust keeps the types in a message and its oneofs in the same module.
	inner := make(map[string]protoreflect.FullName)
	for i := range md.Messages().Len() {
		f.once(inner, string(md.Messages().Get(i).Name()), md.Messages().Get(i).FullName())
	}
	for i := range md.Enums().Len() {
		f.once(inner, string(md.Enums().Get(i).Name()), md.Enums().Get(i).FullName())
	}
	for i := range md.Oneofs().Len() {
		if o := md.Oneofs().Get(i); !o.IsSynthetic() {
			f.once(inner, camel(string(o.Name()), true), o.FullName())
			f.refuse(string(o.FullName()), string(o.Name()), keywords, "Python", "Rust", "TypeScript")
		}
	}
}

// gettersOf are the methods by which Java reads a field.
func gettersOf(d protoreflect.FieldDescriptor) []string {
	name := camel(string(d.Name()), true)
	switch {
	case d.IsMap():
		return []string{name, name + "Map", name + "Count"}
	case d.IsList():
		return []string{name, name + "List", name + "Count"}
	case d.Kind() == protoreflect.StringKind:
		return []string{name, name + "Bytes"}
	case d.Kind() == protoreflect.EnumKind:
		return []string{name, name + "Value"}
	case d.Message() != nil:
		return []string{name, name + "Builder", name + "OrBuilder"}
	}
	return []string{name}
}

// values looks at the values of an enum without what all of them begin with, as Rust and TypeScript call them.
func (f *names) values(ed protoreflect.EnumDescriptor) {
	prefix := strings.ToUpper(snake(string(ed.Name()))) + "_"
	seen := make(map[string]protoreflect.FullName)
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		short := strings.TrimPrefix(string(v.Name()), prefix)
		if short == "" || unicode.IsDigit(rune(short[0])) {
			f.tell("%s: %q begins with no letter", v.FullName(), short)
		}
		variant := camel(strings.ToLower(short), true)
		f.refuse(string(v.FullName()), variant, map[string][]string{"Rust": {"Self"}}, "Rust")
		f.refuse(string(v.FullName()), variant, libraryTypes, "Python")
		f.once(seen, variant, v.FullName())
	}
}

// snake writes a name as Python and Rust do: PutHTTPRoute is put_http_route.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) && runes[i-1] != '_' {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// camel writes a name as Java and TypeScript do: exit_code is exitCode, or ExitCode as the name of a type.
func camel(name string, upper bool) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '_':
			upper = true
		case upper:
			b.WriteRune(unicode.ToUpper(r))
			upper = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestNamesAreNamesInEveryLanguage(t *testing.T) {
	t.Parallel()
	used := make(map[string]bool)
	for _, fd := range contract(t) {
		for _, fault := range nameFaults(fd) {
			known := ""
			for end := range tolerated {
				if strings.HasSuffix(fault, end) {
					known = end
				}
			}
			if used[known] = true; known == "" {
				t.Errorf("%s: give it another name, or the law a reason", fault)
			}
		}
	}
	for end := range tolerated {
		if !used[end] {
			t.Errorf("nothing is named so any more: %s", end)
		}
	}
}

// The law itself: a file in which everything is named badly.
func TestTheLawOfNamesFindsWhatIsTaken(t *testing.T) {
	t.Parallel()
	field := func(name string, n int32, kind descriptorpb.FieldDescriptorProto_Type, label descriptorpb.FieldDescriptorProto_Label) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(n), Type: kind.Enum(), Label: label.Enum()}
	}
	const one, many, text = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED, descriptorpb.FieldDescriptorProto_TYPE_STRING
	inOneof := field("chosen", 9, text, one)
	inOneof.OneofIndex = proto.Int32(0)
	fd, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("hearth/bad/v1/bad_names.proto"), Package: proto.String("hearth.import.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Outer"), Field: []*descriptorpb.FieldDescriptorProto{
				field("from", 1, text, one), field("type", 2, text, one), field("class", 3, text, one), field("to_string", 4, text, one),
				field("item", 5, text, many), field("item_list", 6, text, one), field("name", 7, text, one), field("name_bytes", 8, text, one), inOneof,
			}, OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: proto.String("choice")}}, NestedType: []*descriptorpb.DescriptorProto{
				{Name: proto.String("Outer")}, {Name: proto.String("Choice")},
			}},
			{Name: proto.String("Promise")}, {Name: proto.String("BadNamesOuterClass")}, {Name: proto.String("HTTPRoute")}, {Name: proto.String("HttpRoute")}, {Name: proto.String("Fine")},
		},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("Kind"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("KIND_UNSPECIFIED"), Number: proto.Int32(0)}, {Name: proto.String("KIND_SELF"), Number: proto.Int32(1)}, {Name: proto.String("KIND_2FA"), Number: proto.Int32(2)},
		}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Notify"), InputType: proto.String(".hearth.import.v1.Fine"), OutputType: proto.String(".hearth.import.v1.Fine")},
			{Name: proto.String("Match"), InputType: proto.String(".hearth.import.v1.Fine"), OutputType: proto.String(".hearth.import.v1.Fine")},
			{Name: proto.String("Delete"), InputType: proto.String(".hearth.import.v1.Fine"), OutputType: proto.String(".hearth.import.v1.Fine")},
		}}},
	}, &protoregistry.Files{})
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(nameFaults(fd), "\n")
	for _, want := range []string{
		`"import" is taken in Python`, `Outer.from: "from" is taken in Python`, `Outer.type: "type" is taken in Rust`, `Outer.class: "class" is taken in Java`,
		`Outer.class: "getClass" is taken in Java`, `Outer.to_string: "toString" is taken in TypeScript`, `are both "ItemList"`, `are both "NameBytes"`, `are both "Choice"`,
		`Outer.Outer: Java has no class`, `Promise: "Promise" is taken in TypeScript`, `BadNamesOuterClass is what Java calls`, `are both "http_route"`,
		`KIND_SELF: "Self" is taken in Rust`, `KIND_2FA: "2FA" begins with no letter`, `S.Notify: "notify" is taken in Java`, `S.Match: "match" is taken in Rust`, `S.Delete: "delete" is taken in TypeScript`,
	} {
		if !strings.Contains(found, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(found, "Fine") {
		t.Error("it refuses what is fine")
	}
	if t.Failed() {
		t.Log(found)
	}
}
