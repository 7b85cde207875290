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
		Example: `  hearth package install bitcoin.s9pk
  hearth status
  hearth --host https://server:8443 --ca root.crt --token $TOKEN package list`,
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
	group(root)
	usageForArgs(root)
	return root
}

// group makes every command that only holds others show them, and refuse what is none of them.
func group(c *cobra.Command) {
	for _, sub := range c.Commands() {
		group(sub)
	}
	if !c.HasSubCommands() || c.Runnable() {
		return
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		near := ""
		if list := cmd.SuggestionsFor(args[0]); len(list) > 0 {
			near = fmt.Sprintf(" (is it %q?)", list[0])
		}
		return usageError{fmt.Errorf("there is no command %q%s; see '%s --help'", cmd.CommandPath()+" "+args[0], near, cmd.CommandPath())}
	}
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// usageForArgs makes wrong arguments a usage error on the command and every one below it.
func usageForArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil || errors.As(err, new(usageError)) {
				return err
			}
			return usageError{fmt.Errorf("cannot use %d arguments: it is '%s'; see '%s --help'", len(args), cmd.UseLine(), cmd.CommandPath())}
		}
	}
	for _, sub := range c.Commands() {
		usageForArgs(sub)
	}
}

// dial connects to the server the flags name.
func (a *app) dial(ctx context.Context) (*hearth.Client, error) {
	opt := hearth.Options{Token: a.token}
	if a.ca != "" {
		pem, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, fmt.Errorf("cannot read the root certificate: %w", err)
		}
		opt.RootPEM = pem
	}
	return hearth.Dial(ctx, a.target(), opt)
}

// target is the server the flags name, the one on this machine without them.
func (a *app) target() string {
	if a.host != "" {
		return a.host
	}
	return localSocket()
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
		Use:     "version",
		Short:   "Show the version of this program and of the server",
		Example: "  hearth version\n  hearth version --output json",
		Args:    cobra.NoArgs,
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
