package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/status"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is what all commands share.
type app struct {
	Streams
	host, token, ca string
	output          string
}

func newRoot(s Streams) *cobra.Command {
	a := &app{Streams: s}
	root := &cobra.Command{
		Use:   "hearth",
		Short: "Run services on your own server",
		Long: `hearth installs, runs and watches services on a Hearth server.

It speaks with the server on this machine, or with the one that --host names:
a socket ("unix:/run/hearth/hearthd.sock") or an address ("https://server:8443").
Tables are for people; --output json prints one row of JSON for each resource.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see '%s --help'", err, cmd.CommandPath())}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.host, "host", os.Getenv("HEARTH_HOST"), "server to speak with; $HEARTH_HOST, else the socket on this machine")
	flags.StringVar(&a.token, "token", os.Getenv("HEARTH_TOKEN"), "bearer token; $HEARTH_TOKEN")
	flags.StringVar(&a.ca, "ca", os.Getenv("HEARTH_CA"), "file with the server's root certificate; $HEARTH_CA")
	flags.StringVarP(&a.output, "output", "o", "table", "how to print: table or json")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.output != "table" && a.output != "json" {
			return usageError{fmt.Errorf("cannot print as %q: --output is table or json", a.output)}
		}
		return nil
	}
	root.AddCommand(a.packageCommand(), a.watchCommand(), a.operationsCommand(), a.statusCommand(), a.versionCommand(),
		a.tokenCommand(), a.systemCommand(), a.s9pkCommand(), a.keysCommand())
	usageForArgs(root)
	return root
}

// usageForArgs makes wrong arguments a usage error on every command below root.
func usageForArgs(root *cobra.Command) {
	for _, c := range root.Commands() {
		if check := c.Args; check != nil {
			c.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return usageError{fmt.Errorf("%w; see '%s --help'", err, cmd.CommandPath())}
				}
				return nil
			}
		}
		usageForArgs(c)
	}
}

// dial connects to the server the flags name.
func (a *app) dial(ctx context.Context) (*hearth.Client, error) {
	target := a.host
	if target == "" {
		target = localSocket()
	}
	opt := hearth.Options{Token: a.token}
	if a.ca != "" {
		pem, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, fmt.Errorf("cannot read the root certificate: %w", err)
		}
		opt.RootPEM = pem
	}
	return hearth.Dial(ctx, target, opt)
}

// localSocket is the socket of the server on this machine: the one of the state folder given, else the system's.
func localSocket() string {
	if dir := os.Getenv("HEARTH_STATE"); dir != "" {
		if path, err := os.Readlink(filepath.Join(dir, "hearthd.sock")); err == nil {
			return "unix:" + path
		}
	}
	return "unix:/run/hearth/hearthd.sock"
}

// with runs fn with a connection.
func (a *app) with(cmd *cobra.Command, fn func(ctx context.Context, c *hearth.Client) error) error {
	c, err := a.dial(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	return fn(cmd.Context(), c)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program and of the server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			row := map[string]any{"client": Version, "platform": runtime.GOOS + "/" + runtime.GOARCH}
			err := a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				server, err := c.Server(ctx)
				if err == nil {
					row["server"] = server.GetVersion()
				}
				return err
			})
			if err != nil {
				row["server"] = nil
			}
			if a.output == "json" {
				return a.printJSON(row)
			}
			fmt.Fprintf(a.Out, "client  %s (%s)\n", Version, row["platform"])
			if err != nil {
				fmt.Fprintf(a.Out, "server  not reached\n")
				return nil
			}
			fmt.Fprintf(a.Out, "server  %s\n", row["server"])
			return nil
		},
	}
}

// isRemote tells whether an error was told by a server.
func isRemote(err error) bool {
	if _, ok := status.FromError(err); ok {
		return true
	}
	return errors.As(err, new(*fault.Error))
}
