// Package pid1 is the agent as the first process of a service container: it puts reaper, log, JavaScript host and the
// daemon's socket together, and takes them apart again when the container is switched off.
//
// The folder HEARTH_RPC_DIR and the log folder are all it shares with the host. It deliberately does not speak with the
// daemon by itself: the daemon calls.
//
// Power-off (SIGTERM, SIGINT, SIGPWR), each step only when the one before is done or out of time:
//
//	main is stopped (HEARTH_STOP_TIMEOUT) → SIGTERM, SIGKILL to the JavaScript host → SIGTERM to all that is left →
//	SIGKILL to all → the log is written → exit 0
//
// A second signal skips what is left of the first step.
package pid1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/hearthos/hearth/api/abi/logseg"
	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	"github.com/hearthos/hearth/runtime/agent/internal/logpipe"
	"github.com/hearthos/hearth/runtime/agent/internal/reap"
	"github.com/hearthos/hearth/runtime/agent/internal/script"
	"github.com/hearthos/hearth/runtime/agent/internal/service"
	"github.com/hearthos/hearth/runtime/agent/internal/session"
	"github.com/hearthos/hearth/runtime/agent/internal/slim"
)

// Config is what the agent is told by its environment.
type Config struct {
	Version   string
	Container string // HEARTH_CONTAINER
	Package   string // HEARTH_PACKAGE
	Lang      string // LANG
	RPCDir    string // HEARTH_RPC_DIR
	LogDir    string // HEARTH_LOG_DIR
	DataLock  string // HEARTH_DATA_LOCK; empty: nothing is locked
	Command   []string
	// StopTimeout is how long main may take to stop at power-off: as long as the slowest StartOS packages ask for. The
	// host ends sooner by SIGKILL to the container if it wants.
	StopTimeout time.Duration // HEARTH_STOP_TIMEOUT
}

// idleAfter is when the start is over and its memory can be given back.
const idleAfter = 5 * time.Second

// endTimeout is how long what is left may take after SIGTERM.
const endTimeout = 5 * time.Second

// FromEnv reads the configuration. HEARTH_NODE and HEARTH_JSHOST replace the program and the file it runs.
func FromEnv(version string, getenv func(string) string) (Config, error) {
	or := func(name, fallback string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return fallback
	}
	timeout, err := time.ParseDuration(or("HEARTH_STOP_TIMEOUT", "5m"))
	if err != nil || timeout <= 0 {
		return Config{}, fmt.Errorf("cannot read HEARTH_STOP_TIMEOUT: want a duration such as 90s, got %q", getenv("HEARTH_STOP_TIMEOUT"))
	}
	return Config{
		Version: version, Container: getenv("HEARTH_CONTAINER"), Package: getenv("HEARTH_PACKAGE"), Lang: or("LANG", "C.UTF-8"),
		RPCDir: or("HEARTH_RPC_DIR", "/run/hearth"), LogDir: or("HEARTH_LOG_DIR", "/media/startos/logs"),
		DataLock:    getenv("HEARTH_DATA_LOCK"),
		Command:     []string{or("HEARTH_NODE", "node"), "--experimental-detect-module", or("HEARTH_JSHOST", "/usr/lib/hearth/jshost/index.mjs")},
		StopTimeout: timeout,
	}, nil
}

// scriptEnv is the environment of package code, and of what it starts without naming an environment.
func (c Config) scriptEnv() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LANG=" + c.Lang, "STARTOS_ENVIRONMENT=1",
		"HEARTH_RPC_DIR=" + c.RPCDir, "HEARTH_CONTAINER=" + c.Container, "HEARTH_PACKAGE=" + c.Package,
	}
}

// Run is the life of the container: it returns after a power-off signal, when everything has ended.
func Run(cfg Config, signals <-chan os.Signal) error {
	held, err := holdData(cfg.DataLock)
	if err != nil {
		return err
	}
	defer held.Close() // of use only where nothing is locked: as process 1 it ends with the container
	reaper, err := reap.New()
	if err != nil {
		return err
	}
	defer reaper.Close()
	var log logpipe.Log = console{}
	if w, err := logseg.NewWriter(cfg.LogDir); err != nil {
		// A service without its log is better than no service; the container's console has the lines.
		fmt.Fprintln(os.Stderr, "hearth-agent:", err)
	} else {
		defer w.Close()
		log = w
	}
	sink := logpipe.New(log)
	defer sink.Close()

	listener, err := listen(filepath.Join(cfg.RPCDir, "agent.sock"))
	if err != nil {
		return err
	}
	offer := logpipe.NewOffer(sink)
	host, startErr := startScript(cfg, reaper, sink, offer)
	if startErr != nil {
		sink.Note("%v", startErr)
	}
	asked, err := listenLog(filepath.Join(cfg.RPCDir, "log.sock"))
	if err != nil {
		return err
	}
	defer asked.Close()
	go offer.Serve(asked)
	svc := service.New(cfg.Version, cfg.Container, host, startErr, session.New(reaper))
	server := newServer()
	agentv1.RegisterAgentServiceServer(server, svc)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer server.Stop()

	ended := svc.Ended()
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	for {
		select {
		case <-idle.C:
			slim.Release()
		case <-ended:
			sink.Note("the JavaScript host has ended: %s", svc.State().GetExitReason())
			ended = nil
		case err := <-served:
			return fmt.Errorf("cannot serve the daemon: %w", err)
		case sig := <-signals:
			sink.Note("power-off: %v", sig)
			powerOff(cfg, svc, reaper, sink, signals)
			return nil
		}
	}
}

func startScript(cfg Config, reaper *reap.Reaper, sink *logpipe.Sink, offer *logpipe.Offer) (*script.Host, error) {
	out, err := sink.Pipe(logseg.Stdout, "service")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	errOut, err := sink.Pipe(logseg.Stderr, "service")
	if err != nil {
		return nil, err
	}
	defer errOut.Close()
	if err := errors.Join(offer.Replaces(out, logseg.Stdout), offer.Replaces(errOut, logseg.Stderr)); err != nil {
		return nil, err
	}
	return script.Start(reaper, script.Options{
		Command: cfg.Command, Socket: filepath.Join(cfg.RPCDir, "jshost.sock"), Env: cfg.scriptEnv(), Stdout: out, Stderr: errOut,
	})
}

// listen makes the socket of the daemon. Whoever may search the folder's parents may be root of the host or of the
// container, and nobody else may connect.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot remove a stale socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the daemon: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot protect the daemon's socket: %w", err)
	}
	return l, nil
}

// listenLog makes the socket at which programs of the service ask for pipes of their own.
func listenLog(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot remove a stale socket: %w", err)
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen for programs: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot protect the socket for programs: %w", err)
	}
	return l, nil
}

// newServer returns a server that idles in little memory: an agent runs for every service.
func newServer() *grpc.Server {
	return grpc.NewServer(
		grpc.MaxRecvMsgSize(script.MaxMessage), grpc.MaxSendMsgSize(script.MaxMessage),
		grpc.ReadBufferSize(4<<10), grpc.WriteBufferSize(4<<10), grpc.SharedWriteBuffer(true))
}

func powerOff(cfg Config, svc *service.Service, reaper *reap.Reaper, sink *logpipe.Sink, signals <-chan os.Signal) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), cfg.StopTimeout, errors.New("main took too long to stop"))
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	svc.Shutdown(ctx, sink.Note)
	cancel()
	if os.Getpid() != 1 {
		return // what is left is not ours alone: the kernel's "all" would be everything on the machine
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		// Everything in the container but this process.
		if err := unix.Kill(-1, sig); errors.Is(err, unix.ESRCH) {
			return
		}
		left, done := context.WithTimeout(context.Background(), endTimeout)
		err := reaper.WaitAll(left)
		done()
		if err == nil {
			return
		}
	}
	sink.Note("processes were left at power-off")
}

// console writes records to the container's console.
type console struct{}

func (console) Write(records ...logseg.Record) error {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%s %s: %s\n", r.Stream, r.Source, r.Message)
	}
	_, err := os.Stderr.WriteString(b.String())
	return err
}
