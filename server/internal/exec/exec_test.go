package exec_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	execv1 "github.com/hearthos/hearth/api/gen/go/hearth/exec/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/exec"
	"github.com/hearthos/hearth/server/internal/store"
)

// machine is a service whose agent the test plays.
type machine struct {
	list   []*execv1.Subcontainer
	agents chan *agent
}

func (m *machine) Subcontainers(string) ([]*execv1.Subcontainer, error) { return m.list, nil }

func (m *machine) ExecDefaults(string, string) (user, dir string, err error) {
	return "web", "/srv", nil
}

func (m *machine) ExecFault(err error) error { return err }

func (m *machine) Exec(ctx context.Context, _ string) (agentv1.AgentService_ExecClient, error) {
	a := &agent{ctx: ctx, in: make(chan *agentv1.ExecRequest), out: make(chan *agentv1.ExecResponse)}
	m.agents <- a
	return a, nil
}

// agent is the agent's end of a session: nothing is queued between the two.
type agent struct {
	agentv1.AgentService_ExecClient
	ctx context.Context
	in  chan *agentv1.ExecRequest
	out chan *agentv1.ExecResponse
}

func (a *agent) Send(req *agentv1.ExecRequest) error {
	select {
	case a.in <- req:
		return nil
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}

func (a *agent) Recv() (*agentv1.ExecResponse, error) {
	select {
	case resp := <-a.out:
		return resp, nil
	case <-a.ctx.Done():
		return nil, a.ctx.Err()
	}
}

func stdout(s string) *agentv1.ExecResponse {
	return &agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Stdout{Stdout: []byte(s)}}
}

func newService(t *testing.T, names ...string) (*exec.Service, *machine) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	_, err = st.Update(t.Context(), time.Unix(1, 0), func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "hello"}, Spec: &packagesv1.PackageSpec{}})
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{agents: make(chan *agent, 1)}
	for _, n := range names {
		name, image, _ := strings.Cut(n, ":")
		m.list = append(m.list, &execv1.Subcontainer{Id: "ID" + strings.ToUpper(name), Name: name, Image: image})
	}
	return exec.New(st, m), m
}

func TestTheSubcontainerThatIsMeant(t *testing.T) {
	t.Parallel()
	s, m := newService(t, "db:postgres", "web:main", "job:main", "main:other")
	for want, id := range map[string]string{"db": "IDDB", "IDWEB": "IDWEB", "postgres": "IDDB", "idj": "IDJOB", "main": "IDMAIN", "other": "IDMAIN"} {
		got, err := s.Open("me", want, &execv1.OpenSessionRequest{PackageId: "hello", Subcontainer: want})
		if err != nil || got.GetId() != id {
			t.Errorf("%q is %v, %v", want, got, err)
		}
	}
	for want, reason := range map[string]metav1.Reason{
		"": metav1.Reason_REASON_SUBCONTAINER_AMBIGUOUS, "ID": metav1.Reason_REASON_SUBCONTAINER_AMBIGUOUS, "none": metav1.Reason_REASON_SUBCONTAINER_NOT_FOUND,
	} {
		if got, err := s.Open("me", "x", &execv1.OpenSessionRequest{PackageId: "hello", Subcontainer: want}); !fault.Is(err, reason) {
			t.Errorf("%q is %v, %v", want, got, err)
		}
	}
	if _, err := s.Open("me", "x", &execv1.OpenSessionRequest{PackageId: "absent"}); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		t.Errorf("an absent package: %v", err)
	}
	m.list = m.list[:1]
	if _, err := s.Open("me", "one", &execv1.OpenSessionRequest{PackageId: "hello"}); err != nil {
		t.Errorf("the only one: %v", err)
	}
	m.list = nil
	if _, err := s.Open("me", "x", &execv1.OpenSessionRequest{PackageId: "hello"}); !fault.Is(err, metav1.Reason_REASON_SUBCONTAINER_NOT_FOUND) {
		t.Errorf("a service that does not run: %v", err)
	}
}

func TestASessionCarriesInAndOut(t *testing.T) {
	t.Parallel()
	s, m := newService(t, "web:main")
	_, err := s.Open("me", "a", &execv1.OpenSessionRequest{
		PackageId: "hello", Command: []string{"cat"}, Environment: map[string]string{"B": "2", "A": "1"}, Terminal: &execv1.TerminalSize{Rows: 5, Columns: 9},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), "another", "a", nil, nil); !fault.Is(err, metav1.Reason_REASON_EXEC_SESSION_NOT_FOUND) {
		t.Errorf("of somebody else: %v", err)
	}
	var said []string
	done := make(chan error, 1)
	go func() {
		done <- s.Run(t.Context(), "me", "a", nil, func(o *execv1.Output) error {
			said = append(said, string(o.GetStdout())+string(o.GetStderr()))
			return nil
		})
	}()
	a := <-m.agents
	start := (<-a.in).GetStart()
	if start.GetUser() != "web" || start.GetWorkingDirectory() != "/srv" || strings.Join(start.GetEnvironment(), " ") != "A=1 B=2" || start.GetTerminal().GetColumns() != 9 {
		t.Errorf("it starts %v", start)
	}
	wrote := make(chan error, 1)
	go func() {
		wrote <- s.Write(t.Context(), "me", "a", &execv1.Input{Kind: &execv1.Input_Stdin{Stdin: []byte("in")}})
	}()
	if got := string((<-a.in).GetStdin()); got != "in" {
		t.Errorf("what went in is %q", got)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if err := s.Write(t.Context(), "another", "a", &execv1.Input{}); !fault.Is(err, metav1.Reason_REASON_EXEC_SESSION_NOT_FOUND) {
		t.Errorf("somebody else writes: %v", err)
	}
	a.out <- stdout("out")
	a.out <- &agentv1.ExecResponse{} // what it may not say
	a.out <- &agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Exit{Exit: &agentv1.ExecExit{Code: 3}}}
	if err := <-done; err != nil || strings.Join(said, "|") != "out|" {
		t.Errorf("it ended with %v and said %q", err, said)
	}
	if err := s.Run(t.Context(), "me", "a", nil, nil); !fault.Is(err, metav1.Reason_REASON_EXEC_SESSION_NOT_FOUND) {
		t.Errorf("a second time: %v", err)
	}
}

func TestTheEndOfTheCallersStreamIsTheEndOfTheInput(t *testing.T) {
	t.Parallel()
	s, m := newService(t, "web:main")
	if _, err := s.Open("me", "a", &execv1.OpenSessionRequest{PackageId: "hello"}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- s.Run(t.Context(), "me", "a", func() (*execv1.Input, error) { return nil, io.EOF }, func(*execv1.Output) error { return nil })
	}()
	a := <-m.agents
	<-a.in
	if !(<-a.in).GetCloseStdin() {
		t.Error("the input has not ended")
	}
	a.out <- &agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Exit{Exit: &agentv1.ExecExit{}}}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTooManySessions(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, "web:main")
	open := func(owner, id string) error {
		_, err := s.Open(owner, id, &execv1.OpenSessionRequest{PackageId: "hello"})
		return err
	}
	for i := range 16 {
		if err := open("me", string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := open("me", "one more"); !fault.Is(err, metav1.Reason_REASON_EXEC_TOO_MANY) {
		t.Errorf("one more: %v", err)
	}
	if err := open("another", "theirs"); err != nil {
		t.Error(err)
	}
}

// inBubble runs a test whose time is played.
func inBubble(t *testing.T, idle time.Duration, fn func(t *testing.T, s *exec.Service, m *machine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, m := newService(t, "web:main")
		req := &execv1.OpenSessionRequest{PackageId: "hello"}
		if idle > 0 {
			req.IdleLimit = durationpb.New(idle)
		}
		if _, err := s.Open("me", "a", req); err != nil {
			t.Fatal(err)
		}
		fn(t, s, m)
	})
}

func TestNobodyComes(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, s *exec.Service, _ *machine) {
		time.Sleep(31 * time.Second)
		if err := s.Run(t.Context(), "me", "a", nil, nil); !fault.Is(err, metav1.Reason_REASON_EXEC_SESSION_NOT_FOUND) {
			t.Errorf("too late: %v", err)
		}
	})
}

func TestASessionInWhichNothingHappensEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Minute, func(t *testing.T, s *exec.Service, m *machine) {
		done := make(chan error, 1)
		go func() { done <- s.Run(t.Context(), "me", "a", nil, func(*execv1.Output) error { return nil }) }()
		a := <-m.agents
		<-a.in
		for range 3 {
			time.Sleep(50 * time.Second)
			a.out <- stdout("alive")
		}
		last := time.Now()
		if err := <-done; !fault.Is(err, metav1.Reason_REASON_EXEC_SESSION_ENDED) || time.Since(last) != time.Minute {
			t.Errorf("it ended after %v: %v", time.Since(last), err)
		}
		if a.ctx.Err() == nil {
			t.Error("the command goes on")
		}
	})
}

func TestAClientThatTakesNothingLosesItsCommand(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, s *exec.Service, m *machine) {
		gone := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- s.Run(t.Context(), "me", "a", nil, func(*execv1.Output) error { <-gone; return errors.New("gone") })
		}()
		a := <-m.agents
		<-a.in
		a.out <- stdout("much")
		begin := time.Now()
		<-a.ctx.Done()
		if took := time.Since(begin); took != 5*time.Minute {
			t.Errorf("the command ended after %v", took)
		}
		close(gone)
		if err := <-done; !fault.Is(err, metav1.Reason_REASON_EXEC_SESSION_ENDED) {
			t.Errorf("it ended with %v", err)
		}
	})
}
