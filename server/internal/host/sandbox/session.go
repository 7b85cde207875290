package sandbox

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"

	"github.com/hearthos/hearth/api/fault"
)

// played is what a played service says it is in.
const played = "web"

// Exec implements the method. No program is run: a few commands are played, and the shell is a loop over them.
//
//	echo WORD...   prints the words          complain WORD...   prints them as an error
//	cat            prints what comes in      size               prints the size of the terminal
//	exit N         ends with N               whoami             prints the user
//	hang           waits for a signal
func (a *agent) Exec(stream grpc.BidiStreamingServer[agentv1.ExecRequest, agentv1.ExecResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return fault.Status(err).Err()
	}
	start := first.GetStart()
	if start == nil {
		return fault.Status(fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "a session begins with what to run")).Err()
	}
	p := &playedCommand{stream: stream, start: start, size: start.GetTerminal()}
	code, err := p.run(start.GetCommand())
	if err != nil {
		return fault.Status(err).Err()
	}
	return stream.Send(&agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Exit{Exit: &agentv1.ExecExit{Code: int32(code)}}})
}

// playedCommand is a command of a session.
type playedCommand struct {
	stream grpc.BidiStreamingServer[agentv1.ExecRequest, agentv1.ExecResponse]
	start  *agentv1.ExecStart
	size   *agentv1.ExecSize
}

func (p *playedCommand) run(argv []string) (int, error) {
	if len(argv) == 0 {
		return p.shell()
	}
	rest := strings.Join(argv[1:], " ")
	switch argv[0] {
	case "echo":
		return 0, p.print("%s\n", rest)
	case "complain":
		return 0, p.stream.Send(&agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Stderr{Stderr: []byte(rest + "\n")}})
	case "whoami":
		return 0, p.print("%s\n", p.start.GetUser())
	case "env":
		return 0, p.print("%s\n", strings.Join(p.start.GetEnvironment(), "\n"))
	case "size":
		return 0, p.print("%d %d\n", p.size.GetRows(), p.size.GetColumns())
	case "exit":
		code, err := strconv.Atoi(rest)
		if err != nil {
			return 2, nil
		}
		return code, nil
	case "cat":
		return p.input(func(b []byte) (bool, error) { return false, p.print("%s", b) })
	case "hang":
		return p.input(func([]byte) (bool, error) { return false, nil })
	}
	return 127, p.stream.Send(&agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Stderr{Stderr: []byte(argv[0] + ": not found\n")}})
}

// shell plays the lines that come in.
func (p *playedCommand) shell() (int, error) {
	var line []byte
	code := 0
	return p.input(func(b []byte) (bool, error) {
		for _, c := range b {
			if c != '\n' && c != '\r' {
				line = append(line, c)
				continue
			}
			argv := strings.Fields(string(line))
			line = line[:0]
			if len(argv) == 0 {
				continue
			}
			var err error
			if code, err = p.run(argv); err != nil || argv[0] == "exit" {
				return true, errors.Join(err, exited(code))
			}
		}
		return false, nil
	})
}

// exited ends a shell.
type exited int

func (e exited) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// input hands what comes in to take, until it has ended or take has enough.
func (p *playedCommand) input(take func([]byte) (bool, error)) (int, error) {
	for {
		req, err := p.stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		switch k := req.GetKind().(type) {
		case *agentv1.ExecRequest_Stdin:
			done, err := take(k.Stdin)
			if status, ok := errors.AsType[exited](err); ok {
				return int(status), nil
			}
			if done || err != nil {
				return 0, err
			}
		case *agentv1.ExecRequest_CloseStdin:
			return 0, nil
		case *agentv1.ExecRequest_Resize:
			p.size = k.Resize
		case *agentv1.ExecRequest_Signal:
			return 128 + int(k.Signal), nil
		}
	}
}

func (p *playedCommand) print(format string, args ...any) error {
	return p.stream.Send(&agentv1.ExecResponse{Kind: &agentv1.ExecResponse_Stdout{Stdout: fmt.Appendf(nil, format, args...)}})
}
