package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) claimCommand() *cobra.Command {
	var code, title, said string
	c := &cobra.Command{
		Use: "claim ACCOUNT", Short: "Make the first account of a new server, its owner", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Make the first account of a server that nobody has claimed yet. It is the owner.

It prints a recovery code, once: keep it on paper, away from the server. With it, or with
the owner's password, a lost root key comes back; 'hearth recovery-code new' makes another.

On the machine itself, as root, nothing else is needed. From elsewhere, --code is the
code that the server prints at its start; the server's root certificate is pinned and
you are logged in, as with 'hearth login'.`,
		Example: "  hearth claim alex\n  hearth claim alex --host https://server:8443 --code abcd-efgh-ijkl-mnop",
	}
	ask := a.passwordFlag(c)
	c.Flags().StringVar(&code, "code", "", "the code the server printed at its start")
	c.Flags().StringVar(&title, "title", "", "how to call the person")
	c.Flags().StringVar(&said, "fingerprint", "", "fingerprint of the server's root certificate, in place of the question")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.fresh(cmd.Context(), said, func(ctx context.Context, c *hearth.Client, keep func(account, secret string) error) error {
			password, err := ask.fresh()
			if err != nil {
				return err
			}
			resp, err := c.Accounts.ClaimServer(ctx, &accountsv1.ClaimServerRequest{Code: code, Account: args[0], Title: title, Password: password})
			if err != nil {
				return err
			}
			// The code is in this answer alone, so it is out before anything else can fail.
			if err := a.claimed(resp); err != nil || code == "" {
				return err
			}
			in, err := c.Accounts.Login(ctx, &accountsv1.LoginRequest{Account: args[0], Password: password})
			if err != nil {
				return err
			}
			return keep(args[0], in.GetSecret())
		})
	}
	return c
}

// claimed prints the account and the recovery code, which is nowhere else.
func (a *app) claimed(resp *accountsv1.ClaimServerResponse) error {
	if a.quiet {
		fmt.Fprintln(a.Out, resp.GetRecoveryCode())
		return nil
	}
	if a.rows() {
		row := flatten(resp.GetAccount())
		row["recoveryCode"] = resp.GetRecoveryCode()
		return a.printRow(row)
	}
	a.tell("claim.done", map[string]any{"Account": printable(resp.GetAccount().GetMeta().GetId())})
	fmt.Fprintln(a.Out, resp.GetRecoveryCode())
	a.tell("claim.recovery", nil)
	return nil
}

func (a *app) loginCommand() *cobra.Command {
	var said string
	c := &cobra.Command{
		Use: "login [ACCOUNT]", Short: "Log in with a password, and keep the session", Args: cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Log in with a password and keep the session in a profile, which is used from now on.
The name of the account may be left out while the server has one.

The first time, the fingerprint of the server's root certificate is shown. Compare it
with what 'hearth status' shows on the server itself; it is pinned then, and a server
that shows another one is refused.`,
		Example: "  hearth login alex --host https://server:8443\n  hearth login alex --profile home --password-stdin < password.txt",
	}
	ask := a.passwordFlag(c)
	c.Flags().StringVar(&said, "fingerprint", "", "fingerprint of the server's root certificate, in place of the question")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.fresh(cmd.Context(), said, func(ctx context.Context, c *hearth.Client, keep func(account, secret string) error) error {
			password, err := ask.read(a.say("password.old", nil))
			if err != nil {
				return err
			}
			resp, err := c.Accounts.Login(ctx, &accountsv1.LoginRequest{Account: strings.Join(args, ""), Password: password})
			if err != nil {
				return err
			}
			if err := keep(resp.GetSession().GetAccount(), resp.GetSecret()); err != nil {
				return err
			}
			if a.rows() {
				return a.printRow(flatten(resp.GetSession()))
			}
			a.tell("login.done", map[string]any{"Account": printable(resp.GetSession().GetAccount())})
			return nil
		})
	}
	return c
}

// fresh speaks with a server without the credential of before, after its root is known. keep puts a new one into the
// server's profile, which is used from then on.
func (a *app) fresh(ctx context.Context, said string, fn func(ctx context.Context, c *hearth.Client, keep func(account, secret string) error) error) error {
	to, err := a.connection()
	if err != nil {
		return err
	}
	root, err := a.trust(ctx, to, said)
	if err != nil {
		return err
	}
	c, err := hearth.Dial(ctx, to.host, hearth.Options{RootPEM: root})
	if err != nil {
		return usageError{err}
	}
	defer c.Close()
	return fn(ctx, c, func(_, secret string) error {
		return a.keep(profile{Host: to.host, CA: string(root), Token: secret})
	})
}

// keep writes a profile: the one named, the one of the host, or a new one named after the host.
func (a *app) keep(p profile) error {
	_, err := changeConfig(func(c *config) error {
		name := a.profile
		if name == "" {
			name = c.nameOf(p.Host)
		}
		c.Profiles[name], c.Current = p, name
		return nil
	})
	return err
}

// nameOf is the name of a host's profile: the one it has, else one made of the host.
func (c *config) nameOf(host string) string {
	if c.Current != "" && c.Profiles[c.Current].Host == host {
		return c.Current
	}
	for name, p := range c.Profiles {
		if p.Host == host {
			return name
		}
	}
	name := "local"
	if u, err := url.Parse(host); err == nil && u.Hostname() != "" {
		name = strings.Trim(regexp.MustCompile(`[^a-z0-9._-]+`).ReplaceAllString(strings.ToLower(u.Hostname()), "-"), "-._")
	}
	name = cmp.Or(name, "server")
	for n, base := 2, name; ; n++ {
		if _, taken := c.Profiles[name]; !taken {
			return name
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End your session and forget it", Args: cobra.NoArgs,
		Long: `End the session of the profile in use on the server, and forget it here. The server stays
known, and the profile stays in use: 'hearth login' opens it again.`,
		Example: "  hearth logout",
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := a.connection()
			if err != nil {
				return err
			}
			err = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				_, err := c.Accounts.Logout(ctx, &accountsv1.LogoutRequest{})
				return err
			})
			if err != nil && !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) { // it has ended already: forget it
				return err
			}
			profiles, err := a.forgetToken(to)
			if err != nil {
				return err
			}
			if a.rows() {
				return a.printRow(map[string]any{"host": to.host, "ended": true, "profiles": profiles})
			}
			a.tell("logout.done", nil)
			for _, name := range profiles {
				a.tell("logout.profile", map[string]any{"Profile": name, "Host": printable(to.host)})
			}
			return nil
		},
	}
}

// forgetToken takes a token out of the profiles, and answers those that had it. They stay, and so does the one in use: the
// server is the same, and another one that is silently spoken with instead would be a surprise.
func (a *app) forgetToken(to connection) ([]string, error) {
	had := []string{}
	_, err := changeConfig(func(c *config) error {
		had = had[:0]
		for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
			p := c.Profiles[name]
			if p.Host == to.host && p.Token != "" && p.Token == to.options.Token {
				p.Token = ""
				c.Profiles[name] = p
				had = append(had, name)
			}
		}
		return nil
	})
	return had, err
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show who you are to the server, and what you may do", Args: cobra.NoArgs,
		Example: "  hearth whoami\n  hearth whoami --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Accounts.GetCaller(ctx, &accountsv1.GetCallerRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(resp))
				}
				scope := strings.Join(append(resp.GetScope().GetMethods(), resp.GetScope().GetPackages()...), " ")
				return a.table([]string{"account", "role", "credential", "id", "scope"},
					[][]string{{cmp.Or(resp.GetAccount(), "-"), word(resp.GetRole()), word(resp.GetCredential()), cmp.Or(resp.GetId(), "-"), cmp.Or(scope, "-")}})
			})
		},
	}
}

// identityOf makes a failure to reach a pinned server say so when it is another server now.
func identityOf(ctx context.Context, to connection, err error) error {
	if !fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) && !fault.Is(err, metav1.Reason_REASON_SERVER_UNTRUSTED) || errors.Is(err, context.Canceled) {
		return err
	}
	if other := checkRoot(ctx, to); other != nil {
		return other
	}
	return err
}
