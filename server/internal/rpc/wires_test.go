package rpc_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

// wire is one way to make a unary call. An error is a fault as the wire tells it.
type wire struct {
	name string
	call func(t testing.TB, s *server, token string, method protoreflect.MethodDescriptor, in, out proto.Message) (header map[string]string, err error)
}

func wires() []wire {
	return []wire{
		{"grpc unix", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return native(dialUnix(t, s.unix), token, m, in, out)
		}},
		{"grpc tls", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return native(s.dialTLS(t, s.grpc), token, m, in, out)
		}},
		{"grpc web port", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return native(s.dialTLS(t, s.web), token, m, in, out)
		}},
		{"connect json unix", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return connectJSON(httpUnix(t, s.unix), "http://x", token, m, in, out)
		}},
		{"connect json", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return connectJSON(s.httpTLS(t), "https://"+s.web, token, m, in, out)
		}},
		{"connect proto", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return connectProto(s.httpTLS(t), "https://"+s.web, token, m, in, out)
		}},
		{"grpc-web", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return grpcWeb(s.httpTLS(t), "https://"+s.web, token, m, in, out)
		}},
		{"grpc-web unix", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return grpcWeb(httpUnix(t, s.unix), "http://x", token, m, in, out)
		}},
		{"rest", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return rest(s.httpTLS(t), "https://"+s.web, token, m, in, out)
		}},
		{"jsonrpc", func(t testing.TB, s *server, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
			return jsonRPC(s.httpTLS(t), "https://"+s.web, token, string(m.FullName()), in, out)
		}},
	}
}

func procedure(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

func native(conn grpc.ClientConnInterface, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
	var header metadata.MD
	err := conn.Invoke(bearer(context.Background(), token), procedure(m), in, out, grpc.Header(&header))
	got := map[string]string{}
	for k, v := range header {
		got[http.CanonicalHeaderKey(k)] = v[0]
	}
	return got, fault.FromStatus(err)
}

func bearer(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func send(client *http.Client, method, url, token, contentType string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp, data, err
}

func headers(h http.Header) map[string]string {
	got := map[string]string{}
	for k := range h {
		got[k] = h.Get(k)
	}
	return got
}

func connectJSON(c *http.Client, base, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
	body, _ := protojson.Marshal(in)
	resp, data, err := send(c, "POST", base+procedure(m), token, "application/json", body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != 200 {
		return nil, connectFault(data)
	}
	return headers(resp.Header), protojson.Unmarshal(data, out)
}

func connectProto(c *http.Client, base, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
	body, _ := proto.Marshal(in)
	resp, data, err := send(c, "POST", base+procedure(m), token, "application/proto", body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != 200 {
		return nil, connectFault(data)
	}
	return headers(resp.Header), proto.Unmarshal(data, out)
}

// connectFault reads the fault out of the body of a refused Connect call.
func connectFault(data []byte) error {
	var body struct {
		Details []struct {
			Type  string
			Value string
		}
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return fmt.Errorf("%w: %s", err, data)
	}
	for _, d := range body.Details {
		if d.Type == "hearth.meta.v1.Fault" {
			raw, err := base64.RawStdEncoding.DecodeString(d.Value)
			f := &metav1.Fault{}
			if err := errors.Join(err, proto.Unmarshal(raw, f)); err != nil {
				return err
			}
			return fault.FromProto(f)
		}
	}
	return fmt.Errorf("no fault in %s", data)
}

func envelope(flag byte, data []byte) []byte {
	b := append([]byte{flag}, binary.BigEndian.AppendUint32(nil, uint32(len(data)))...)
	return append(b, data...)
}

// envelopes splits a body of length-prefixed messages.
func envelopes(data []byte) (flags []byte, messages [][]byte) {
	for len(data) >= 5 {
		n := int(binary.BigEndian.Uint32(data[1:5]))
		flags, messages = append(flags, data[0]), append(messages, data[5:5+n])
		data = data[5+n:]
	}
	return flags, messages
}

func grpcWeb(c *http.Client, base, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
	body, _ := proto.Marshal(in)
	resp, data, err := send(c, "POST", base+procedure(m), token, "application/grpc-web+proto", envelope(0, body))
	if err != nil {
		return nil, err
	}
	trailer := resp.Header.Clone()
	flags, messages := envelopes(data)
	for i, msg := range messages {
		if flags[i] == 0 {
			if err := proto.Unmarshal(msg, out); err != nil {
				return nil, err
			}
			continue
		}
		for line := range strings.SplitSeq(strings.TrimSpace(string(msg)), "\r\n") {
			k, v, _ := strings.Cut(line, ":")
			trailer.Set(k, strings.TrimSpace(v))
		}
	}
	if trailer.Get("Grpc-Status") == "0" {
		return headers(resp.Header), nil
	}
	return nil, statusFault(trailer.Get("Grpc-Status-Details-Bin"))
}

func rest(c *http.Client, base, token string, m protoreflect.MethodDescriptor, in, out proto.Message) (map[string]string, error) {
	method, path, body := "GET", "/api/v1/packages", []byte(nil)
	switch req := in.(type) {
	case *packagesv1.ListPackagesRequest:
		path += fmt.Sprintf("?pageSize=%d", req.GetPageSize())
	case *packagesv1.GetPackageRequest:
		path += "/" + req.GetId()
	case *packagesv1.StartPackageRequest:
		method, path, body = "POST", path+"/"+req.GetId()+":start", []byte("{}")
	case *packagesv1.CreateUploadRequest:
		method, path = "POST", path+":createUpload"
		body, _ = protojson.Marshal(req)
	case *operationsv1.GiveUpOperationRequest:
		method, path, body = "POST", "/api/v1/operations/"+req.GetId()+":giveUp", []byte("{}")
	case *actionsv1.RunActionRequest:
		method, path = "POST", path+"/"+req.GetPackageId()+"/actions/"+req.GetActionId()+":run"
		body, _ = protojson.Marshal(&actionsv1.RunActionRequest{Input: req.GetInput()})
	default:
		return nil, fmt.Errorf("no route for %T", in)
	}
	resp, data, err := send(c, method, base+path, token, "application/json", body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != 200 {
		return nil, jsonFault(data)
	}
	return headers(resp.Header), protojson.Unmarshal(data, out)
}

// jsonFault reads a fault with the member "code" beside its own.
func jsonFault(data []byte) error {
	f := &metav1.Fault{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, f); err != nil {
		return fmt.Errorf("%w: %s", err, data)
	}
	var with struct{ Code string }
	if err := json.Unmarshal(data, &with); err != nil || with.Code != fault.Info(f.GetReason()).GetCode().String() {
		return fmt.Errorf("fault %s has code %q", data, with.Code)
	}
	return fault.FromProto(f)
}

func jsonRPC(c *http.Client, base, token, method string, in, out proto.Message) (map[string]string, error) {
	params, _ := protojson.Marshal(in)
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	resp, data, err := send(c, "POST", base+"/jsonrpc", token, "application/json", []byte(body))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Data json.RawMessage }
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, jsonFault(answer.Error.Data)
	}
	return headers(resp.Header), protojson.Unmarshal(answer.Result, out)
}

func methodOf(name string) protoreflect.MethodDescriptor {
	return packagesv1.File_hearth_packages_v1_packages_proto.Services().ByName("PackageService").Methods().ByName(protoreflect.Name(name))
}

func TestSameAnswerOnEveryWire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	want, _ := packages{}.ListPackages(t.Context(), nil)
	for _, w := range wires() {
		t.Run(w.name, func(t *testing.T) {
			got := &packagesv1.ListPackagesResponse{}
			header, err := w.call(t, s, "viewer", methodOf("ListPackages"), &packagesv1.ListPackagesRequest{PageSize: 5}, got)
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if header["Hearth-Revision"] != "42" {
				t.Errorf("hearth-revision is %q", header["Hearth-Revision"])
			}
		})
	}
}

func TestSameRefusalOnEveryWire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	cases := []struct {
		name, token, method string
		in                  proto.Message
		out                 proto.Message
		want                *metav1.Fault
	}{
		{"wrong token", "stolen", "ListPackages", &packagesv1.ListPackagesRequest{}, &packagesv1.ListPackagesResponse{},
			&metav1.Fault{Reason: metav1.Reason_REASON_UNAUTHENTICATED, Message: "cannot accept the token"}},
		{"role too small", "viewer", "StartPackage", &packagesv1.StartPackageRequest{Id: "hello"}, &packagesv1.StartPackageResponse{},
			&metav1.Fault{
				Reason: metav1.Reason_REASON_PERMISSION_DENIED, Message: "cannot call this with the role of the credential",
				Metadata: map[string]string{"needed": "ROLE_OPERATOR", "role": "ROLE_VIEWER"},
			}},
		{"not valid", "admin", "CreateUpload", &packagesv1.CreateUploadRequest{}, &packagesv1.CreateUploadResponse{},
			&metav1.Fault{
				Reason: metav1.Reason_REASON_INVALID_ARGUMENT, Message: "cannot accept the request: size: must be greater than 0",
				Violations: []*metav1.Violation{{Field: "size", Message: "must be greater than 0"}},
			}},
		{"from the service", "viewer", "GetPackage", &packagesv1.GetPackageRequest{Id: "none"}, &packagesv1.GetPackageResponse{},
			&metav1.Fault{Reason: metav1.Reason_REASON_PACKAGE_NOT_FOUND, Message: `there is no package "none"`, Metadata: map[string]string{"package": "none"}}},
	}
	for _, w := range wires() {
		for _, c := range cases {
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				_, err := w.call(t, s, c.token, methodOf(c.method), c.in, c.out)
				if got := faultOf(t, err); !proto.Equal(got, c.want) {
					t.Errorf("got  %v (%v)\nwant %v", got, err, c.want)
				}
			})
		}
	}
}

func TestDefectsAreLoggedAndNotSent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, w := range wires() {
		for _, id := range []string{"panic", "secret", "other-process", "other-process-wrapped"} {
			t.Run(w.name+"/"+id, func(t *testing.T) {
				_, err := w.call(t, s, "viewer", methodOf("GetPackage"), &packagesv1.GetPackageRequest{Id: id}, &packagesv1.GetPackageResponse{})
				f := fault.Proto(err)
				if f.GetReason() != metav1.Reason_REASON_INTERNAL || strings.Contains(f.GetMessage(), "EOF") || strings.Contains(f.GetMessage(), "a defect of") == false {
					t.Fatalf("got %v", f)
				}
				if id := f.GetMetadata()["request_id"]; id == "" || !strings.Contains(s.log.String(), id) {
					t.Errorf("request id %q is not in the log", id)
				}
			})
		}
	}
}

func TestOtherProcessesAnswerInTheirOwnWords(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, w := range wires() {
		for id, want := range map[string]*metav1.Fault{
			"other-process-gone":  {Reason: metav1.Reason_REASON_UNAVAILABLE, Message: "a part of the server does not answer right now"},
			"other-process-fault": {Reason: metav1.Reason_REASON_SERVICE_NOT_READY, Message: "not yet"},
		} {
			_, err := w.call(t, s, "viewer", methodOf("GetPackage"), &packagesv1.GetPackageRequest{Id: id}, &packagesv1.GetPackageResponse{})
			if got := faultOf(t, err); !proto.Equal(got, want) {
				t.Errorf("%s, %s: got %v", w.name, id, got)
			}
		}
	}
}

func TestNobodyIsRefusedOnEveryListener(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, w := range wires() {
		if strings.Contains(w.name, "unix") {
			continue // the peer is this process's own user
		}
		for _, method := range []string{"ListPackages", "GetPackage", "StartPackage"} {
			m := methodOf(method)
			in := map[string]proto.Message{
				"ListPackages": &packagesv1.ListPackagesRequest{}, "GetPackage": &packagesv1.GetPackageRequest{Id: "x"},
				"StartPackage": &packagesv1.StartPackageRequest{Id: "x"},
			}[method]
			_, err := w.call(t, s, "", m, in, &packagesv1.ListPackagesResponse{})
			if !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
				t.Errorf("%s %s: got %v", w.name, method, err)
			}
		}
	}
}

func TestLocalUserIsAdministrator(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, w := range wires() {
		if !strings.Contains(w.name, "unix") {
			continue
		}
		for token, want := range map[string]map[string]string{
			"":         {"caller": "local", "role": optionsv1.Role_ROLE_OWNER.String()},
			"operator": {"caller": "token-operator", "role": optionsv1.Role_ROLE_OPERATOR.String()},
		} {
			got := &packagesv1.StartPackageResponse{}
			if _, err := w.call(t, s, token, methodOf("StartPackage"), &packagesv1.StartPackageRequest{Id: "hello"}, got); err != nil {
				t.Fatal(err)
			}
			for k, v := range want {
				if labels := got.GetPackage().GetMeta().GetLabels(); labels[k] != v {
					t.Errorf("%s with token %q: %s is %q, want %q", w.name, token, k, labels[k], v)
				}
			}
		}
	}
}

// statusFault reads the fault out of the trailer of a refused gRPC-Web call.
func statusFault(detailsBin string) error {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(detailsBin, "="))
	st := &spb.Status{}
	if err := errors.Join(err, proto.Unmarshal(raw, st)); err != nil {
		return err
	}
	return fault.FromStatus(status.FromProto(st).Err())
}

// Whoever shows what is not valid is refused, though what he shows beside it, or who he is on the machine, would do.
func TestACredentialThatIsNotValidIsRefusedOnEveryWire(t *testing.T) {
	t.Parallel()
	const cookie = "__Host-hearth-test"
	s := newServer(t, func(c *rpc.Config) { c.Cookie = func() string { return cookie } })
	in, m := &packagesv1.ListPackagesRequest{}, methodOf("ListPackages")
	for name, c := range map[string]struct {
		conn  grpc.ClientConnInterface
		token string
	}{"unix": {dialUnix(t, s.unix), ""}, "tls": {s.dialTLS(t, s.grpc), "admin"}, "web port": {s.dialTLS(t, s.web), "admin"}} {
		for _, pair := range [][]string{{access.HalfHeader, "nope"}, {access.HalfHeader, ""}, {"Cookie", cookie + "=nope"}, nil} {
			ctx := metadata.AppendToOutgoingContext(bearer(t.Context(), c.token), pair...)
			err := c.conn.Invoke(ctx, procedure(m), in, &packagesv1.ListPackagesResponse{})
			// To the ports of a browser the cookie comes unasked and shows nothing.
			good := pair == nil || name == "web port" && pair[0] == "Cookie"
			if good && err != nil || !good && !fault.Is(fault.FromStatus(err), metav1.Reason_REASON_UNAUTHENTICATED) {
				t.Errorf("native gRPC on %s with %q: %v", name, pair, err)
			}
		}
	}
	for name, c := range map[string]struct {
		client      *http.Client
		base, token string
	}{"unix": {httpUnix(t, s.unix), "http://x", ""}, "web port": {s.httpTLS(t), "https://" + s.web, "Bearer admin"}} {
		for path, contentType := range map[string]string{
			procedure(m): "application/json", "/api/v1/packages": "", "/jsonrpc": "application/json",
		} {
			for _, pair := range [][]string{{access.HalfHeader, "nope"}, {access.HalfHeader, ""}, {"Cookie", cookie + "=nope"}, nil} {
				method, body := http.MethodGet, ""
				if contentType != "" {
					method, body = http.MethodPost, `{"jsonrpc":"2.0","id":1,"method":"`+string(m.FullName())+`","params":{}}`
				}
				if path == procedure(m) {
					body = "{}"
				}
				req := must(http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(body)))(t)
				req.Header.Set("Content-Type", contentType)
				if c.token != "" {
					req.Header.Set("Authorization", c.token)
				}
				if pair != nil {
					req.Header[pair[0]] = []string{pair[1]}
				}
				resp := must(c.client.Do(req))(t)
				answer := must(io.ReadAll(resp.Body))(t)
				resp.Body.Close()
				good := pair == nil || name == "web port" && pair[0] == "Cookie"
				if refused := strings.Contains(string(answer), "UNAUTHENTICATED") || resp.StatusCode == http.StatusUnauthorized; refused == good {
					t.Errorf("%s%s with %q: %d %s", name, path, pair, resp.StatusCode, answer)
				}
			}
		}
	}
}
