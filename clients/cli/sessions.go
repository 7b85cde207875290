package main

import (
	"context"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) sessionsCommand() *cobra.Command {
	c := &cobra.Command{Use: "sessions", Short: "Who is logged in, from where"}
	c.AddCommand(a.sessionsListCommand(), a.sessionsEndCommand())
	return c
}

func (a *app) sessionsListCommand() *cobra.Command {
	var account string
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "List the sessions of your account", Args: cobra.NoArgs,
		Example: "  hearth sessions list\n  hearth sessions list --all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Accounts.ListSessions(ctx, &accountsv1.ListSessionsRequest{Account: account, All: all})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetSessions())
				}
				var table [][]string
				for _, s := range resp.GetSessions() {
					mark := ""
					if s.GetCurrent() {
						mark = "*"
					}
					table = append(table, []string{mark, s.GetId(), s.GetAccount(), word(s.GetClient()), since(s.GetUseTime()), a.sessionEnd(s), s.GetAddress(), s.GetUserAgent()})
				}
				return a.table([]string{"", "id", "account", "client", "used", "ends", "address", "agent"}, table)
			})
		},
	}
	c.Flags().StringVar(&account, "account", "", "those of this account")
	c.Flags().BoolVar(&all, "all", false, "those of all accounts")
	_ = c.RegisterFlagCompletionFunc("account", a.completeAccount)
	return c
}

// sessionEnd says when a session ends at the latest, if nobody ends it.
func (a *app) sessionEnd(s *accountsv1.Session) string {
	if !s.GetLasting() {
		return a.say("sessions.closed", nil)
	}
	return s.GetExpireTime().AsTime().Local().Format(time.DateOnly)
}

func (a *app) sessionsEndCommand() *cobra.Command {
	var account string
	var all bool
	c := &cobra.Command{
		Use: "end [ID]", Short: "End a session, or all but this one", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeSession,
		Example: "  hearth sessions end 01m85wp5wcfde678d206fyarhc\n  hearth sessions end --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return wrong("usage.session-or-all")
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				ended := int32(1)
				if all {
					resp, err := c.Accounts.DeleteSessions(ctx, &accountsv1.DeleteSessionsRequest{Account: account})
					if err != nil {
						return err
					}
					ended = resp.GetEnded()
				} else if _, err := c.Accounts.DeleteSession(ctx, &accountsv1.DeleteSessionRequest{Id: args[0]}); err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(map[string]any{"ended": ended})
				}
				a.tell("sessions.ended", map[string]any{"Ended": ended})
				return nil
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all sessions of the account but the one that calls")
	c.Flags().StringVar(&account, "account", "", "with --all: those of this account")
	_ = c.RegisterFlagCompletionFunc("account", a.completeAccount)
	return c
}

// completeSession completes the ids of sessions.
func (a *app) completeSession(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Accounts.ListSessions(ctx, &accountsv1.ListSessionsRequest{})
			for _, s := range resp.GetSessions() {
				list = append(list, s.GetId()+"\t"+printable(s.GetUserAgent()))
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
