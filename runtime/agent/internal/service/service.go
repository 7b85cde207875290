// Package service is hearth.agent.v1: it passes the daemon's calls on to the JavaScript host, keeps them going when the
// daemon goes away, and tells what the package's code is doing.
//
// Joining: Init, Start, Stop and Exit are named by their event id. A call with a new id runs to its end whether or not
// anybody waits; a call with an id that runs joins it, whatever its other fields say; a call with an id that ended, of
// the last 64, answers its result again. So a daemon that commits an event id before it calls may die at any moment and
// simply call again. Execute is the exception: several calls share one id by the ABI of the packages, and each runs for
// its caller.
//
// The package deliberately decides little: it neither restarts nor refuses a Start before an Init, which the
// JavaScript host answers itself, and puts no limit on how long package code takes. What it does decide is when a
// JavaScript host that cannot answer at all has ended, see pulse.
//
// Invariants: calls are passed on as they come, so a Stop reaches a package whose Start hangs; an error of package code
// is REASON_PACKAGE_CODE_FAILED with the package's own message; after the JavaScript host ended every call answers
// REASON_SERVICE_NOT_READY with the reason.
package service

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hearthos/hearth/api/fault"
	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	jshostv1 "github.com/hearthos/hearth/api/gen/go/hearth/jshost/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/runtime/agent/internal/reap"
	"github.com/hearthos/hearth/runtime/agent/internal/script"
	"github.com/hearthos/hearth/runtime/agent/internal/session"
)

const (
	// Contract is the number of hearth.agent.v1 as it is spoken here.
	Contract = 1

	// loadTimeout is how long a call waits for the JavaScript host to answer for the first time.
	loadTimeout = 2 * time.Minute
	// leaveTimeout is how long the JavaScript host has to end after it answered Exit.
	leaveTimeout = 10 * time.Second
	// maxEventID and maxMessage bound what is kept or sent; a message travels in a header.
	maxEventID = 256
	maxMessage = 4 << 10
)

// Service implements hearth.agent.v1.
type Service struct {
	agentv1.UnimplementedAgentServiceServer
	version   string
	container string
	host      *script.Host // nil when it could not be started
	state     *tracker
	calls     procedures
	sessions  *session.Runner
	executing atomic.Int32  // calls of Execute under way
	verdict   chan string   // why the host was ended, if that was decided here
	done      chan struct{} // closed when host has ended and the state tells it
}

var _ agentv1.AgentServiceServer = (*Service)(nil)

// New serves a JavaScript host that was started, or one that could not be for the reason given as startErr, and sessions.
func New(version, container string, host *script.Host, startErr error, sessions *session.Runner) *Service {
	s := &Service{version: version, container: container, host: host, state: newTracker(), sessions: sessions, verdict: make(chan string, 1), done: make(chan struct{})}
	if host == nil {
		s.state.end(startErr.Error())
		close(s.done)
		return s
	}
	go s.watch()
	go s.pulse().run(s.host.Done())
	return s
}

func (s *Service) watch() {
	defer close(s.done)
	select {
	case <-s.host.Ready():
		s.state.connected()
		<-s.host.Done()
	case <-s.host.Done():
	}
	// An Exit that was answered just now makes this end a wanted one.
	s.state.settleExit()
	how := reap.Describe(s.host.Status())
	select {
	case how = <-s.verdict:
	default:
	}
	s.state.end(how)
}

// Ended is closed when the JavaScript host has ended, and State tells how.
func (s *Service) Ended() <-chan struct{} { return s.done }

// State is what the package's code is doing; the caller does not change it.
func (s *Service) State() *agentv1.State {
	st, _ := s.state.get()
	return st
}

// GetState implements the method.
func (s *Service) GetState(context.Context, *agentv1.GetStateRequest) (*agentv1.GetStateResponse, error) {
	return &agentv1.GetStateResponse{AgentVersion: s.version, Contract: Contract, Container: s.container, State: s.State()}, nil
}

// WatchState implements the method. Changes that follow each other faster than the caller reads come as one.
func (s *Service) WatchState(_ *agentv1.WatchStateRequest, out grpc.ServerStreamingServer[agentv1.WatchStateResponse]) error {
	for {
		st, changed := s.state.get()
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
func (s *Service) Init(ctx context.Context, req *agentv1.InitRequest) (*agentv1.InitResponse, error) {
	return &agentv1.InitResponse{}, s.transition(ctx, initializing, req.GetEventId(), func(ctx context.Context, c jshostv1.JsHostServiceClient) error {
		_, err := c.Init(ctx, &jshostv1.InitRequest{EventId: req.GetEventId(), Kind: req.GetKind()})
		return err
	})
}

// Start implements the method.
func (s *Service) Start(ctx context.Context, req *agentv1.StartRequest) (*agentv1.StartResponse, error) {
	return &agentv1.StartResponse{}, s.transition(ctx, starting, req.GetEventId(), func(ctx context.Context, c jshostv1.JsHostServiceClient) error {
		_, err := c.Start(ctx, &jshostv1.StartRequest{})
		return err
	})
}

// Stop implements the method.
func (s *Service) Stop(ctx context.Context, req *agentv1.StopRequest) (*agentv1.StopResponse, error) {
	return &agentv1.StopResponse{}, s.transition(ctx, stopping, req.GetEventId(), func(ctx context.Context, c jshostv1.JsHostServiceClient) error {
		_, err := c.Stop(ctx, &jshostv1.StopRequest{})
		return err
	})
}

// Exit implements the method. It answers when the JavaScript host is gone, so that nothing touches the data any more.
func (s *Service) Exit(ctx context.Context, req *agentv1.ExitRequest) (*agentv1.ExitResponse, error) {
	return &agentv1.ExitResponse{}, s.transition(ctx, exiting, req.GetEventId(), func(ctx context.Context, c jshostv1.JsHostServiceClient) error {
		if _, err := c.Exit(ctx, &jshostv1.ExitRequest{EventId: req.GetEventId(), Target: req.GetTarget()}); err != nil && !s.leftWell(err) {
			return err
		}
		s.state.leave() // before the activity ends, see watch
		t := time.NewTimer(leaveTimeout)
		defer t.Stop()
		select {
		case <-s.host.Done():
		case <-t.C:
			_ = s.host.Signal(syscall.SIGKILL)
			<-s.host.Done()
		}
		return nil
	})
}

// leftWell tells whether the JavaScript host ended as it was told though its answer was cut off by its end: it ends with
// status 0 after the package's uninit has succeeded, and only then.
func (s *Service) leftWell(err error) bool {
	if c := status.Code(err); c != codes.Unavailable && c != codes.Internal && c != codes.Canceled {
		return false
	}
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-s.host.Done():
		return s.host.Status().Exited() && s.host.Status().ExitStatus() == 0
	case <-t.C:
		return false
	}
}

// Execute implements the method.
func (s *Service) Execute(ctx context.Context, req *agentv1.ExecuteRequest) (*agentv1.ExecuteResponse, error) {
	if err := checkEventID(req.GetEventId()); err != nil {
		return nil, fault.Status(err).Err()
	}
	if err := s.loaded(ctx); err != nil {
		return nil, fault.Status(err).Err()
	}
	s.executing.Add(1)
	defer s.executing.Add(-1)
	res, err := s.host.Client().Execute(ctx, &jshostv1.ExecuteRequest{
		EventId: req.GetEventId(), Procedure: req.GetProcedure(), Input: req.GetInput()})
	if err != nil {
		return nil, fault.Status(s.explain(err)).Err()
	}
	return &agentv1.ExecuteResponse{Output: res.GetOutput()}, nil
}

// Exec implements the method. A session needs no JavaScript host: it is also for looking at why there is none.
func (s *Service) Exec(stream grpc.BidiStreamingServer[agentv1.ExecRequest, agentv1.ExecResponse]) error {
	return s.sessions.Serve(stream)
}

var activityNames = [activities]string{initializing: "init", starting: "start", stopping: "stop", exiting: "exit"}

// transition runs, joins or repeats one of the four calls that change what the package is doing.
func (s *Service) transition(ctx context.Context, a activity, eventID string, call func(context.Context, jshostv1.JsHostServiceClient) error) error {
	if err := checkEventID(eventID); err != nil {
		return fault.Status(err).Err()
	}
	lasting := context.WithoutCancel(ctx)
	err := s.calls.do(ctx, activityNames[a]+" "+eventID, func() error {
		if err := s.loaded(lasting); err != nil {
			return err
		}
		s.state.begin(a)
		err := call(lasting, s.host.Client())
		s.state.finish(a, eventID, err == nil, time.Now())
		if err != nil {
			return s.explain(err)
		}
		return nil
	})
	if err != nil {
		return fault.Status(err).Err()
	}
	return nil
}

func checkEventID(id string) error {
	if id == "" || len(id) > maxEventID || !utf8.ValidString(id) {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "an event id of 1 to %d bytes is required", maxEventID).
			Violation("event_id", "is missing or too long")
	}
	return nil
}

// loaded waits until the JavaScript host answers.
func (s *Service) loaded(ctx context.Context) error {
	if s.host == nil {
		return s.gone()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, loadTimeout, errLoading)
	defer cancel()
	select {
	case <-s.done:
		return s.gone()
	default:
	}
	select {
	case <-s.host.Ready():
		return nil
	case <-s.done:
		return s.gone()
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errLoading) {
			return fault.New(metav1.Reason_REASON_SERVICE_NOT_READY, "the JavaScript host did not answer within %v", loadTimeout)
		}
		return ctx.Err()
	}
}

var errLoading = errors.New("the JavaScript host does not answer")

func (s *Service) gone() error {
	return fault.New(metav1.Reason_REASON_SERVICE_NOT_READY, "the JavaScript host has ended: %s", s.State().GetExitReason())
}

// explain makes of an error of a call to the JavaScript host what the daemon is told.
func (s *Service) explain(err error) error {
	st := status.Convert(err)
	for _, d := range st.Details() {
		if f, ok := d.(*metav1.Fault); ok {
			f.Message = cut(f.Message)
			return fault.FromProto(f)
		}
	}
	switch st.Code() {
	case codes.Unavailable, codes.Canceled:
		// The connection broke: the process is ending, or the caller left.
		select {
		case <-s.done:
			return s.gone()
		case <-time.After(time.Second):
			return fault.New(metav1.Reason_REASON_SERVICE_NOT_READY, "cannot reach the JavaScript host: %s", cut(st.Message()))
		}
	case codes.DeadlineExceeded:
		return fault.New(metav1.Reason_REASON_PACKAGE_CODE_TIMEOUT, "%s", cut(st.Message()))
	case codes.ResourceExhausted:
		return fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "%s", cut(st.Message()))
	}
	return fault.New(metav1.Reason_REASON_PACKAGE_CODE_FAILED, "%s", cut(st.Message()))
}

// cut makes package text fit for a header: bounded, and valid.
func cut(s string) string {
	if len(s) > maxMessage {
		s = s[:maxMessage]
	}
	return strings.ToValidUTF8(s, "")
}
