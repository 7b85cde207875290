package startcontainer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hearthos/hearth/api/fault"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
)

// effectsSocket is where the host answers effects.
const effectsSocket = "/run/hearth/effects.sock"

// maxEffectMessage bounds what the host may answer.
const maxEffectMessage = 16 << 20

// effectMethod is a method of hearth.effects.v1 that answers an effect.
type effectMethod struct {
	name string // of the effect, as in "action.create-task"
	desc protoreflect.MethodDescriptor
}

func effectMethods() []effectMethod {
	var out []effectMethod
	methods := effectsv1.File_hearth_effects_v1_effects_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		m := methods.Get(i)
		if name, _ := proto.GetExtension(m.Options(), optionsv1.E_Effect).(string); name != "" {
			out = append(out, effectMethod{name, m})
		}
	}
	slices.SortFunc(out, func(a, b effectMethod) int { return strings.Compare(a.name, b.name) })
	return out
}

// words are the arguments that name the method: "action.create-task" is "action create-task".
func (m effectMethod) words() []string { return strings.Split(m.name, ".") }

func (m effectMethod) usage() string {
	var b strings.Builder
	b.WriteString(strings.Join(m.words(), " "))
	fields := m.desc.Input().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		kind := strings.ToUpper(f.Kind().String())
		if f.Kind() == protoreflect.BytesKind {
			kind = "JSON"
		}
		fmt.Fprintf(&b, " [--%s %s]", flagName(f), kind)
		if f.IsList() {
			b.WriteString("...")
		}
	}
	return b.String()
}

func flagName(f protoreflect.FieldDescriptor) string {
	return strings.ReplaceAll(string(f.Name()), "_", "-")
}

// effect calls the effect that the arguments name and prints its result. Flags of all effects may stand before its name.
func effect(args []string) (int, error) {
	first := 0
	for n := leadingFlags(args); n > 0; n = leadingFlags(args[first:]) {
		first += n
	}
	args = append(slices.Clone(args[first:]), args[:first]...)
	for _, m := range effectMethods() {
		w := m.words()
		if len(args) >= len(w) && slices.Equal(args[:len(w)], w) {
			return 0, m.run(args[len(w):])
		}
	}
	return 0, usageError("unknown command %q", strings.Join(args[:min(2, len(args))], " "))
}

// leadingFlags is how many arguments at the beginning are a flag of all effects, with its value.
func leadingFlags(args []string) int {
	switch {
	case len(args) > 2 && args[0] == "--socket":
		return 2
	case len(args) > 1 && (args[0] == "--json" || strings.HasPrefix(args[0], "--socket=")):
		return 1
	}
	return 0
}

func (m effectMethod) run(args []string) error {
	req, err := newMessage(m.desc.Input())
	if err != nil {
		return err
	}
	set := pflag.NewFlagSet(m.name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	asJSON := set.Bool("json", false, "print the result as JSON")
	socket := set.String("socket", effectsSocket, "where the host answers")
	fields := m.desc.Input().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		set.Var(&fieldFlag{req.ProtoReflect(), f}, flagName(f), "")
		if f.Kind() == protoreflect.BoolKind {
			set.Lookup(flagName(f)).NoOptDefVal = "true"
		}
	}
	if err := set.Parse(args); err != nil {
		if err == pflag.ErrHelp {
			fmt.Println("usage: start-container " + m.usage() + " [--json] [--socket PATH]")
			return err
		}
		return usageError("%s: %v", m.name, err)
	}
	if err := positional(set, fields, set.Args()); err != nil {
		return err
	}
	res, err := newMessage(m.desc.Output())
	if err != nil {
		return err
	}
	if err := call(*socket, m.desc, req, res); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return printResult(os.Stdout, res.ProtoReflect(), *asJSON)
}

// positional gives arguments to the fields that no flag named, in their order; a list takes all that are left. The package
// that an effect is about, where it may be absent and what must be given follows, is left to its flag.
func positional(set *pflag.FlagSet, fields protoreflect.FieldDescriptors, args []string) error {
	for i := 0; i < fields.Len() && len(args) > 0; i++ {
		f := fields.Get(i)
		another := i == 0 && fields.Len() > 1 && f.HasOptionalKeyword() && !fields.Get(1).HasOptionalKeyword()
		if another || set.Changed(flagName(f)) {
			continue
		}
		n := 1
		if f.IsList() {
			n = len(args)
		}
		for _, a := range args[:n] {
			if err := set.Set(flagName(f), a); err != nil {
				return usageError("%s: %v", set.Name(), err)
			}
		}
		args = args[n:]
	}
	if len(args) > 0 {
		return usageError("%s: too many arguments", set.Name())
	}
	return nil
}

func newMessage(d protoreflect.MessageDescriptor) (proto.Message, error) {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		return nil, fmt.Errorf("cannot make a message %s: %w", d.FullName(), err)
	}
	return t.New().Interface(), nil
}

// fieldFlag sets one field of a request.
type fieldFlag struct {
	msg   protoreflect.Message
	field protoreflect.FieldDescriptor
}

func (f *fieldFlag) String() string { return "" }
func (f *fieldFlag) Type() string   { return f.field.Kind().String() }

func (f *fieldFlag) Set(s string) error {
	var v protoreflect.Value
	switch f.field.Kind() {
	case protoreflect.StringKind:
		v = protoreflect.ValueOfString(s)
	case protoreflect.BytesKind:
		if !json.Valid([]byte(s)) {
			return fmt.Errorf("%q is not JSON", s)
		}
		v = protoreflect.ValueOfBytes([]byte(s))
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return err
		}
		v = protoreflect.ValueOfBool(b)
	case protoreflect.Uint32Kind:
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return err
		}
		v = protoreflect.ValueOfUint32(uint32(n))
	default:
		return fmt.Errorf("cannot set a field of kind %v", f.field.Kind())
	}
	if f.field.IsList() {
		f.msg.Mutable(f.field).List().Append(v)
		return nil
	}
	f.msg.Set(f.field, v)
	return nil
}

// call calls a method of the host. It may take as long as the host takes, and ends with SIGINT or SIGTERM.
func call(socket string, m protoreflect.MethodDescriptor, req, res proto.Message) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxEffectMessage), grpc.MaxCallSendMsgSize(maxEffectMessage)))
	if err != nil {
		return fmt.Errorf("cannot reach the host: %w", err)
	}
	defer conn.Close()
	method := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	return fault.FromStatus(conn.Invoke(ctx, method, req, res))
}

// printResult prints what the effect results in: nothing for an effect without a result; text as it is, or quoted as
// JSON; JSON as the host gave it.
func printResult(w io.Writer, res protoreflect.Message, asJSON bool) error {
	field := res.Descriptor().Fields().ByName("value")
	if field == nil {
		if asJSON {
			_, err := fmt.Fprintln(w, "null")
			return err
		}
		return nil
	}
	text := "null"
	switch value := res.Get(field); {
	case field.Kind() == protoreflect.BytesKind && len(value.Bytes()) > 0:
		text = string(value.Bytes())
	case field.Kind() == protoreflect.StringKind && res.Has(field):
		text = value.String()
		if asJSON {
			quoted, err := json.Marshal(text)
			if err != nil {
				return err
			}
			text = string(quoted)
		}
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// mount asks the host for a volume at a place in this container.
func (h hostMount) mount(location string) error {
	target, err := json.Marshal(h)
	if err != nil {
		return err
	}
	m := effectsv1.File_hearth_effects_v1_effects_proto.Services().Get(0).Methods().ByName("Mount")
	return call(effectsSocket, m, &effectsv1.MountRequest{Location: location, Target: target}, &effectsv1.MountResponse{})
}
