package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// maxRequest bounds a request read from standard input.
const maxRequest = 4 << 20

func (a *app) apiCommand() *cobra.Command {
	var fields []string
	var list, describe bool
	c := &cobra.Command{
		Use: "api METHOD [JSON|-]", Short: "Call any method of the server",
		Long: `Call any method of the server and print its answer as JSON, as every wire gives it. A
method that answers with a stream prints one line for each message; one that takes a
stream of requests reads them with '-' from standard input, one a line, as they come.

A method is named by its own name, with its service where that is not enough
(PackageService/ListPackages), or in full. The request is a JSON object, '-' to read it
from standard input, or is put together from fields: -f id=hello, -f spec.name=x for a
message in it, -f list=a -f list=b for several, -f labels.key=value for a map.`,
		Example: `  hearth api ListPackages
  hearth api StartPackage -f id=hello
  hearth api CreateToken '{"name": "laptop", "role": "ROLE_OPERATOR"}'
  hearth api --list
  hearth api --describe InstallPackage`,
		Args: cobra.MaximumNArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeMethod(args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return a.listMethods()
			}
			if len(args) == 0 {
				return wrong("usage.which-method")
			}
			m, err := findMethod(args[0])
			if err != nil {
				return err
			}
			if describe {
				return a.describeMethod(m)
			}
			next, err := a.requests(m, args[1:], fields)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error { return a.call(ctx, c, m, next) })
		},
	}
	c.Flags().StringArrayVarP(&fields, "field", "f", nil, "a field of the request, as name=value; may be repeated")
	c.Flags().BoolVar(&list, "list", false, "list the methods")
	c.Flags().BoolVar(&describe, "describe", false, "show the fields of the method's request and response")
	c.MarkFlagsMutuallyExclusive("list", "describe")
	_ = c.RegisterFlagCompletionFunc("field", func(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return completeField(args, prefix), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	return c
}

// findMethod finds a method by its own name, by Service/Name, or by its full name with a dot or a slash.
func findMethod(name string) (protoreflect.MethodDescriptor, error) {
	want := strings.ReplaceAll(strings.TrimPrefix(name, "/"), "/", ".")
	var found []protoreflect.MethodDescriptor
	for _, m := range publicMethods() {
		if full := string(m.FullName()); full == want || strings.HasSuffix(full, "."+want) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, wrong("usage.unknown-method", "Name", name)
	}
	var all []string
	for _, m := range found {
		all = append(all, shortName(m))
	}
	return nil, wrong("usage.ambiguous-method", "Name", name, "List", strings.Join(all, ", "))
}

// shortName is the shortest name by which findMethod finds a method.
func shortName(m protoreflect.MethodDescriptor) string {
	same, service := 0, 0
	for _, other := range publicMethods() {
		if other.Name() == m.Name() {
			same++
			if other.Parent().Name() == m.Parent().Name() {
				service++
			}
		}
	}
	switch {
	case same == 1:
		return string(m.Name())
	case service == 1:
		return string(m.Parent().Name()) + "/" + string(m.Name())
	}
	return string(m.Parent().FullName()) + "/" + string(m.Name())
}

// requests gives the requests of a call one after the other, and io.EOF after the last.
type requests func() (proto.Message, error)

// requests are what a call sends: one, from the JSON given, from standard input, from fields, or empty; or as many as there are
// lines of standard input where the method takes a stream of them.
func (a *app) requests(m protoreflect.MethodDescriptor, args, fields []string) (requests, error) {
	if m.IsStreamingClient() && len(args) == 1 && args[0] == "-" {
		return a.requestLines(m, fields), nil
	}
	raw := []byte("{}")
	if len(args) == 1 {
		raw = []byte(args[0])
	}
	if len(args) == 1 && args[0] == "-" {
		var err error
		if raw, err = io.ReadAll(io.LimitReader(a.In, maxRequest+1)); err != nil {
			return nil, unable("failed.request", err)
		}
		if len(raw) > maxRequest {
			return nil, wrong("usage.request-large", "Size", size(maxRequest))
		}
	}
	req, err := a.request(m, raw, fields)
	if err != nil {
		return nil, err
	}
	given := false
	return func() (proto.Message, error) {
		if given {
			return nil, io.EOF
		}
		given = true
		return req, nil
	}, nil
}

// requestLines reads a request from each line of standard input.
func (a *app) requestLines(m protoreflect.MethodDescriptor, fields []string) requests {
	lines := bufio.NewScanner(a.In)
	lines.Buffer(nil, maxRequest)
	return func() (proto.Message, error) {
		for lines.Scan() {
			if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
				return a.request(m, line, fields)
			}
		}
		switch err := lines.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			return nil, wrong("usage.request-large", "Size", size(maxRequest))
		case err != nil:
			return nil, unable("failed.request", err)
		}
		return nil, io.EOF
	}
}

// request makes a request of JSON and of fields.
func (a *app) request(m protoreflect.MethodDescriptor, raw []byte, fields []string) (proto.Message, error) {
	req := dynamicpb.NewMessage(m.Input())
	if err := protojson.Unmarshal(raw, req); err != nil {
		return nil, a.described(m, wrong("usage.request-unreadable", "Method", m.Name(), "Why", reworded(err)))
	}
	for _, f := range fields {
		if err := assign(req, f); err != nil {
			return nil, a.described(m, err)
		}
	}
	return req, nil
}

// described adds to what is wrong with a request where the method is described.
func (a *app) described(m protoreflect.MethodDescriptor, err error) error {
	what, said := a.words(err)
	if said != "" {
		what += ": " + said
	}
	return usageError{spoken(what + "; " + a.say("usage.see-describe", map[string]any{"Name": shortName(m)}))}
}

// call calls a method and prints what it answers.
func (a *app) call(ctx context.Context, c *hearth.Client, m protoreflect.MethodDescriptor, next requests) error {
	path := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	if !m.IsStreamingServer() && !m.IsStreamingClient() {
		req, err := next()
		if err != nil {
			return err
		}
		resp := dynamicpb.NewMessage(m.Output())
		if err := c.Conn().Invoke(ctx, path, req, resp); err != nil {
			return err
		}
		return a.printMessage(resp, a.output == "table")
	}
	calling, end := context.WithCancelCause(ctx)
	defer end(nil)
	stream, err := c.Conn().NewStream(calling, &grpc.StreamDesc{StreamName: string(m.Name()), ServerStreams: true, ClientStreams: true}, path)
	if err != nil {
		return err
	}
	// Nobody waits for it: it may wait for standard input, and ends with the program.
	go func() {
		if err := send(stream, next); err != nil {
			end(err)
		}
	}()
	for {
		resp := dynamicpb.NewMessage(m.Output())
		if err := stream.RecvMsg(resp); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err() // the person ended it
		} else if err != nil && calling.Err() != nil {
			return context.Cause(calling) // what could not be sent
		} else if err != nil {
			return err
		}
		if err := a.printMessage(resp, false); err != nil {
			return err
		}
	}
}

// send sends requests until there are no more, or nobody wants them any more.
func send(stream grpc.ClientStream, next requests) error {
	for {
		req, err := next()
		switch {
		case errors.Is(err, io.EOF):
			return stream.CloseSend()
		case err != nil:
			return err
		}
		if err := stream.SendMsg(req); errors.Is(err, io.EOF) {
			return nil // what it ended with is received
		} else if err != nil {
			return err
		}
	}
}

// printMessage prints a message as the JSON of the wires, over several lines for people. It is never cut down to an id: what is
// told only once may be anywhere in it.
func (a *app) printMessage(m proto.Message, indent bool) error {
	raw, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return err
	}
	if a.quiet {
		_, err := fmt.Fprintf(a.Out, "%s\n", raw)
		return err
	}
	if !indent {
		return a.printRow(json.RawMessage(raw))
	}
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(json.RawMessage(raw))
}

// completeMethod completes the names of methods.
func completeMethod(args []string) []string {
	var list []string
	if len(args) == 0 {
		for _, m := range publicMethods() {
			list = append(list, shortName(m)+"\t"+string(m.Parent().FullName()))
		}
	}
	return list
}

// who is who may call a method, as a word.
func who(m protoreflect.MethodDescriptor) string {
	switch access := access(m); {
	case access.GetAnonymous():
		return "anyone"
	case access.GetLocal():
		return "local"
	default:
		return word(access.GetRole())
	}
}

func (a *app) listMethods() error {
	var table [][]string
	for _, m := range publicMethods() {
		answers := "once"
		if m.IsStreamingServer() {
			answers = "stream"
		}
		if a.rows() {
			row := map[string]any{"id": string(m.FullName()), "name": shortName(m), "role": who(m), "stream": m.IsStreamingServer()}
			if err := a.printRow(row); err != nil {
				return err
			}
			continue
		}
		table = append(table, []string{shortName(m), string(m.Parent().FullName()), who(m), answers})
	}
	if a.rows() {
		return nil
	}
	return a.table([]string{"method", "service", "role", "answers"}, table)
}

// describeMethod shows what goes into a method and what comes out.
func (a *app) describeMethod(m protoreflect.MethodDescriptor) error {
	in, out := describeMessage(m.Input(), nil), describeMessage(m.Output(), nil)
	if a.rows() {
		return a.printRow(map[string]any{
			"id": string(m.FullName()), "name": shortName(m), "role": who(m), "stream": m.IsStreamingServer(), "request": in, "response": out,
		})
	}
	answers := ""
	if m.IsStreamingServer() {
		answers = ", stream"
	}
	fmt.Fprintf(a.Out, "%s/%s (%s%s)\n", m.Parent().FullName(), m.Name(), who(m), answers)
	for _, part := range []struct {
		head   string
		fields []described
	}{{"request", in}, {"response", out}} {
		var table [][]string
		for _, f := range part.fields {
			table = append(table, []string{"  " + f.Name, f.Type, strings.Join(f.Values, " ")})
		}
		if len(table) == 0 {
			table = append(table, []string{"  -", "", ""})
		}
		if err := a.table([]string{part.head, "type", "values"}, table); err != nil {
			return err
		}
	}
	return nil
}

// described is a field for people and for scripts.
type described struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Values []string `json:"values,omitempty"`
}

// describeMessage lists the fields of a message and of those in it, as -f names them. within are the messages around it:
// one that holds itself is not opened again.
func describeMessage(md protoreflect.MessageDescriptor, within []protoreflect.FullName) []described {
	var list []described
	for i := range md.Fields().Len() {
		f := md.Fields().Get(i)
		d := described{Name: f.JSONName(), Type: typeName(f)}
		if f.Kind() == protoreflect.EnumKind {
			d.Values = enumWords(f.Enum())
		}
		list = append(list, d)
		inner := f.Message()
		if inner == nil || f.IsMap() || wellKnown(inner) || slices.Contains(within, inner.FullName()) || len(within) > 4 {
			continue
		}
		for _, sub := range describeMessage(inner, append(slices.Clone(within), md.FullName(), inner.FullName())) {
			sub.Name = d.Name + "." + sub.Name
			list = append(list, sub)
		}
	}
	return list
}

// typeName is the type of a field as the contract writes it.
func typeName(f protoreflect.FieldDescriptor) string {
	name := f.Kind().String()
	switch {
	case f.IsMap():
		return "map<" + typeName(f.MapKey()) + ", " + typeName(f.MapValue()) + ">"
	case f.Message() != nil:
		name = string(f.Message().Name())
	case f.Enum() != nil:
		name = string(f.Enum().Name())
	}
	if f.IsList() {
		return "repeated " + name
	}
	return name
}
