package main

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	execv1 "github.com/hearthos/hearth/api/gen/go/hearth/exec/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/protobuf/types/known/durationpb"
)

func (a *app) subcontainersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "subcontainers ID", Short: "List the subcontainers of a service, in which its programs run", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth package subcontainers hello\n  hearth package subcontainers hello -q",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Exec.ListSubcontainers(ctx, &execv1.ListSubcontainersRequest{PackageId: args[0]})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetSubcontainers())
				}
				var table [][]string
				for _, s := range resp.GetSubcontainers() {
					table = append(table, []string{s.GetId(), s.GetName(), s.GetImage(), since(s.GetCreateTime())})
				}
				return a.table([]string{"id", "name", "image", "age"}, table)
			})
		},
	}
}

// attachment is what attach was asked for.
type attachment struct {
	subcontainer, user, dir string
	env                     []string
	tty, noTTY              bool
	idle                    time.Duration
}

func (a *app) attachCommand() *cobra.Command {
	var at attachment
	c := &cobra.Command{
		Use:   "attach ID [-- COMMAND...]",
		Short: "Run a shell or a command in a service",
		Long: `Run a command in a subcontainer of a service: where its programs run, with what they
have. Without a command it is the shell of the user.

When both input and output are a terminal, the command has one too, of the same size.
Otherwise its output and its errors are kept apart, and input ends where yours does.
The command ends with the connection, and so does everything it has started. The
exit code is that of the command: 128 and the number of the signal when one ended it.

It is recorded who ran what.`,
		Example: `  hearth package attach hello
  hearth package attach hello -- ps aux
  hearth package attach nextcloud --subcontainer db --user postgres -- psql
  hearth package attach nextcloud --subcontainer db -- pg_dumpall -U postgres >all.sql`,
		Args: func(cmd *cobra.Command, args []string) error {
			before := cmd.ArgsLenAtDash()
			if before < 0 {
				before = len(args)
			}
			if before == 1 {
				return nil
			}
			return cobra.ExactArgs(1)(cmd, args[:before])
		},
		ValidArgsFunction: a.completeInstalled,
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := a.sessionRequest(args[0], args[1:], at)
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error { return a.attach(ctx, c, req) })
		},
	}
	c.Flags().StringVarP(&at.subcontainer, "subcontainer", "s", "", "which subcontainer: its name, image or id; needed where there are several")
	c.Flags().StringVarP(&at.user, "user", "u", "", "as whom, USER[:GROUP]; the image says it otherwise")
	c.Flags().StringVarP(&at.dir, "workdir", "w", "", "working directory; the image says it otherwise")
	c.Flags().StringArrayVarP(&at.env, "env", "e", nil, "environment variable NAME=VALUE; may be repeated")
	c.Flags().BoolVarP(&at.tty, "tty", "t", false, "give the command a terminal even when input or output is none")
	c.Flags().BoolVarP(&at.noTTY, "no-tty", "T", false, "give the command no terminal")
	c.Flags().DurationVar(&at.idle, "idle-limit", 0, "end the session when nothing happens in it for so long (1h)")
	c.MarkFlagsMutuallyExclusive("tty", "no-tty")
	_ = c.RegisterFlagCompletionFunc("subcontainer", a.completeSubcontainers)
	return c
}

func (a *app) completeSubcontainers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) > 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Exec.ListSubcontainers(ctx, &execv1.ListSubcontainersRequest{PackageId: args[0]})
			for _, s := range resp.GetSubcontainers() {
				list = append(list, printable(s.GetName())+"\t"+printable(s.GetImage()))
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// termPattern is what a name of a kind of terminal looks like.
var termPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)

func (a *app) sessionRequest(id string, command []string, at attachment) (*execv1.OpenSessionRequest, error) {
	req := &execv1.OpenSessionRequest{
		PackageId: id, Subcontainer: at.subcontainer, Command: command, User: at.user, WorkingDirectory: at.dir, Environment: map[string]string{},
	}
	if at.idle != 0 {
		req.IdleLimit = durationpb.New(at.idle)
	}
	if at.tty || !at.noTTY && isTerminal(a.In) && isTerminal(a.Out) {
		req.Terminal = &execv1.TerminalSize{Rows: 24, Columns: 80}
		if size := terminalSize(a.Out); size != nil {
			req.Terminal = size
		}
		if name := os.Getenv("TERM"); termPattern.MatchString(name) {
			req.Environment["TERM"] = name
		}
	}
	for _, e := range at.env {
		name, value, ok := strings.Cut(e, "=")
		if !ok {
			return nil, wrong("usage.variable", "Value", e)
		}
		req.Environment[name] = value
	}
	return req, nil
}

// terminalSize is how large a terminal is, nil for what is none.
func terminalSize(stream any) *execv1.TerminalSize {
	f, ok := stream.(*os.File)
	if !ok {
		return nil
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 1 || rows < 1 {
		return nil
	}
	return &execv1.TerminalSize{Rows: uint32(min(rows, 4096)), Columns: uint32(min(columns, 4096))}
}

// attach opens a session and is the person's end of it.
func (a *app) attach(ctx context.Context, c *hearth.Client, req *execv1.OpenSessionRequest) error {
	opened, err := c.Exec.OpenSession(ctx, req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Exec.Attach(ctx)
	if err != nil {
		return err
	}
	if in, ok := a.In.(*os.File); ok && req.GetTerminal() != nil && isTerminal(in) {
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return unable("failed.terminal", err)
		}
		defer func() { _ = term.Restore(int(in.Fd()), old) }()
	}
	to := &sender{stream: stream}
	if err := to.send(&execv1.AttachRequest{SessionId: opened.GetSessionId()}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	// Neither is waited for: a read of the terminal ends when the person likes.
	go to.copy(a.In)
	if req.GetTerminal() != nil {
		go resized(ctx, func() {
			if size := terminalSize(a.Out); size != nil {
				_ = to.send(&execv1.AttachRequest{Input: &execv1.Input{Kind: &execv1.Input_Resize{Resize: size}}})
			}
		})
	}
	return a.show(stream)
}

// show prints what comes out of a session until it ends.
func (a *app) show(stream execv1.ExecService_AttachClient) error {
	for {
		resp, err := stream.Recv()
		if err != nil {
			return err
		}
		switch k := resp.GetOutput().GetKind().(type) {
		case *execv1.Output_Stdout:
			_, err = a.Out.Write(k.Stdout)
		case *execv1.Output_Stderr:
			_, err = a.Err.Write(k.Stderr)
		case *execv1.Output_Exit:
			if code := k.Exit.GetCode(); code != 0 {
				return exitStatus(code)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sender sends into a session, from several places.
type sender struct {
	mu     sync.Mutex // guards sending
	stream execv1.ExecService_AttachClient
}

func (s *sender) send(req *execv1.AttachRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Send(req)
}

// copy sends what comes from r, and that it has ended.
func (s *sender) copy(r io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if s.send(&execv1.AttachRequest{Input: &execv1.Input{Kind: &execv1.Input_Stdin{Stdin: buf[:n]}}}) != nil {
				return
			}
		}
		if err != nil {
			_ = s.send(&execv1.AttachRequest{Input: &execv1.Input{Kind: &execv1.Input_CloseStdin{CloseStdin: true}}})
			return
		}
	}
}
