// Package rpc answers every call on every wire from one implementation of each service.
//
//	rpc            the hub: registration, the interceptor chain, the wires, the listeners
//	rpc/origin     by which listener a call came, set by listeners alone
//	rpc/access     who calls and whether they may
//	rpc/codec      the JSON of messages and faults, the same on every wire
//	rpc/jsonrpc    JSON-RPC 2.0
//	rpc/transfer   HTTP routes for bytes
//	rpc/content    HTTP routes for what packages bring for people to see
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
// The order of use: New, RegisterXServer for each service (or Declare, and RegisterXServer once it can answer), REST for
// each gateway, Build, then the Serve methods each in a goroutine of the caller, at the end Shutdown.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"buf.build/go/protovalidate"
	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/server/internal/audit"
	"github.com/hearthos/hearth/server/internal/fair"
	"github.com/hearthos/hearth/server/internal/host/handout"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// Config is what a hub is made from. Members without a comment on absence are required.
type Config struct {
	Logger *slog.Logger
	// Now is the clock; time.Now when absent.
	Now func() time.Time
	// Authenticator checks credentials; without one every credential is refused.
	Authenticator access.Authenticator
	// Cookie is the name of the cookie that holds half of a browser's session; without one there are no such sessions.
	Cookie func() string
	// Ours tells whether a host name is the server's; absent: only addresses and localhost are.
	Ours func(host string) bool
	// Revision is the newest revision of the store.
	Revision func() uint64
	// Audit returns what records the calls of the public services that could change something; nil while nothing does,
	// when no such call is let in. Absent: none is recorded.
	Audit func() *audit.Log
	// Outer interceptors run outside of all others: they see every call, refused or not, and its fault.
	Outer []Interceptor
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
	// Documents are handed out to everybody at their paths; absent: none.
	Documents func() *handout.Set
	// Page serves every other path; absent: not found.
	Page http.Handler
	// Apart serves, by the beginnings of paths, what has rules of its own for bodies, time and pages of other origins.
	Apart map[string]http.Handler
	// AnyOrigin lets pages of all origins call. It is for servers that no browser keeps a credential of.
	AnyOrigin bool
}

// Hub is the one registrar of services. Declaring and Build belong to one goroutine; afterwards it is safe for
// concurrent use.
type Hub struct {
	cfg       Config
	log       *slog.Logger
	validator protovalidate.Validator
	list      []Interceptor
	services  map[string]*service
	methods   map[string]*method
	phase     atomic.Pointer[stage]

	public    *grpc.Server
	container *grpc.Server
	internal  *grpc.Server
	channel   *inprocgrpc.Channel
	health    *health.Server
	gateways  []Gateway
	web       http.Handler // made by Build
	held      *fair.Share[string]

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
	maxUserConns      = 128 // of one user of the machine on the local socket
	ownerConns        = 256 // of the local socket, for root and the daemon's own user alone
	maxContainerConns = 64
	maxStreams        = 250
	maxHeader         = 64 << 10
	maxHeld           = 256 << 20 // memory of requests by HTTP that are under way
	publicWorkers     = 64        // beyond them, each call has its own goroutine; streams keep theirs
	otherWorkers      = 8
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
	h := &Hub{
		cfg: cfg, log: cfg.Logger, validator: validator, health: health.NewServer(), channel: new(inprocgrpc.Channel).WithCloner(codec.Cloner()),
		held:     fair.NewShare[string](maxHeld),
		services: map[string]*service{}, methods: map[string]*method{},
	}
	h.Enter(optionsv1.Phase_PHASE_RUNNING, "")
	h.list = append(slices.Clone(cfg.Outer), h.recovered, h.logged, h.audited, h.faults, h.inPhase, h.authenticate, h.authorize, h.steppedUp, h.validate)
	h.list = append(append(h.list, cfg.Interceptors...), h.revision, carried)
	h.public, h.container, h.internal = h.server(publicWorkers, idleTimeout), h.server(otherWorkers, 0), h.server(otherWorkers, 0)
	healthpb.RegisterHealthServer(h, h.health)
	return h, nil
}

// server makes a server of native gRPC that ends connections which are without a call for idle; 0: none.
func (h *Hub) server(workers uint32, idle time.Duration) *grpc.Server {
	return grpc.NewServer(
		grpc.Creds(origin.Credentials()), grpc.ForceServerCodecV2(codec.Server()),
		grpc.UnknownServiceHandler(h.unknown),
		grpc.MaxRecvMsgSize(2*codec.MaxMessage), grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeader), grpc.ConnectionTimeout(headerTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idle, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.WaitForHandlers(true),
		// A fresh goroutine would grow its stack for the chain in every call: a tenth of the whole cost.
		grpc.NumStreamWorkers(workers),
	)
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
