// Package session runs commands for people: each is one call of the daemon, on a terminal or on pipes.
//
// It deliberately decides nothing of who may and how many: that is the daemon's. Namespaces, user and root are
// start-container's, which a session is started by.
//
// Invariants: memory is bounded whatever the command prints and the caller sends, since each side is read only when the
// other has taken what came before; a session ends with its call, and no process of it is left, see startcontainer's keep.
package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/hearthos/hearth/api/fault"
	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/runtime/agent/internal/pty"
	"github.com/hearthos/hearth/runtime/agent/internal/reap"
)

const (
	subcontainers = "/media/startos/subcontainers"
	images        = "/media/startos/images"
	program       = "/usr/bin/start-container"
	// chunk is how much of the output is sent at a time.
	chunk = 32 << 10
)

// namePattern is what ids of subcontainers and images look like; they become part of paths.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// Runner runs sessions. It is safe for concurrent use.
type Runner struct {
	reaper *reap.Reaper
	exe    string
}

// New returns a runner whose processes are collected by reaper.
func New(reaper *reap.Reaper) *Runner { return &Runner{reaper: reaper, exe: "/proc/self/exe"} }

// Serve carries out one call.
func (r *Runner) Serve(stream grpc.BidiStreamingServer[agentv1.ExecRequest, agentv1.ExecResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return fault.Status(err).Err()
	}
	s, err := r.start(first.GetStart())
	if err != nil {
		return fault.Status(err).Err()
	}
	defer s.end()
	s.stream = stream
	go s.take() // ends with the call, which ends when Serve has returned
	// First what was printed, then the status: the pipes end when the last process of the session has.
	drained := s.pump()
	select {
	case <-drained:
	case <-stream.Context().Done():
		s.end()
		<-drained
		return fault.Status(stream.Context().Err()).Err()
	}
	select {
	case <-s.child.Done():
	case <-stream.Context().Done():
		return fault.Status(stream.Context().Err()).Err()
	}
	return s.send(&agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Exit{Exit: &agentv1.ExecExit{Code: int32(s.code())}}})
}

// session is one command that runs.
type session struct {
	child  *reap.Child
	master *os.File // nil on pipes
	stdin  *os.File // the master on a terminal
	out    []output
	stream grpc.BidiStreamingServer[agentv1.ExecRequest, agentv1.ExecResponse]

	mu     sync.Mutex // guards sending, and killed
	killed bool
}

// output is one thing that the command prints to.
type output struct {
	from *os.File
	wrap func([]byte) *agentv1.ExecResponse
}

func stdout(b []byte) *agentv1.ExecResponse {
	return &agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Stdout{Stdout: b}}
}

func stderr(b []byte) *agentv1.ExecResponse {
	return &agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Stderr{Stderr: b}}
}

func (r *Runner) start(req *agentv1.ExecStart) (*session, error) {
	args, err := arguments(req)
	if err != nil {
		return nil, err
	}
	s := &session{}
	var files []*os.File // the command's
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if req.GetTerminal() != nil {
		master, slave, err := pty.Open()
		if err != nil {
			return nil, err
		}
		pty.Resize(master, winsize(req.GetTerminal()))
		s.master, s.stdin, s.out = master, master, []output{{master, stdout}}
		files = []*os.File{slave, slave, slave}
	} else if files, err = s.pipes(); err != nil {
		s.end()
		return nil, err
	}
	cmd := &exec.Cmd{Path: r.exe, Args: append([]string{program}, args...), Env: []string{}, Dir: "/", Stdin: files[0], Stdout: files[1], Stderr: files[2]}
	if s.child, err = r.reaper.Start(cmd); err != nil {
		s.end()
		return nil, fmt.Errorf("cannot start a session: %w", err)
	}
	return s, nil
}

// pipes makes the standard streams of a command without a terminal.
func (s *session) pipes() ([]*os.File, error) {
	var files []*os.File
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			return files, fmt.Errorf("cannot make a pipe: %w", err)
		}
		switch i {
		case 0:
			files, s.stdin = append(files, r), w
		case 1:
			files, s.out = append(files, w), append(s.out, output{r, stdout})
		case 2:
			files, s.out = append(files, w), append(s.out, output{r, stderr})
		}
	}
	return files, nil
}

// arguments are those of start-container.
func arguments(req *agentv1.ExecStart) ([]string, error) {
	if !namePattern.MatchString(req.GetSubcontainer()) || !namePattern.MatchString(req.GetImage()) {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "a session begins with the subcontainer it is for")
	}
	args := []string{"subcontainer", "exec", "--session", "--env-file=" + filepath.Join(images, req.GetImage()+".env")}
	for _, e := range req.GetEnvironment() {
		args = append(args, "--env="+e)
	}
	if req.GetUser() != "" {
		args = append(args, "--user="+req.GetUser())
	}
	if dir := req.GetWorkingDirectory(); dir != "" {
		args = append(args, "--workdir="+dir)
	}
	args = append(args, "--", filepath.Join(subcontainers, req.GetSubcontainer()))
	for _, a := range append(args, req.GetCommand()...) {
		if strings.ContainsRune(a, 0) {
			return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "an argument holds a zero byte")
		}
	}
	return append(args, req.GetCommand()...), nil
}

func winsize(s *agentv1.ExecSize) *unix.Winsize {
	return &unix.Winsize{Row: uint16(min(s.GetRows(), 1<<16-1)), Col: uint16(min(s.GetColumns(), 1<<16-1))}
}

// take hands on what the caller sends, until the call ends.
func (s *session) take() {
	for {
		req, err := s.stream.Recv()
		if errors.Is(err, io.EOF) {
			s.closeInput() // a caller that has nothing more to say still listens
			return
		}
		if err != nil {
			return
		}
		switch k := req.GetKind().(type) {
		case *agentv1.ExecRequest_Stdin:
			// A command that reads no more is its own affair, not the end of its session.
			_, _ = s.stdin.Write(k.Stdin)
		case *agentv1.ExecRequest_CloseStdin:
			s.closeInput()
		case *agentv1.ExecRequest_Resize:
			if s.master != nil {
				pty.Resize(s.master, winsize(k.Resize))
			}
		case *agentv1.ExecRequest_Signal:
			s.signal(syscall.Signal(k.Signal))
		}
	}
}

// closeInput ends the standard input: on a terminal by the byte that typing ^D gives.
func (s *session) closeInput() {
	if s.master != nil {
		_, _ = s.master.Write([]byte{4})
		return
	}
	_ = s.stdin.Close()
}

func (s *session) signal(sig syscall.Signal) {
	switch sig {
	case unix.SIGKILL:
		// What stands above the command is killed, and kills all below.
		s.mu.Lock()
		s.killed = true
		s.mu.Unlock()
		_ = s.child.Signal(unix.SIGKILL)
	case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2:
		_ = s.child.Signal(sig)
	}
}

// pump sends what the command prints. What it returns is closed when nobody can print any more.
func (s *session) pump() <-chan struct{} {
	var group sync.WaitGroup
	for _, o := range s.out {
		group.Go(func() {
			buf := make([]byte, chunk)
			for {
				n, err := o.from.Read(buf)
				if n > 0 {
					if s.send(o.wrap(buf[:n])) != nil {
						return
					}
				}
				if err != nil {
					return // on a terminal EIO: nobody has it any more
				}
			}
		})
	}
	drained := make(chan struct{})
	go func() { defer close(drained); group.Wait() }()
	return drained
}

func (s *session) send(resp *agentv1.ExecResponse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Send(resp)
}

// code is the status of the command.
func (s *session) code() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch status := s.child.Status(); {
	case s.killed:
		return 128 + int(unix.SIGKILL)
	case status.Signaled():
		return 128 + int(status.Signal())
	default:
		return status.ExitStatus()
	}
}

// end takes away what is left of a session: the terminal hangs up, and what stands above the command is killed, which
// ends all below it.
func (s *session) end() {
	if s.stdin != nil {
		_ = s.stdin.Close()
	}
	for _, o := range s.out {
		_ = o.from.Close()
	}
	if s.child != nil {
		_ = s.child.Signal(unix.SIGKILL)
	}
}
