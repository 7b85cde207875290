package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPassword bounds what is read for a password.
const maxPassword = 1024

// passwords reads passwords: at a terminal each is asked for and not shown, a new one twice; with --password-stdin each
// is a line of standard input. No flag takes a password, since others can see the arguments of a program.
type passwords struct {
	a       *app
	stdin   bool
	scanner *bufio.Scanner
}

func (a *app) passwordFlag(c *cobra.Command) *passwords {
	p := &passwords{a: a}
	c.Flags().BoolVar(&p.stdin, "password-stdin", false, "read passwords from standard input, one a line")
	return p
}

// read asks for a password.
func (p *passwords) read(question string) (string, error) {
	if p.stdin {
		return p.line()
	}
	in, ok := p.a.In.(*os.File)
	if !ok || !isTerminal(p.a.In) {
		return "", wrong("usage.password-terminal")
	}
	fmt.Fprint(p.a.Err, question+" ")
	raw, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(p.a.Err)
	return string(raw), err
}

// fresh asks for a new password.
func (p *passwords) fresh() (string, error) {
	first, err := p.read(p.a.say("password.new", nil))
	if err != nil || p.stdin {
		return first, err
	}
	again, err := p.read(p.a.say("password.again", nil))
	if err == nil && again != first {
		err = wrong("usage.passwords-differ")
	}
	return first, err
}

func (p *passwords) line() (string, error) {
	if p.scanner == nil {
		p.scanner = bufio.NewScanner(io.LimitReader(p.a.In, 4*maxPassword))
	}
	if !p.scanner.Scan() {
		return "", wrong("usage.password-lines")
	}
	return strings.TrimSuffix(p.scanner.Text(), "\r"), nil
}

func (a *app) passwordCommand() *cobra.Command {
	c := &cobra.Command{Use: "password", Short: "Change or reset a password"}
	c.AddCommand(a.passwordChangeCommand(), a.passwordResetCommand())
	return c
}

func (a *app) passwordChangeCommand() *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use: "change", Short: "Change the password of your account", Args: cobra.NoArgs,
		Long: `Change the password of your account, which takes the old one. All other sessions of
the account end, unless --keep-sessions is given. Tokens stay as they are.`,
		Example: "  hearth password change\n  hearth password change --password-stdin < passwords.txt",
	}
	ask := a.passwordFlag(c)
	c.Flags().BoolVar(&keep, "keep-sessions", false, "leave the other sessions as they are")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		old, err := ask.read(a.say("password.old", nil))
		if err != nil {
			return err
		}
		fresh, err := ask.fresh()
		if err != nil {
			return err
		}
		return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Accounts.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{OldPassword: old, NewPassword: fresh, KeepSessions: keep})
			if err != nil {
				return err
			}
			return a.passwordChanged("", resp.GetEnded())
		})
	}
	return c
}

func (a *app) passwordResetCommand() *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use: "reset [ACCOUNT]", Short: "Set a password without the old one, on the machine itself", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeAccount,
		Long: `Set the password of an account without the old one. It works on the machine itself
alone, as root. All sessions of the account end, unless --keep-sessions is given.
The name may be left out while there is one account.`,
		Example: "  hearth password reset\n  hearth password reset alex",
	}
	ask := a.passwordFlag(c)
	c.Flags().BoolVar(&keep, "keep-sessions", false, "leave the sessions as they are")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		fresh, err := ask.fresh()
		if err != nil {
			return err
		}
		return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Accounts.ResetPassword(ctx, &accountsv1.ResetPasswordRequest{Account: strings.Join(args, ""), NewPassword: fresh, KeepSessions: keep})
			if err != nil {
				return err
			}
			return a.passwordChanged(resp.GetAccount(), resp.GetEnded())
		})
	}
	return c
}

func (a *app) passwordChanged(account string, ended int32) error {
	if a.rows() {
		return a.printRow(map[string]any{"account": account, "ended": ended})
	}
	a.tell("password.changed", map[string]any{"Ended": ended})
	return nil
}
