package sandbox

import (
	"context"
	"sync"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/api/fault"
)

// contract is the number of hearth.agent.v1 as it is spoken here.
const contract = 1

// agent answers hearth.agent.v1 for a played service: calls run to their end whoever waits, one with a known event id
// joins or answers as that one did.
type agent struct {
	agentv1.UnimplementedAgentServiceServer
	service   *service
	container string
	group     sync.WaitGroup // the calls

	mu      sync.Mutex // guards what follows
	known   known
	state   *agentv1.State // replaced, never changed
	changed chan struct{}
	calls   map[string]*call
	ended   []string // keys of calls, in the order they ended
	rested  time.Time
}

// maxEnded is how many results are kept for a daemon that asks again.
const maxEnded = 64

// known is what the phase follows from.
type known struct {
	initialized, running, left, crashed bool
	active                              map[agentv1.State_Phase]int
}

type call struct {
	done chan struct{}
	err  error // valid after done
}

func newAgent(s *service, container string) *agent {
	return &agent{
		service: s, container: container, state: &agentv1.State{Phase: agentv1.State_PHASE_READY}, changed: make(chan struct{}),
		calls: map[string]*call{}, known: known{active: map[agentv1.State_Phase]int{}},
	}
}

// phase is what the package's code does; of several calls the one that ends more wins.
func (k known) phase() agentv1.State_Phase {
	if k.left {
		return agentv1.State_PHASE_EXITED
	}
	if k.crashed {
		return agentv1.State_PHASE_CRASHED
	}
	for _, p := range []agentv1.State_Phase{
		agentv1.State_PHASE_EXITING, agentv1.State_PHASE_STOPPING, agentv1.State_PHASE_STARTING, agentv1.State_PHASE_INITIALIZING,
	} {
		if k.active[p] > 0 {
			return p
		}
	}
	switch {
	case k.running:
		return agentv1.State_PHASE_RUNNING
	case k.initialized:
		return agentv1.State_PHASE_STOPPED
	}
	return agentv1.State_PHASE_READY
}

func (a *agent) update(fn func(*known, *agentv1.State)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := proto.CloneOf(a.state)
	fn(&a.known, next)
	next.Phase = a.known.phase()
	a.rested = time.Now()
	a.state = next
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) current() (*agentv1.State, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state, a.changed
}

// crash says that the package's code has ended by itself.
func (a *agent) crash() {
	a.update(func(k *known, st *agentv1.State) {
		k.crashed, st.ExitReason, st.StartTime = true, "it crashed, as it was told to", nil
	})
}

// GetState implements the method.
func (a *agent) GetState(context.Context, *agentv1.GetStateRequest) (*agentv1.GetStateResponse, error) {
	st, _ := a.current()
	return &agentv1.GetStateResponse{AgentVersion: "sandbox", Contract: contract, Container: a.container, State: st}, nil
}

// WatchState implements the method.
func (a *agent) WatchState(_ *agentv1.WatchStateRequest, out grpc.ServerStreamingServer[agentv1.WatchStateResponse]) error {
	for {
		st, changed := a.current()
		if err := out.Send(&agentv1.WatchStateResponse{State: st}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-out.Context().Done():
			return fault.Status(out.Context().Err()).Err()
		}
	}
}

// Init implements the method.
func (a *agent) Init(ctx context.Context, req *agentv1.InitRequest) (*agentv1.InitResponse, error) {
	return &agentv1.InitResponse{}, a.join(ctx, agentv1.State_PHASE_INITIALIZING, req.GetEventId(),
		func(ctx context.Context) error { return a.service.init(ctx, req.GetKind()) },
		func(k *known, st *agentv1.State) { k.initialized, st.InitEventId = true, req.GetEventId() })
}

// Start implements the method.
func (a *agent) Start(ctx context.Context, req *agentv1.StartRequest) (*agentv1.StartResponse, error) {
	return &agentv1.StartResponse{}, a.join(ctx, agentv1.State_PHASE_STARTING, req.GetEventId(), a.service.start,
		func(k *known, st *agentv1.State) {
			k.running, st.StartEventId, st.StartTime = true, req.GetEventId(), timestamppb.New(time.Now())
		})
}

// Stop implements the method.
func (a *agent) Stop(ctx context.Context, req *agentv1.StopRequest) (*agentv1.StopResponse, error) {
	return &agentv1.StopResponse{}, a.join(ctx, agentv1.State_PHASE_STOPPING, req.GetEventId(), a.service.stop,
		func(k *known, st *agentv1.State) { k.running, st.StartTime = false, nil })
}

// Exit implements the method.
func (a *agent) Exit(ctx context.Context, req *agentv1.ExitRequest) (*agentv1.ExitResponse, error) {
	return &agentv1.ExitResponse{}, a.join(ctx, agentv1.State_PHASE_EXITING, req.GetEventId(), a.service.stop,
		func(k *known, st *agentv1.State) { k.running, k.left, st.StartTime = false, true, nil })
}

// Execute implements the method.
func (a *agent) Execute(_ context.Context, req *agentv1.ExecuteRequest) (*agentv1.ExecuteResponse, error) {
	out, err := a.service.execute(req.GetProcedure(), req.GetInput())
	if err != nil {
		return nil, fault.Status(err).Err()
	}
	return &agentv1.ExecuteResponse{Output: out}, nil
}

// Idle implements the method: what is played waits for how mail is sent, as packages that send some do.
func (a *agent) Idle(context.Context, *agentv1.IdleRequest) (*agentv1.IdleResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known.phase() != agentv1.State_PHASE_STOPPED {
		return &agentv1.IdleResponse{Busy: "it is not at rest"}, nil
	}
	return &agentv1.IdleResponse{Quiet: durationpb.New(time.Since(a.rested)), Waits: []*effectsv1.AwaitRequest{{Effect: "get-system-smtp", Etag: a.service.mail()}}}, nil
}

// join runs one of the four calls, or waits for the one of the same event.
func (a *agent) join(ctx context.Context, phase agentv1.State_Phase, event string, run func(context.Context) error, ended func(*known, *agentv1.State)) error {
	key := phase.String() + " " + event
	a.mu.Lock()
	c := a.calls[key]
	fresh := c == nil
	if fresh {
		c = &call{done: make(chan struct{})}
		a.calls[key] = c
	}
	a.mu.Unlock()
	if fresh {
		a.group.Go(func() {
			a.update(func(k *known, _ *agentv1.State) { k.active[phase]++ })
			c.err = run(a.service.living)
			a.update(func(k *known, st *agentv1.State) {
				k.active[phase]--
				if c.err == nil && !k.crashed {
					ended(k, st)
				}
			})
			close(c.done)
			a.retire(key)
		})
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return fault.Status(context.Cause(ctx)).Err()
	}
	if c.err != nil {
		return fault.Status(c.err).Err()
	}
	return nil
}

func (a *agent) retire(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended = append(a.ended, key); len(a.ended) > maxEnded {
		delete(a.calls, a.ended[0])
		a.ended = a.ended[1:]
	}
}

// failed is what the code of a package says when it fails.
func failed(format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, format, args...)
}
