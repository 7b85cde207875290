package pid1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/hearthos/hearth/api/abi/logseg"
	"github.com/hearthos/hearth/api/fault"
	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	jshostv1 "github.com/hearthos/hearth/api/gen/go/hearth/jshost/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/runtime/agent/internal/pid1"
)

// The test program is three: the test, the agent as first process of a pid namespace, and in there the JavaScript host.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "agent":
			os.Exit(agentMain())
		case "--experimental-detect-module":
			os.Exit(scriptMain(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

func agentMain() int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM)
	cfg, err := pid1.FromEnv("test", os.Getenv)
	if err == nil {
		err = pid1.Run(cfg, signals)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// scriptHost is a JavaScript host that asks the test over its control socket what to do with each call.
type scriptHost struct {
	jshostv1.UnimplementedJsHostServiceServer
	control string
}

func scriptMain(control string) int {
	h := &scriptHost{control: control}
	if err := h.ask("boot"); err != nil {
		return 1
	}
	fmt.Println("hello from the package")
	l, err := net.Listen("unix", filepath.Join(os.Getenv("HEARTH_RPC_DIR"), "jshost.sock"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server := grpc.NewServer()
	jshostv1.RegisterJsHostServiceServer(server, h)
	if os.Getenv("HEARTH_READY_FD") == "3" {
		_ = os.NewFile(3, "ready").Close()
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		<-terms
		_ = h.ask("sigterm")
		os.Exit(0)
	}()
	_ = server.Serve(l)
	return 1
}

// ask tells the test what is going on and does what it answers.
func (h *scriptHost) ask(format string, args ...any) error {
	c, err := net.Dial("unix", h.control)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintf(c, format+"\n", args...)
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	switch verb, rest, _ := strings.Cut(strings.TrimSpace(answer), " "); verb {
	case "throw":
		return errors.New(rest)
	case "orphans":
		for range 20 {
			_ = exec.Command("/bin/sh", "-c", "(sleep 0.01) & (sleep 600) &").Run()
		}
	case "die":
		os.Exit(3)
	}
	return nil
}

func (h *scriptHost) Init(_ context.Context, r *jshostv1.InitRequest) (*jshostv1.InitResponse, error) {
	return &jshostv1.InitResponse{}, h.ask("init %s %s", r.EventId, r.Kind)
}

func (h *scriptHost) Start(context.Context, *jshostv1.StartRequest) (*jshostv1.StartResponse, error) {
	return &jshostv1.StartResponse{}, h.ask("start")
}

func (h *scriptHost) Stop(context.Context, *jshostv1.StopRequest) (*jshostv1.StopResponse, error) {
	return &jshostv1.StopResponse{}, h.ask("stop")
}

func (h *scriptHost) Exit(_ context.Context, r *jshostv1.ExitRequest) (*jshostv1.ExitResponse, error) {
	if err := h.ask("exit %s", r.Target); err != nil {
		return nil, err
	}
	time.AfterFunc(20*time.Millisecond, func() { os.Exit(0) })
	return &jshostv1.ExitResponse{}, nil
}

func (h *scriptHost) Execute(_ context.Context, r *jshostv1.ExecuteRequest) (*jshostv1.ExecuteResponse, error) {
	return &jshostv1.ExecuteResponse{Output: r.Input}, h.ask("execute %s", r.Procedure)
}

// container is an agent under test.
type container struct {
	t       *testing.T
	cmd     *exec.Cmd
	rpc     string
	logs    string
	control net.Listener
	ended   chan error
}

// call is something the JavaScript host was asked to do.
type call struct {
	what string
	conn net.Conn
}

func (c call) answer(s string) {
	if c.conn != nil {
		fmt.Fprintln(c.conn, s)
		c.conn.Close()
	}
}

func start(t *testing.T, env ...string) *container {
	t.Helper()
	if os.Geteuid() != 0 {
		if strings.Contains(os.Getenv("HEARTH_REQUIRE"), "root") {
			t.Fatal("pid namespaces need root, which is required here")
		}
		t.Skip("pid namespaces need root")
	}
	dir, err := os.MkdirTemp("", "agent") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &container{t: t, rpc: filepath.Join(dir, "rpc"), logs: filepath.Join(dir, "logs"), ended: make(chan error, 1)}
	if err := os.Mkdir(c.rpc, 0o700); err != nil {
		t.Fatal(err)
	}
	// What a predecessor left must not be in the way.
	if err := os.WriteFile(filepath.Join(c.rpc, "agent.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	control := filepath.Join(dir, "control")
	if c.control, err = net.Listen("unix", control); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.control.Close() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(self, "agent")
	c.cmd.Stderr = os.Stderr
	c.cmd.Env = append([]string{"HEARTH_RPC_DIR=" + c.rpc, "HEARTH_LOG_DIR=" + c.logs, "HEARTH_NODE=" + self,
		"HEARTH_JSHOST=" + control, "HEARTH_CONTAINER=abcd", "HEARTH_PACKAGE=hello"}, env...)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// next waits for the next thing the JavaScript host is asked to do.
func (c *container) next(want string) call {
	c.t.Helper()
	conn, err := c.control.Accept()
	if err != nil {
		c.t.Errorf("waiting for %q: %v", want, err)
		return call{what: want}
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	if got := strings.TrimSpace(line); got != want {
		conn.Close()
		c.t.Errorf("the package was asked for %q, want %q", got, want)
	}
	return call{what: want, conn: conn}
}

// daemon is a connection as the daemon has one; close is its death.
func (c *container) daemon() (client agentv1.AgentServiceClient, closeConn func()) {
	c.t.Helper()
	conn, err := grpc.NewClient("unix:"+filepath.Join(c.rpc, "agent.sock"),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1, MaxDelay: 5 * time.Millisecond}}))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	return agentv1.NewAgentServiceClient(conn), func() { conn.Close() }
}

// waitPhase waits until the agent tells of a phase.
func (c *container) waitPhase(want agentv1.State_Phase) *agentv1.State {
	c.t.Helper()
	client, done := c.daemon()
	defer done()
	for {
		st, err := watchFor(c.t.Context(), client, want)
		if err == nil {
			return st
		}
		// A connection that breaks while the agent is just coming up is made again, as the daemon does.
		if status.Code(err) != codes.Unavailable || c.t.Context().Err() != nil {
			c.t.Fatalf("waiting for %v: %v", want, err)
		}
		select {
		case err := <-c.ended:
			c.t.Fatalf("waiting for %v: the agent has ended: %v", want, err)
		default:
		}
	}
}

func watchFor(ctx context.Context, client agentv1.AgentServiceClient, want agentv1.State_Phase) (*agentv1.State, error) {
	w, err := client.WatchState(ctx, &agentv1.WatchStateRequest{})
	for err == nil {
		var res *agentv1.WatchStateResponse
		if res, err = w.Recv(); err == nil && res.State.Phase == want {
			return res.State, nil
		}
	}
	return nil, err
}

func (c *container) power() error {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	return <-c.ended
}

func (c *container) log() string {
	c.t.Helper()
	r, err := logseg.OpenReader(c.logs)
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Close()
	entries, _, err := r.From(logseg.Cursor{})
	if err != nil {
		c.t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %s: %s\n", e.Stream, e.Source, e.Message)
	}
	return b.String()
}

func TestALifeFromLoadingToPowerOff(t *testing.T) {
	t.Parallel()
	c := start(t)
	boot := c.next("boot")
	client, _ := c.daemon()
	hello, err := client.GetState(t.Context(), &agentv1.GetStateRequest{DaemonVersion: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if hello.State.Phase != agentv1.State_PHASE_LOADING || hello.Container != "abcd" || hello.Contract != 1 || hello.AgentVersion != "test" {
		t.Fatalf("handshake: %v", hello)
	}
	// A call that comes while the host loads waits for it.
	inited := make(chan error, 1)
	go func() {
		_, err := client.Init(t.Context(), &agentv1.InitRequest{EventId: "e1", Kind: "install"})
		inited <- err
	}()
	boot.answer("ok")
	init := c.next("init e1 install")
	c.waitPhase(agentv1.State_PHASE_INITIALIZING)
	init.answer("ok")
	if err := <-inited; err != nil {
		t.Fatal(err)
	}
	if st := c.waitPhase(agentv1.State_PHASE_STOPPED); st.InitEventId != "e1" {
		t.Fatalf("init event %q", st.InitEventId)
	}
	go func() { c.next("start").answer("orphans") }()
	if _, err := client.Start(t.Context(), &agentv1.StartRequest{EventId: "e2"}); err != nil {
		t.Fatal(err)
	}
	if st := c.waitPhase(agentv1.State_PHASE_RUNNING); st.StartEventId != "e2" || st.StartTime == nil {
		t.Fatalf("state %v", st)
	}
	go func() { c.next("execute /actions/a/run").answer("ok") }()
	res, err := client.Execute(t.Context(), &agentv1.ExecuteRequest{EventId: "e3", Procedure: "/actions/a/run", Input: []byte(`{"input":1}`)})
	if err != nil || string(res.Output) != `{"input":1}` {
		t.Fatalf("execute: %v, %v", res, err)
	}
	// Power-off: first main stops, then the host ends, then everything.
	go func() {
		stop := c.next("stop")
		c.waitPhase(agentv1.State_PHASE_STOPPING)
		stop.answer("ok")
		c.next("sigterm").answer("ok")
	}()
	if err := c.power(); err != nil {
		t.Fatal(err)
	}
	log := c.log()
	for _, want := range []string{"stdout service: hello from the package\n", "system agent: power-off: terminated\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

func TestInitGoesOnWithoutTheDaemonAndIsJoinedAgain(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.next("boot").answer("ok")
	first, die := c.daemon()
	gone := make(chan error, 1)
	go func() {
		_, err := first.Init(t.Context(), &agentv1.InitRequest{EventId: "e1", Kind: "restore"})
		gone <- err
	}()
	init := c.next("init e1 restore")
	die()
	if err := <-gone; err == nil {
		t.Fatal("the call outlived its connection")
	}
	second, _ := c.daemon()
	joined := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := second.Init(t.Context(), &agentv1.InitRequest{EventId: "e1", Kind: "restore"})
			joined <- err
		}()
	}
	c.waitPhase(agentv1.State_PHASE_INITIALIZING)
	init.answer("ok") // the only one: a second init would fail the next expectation
	for range 2 {
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := second.Init(t.Context(), &agentv1.InitRequest{EventId: "e1"}); err != nil {
		t.Fatalf("asked again after its end: %v", err)
	}
	// Another event is another call.
	go func() { c.next("init e2").answer("ok") }()
	if _, err := second.Init(t.Context(), &agentv1.InitRequest{EventId: "e2"}); err != nil {
		t.Fatal(err)
	}
}

func TestPackageErrorsTravelAndAreRepeated(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.next("boot").answer("ok")
	client, _ := c.daemon()
	go func() { c.next("init e1").answer("throw the database \x01 is\xff broken") }()
	for range 2 {
		_, err := client.Init(t.Context(), &agentv1.InitRequest{EventId: "e1"})
		if !fault.Is(err, metav1.Reason_REASON_PACKAGE_CODE_FAILED) || !strings.Contains(fault.Proto(err).Message, "the database") {
			t.Fatalf("got %v", err)
		}
	}
	c.waitPhase(agentv1.State_PHASE_READY)
	if _, err := client.Start(t.Context(), &agentv1.StartRequest{}); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
		t.Fatalf("a call without event id: %v", err)
	}
}

func TestACrashIsToldAndAnswersEverything(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.next("boot").answer("ok")
	client, _ := c.daemon()
	go func() { c.next("init e1").answer("die") }()
	_, err := client.Init(t.Context(), &agentv1.InitRequest{EventId: "e1"})
	if !fault.Is(err, metav1.Reason_REASON_SERVICE_NOT_READY) || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("got %v", err)
	}
	if st := c.waitPhase(agentv1.State_PHASE_CRASHED); st.ExitReason != "exit status 3" {
		t.Fatalf("reason %q", st.ExitReason)
	}
	if _, err := client.Start(t.Context(), &agentv1.StartRequest{EventId: "e2"}); !fault.Is(err, metav1.Reason_REASON_SERVICE_NOT_READY) {
		t.Fatalf("start after the crash: %v", err)
	}
	if err := c.power(); err != nil {
		t.Fatal(err)
	}
}

func TestExitEndsTheHostAndAnswersWhenItIsGone(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.next("boot").answer("ok")
	client, _ := c.daemon()
	go func() { c.next("exit 2.0:0").answer("throw no way down") }()
	if _, err := client.Exit(t.Context(), &agentv1.ExitRequest{EventId: "e1", Target: "2.0:0"}); !fault.Is(err, metav1.Reason_REASON_PACKAGE_CODE_FAILED) {
		t.Fatalf("got %v", err)
	}
	c.waitPhase(agentv1.State_PHASE_READY)
	go func() { c.next("exit").answer("ok") }()
	if _, err := client.Exit(t.Context(), &agentv1.ExitRequest{EventId: "e2"}); err != nil {
		t.Fatal(err)
	}
	if st := c.waitPhase(agentv1.State_PHASE_EXITED); st.ExitReason != "exit status 0" {
		t.Fatalf("reason %q", st.ExitReason)
	}
	if err := c.power(); err != nil {
		t.Fatal(err)
	}
}

func TestAStopReachesAPackageWhoseStartHangs(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.next("boot").answer("ok")
	client, _ := c.daemon()
	started := make(chan error, 1)
	go func() {
		_, err := client.Start(t.Context(), &agentv1.StartRequest{EventId: "e1"})
		started <- err
	}()
	hanging := c.next("start")
	go func() { c.next("stop").answer("ok") }()
	if _, err := client.Stop(t.Context(), &agentv1.StopRequest{EventId: "e2"}); err != nil {
		t.Fatal(err)
	}
	hanging.answer("throw interrupted")
	if err := <-started; !fault.Is(err, metav1.Reason_REASON_PACKAGE_CODE_FAILED) {
		t.Fatal(err)
	}
}

func TestPowerOffDoesNotWaitForEverForMain(t *testing.T) {
	t.Parallel()
	c := start(t, "HEARTH_STOP_TIMEOUT=50ms")
	c.next("boot").answer("ok")
	client, _ := c.daemon()
	go func() { c.next("start").answer("ok") }()
	if _, err := client.Start(t.Context(), &agentv1.StartRequest{EventId: "e1"}); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.next("stop") // never answered
		c.next("sigterm").answer("ok")
	}()
	if err := c.power(); err != nil {
		t.Fatal(err)
	}
}

func TestAHostThatCannotStartIsACrash(t *testing.T) {
	t.Parallel()
	c := start(t, "HEARTH_NODE=/nonexistent/node")
	if st := c.waitPhase(agentv1.State_PHASE_CRASHED); !strings.Contains(st.ExitReason, "/nonexistent/node") {
		t.Fatalf("reason %q", st.ExitReason)
	}
	if err := c.power(); err != nil {
		t.Fatal(err)
	}
}

func TestTheRealJavaScriptHost(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node: ", err)
	}
	bundle, err := filepath.Abs("../../../jshost/dist/index.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bundle); err != nil {
		t.Skip("the JavaScript host is not built: ", err)
	}
	c := start(t, "HEARTH_NODE="+node, "HEARTH_JSHOST="+bundle)
	c.waitPhase(agentv1.State_PHASE_READY)
	client, _ := c.daemon()
	_, err = client.Init(t.Context(), &agentv1.InitRequest{EventId: "e1", Kind: "install"})
	if !fault.Is(err, metav1.Reason_REASON_PACKAGE_CODE_FAILED) {
		t.Errorf("init without a package: %v", err)
	}
	_, err = client.Start(t.Context(), &agentv1.StartRequest{EventId: "e2"})
	if err == nil || fault.Is(err, metav1.Reason_REASON_INTERNAL) {
		t.Errorf("start before init: %v", err)
	}
	if err := c.power(); err != nil {
		t.Fatal(err)
	}
	if log := c.log(); !strings.Contains(log, "power-off") {
		t.Errorf("the log:\n%s", log)
	}
}
