package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/hearthos/hearth/api/text"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Busy is true while a command takes back what it did, which the process waits for after it was told to end; nil where nobody asks.
	Busy *atomic.Bool
}

// app is what all commands share.
type app struct {
	Streams
	texts *text.Texts

	host, profile, token, ca string
	signWith                 string // file of a key
	at                       string // the folder that the command is about, the one at hand when empty
	output                   string
	quiet                    bool
}

// outputs are the ways to print.
func outputs() []string { return []string{"table", "json", "yaml"} }

func (a *app) newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "hearth",
		Short: "Run services on your own server",
		Long: `hearth installs, runs and watches services on a Hearth server.

It speaks with the server on this machine, or with the one that --host or a profile
names: a socket ("unix:/run/hearth/hearthd.sock") or an address ("https://server:8443").
Tables are for people; --output json prints one row of JSON for each resource, and
--quiet its id alone.`,
		Example: `  hearth package install bitcoin.s9pk
  hearth status
  hearth --host https://server:8443 --ca root.crt --token $TOKEN package list`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(a.flagError)
	a.addFlags(root)
	root.Version = Version
	root.SetVersionTemplate("hearth {{.Version}}\n")
	root.Flags().Bool("version", false, "show the version of this program")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains(outputs(), a.output) {
			return wrong("usage.output", "Value", a.output)
		}
		if a.host != "" && a.profile != "" {
			return wrong("usage.host-and-profile")
		}
		return a.checkFlagGroups(cmd)
	}
	root.AddCommand(
		a.packageCommand(),
		a.registryCommand(),
		a.operationsCommand(),
		a.statusCommand(),
		a.watchCommand(),
		a.getCommand(),
		a.tokensCommand(),
		a.keysCommand(),
		a.profileCommand(),
		a.claimCommand(),
		a.loginCommand(),
		a.logoutCommand(),
		a.whoamiCommand(),
		a.accountCommand(),
		a.passwordCommand(),
		a.sessionsCommand(),
		a.warningsCommand(), a.notificationsCommand(),
		a.doctorCommand(),
		a.bugreportCommand(),
		a.certCommand(),
		a.dnsCommand(),
		a.forwardCommand(),
		a.gatewayCommand(), a.hostCommand(),
		a.systemCommand(),
		a.s9pkCommand(),
		a.exverCommand(),
		a.rootKeyCommand(),
		a.recoveryCodeCommand(),
		a.auditCommand(),
		a.apiCommand(),
		a.completionCommand(),
		a.manCommand(),
		a.versionCommand(),
	)
	root.SetHelpCommand(a.helpCommand())
	root.InitDefaultHelpCmd()
	a.group(root)
	a.usageForArgs(root)
	a.translate(root)
	return root
}

// addFlags gives every command the flags that all have. Their defaults are read where they are used: help shows no
// secrets, and the same on every machine.
func (a *app) addFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.host, "host", "", "server to speak with: its address, or its name in hearth.yaml; $HEARTH_HOST, else that of hearth.yaml, else the profile in use, else this machine")
	flags.StringVar(&a.profile, "profile", "", "profile of the server to speak with; $HEARTH_PROFILE")
	flags.StringVar(&a.signWith, "sign-with", os.Getenv("HEARTH_SIGN_WITH"), "file of a key to sign each call with; $HEARTH_SIGN_WITH")
	flags.StringVar(&a.token, "token", "", "bearer token; $HEARTH_TOKEN, else that of the profile")
	flags.StringVar(&a.ca, "ca", "", "file with the server's root certificate; $HEARTH_CA, else that of the profile")
	flags.StringVarP(&a.output, "output", "o", "table", "how to print: table, json or yaml")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print ids alone, or what is told only once, and no progress")
	flags.BoolP("help", "h", false, "show what a command does and how")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs(), cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("profile", completeProfile)
}

// group makes every command that only holds others list what it is about, where it has a list, else show them; and refuse
// what is none of them.
func (a *app) group(c *cobra.Command) {
	for _, sub := range c.Commands() {
		a.group(sub)
	}
	if !c.HasSubCommands() || c.Runnable() {
		return
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return a.unknownCommand(cmd, args[0])
	}
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, sub := range c.Commands() {
		if sub.Name() == "list" && (sub.Args == nil || sub.Args(sub, nil) == nil) {
			c.RunE = sub.RunE
			c.Flags().AddFlagSet(sub.Flags())
		}
	}
}

// usageForArgs makes wrong arguments a usage error on the command and every one below it.
func (a *app) usageForArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil || errors.As(err, new(usageError)) {
				return err
			}
			return a.argumentsError(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		a.usageForArgs(sub)
	}
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
			if a.quiet {
				_, err := fmt.Fprintln(a.Out, Version)
				return err
			}
			if a.rows() {
				return a.printRow(row)
			}
			fmt.Fprintf(a.Out, "client  %s (%s)\n", Version, row["platform"])
			if err != nil {
				fmt.Fprintf(a.Out, "server  %s\n", a.say("version.not-reached", nil))
				return nil
			}
			fmt.Fprintf(a.Out, "server  %s\n", row["server"])
			return nil
		},
	}
}
