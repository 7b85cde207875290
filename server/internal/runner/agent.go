package runner

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// Limits of what an agent may send; its every answer is foreign bytes.
const (
	maxAgentMessage = 4 << 20
	maxPackageText  = 4096 // of an error message, in bytes
)

// agentConn speaks with the agent of one container and remembers the newest state it told. It connects when it is
// used, and again when the connection broke.
type agentConn struct {
	conn    *grpc.ClientConn
	client  agentv1.AgentServiceClient
	version string

	known chan struct{} // closed when it has told a state

	mu      sync.Mutex // guards state and changed
	state   *agentv1.State
	changed chan struct{}
}

func newAgentConn(dir, version string) *agentConn {
	path := filepath.Join(dir, "agent.sock")
	conn, err := grpc.NewClient("passthrough:///agent",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialHostile(ctx, path) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAgentMessage)),
		// An agent answers some 30 ms after its container began: half as long again would be felt at each start.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 3 * time.Millisecond, Multiplier: 1.2, MaxDelay: time.Second}, MinConnectTimeout: 5 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 5 * time.Minute, Timeout: 20 * time.Second}),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		panic(err) // the target is a constant
	}
	return &agentConn{conn: conn, client: agentv1.NewAgentServiceClient(conn), version: version, known: make(chan struct{}), changed: make(chan struct{})}
}

func (a *agentConn) close() { _ = a.conn.Close() }

// watch follows the agent's state until ctx ends and calls changed after each change.
func (a *agentConn) watch(ctx context.Context, changed func(*agentv1.State)) {
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		stream, err := a.client.WatchState(ctx, &agentv1.WatchStateRequest{}, grpc.WaitForReady(true))
		for err == nil {
			var resp *agentv1.WatchStateResponse
			if resp, err = stream.Recv(); err == nil {
				pause = 50 * time.Millisecond
				a.set(resp.GetState())
				changed(resp.GetState())
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		}
	}
}

func (a *agentConn) set(st *agentv1.State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == nil {
		close(a.known)
	}
	a.state = st
	close(a.changed)
	a.changed = make(chan struct{})
}

// current is the newest state the agent told, LOADING before it told any, and a channel that is closed when there is a
// newer one.
func (a *agentConn) current() (*agentv1.State, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == nil {
		return &agentv1.State{Phase: agentv1.State_PHASE_LOADING}, a.changed
	}
	return a.state, a.changed
}

// fresh asks the agent for its state now.
func (a *agentConn) fresh(ctx context.Context) (*agentv1.State, error) {
	resp, err := a.client.GetState(ctx, &agentv1.GetStateRequest{DaemonVersion: a.version}, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	a.set(resp.GetState())
	return resp.GetState(), nil
}

// init, start, stop and exit run the package's code and answer when it has ended, also across a broken connection:
// a call with the same event id joins the one under way.

func (a *agentConn) init(ctx context.Context, event, kind string) error {
	return a.joined(ctx, func(ctx context.Context) error {
		_, err := a.client.Init(ctx, &agentv1.InitRequest{EventId: event, Kind: kind}, grpc.WaitForReady(true))
		return err
	})
}

func (a *agentConn) start(ctx context.Context, event string) error {
	return a.joined(ctx, func(ctx context.Context) error {
		_, err := a.client.Start(ctx, &agentv1.StartRequest{EventId: event}, grpc.WaitForReady(true))
		return err
	})
}

func (a *agentConn) stop(ctx context.Context, event string) error {
	return a.joined(ctx, func(ctx context.Context) error {
		_, err := a.client.Stop(ctx, &agentv1.StopRequest{EventId: event}, grpc.WaitForReady(true))
		return err
	})
}

func (a *agentConn) exit(ctx context.Context, event, target string) error {
	return a.joined(ctx, func(ctx context.Context) error {
		_, err := a.client.Exit(ctx, &agentv1.ExitRequest{EventId: event, Target: target}, grpc.WaitForReady(true))
		return err
	})
}

// joined calls again while the connection breaks; three times in a row without an answer is the agent's end.
func (a *agentConn) joined(ctx context.Context, call func(context.Context) error) error {
	for try := 0; ; try++ {
		err := call(ctx)
		if err == nil || ctx.Err() != nil || try == 2 || fault.Reason(fault.FromStatus(err)) != metav1.Reason_REASON_UNAVAILABLE {
			return packageFault(err)
		}
	}
}

func (a *agentConn) execute(ctx context.Context, event, procedure string, input []byte) ([]byte, error) {
	resp, err := a.client.Execute(ctx, &agentv1.ExecuteRequest{EventId: event, Procedure: procedure, Input: input})
	if err != nil {
		return nil, packageFault(err)
	}
	return resp.GetOutput(), nil
}

// packageFault turns what an agent answered into a fault of ours. An agent is inside the container: of what it says
// only a reason that the package's code can give, with its message and what is wrong with a form, is taken over, cut to
// a sane length.
func packageFault(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	told := fault.Proto(fault.FromStatus(err))
	text := told.GetMessage()
	text = text[:min(len(text), maxPackageText)] // what is sent is cut by fault; this bounds what is logged
	switch reason := told.GetReason(); reason {
	case metav1.Reason_REASON_PACKAGE_CODE_FAILED, metav1.Reason_REASON_ACTION_INPUT, metav1.Reason_REASON_ACTION_NOT_FOUND:
		f := fault.New(reason, "%s", text)
		for _, v := range told.GetViolations() {
			f = f.Violation(v.GetField(), v.GetMessage())
		}
		return f
	case metav1.Reason_REASON_SERVICE_NOT_READY:
		return fault.New(reason, "the package cannot be asked now: %s", text)
	case metav1.Reason_REASON_CANCELLED, metav1.Reason_REASON_DEADLINE_EXCEEDED:
		return fault.New(reason, "the call of the package's code was ended")
	}
	// The code has run: who is told to wait and try again runs it again.
	if status.Code(err) == codes.ResourceExhausted {
		return fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "the package's code answered with more than %d MiB, which is as much as is taken of it", maxAgentMessage>>20)
	}
	return fault.New(metav1.Reason_REASON_SERVICE_NOT_READY, "cannot reach the agent of the service: %w", err)
}
