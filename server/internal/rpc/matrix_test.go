package rpc_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	certificatesv1 "github.com/hearthos/hearth/api/gen/go/hearth/certificates/v1"
	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	dnsv1 "github.com/hearthos/hearth/api/gen/go/hearth/dns/v1"
	execv1 "github.com/hearthos/hearth/api/gen/go/hearth/exec/v1"
	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	notificationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// public lists the services of the contract that are on public listeners.
func public() []protoreflect.ServiceDescriptor {
	var list []protoreflect.ServiceDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Services().Len() {
			sd := fd.Services().Get(i)
			who, _ := proto.GetExtension(sd.Methods().Get(0).Options(), optionsv1.E_Access).(*optionsv1.Access)
			if strings.HasPrefix(fd.Path(), "hearth/") && who != nil && !who.GetContainer() && !who.GetInternal() {
				list = append(list, sd)
			}
		}
		return true
	})
	return list
}

func empty(md protoreflect.MessageDescriptor) proto.Message {
	mt, err := protoregistry.GlobalTypes.FindMessageByName(md.FullName())
	if err != nil {
		panic(err)
	}
	return mt.New().Interface()
}

// answering makes a service of a descriptor that answers every call with an empty message.
func answering(sd protoreflect.ServiceDescriptor) *grpc.ServiceDesc {
	out := &grpc.ServiceDesc{ServiceName: string(sd.FullName()), HandlerType: (*any)(nil)}
	for i := range sd.Methods().Len() {
		m := sd.Methods().Get(i)
		if m.IsStreamingServer() || m.IsStreamingClient() {
			out.Streams = append(out.Streams, grpc.StreamDesc{
				StreamName: string(m.Name()), ServerStreams: m.IsStreamingServer(), ClientStreams: m.IsStreamingClient(),
				Handler: func(_ any, stream grpc.ServerStream) error {
					if err := stream.RecvMsg(empty(m.Input())); err != nil {
						return err
					}
					return stream.SendMsg(empty(m.Output()))
				},
			})
			continue
		}
		out.Methods = append(out.Methods, grpc.MethodDesc{
			MethodName: string(m.Name()),
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				if err := decode(empty(m.Input())); err != nil {
					return nil, err
				}
				return empty(m.Output()), nil
			},
		})
	}
	return out
}

// openStream is the unary call of a method that streams: the first thing it answers.
func openStream(ctx context.Context, conn grpc.ClientConnInterface, m protoreflect.MethodDescriptor) error {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: m.IsStreamingClient()}, procedure(m))
	if err == nil {
		_ = stream.SendMsg(empty(m.Input())) // what is wrong with it, the answer tells
		err = stream.RecvMsg(empty(m.Output()))
	}
	return fault.FromStatus(err)
}

// mayCall is what the option of a method says of a caller.
func mayCall(m protoreflect.MethodDescriptor, role optionsv1.Role, local bool) bool {
	who, _ := proto.GetExtension(m.Options(), optionsv1.E_Access).(*optionsv1.Access)
	return who.GetAnonymous() || who.GetLocal() && local || who.GetRole() != 0 && role >= who.GetRole()
}

// routed makes the HTTP requests of the REST routes of a method, with "x" for what is in the path.
func routed(t *testing.T, m protoreflect.MethodDescriptor) (methods, paths []string, bodies [][]byte) {
	t.Helper()
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule == nil {
		t.Fatalf("%s has no route", m.FullName())
	}
	member := regexp.MustCompile(`\{[^}]*\}`)
	for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		for method, path := range map[string]string{"GET": r.GetGet(), "POST": r.GetPost(), "PUT": r.GetPut(), "PATCH": r.GetPatch(), "DELETE": r.GetDelete()} {
			if path == "" {
				continue
			}
			body := []byte(nil)
			if r.GetBody() != "" {
				body = []byte("{}")
			}
			methods, paths, bodies = append(methods, method), append(paths, member.ReplaceAllString(path, "x")), append(bodies, body)
		}
	}
	return methods, paths, bodies
}

// byREST calls all routes of a method, which agree, and answers the first fault: by its status, or in a stream.
func byREST(t *testing.T, s *server, token string, m protoreflect.MethodDescriptor) error {
	t.Helper()
	var first error
	methods, paths, bodies := routed(t, m)
	for i := range methods {
		resp, data, err := send(s.httpTLS(t), methods[i], "https://"+s.web+paths[i], token, "application/json", bodies[i])
		var line struct{ Error json.RawMessage } // of a stream
		switch {
		case err != nil:
			t.Fatal(err)
		case m.IsStreamingServer() && json.Unmarshal(data, &line) == nil && line.Error != nil:
			err = jsonFault(line.Error)
		case resp.StatusCode != http.StatusOK:
			err = jsonFault(data)
		}
		if fault.Is(err, metav1.Reason_REASON_METHOD_NOT_FOUND) {
			t.Errorf("%s is not there by %s %s: add its gateway to this test", m.FullName(), methods[i], paths[i])
		}
		if i > 0 && fault.Reason(err) != fault.Reason(first) {
			t.Errorf("%s by %s: %v, and by another route %v", m.FullName(), paths[i], err, first)
		}
		first = err
	}
	return first
}

// streamed are the wires of methods that stream.
func streamed(t *testing.T, s *server) map[string]func(t *testing.T, token string, m protoreflect.MethodDescriptor) error {
	t.Helper()
	all := map[string]func(*testing.T, string, protoreflect.MethodDescriptor) error{
		"connect": func(t *testing.T, token string, m protoreflect.MethodDescriptor) error {
			_, data, err := send(s.httpTLS(t), "POST", "https://"+s.web+procedure(m), token, "application/connect+json", envelope(0, []byte("{}")))
			flags, messages := envelopes(data)
			for i := range flags {
				var end struct{ Error json.RawMessage }
				if flags[i] != 0 && json.Unmarshal(messages[i], &end) == nil && end.Error != nil {
					return connectFault(end.Error)
				}
			}
			return err
		},
		"grpc-web": func(t *testing.T, token string, m protoreflect.MethodDescriptor) error {
			_, err := grpcWeb(s.httpTLS(t), "https://"+s.web, token, m, empty(m.Input()), empty(m.Output()))
			return err
		},
		"rest": func(t *testing.T, token string, m protoreflect.MethodDescriptor) error { return byREST(t, s, token, m) },
	}
	for where, conn := range map[string]grpc.ClientConnInterface{"grpc unix": dialUnix(t, s.unix), "grpc tls": s.dialTLS(t, s.grpc), "grpc web port": s.dialTLS(t, s.web)} {
		all[where] = func(t *testing.T, token string, m protoreflect.MethodDescriptor) error {
			return openStream(bearer(t.Context(), token), conn, m)
		}
	}
	return all
}

// everyGateway are the REST routes of all public services.
func everyGateway() []rpc.Gateway {
	return []rpc.Gateway{
		rpc.NewGateway(accountsv1.RegisterAccountServiceHandlerClient, accountsv1.NewAccountServiceClient),
		rpc.NewGateway(accountsv1.RegisterKeyServiceHandlerClient, accountsv1.NewKeyServiceClient),
		rpc.NewGateway(accountsv1.RegisterPreferencesServiceHandlerClient, accountsv1.NewPreferencesServiceClient),
		rpc.NewGateway(auditv1.RegisterAuditServiceHandlerClient, auditv1.NewAuditServiceClient),
		rpc.NewGateway(certificatesv1.RegisterCertificateServiceHandlerClient, certificatesv1.NewCertificateServiceClient),
		rpc.NewGateway(diagnosticsv1.RegisterDiagnosticsServiceHandlerClient, diagnosticsv1.NewDiagnosticsServiceClient),
		rpc.NewGateway(dnsv1.RegisterDNSServiceHandlerClient, dnsv1.NewDNSServiceClient),
		rpc.NewGateway(execv1.RegisterExecServiceHandlerClient, execv1.NewExecServiceClient),
		rpc.NewGateway(hostsv1.RegisterHostServiceHandlerClient, hostsv1.NewHostServiceClient),
		rpc.NewGateway(notificationsv1.RegisterNotificationServiceHandlerClient, notificationsv1.NewNotificationServiceClient),
		rpc.NewGateway(packagesv1.RegisterEffectPolicyServiceHandlerClient, packagesv1.NewEffectPolicyServiceClient),
		rpc.NewGateway(packagesv1.RegisterUpdateServiceHandlerClient, packagesv1.NewUpdateServiceClient),
		rpc.NewGateway(packagesv1.RegisterLimitServiceHandlerClient, packagesv1.NewLimitServiceClient),
		rpc.NewGateway(operationsv1.RegisterOperationServiceHandlerClient, operationsv1.NewOperationServiceClient),
		rpc.NewGateway(systemv1.RegisterSystemServiceHandlerClient, systemv1.NewSystemServiceClient),
		rpc.NewGateway(systemv1.RegisterRootKeyServiceHandlerClient, systemv1.NewRootKeyServiceClient),
		rpc.NewGateway(systemv1.RegisterSettingsServiceHandlerClient, systemv1.NewSettingsServiceClient),
		rpc.NewGateway(gatewaysv1.RegisterGatewayServiceHandlerClient, gatewaysv1.NewGatewayServiceClient),
		rpc.NewGateway(registriesv1.RegisterRegistryServiceHandlerClient, registriesv1.NewRegistryServiceClient),
	}
}

// Every method of the contract is called by every role, by nobody and on the local socket, on every wire; who is let in
// follows from the method's option and from nothing else. A new method is tried without a line here.
func TestEveryMethodLetsInWhomItsOptionSays(t *testing.T) {
	t.Parallel()
	s := startServerWith(t, state{}, func(hub *rpc.Hub) grpc.ServiceRegistrar {
		for _, sd := range public() {
			hub.RegisterService(answering(sd), struct{}{})
		}
		hub.REST(everyGateway()...)
		return unregistered{}
	})
	s.tokens.set("owner", optionsv1.Role_ROLE_OWNER)
	roles := map[string]optionsv1.Role{"": 0, "viewer": 1, "operator": 2, "admin": 3, "owner": 4}
	tried := map[string]int{}
	judge := func(t *testing.T, where, token string, m protoreflect.MethodDescriptor, err error) {
		t.Helper()
		tried[where]++
		role, local := roles[token], token == "" && strings.HasSuffix(where, "unix")
		if local {
			role = optionsv1.Role_ROLE_OWNER
		}
		refused := fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) || fault.Is(err, metav1.Reason_REASON_PERMISSION_DENIED) || fault.Is(err, metav1.Reason_REASON_LOCAL_ONLY)
		if want := mayCall(m, role, local); refused == want {
			t.Errorf("%s by %q on %s: %v, should be let in: %t", m.FullName(), token, where, err, want)
		}
		if refused && (token == "") != fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("%s by %q on %s is refused with %v", m.FullName(), token, where, err)
		}
	}
	streams := streamed(t, s)
	for _, sd := range public() {
		for i := range sd.Methods().Len() {
			m := sd.Methods().Get(i)
			t.Run(string(m.FullName()), func(t *testing.T) { // its connections end with it
				for token := range roles {
					if m.IsStreamingServer() || m.IsStreamingClient() {
						for where, call := range streams {
							if !m.IsStreamingClient() || strings.HasPrefix(where, "grpc ") {
								judge(t, where, token, m, call(t, token, m))
							}
						}
						continue
					}
					for _, w := range wires() {
						if w.name == "rest" {
							judge(t, w.name, token, m, byREST(t, s, token, m))
							continue
						}
						_, err := w.call(t, s, token, m, empty(m.Input()), empty(m.Output()))
						judge(t, w.name, token, m, err)
					}
				}
			})
		}
	}
	for where, n := range tried {
		if where != "connect" && n < 250 {
			t.Errorf("on %s only %d calls were tried", where, n)
		}
	}
}

// Every public service of the sources is among those that are tried: one whose package this test does not import would
// escape it.
func TestNoServiceEscapesTheMatrix(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Services().Len() {
			known[string(fd.Services().Get(i).FullName())] = true
		}
		return true
	})
	inPackage, declared := regexp.MustCompile(`(?m)^package ([a-z0-9.]+);`), regexp.MustCompile(`(?m)^service (\w+) \{`)
	found := 0
	err := filepath.WalkDir("../../../api/proto/hearth", func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".proto" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, service := range declared.FindAllSubmatch(text, -1) {
			found++
			area := string(inPackage.FindSubmatch(text)[1])
			if name := area + "." + string(service[1]); !known[name] && !foreignAreas[area] {
				t.Errorf("%s is not tried: import its package in this file", name)
			}
		}
		return nil
	})
	if err != nil || found < 15 {
		t.Errorf("%d services are in the sources, %v", found, err)
	}
}

// foreignAreas are served by other programs than hearthd.
var foreignAreas = map[string]bool{"hearth.registry.v1": true, "hearth.agent.v1": true, "hearth.jshost.v1": true, "hearth.door.v1": true}

// unregistered takes the place of a hub that has its services already.
type unregistered struct{}

func (unregistered) RegisterService(*grpc.ServiceDesc, any) {}
