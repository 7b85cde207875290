// Package rpc answers every call on every wire from one implementation of each service.
//
//	rpc            the hub: registration, the interceptor chain, the wires, the listeners
//	rpc/origin     by which listener a call came, set by listeners alone
//	rpc/access     who calls and whether they may
//	rpc/codec      the JSON of messages and faults, the same on every wire
//	rpc/jsonrpc    JSON-RPC 2.0
//	rpc/transfer   HTTP routes for bytes
//	rpc/<area>rpc  the services themselves, methods of a few lines
//
// One RegisterXServer(hub, impl) reaches native gRPC directly, and the other wires by the in-process channel:
//
//	gRPC: unix socket, TLS port, container sockets ── grpc-go ────────────────┐
//	Connect, gRPC-Web, gRPC on the web port ── connect server ──┐             ▼
//	REST ── generated gateway ──────────────────────────────────┼─ channel ─ interceptors ─ service
//	JSON-RPC ───────────────────────────────────────────────────┘
//
// The package deliberately holds no behaviour of an area and no state but open streams. Invariants: a call whose
// listener set no origin has no rights; the fronts pass only the credential on, no other header of a request becomes
// metadata; the refusal of a call is the same fault on every wire; services for containers are on container sockets
// only, and known to no other listener, not even to reflection.
//
// The order of use: New, RegisterXServer for each service, REST for each gateway, Build, then the Serve methods each
// in a goroutine of the caller, at the end Shutdown.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"buf.build/go/protovalidate"
	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// Config is what a hub is made from. Members without a comment on absence are required.
type Config struct {
	Logger *slog.Logger
	// Now is the clock; time.Now when absent.
	Now func() time.Time
	// Authenticator checks bearer tokens; without one every token is refused.
	Authenticator access.Authenticator
	// Revision is the newest revision of the store.
	Revision func() uint64
	// Interceptors run between validation and the service.
	Interceptors []Interceptor
	// RecheckEvery is how often the tokens of open streams are checked again; 10 seconds when zero.
	RecheckEvery time.Duration
	// BodyTimeout is how long the request of a call by HTTP may take to arrive; 30 seconds when zero. Calls to which the
	// caller streams have all the time they want.
	BodyTimeout time.Duration

	// Transfer serves /transfer/; absent: not found.
	Transfer http.Handler
	// OpenAPI is the document at /openapi.json; absent: not found.
	OpenAPI []byte
	// CA returns the root certificate at /ca.crt, PEM; absent: not found.
	CA func() []byte
	// Page serves every other path; absent: not found.
	Page http.Handler
}

// method is what the hub knows of one RPC.
type method struct {
	desc protoreflect.MethodDescriptor
	rule access.Rule
}

// Hub is the one registrar of services. Registration and Build belong to one goroutine; afterwards it is safe for
// concurrent use.
type Hub struct {
	cfg       Config
	log       *slog.Logger
	validator protovalidate.Validator
	intercept Interceptor
	methods   map[string]method

	public    *grpc.Server
	container *grpc.Server
	internal  *grpc.Server
	channel   *inprocgrpc.Channel
	health    *health.Server
	gateways  []Gateway
	web       http.Handler // made by Build

	streams streams
	stop    context.CancelFunc
	tasks   sync.WaitGroup

	mu      sync.Mutex // guards servers and closed
	servers []*http.Server
	closed  bool
}

// Limits of connections and streams, per listener and per connection.
const (
	maxConns          = 1024
	maxContainerConns = 64
	maxStreams        = 250
	maxHeader         = 64 << 10
	streamWorkers     = 32 // beyond them, each call has its own goroutine
	headerTimeout     = 10 * time.Second
	idleTimeout       = 3 * time.Minute
)

// New makes a hub without services.
func New(cfg Config) (*Hub, error) {
	if cfg.Logger == nil || cfg.Revision == nil {
		return nil, errors.New("cannot make a hub without logger and revision")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.RecheckEvery == 0 {
		cfg.RecheckEvery = 10 * time.Second
	}
	if cfg.BodyTimeout == 0 {
		cfg.BodyTimeout = 30 * time.Second
	}
	validator, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("cannot make the validator: %w", err)
	}
	h := &Hub{cfg: cfg, log: cfg.Logger, validator: validator, methods: map[string]method{}, health: health.NewServer()}
	list := []Interceptor{h.recovered, h.logged, h.faults, h.authenticate, h.authorize, h.validate}
	h.intercept = chain(append(append(list, cfg.Interceptors...), h.revision))
	h.public, h.container, h.internal = h.server(maxStreams), h.server(maxStreams), h.server(maxStreams)
	h.channel = new(inprocgrpc.Channel).WithServerUnaryInterceptor(h.unary).WithServerStreamInterceptor(h.stream)
	healthpb.RegisterHealthServer(h, h.health)
	return h, nil
}

func (h *Hub) server(streams uint32) *grpc.Server {
	return grpc.NewServer(
		grpc.Creds(origin.Credentials()),
		grpc.UnaryInterceptor(h.unary), grpc.StreamInterceptor(h.stream),
		grpc.UnknownServiceHandler(unknownMethod),
		grpc.MaxRecvMsgSize(codec.MaxMessage), grpc.MaxConcurrentStreams(streams),
		grpc.MaxHeaderListSize(maxHeader), grpc.ConnectionTimeout(headerTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.WaitForHandlers(true),
		// A fresh goroutine would grow its stack for the chain in every call: a tenth of the whole cost.
		grpc.NumStreamWorkers(streamWorkers),
	)
}

// unknownMethod stands behind the interceptors, which refuse methods that do not exist.
func unknownMethod(any, grpc.ServerStream) error {
	return fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no such method")
}

// RegisterService implements grpc.ServiceRegistrar. On which listeners the service is follows from the access options
// of its methods. It panics on a service that is not in the contract, lacks an option or mixes classes: such a
// program must not start.
func (h *Hub) RegisterService(sd *grpc.ServiceDesc, impl any) {
	if h.web != nil {
		panic("rpc: " + sd.ServiceName + " registered after Build")
	}
	class, err := h.learn(sd.ServiceName)
	if err != nil {
		panic("rpc: " + err.Error())
	}
	switch class {
	case access.Container:
		h.container.RegisterService(sd, impl)
	case access.Internal:
		h.internal.RegisterService(sd, impl)
	default:
		h.public.RegisterService(sd, impl)
		h.channel.RegisterService(sd, impl)
	}
}

// foreign services carry no option of ours; viewers may use them.
func foreign(service string) bool {
	return strings.HasPrefix(service, "grpc.reflection.") || service == healthpb.Health_ServiceDesc.ServiceName
}

// learn reads the methods of a service from the contract.
func (h *Hub) learn(service string) (access.Class, error) {
	sd, err := serviceDescriptor(service)
	if err != nil {
		return 0, err
	}
	var class access.Class
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		rule, ok := access.RuleOf(md)
		if !ok && foreign(service) {
			rule, ok = viewers, true
		}
		if !ok {
			return 0, fmt.Errorf("method %s has no access option", md.FullName())
		}
		if i > 0 && rule.Class() != class {
			return 0, fmt.Errorf("service %s mixes methods for containers, for the server and for the public", service)
		}
		class = rule.Class()
		h.methods[procedure(md)] = method{md, rule}
	}
	return class, nil
}

func serviceDescriptor(service string) (protoreflect.ServiceDescriptor, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, fmt.Errorf("service %s is not known: %w", service, err)
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a service", service)
	}
	return sd, nil
}

func procedure(md protoreflect.MethodDescriptor) string {
	return "/" + string(md.Parent().FullName()) + "/" + string(md.Name())
}

// Build ends registration and makes the wires. It is called once, before anything is served.
func (h *Hub) Build() error {
	if h.web != nil {
		return errors.New("cannot build the hub twice")
	}
	if err := h.registerReflection(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background()) // lives as long as the hub: Shutdown ends it
	web, err := h.newWeb(ctx)
	if err != nil {
		stop()
		return err
	}
	h.web, h.stop = web, stop
	h.tasks.Add(1)
	go func() { defer h.tasks.Done(); h.recheck(ctx) }()
	return nil
}

// Channel reaches the public services within the process, with the rights of the origin in the context's request;
// without one every call is refused.
func (h *Hub) Channel() grpc.ClientConnInterface { return front{h.channel} }
