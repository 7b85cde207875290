// Package exec keeps the sessions in which people run commands in services. What a session is within a container is the
// agent's business, who may have one that of the interceptors; here is how many, for whom, for how long, and the way of
// the bytes between the two.
//
//	Open ──▶ opened ──Run──▶ running ──▶ gone
//	            └── 30 s without Run ──────▲
//
// Invariants: a session belongs to who opened it; its command runs only while a Run of its owner does; nothing is queued:
// what one side does not take, the other cannot give, so a client that reads nothing holds up its own command and nobody
// else. Sessions are kept in memory alone: they end with the daemon.
package exec

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	execv1 "github.com/hearthos/hearth/api/gen/go/hearth/exec/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

// Limits of sessions.
const (
	maxOfOwner  = 16
	maxSessions = 64
	// attachWithin is how long an opened session waits for its owner.
	attachWithin = 30 * time.Second
	// defaultIdle ends a session in which nothing is said.
	defaultIdle = time.Hour
	// stallLimit ends a session whose client takes nothing although there is something.
	stallLimit = 5 * time.Minute
)

// Containers are the services that run.
type Containers interface {
	// Subcontainers lists what there is to run a command in; none where the service does not run.
	Subcontainers(pkg string) ([]*execv1.Subcontainer, error)
	// ExecDefaults are the user and the working directory that an image names.
	ExecDefaults(pkg, image string) (user, dir string, err error)
	// Exec begins a call of the agent's method; ExecFault makes a fault of what ended one.
	Exec(ctx context.Context, pkg string) (agentv1.AgentService_ExecClient, error)
	ExecFault(err error) error
}

// Service keeps the sessions. It is safe for concurrent use.
type Service struct {
	store      *store.Store
	containers Containers

	mu       sync.Mutex // guards sessions and what is said to be in a session
	sessions map[string]*session
}

// New returns a service without sessions.
func New(st *store.Store, c Containers) *Service {
	return &Service{store: st, containers: c, sessions: map[string]*session{}}
}

// session is one that was opened.
type session struct {
	owner string
	pkg   string
	start *agentv1.ExecStart
	idle  time.Duration

	expiry *time.Timer // guarded by Service.mu; nil once it runs
	begun  chan struct{}
	active func() // tells that something happened; valid once begun

	send   sync.Mutex // guards the sending side of stream
	stream agentv1.AgentService_ExecClient
}

// Subcontainers lists the subcontainers of an installed package.
func (s *Service) Subcontainers(pkg string) ([]*execv1.Subcontainer, error) {
	err := s.store.View(func(tx *store.Tx) error {
		_, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
		if err == nil && !ok {
			err = fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.containers.Subcontainers(pkg)
}

// Open prepares a session of this id for owner.
func (s *Service) Open(owner, id string, req *execv1.OpenSessionRequest) (*execv1.Subcontainer, error) {
	list, err := s.Subcontainers(req.GetPackageId())
	if err != nil {
		return nil, err
	}
	where, err := choose(list, req.GetPackageId(), req.GetSubcontainer())
	if err != nil {
		return nil, err
	}
	user, dir, err := s.containers.ExecDefaults(req.GetPackageId(), where.GetImage())
	if err != nil {
		return nil, err
	}
	start := &agentv1.ExecStart{
		Subcontainer: where.GetId(), Image: where.GetImage(), Command: req.GetCommand(),
		User: cmp.Or(req.GetUser(), user), WorkingDirectory: cmp.Or(req.GetWorkingDirectory(), dir),
	}
	for _, name := range slices.Sorted(maps.Keys(req.GetEnvironment())) {
		start.Environment = append(start.Environment, name+"="+req.GetEnvironment()[name])
	}
	if t := req.GetTerminal(); t != nil {
		start.Terminal = &agentv1.ExecSize{Rows: t.GetRows(), Columns: t.GetColumns()}
	}
	se := &session{owner: owner, pkg: req.GetPackageId(), start: start, idle: defaultIdle, begun: make(chan struct{})}
	if d := req.GetIdleLimit(); d != nil {
		se.idle = d.AsDuration()
	}
	return where, s.keep(id, se)
}

func (s *Service) keep(id string, se *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := 0
	for _, other := range s.sessions {
		if other.owner == se.owner {
			mine++
		}
	}
	if mine >= maxOfOwner || len(s.sessions) >= maxSessions {
		return fault.New(metav1.Reason_REASON_EXEC_TOO_MANY, "cannot open a session: %d of yours are open, and %d in all", mine, len(s.sessions))
	}
	s.sessions[id] = se
	se.expiry = time.AfterFunc(attachWithin, func() { s.expire(id, se) })
	return nil
}

// expire forgets a session to which nobody has come.
func (s *Service) expire(id string, se *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if se.expiry != nil && s.sessions[id] == se {
		delete(s.sessions, id)
	}
}

// choose finds the subcontainer that is meant: by its id or the beginning of it, by its name, by its image. A better match
// wins over the others, and of several that match as well none is taken.
func choose(list []*execv1.Subcontainer, pkg, want string) (*execv1.Subcontainer, error) {
	ways := []func(*execv1.Subcontainer) bool{
		func(sc *execv1.Subcontainer) bool { return sc.GetId() == want },
		func(sc *execv1.Subcontainer) bool { return sc.GetName() == want },
		func(sc *execv1.Subcontainer) bool { return sc.GetImage() == want },
		func(sc *execv1.Subcontainer) bool { return strings.HasPrefix(sc.GetId(), strings.ToUpper(want)) },
	}
	for _, way := range ways {
		var found []*execv1.Subcontainer
		for _, sc := range list {
			if way(sc) {
				found = append(found, sc)
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return nil, fault.New(metav1.Reason_REASON_SUBCONTAINER_AMBIGUOUS, "cannot tell which subcontainer of %q is meant: there are %s", pkg, named(found)).With("package", pkg)
		}
	}
	if len(list) == 0 {
		return nil, fault.New(metav1.Reason_REASON_SUBCONTAINER_NOT_FOUND, "the service %q has no subcontainers now", pkg).With("package", pkg)
	}
	return nil, fault.New(metav1.Reason_REASON_SUBCONTAINER_NOT_FOUND, "the service %q has no subcontainer %q: there are %s", pkg, want, named(list)).With("package", pkg)
}

// named lists subcontainers for people, some of many.
func named(list []*execv1.Subcontainer) string {
	const shown = 8
	var names []string
	for _, sc := range list[:min(len(list), shown)] {
		names = append(names, cmp.Or(sc.GetName(), sc.GetImage())+" ("+sc.GetId()[:min(len(sc.GetId()), 8)]+")")
	}
	if len(list) > shown {
		names = append(names, "others")
	}
	return strings.Join(names, ", ")
}

// Run runs the command of a session and hands what comes out to out, until the command has ended or ctx does. What goes in
// comes from in, which is called until it fails; nil leaves that to Write. It is called once for a session.
func (s *Service) Run(ctx context.Context, owner, id string, in func() (*execv1.Input, error), out func(*execv1.Output) error) error {
	se, err := s.claim(owner, id)
	if err != nil {
		return err
	}
	defer s.forget(id, se)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := s.begin(ctx, se, cancel); err != nil {
		return err
	}
	if in != nil {
		go func() { // ends with the caller's stream, which ends when Run has returned
			if err := se.pump(in); err != nil {
				cancel(err)
			}
		}()
	}
	for {
		resp, err := se.stream.Recv()
		if err != nil {
			return s.ended(ctx, err)
		}
		done, err := se.emit(cancel, resp, out)
		if err != nil || done {
			return cmp.Or(causeOf(ctx), err)
		}
	}
}

// causeOf is the fault for which a session was ended, nil for none.
func causeOf(ctx context.Context) error {
	if f, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
		return f
	}
	return nil
}

func (s *Service) ended(ctx context.Context, err error) error {
	switch {
	case causeOf(ctx) != nil:
		return causeOf(ctx)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return s.containers.ExecFault(err)
}

// claim finds a session that was opened by owner and has not begun.
func (s *Service) claim(owner, id string) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	se := s.sessions[id]
	if se == nil || se.owner != owner || se.expiry == nil {
		return nil, notFound()
	}
	se.expiry.Stop()
	se.expiry = nil
	return se, nil
}

func notFound() error {
	return fault.New(metav1.Reason_REASON_EXEC_SESSION_NOT_FOUND, "there is no such session that waits for you")
}

func (s *Service) forget(id string, se *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[id] == se {
		delete(s.sessions, id)
	}
}

// begin starts the command.
func (s *Service) begin(ctx context.Context, se *session, cancel context.CancelCauseFunc) error {
	stream, err := s.containers.Exec(ctx, se.pkg)
	if err != nil {
		return err
	}
	if err := stream.Send(&agentv1.ExecRequest{Kind: &agentv1.ExecRequest_Start{Start: se.start}}); err != nil && !errors.Is(err, io.EOF) {
		return s.ended(ctx, err)
	}
	idle := time.AfterFunc(se.idle, func() {
		cancel(fault.New(metav1.Reason_REASON_EXEC_SESSION_ENDED, "the session was ended: nothing has happened in it for %v", se.idle))
	})
	context.AfterFunc(ctx, func() { idle.Stop() })
	se.stream, se.active = stream, func() { idle.Reset(se.idle) }
	close(se.begun)
	return nil
}

// pump hands on what the caller streams. The end of it is the end of the standard input.
func (se *session) pump(in func() (*execv1.Input, error)) error {
	for {
		input, err := in()
		if errors.Is(err, io.EOF) {
			return se.write(&execv1.Input{Kind: &execv1.Input_CloseStdin{CloseStdin: true}})
		}
		if err == nil && input != nil {
			err = se.write(input)
		}
		if err != nil {
			return err
		}
	}
}

// Write hands something to a session of owner that runs, and returns when it was taken.
func (s *Service) Write(ctx context.Context, owner, id string, input *execv1.Input) error {
	s.mu.Lock()
	se := s.sessions[id]
	s.mu.Unlock()
	if se == nil || se.owner != owner {
		return notFound()
	}
	select {
	case <-se.begun:
		return se.write(input)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write gives an input to the agent; one for a command that has ended is lost.
func (se *session) write(input *execv1.Input) error {
	req := &agentv1.ExecRequest{}
	switch k := input.GetKind().(type) {
	case *execv1.Input_Stdin:
		req.Kind = &agentv1.ExecRequest_Stdin{Stdin: k.Stdin}
	case *execv1.Input_CloseStdin:
		req.Kind = &agentv1.ExecRequest_CloseStdin{CloseStdin: true}
	case *execv1.Input_Resize:
		req.Kind = &agentv1.ExecRequest_Resize{Resize: &agentv1.ExecSize{Rows: k.Resize.GetRows(), Columns: k.Resize.GetColumns()}}
	case *execv1.Input_Signal_:
		req.Kind = &agentv1.ExecRequest_Signal{Signal: int32(k.Signal)}
	default:
		return nil
	}
	se.send.Lock()
	defer se.send.Unlock()
	se.active()
	if err := se.stream.Send(req); err != nil && !errors.Is(err, io.EOF) {
		return fault.New(metav1.Reason_REASON_EXEC_SESSION_ENDED, "the session has ended: %w", err)
	}
	return nil
}

// emit hands on what the agent told, and tells whether it was the last. What it may not say is no output.
func (se *session) emit(cancel context.CancelCauseFunc, resp *agentv1.ExecResponse, out func(*execv1.Output) error) (done bool, err error) {
	o := &execv1.Output{}
	switch k := resp.GetKind().(type) {
	case *agentv1.ExecResponse_Stdout:
		o.Kind = &execv1.Output_Stdout{Stdout: k.Stdout}
	case *agentv1.ExecResponse_Stderr:
		o.Kind = &execv1.Output_Stderr{Stderr: k.Stderr}
	case *agentv1.ExecResponse_Exit:
		o.Kind = &execv1.Output_Exit{Exit: &execv1.Exit{Code: k.Exit.GetCode() & 0xff}}
		done = true
	default:
		return false, nil
	}
	stall := time.AfterFunc(stallLimit, func() {
		cancel(fault.New(metav1.Reason_REASON_EXEC_SESSION_ENDED, "the session was ended: its output was not taken for %v", stallLimit))
	})
	defer stall.Stop()
	err = out(o)
	se.active()
	return done, err
}
