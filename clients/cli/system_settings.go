package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

func (a *app) settingsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "settings", Short: "Show what the server is called and which language services speak", Args: cobra.NoArgs,
		Example: "  hearth system settings",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, a.showSettings)
		},
	}
}

func (a *app) showSettings(ctx context.Context, c *hearth.Client) error {
	resp, err := c.Settings.GetSettings(ctx, &systemv1.GetSettingsRequest{})
	if err != nil {
		return err
	}
	name := resp.GetSettings().GetSpec().GetName()
	if a.rows() {
		return a.printRow(map[string]any{"name": name, "hostname": resp.GetHostname(), "language": resp.GetLanguage()})
	}
	return a.table([]string{"name", "host", "language"}, [][]string{{cmp.Or(name, resp.GetHostname()), resp.GetHostname(), resp.GetLanguage()}})
}

func (a *app) nameCommand() *cobra.Command {
	var hostname string
	c := &cobra.Command{
		Use: "name NAME", Short: "Change what the server is called", Args: cobra.ExactArgs(1),
		Long: `Change what the server is called, and its host name, which follows from the name where
--hostname does not say another. The server's certificate has the new name at once.`,
		Example: "  hearth system name \"Anna's server\"\n  hearth system name Home --hostname home-server",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Settings.SetServerName(ctx, &systemv1.SetServerNameRequest{Name: args[0], Hostname: hostname}); err != nil {
					return err
				}
				return a.showSettings(ctx, c)
			})
		},
	}
	c.Flags().StringVar(&hostname, "hostname", "", "the host name: lower-case letters, digits and single hyphens")
	return c
}

// languages are those that services can be asked to speak.
var languages = []string{"de_DE", "en_US", "es_ES", "fr_FR", "pl_PL"}

func (a *app) languageCommand() *cobra.Command {
	return &cobra.Command{
		Use: "language LANGUAGE", Short: "Change the language that services speak", Args: cobra.ExactArgs(1),
		Long: `Change the language that services speak.

Each service gets a new container, since programs take their language when they start;
services that run are started again.`,
		Example: "  hearth system language de_DE", ValidArgsFunction: cobra.FixedCompletions(languages, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(languages, args[0]) {
				return wrong("usage.language", "Value", args[0], "List", strings.Join(languages, ", "))
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Settings.SetLanguage(ctx, &systemv1.SetLanguageRequest{Language: args[0]}); err != nil {
					return err
				}
				return a.showSettings(ctx, c)
			})
		},
	}
}

func (a *app) smtpCommand() *cobra.Command {
	show := func(cmd *cobra.Command, _ []string) error { return a.with(cmd, a.showSMTP) }
	c := &cobra.Command{
		Use: "smtp", Short: "See and change how services send mail; alone it shows it", Args: cobra.NoArgs, RunE: show,
		Example: "  hearth system smtp",
	}
	forget := &cobra.Command{
		Use: "clear", Short: "Forget how services send mail", Args: cobra.NoArgs, Example: "  hearth system smtp clear",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Settings.ClearSmtp(ctx, &systemv1.ClearSmtpRequest{}); err != nil {
					return err
				}
				return a.showSMTP(ctx, c)
			})
		},
	}
	c.AddCommand(a.setSMTPCommand(), a.testSMTPCommand(), forget)
	return c
}

func (a *app) setSMTPCommand() *cobra.Command {
	req := &systemv1.SetSmtpRequest{}
	var tls, none bool
	var passwords *passwords
	c := &cobra.Command{
		Use: "set", Short: "Change how services send mail", Args: cobra.NoArgs,
		Long: `Change how services send mail. Services that use the server's mail are told at once.

Without --password-stdin the password is asked for at a terminal; elsewhere the one
there is stays. It is kept sealed, and shown to nobody but services.`,
		Example: `  hearth system smtp set --server mail.example.org --from 'Home <home@example.org>' --username home
  hearth system smtp set --server mail.example.org --port 465 --tls --from home@example.org --username home --password-stdin < secret`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if passwords.stdin && none {
				return wrong("usage.smtp-password")
			}
			req.Security = systemv1.SmtpSpec_SECURITY_STARTTLS
			if tls {
				req.Security = systemv1.SmtpSpec_SECURITY_TLS
			}
			switch {
			case none:
				req.Password = proto.String("")
			case passwords.stdin || isTerminal(a.In):
				password, err := passwords.read(a.say("password.old", nil))
				if err != nil {
					return err
				}
				req.Password = &password
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Settings.SetSmtp(ctx, req); err != nil {
					return err
				}
				return a.showSMTP(ctx, c)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&req.Host, "server", "", "name or address of the mail server")
	f.Uint32Var(&req.Port, "port", 587, "its port")
	f.StringVar(&req.Sender, "from", "", "the sender of the mail")
	f.StringVar(&req.Username, "username", "", "who the mail server is told we are")
	f.BoolVar(&tls, "tls", false, "the connection is protected from the beginning; else by STARTTLS")
	passwords = a.passwordFlag(c)
	f.BoolVar(&none, "no-password", false, "there is no password")
	for _, name := range []string{"server", "from", "username"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

func (a *app) testSMTPCommand() *cobra.Command {
	req := &systemv1.TestSmtpRequest{}
	var tls bool
	var passwords *passwords
	c := &cobra.Command{
		Use: "test ADDRESS", Short: "Send a mail to try out how mail is sent", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Send a mail to an address, and tell what the mail server says, or which step failed:
reaching it, protecting the connection, logging in, or handing over the mail.

Without --server the settings that are set are tried. With it those given are, and
nothing is set.`,
		Example: `  hearth system smtp test me@example.org
  hearth system smtp test me@example.org --server mail.example.org --from home@example.org --username home --password-stdin < secret`,
		RunE: func(cmd *cobra.Command, args []string) error {
			req.To = args[0]
			if req.GetHost() == "" && (cmd.Flags().Changed("port") || cmd.Flags().Changed("from") || cmd.Flags().Changed("username") || tls || passwords.stdin) ||
				req.GetHost() != "" && req.GetSender() == "" {
				return wrong("usage.smtp-test")
			}
			if req.Security = systemv1.SmtpSpec_SECURITY_STARTTLS; tls {
				req.Security = systemv1.SmtpSpec_SECURITY_TLS
			}
			if passwords.stdin {
				password, err := passwords.read(a.say("password.old", nil))
				if err != nil {
					return err
				}
				req.Password = &password
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Settings.TestSmtp(ctx, req)
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(resp))
				}
				a.tell("smtp.sent", map[string]any{"To": printable(args[0]), "Answer": printable(resp.GetAnswer())})
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&req.Host, "server", "", "name or address of the mail server to try")
	f.Uint32Var(&req.Port, "port", 587, "its port")
	f.StringVar(&req.Sender, "from", "", "the sender of the mail")
	f.StringVar(&req.Username, "username", "", "who the mail server is told we are; nobody logs in without")
	f.BoolVar(&tls, "tls", false, "the connection is protected from the beginning; else by STARTTLS")
	passwords = a.passwordFlag(c)
	return c
}

func (a *app) showSMTP(ctx context.Context, c *hearth.Client) error {
	resp, err := c.Settings.GetSmtp(ctx, &systemv1.GetSmtpRequest{})
	if err != nil {
		return err
	}
	if a.rows() {
		if resp.GetSmtp() == nil {
			return nil
		}
		return a.printRow(flatten(resp.GetSmtp()))
	}
	if resp.GetSmtp() == nil {
		a.tell("smtp.none", nil)
		return nil
	}
	spec, password := resp.GetSmtp().GetSpec(), "no"
	if spec.GetHasPassword() {
		password = "yes"
	}
	return a.table([]string{"host", "port", "security", "from", "client", "password"}, [][]string{{
		spec.GetHost(), fmt.Sprint(spec.GetPort()), word(spec.GetSecurity()), spec.GetSender(), spec.GetUsername(), password,
	}})
}

func (a *app) restartServerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restart", Short: "Restart the server: the machine where it is an image's, else the daemon", Args: cobra.NoArgs,
		Long: `Restart the server, and tell what is restarted.

Where all of the machine belongs to Hearth, the machine is restarted, its services
stopped in order before. Elsewhere the daemon alone is, and services go on meanwhile.`,
		Example: "  hearth system restart",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.System.Restart(ctx, &systemv1.RestartRequest{})
				if err != nil {
					return err
				}
				switch {
				case a.rows():
					return a.printRow(map[string]any{"machine": resp.GetMachine()})
				case resp.GetMachine():
					a.tell("system.machine-restarts", nil)
				default:
					a.tell("system.daemon-restarts", nil)
				}
				return nil
			})
		},
	}
}

func (a *app) powerOffCommand() *cobra.Command {
	return &cobra.Command{
		Use: "power-off", Short: "Stop all services and switch the machine off", Args: cobra.NoArgs,
		Long: `Stop all services in order and switch the machine off.

It is refused where the machine has an operating system of its owner's choice: there
'hearth system shutdown --services' stops the server, and the rest is the owner's.`,
		Example: "  hearth system power-off",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.System.PowerOff(ctx, &systemv1.PowerOffRequest{}); err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(map[string]any{"machine": true})
				}
				a.tell("system.machine-off", nil)
				return nil
			})
		},
	}
}
