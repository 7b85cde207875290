package main

import (
	"context"
	"strings"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) accountCommand() *cobra.Command {
	c := &cobra.Command{Use: "account", Short: "People who may log in"}
	c.AddCommand(a.accountListCommand(), a.accountCreateCommand(), a.accountUpdateCommand(), a.accountDeleteCommand(), a.accountKeysCommand())
	return c
}

func roles() []string { return []string{"viewer", "operator", "admin", "owner"} }

// parseRole reads a role; empty means none given.
func parseRole(word string) (optionsv1.Role, error) {
	value, ok := optionsv1.Role_value["ROLE_"+strings.ToUpper(word)]
	if !ok || value == 0 {
		return 0, wrong("usage.role", "Value", word)
	}
	return optionsv1.Role(value), nil
}

func roleFlag(c *cobra.Command, role *string, value, usage string) {
	c.Flags().StringVar(role, "role", value, usage)
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles(), cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) printAccounts(rows ...*accountsv1.Account) error {
	if a.rows() {
		return printRows(a, rows)
	}
	var table [][]string
	for _, r := range rows {
		table = append(table, []string{r.GetMeta().GetId(), word(r.GetSpec().GetRole()), since(r.GetMeta().GetCreateTime()), r.GetSpec().GetTitle()})
	}
	return a.table([]string{"account", "role", "age", "title"}, table)
}

func (a *app) accountListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the accounts", Args: cobra.NoArgs,
		Example: "  hearth account list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Accounts.ListAccounts(ctx, &accountsv1.ListAccountsRequest{})
				if err != nil {
					return err
				}
				return a.printAccounts(resp.GetAccounts()...)
			})
		},
	}
}

func (a *app) accountCreateCommand() *cobra.Command {
	var role, title string
	c := &cobra.Command{
		Use: "create ACCOUNT", Short: "Make an account and set its password", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth account create sam --role operator\n  hearth account create sam --title 'Sam Doe' --password-stdin < password.txt",
	}
	ask := a.passwordFlag(c)
	roleFlag(c, &role, "viewer", "what it may do: viewer, operator, admin or owner")
	c.Flags().StringVar(&title, "title", "", "how to call the person")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := parseRole(role)
		if err != nil {
			return err
		}
		password, err := ask.fresh()
		if err != nil {
			return err
		}
		return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Accounts.CreateAccount(ctx, &accountsv1.CreateAccountRequest{Id: args[0], Title: title, Role: r, Password: password})
			if err != nil {
				return err
			}
			return a.printAccounts(resp.GetAccount())
		})
	}
	return c
}

func (a *app) accountUpdateCommand() *cobra.Command {
	var role, title string
	c := &cobra.Command{
		Use: "update ACCOUNT", Short: "Change the role or the title of an account", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeAccount,
		Example: "  hearth account update sam --role admin",
	}
	roleFlag(c, &role, "", "what it may do: viewer, operator, admin or owner")
	c.Flags().StringVar(&title, "title", "", "how to call the person")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		req := &accountsv1.UpdateAccountRequest{Id: args[0]}
		if cmd.Flags().Changed("title") {
			req.Title = &title
		}
		if role != "" {
			r, err := parseRole(role)
			if err != nil {
				return err
			}
			req.Role = &r
		}
		if req.Title == nil && req.Role == nil {
			return wrong("usage.account-change")
		}
		return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Accounts.UpdateAccount(ctx, req)
			if err != nil {
				return err
			}
			return a.printAccounts(resp.GetAccount())
		})
	}
	return c
}

func (a *app) accountDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete ACCOUNT", Short: "Remove an account with its sessions and tokens", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeAccount,
		Example: "  hearth account delete sam",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Accounts.DeleteAccount(ctx, &accountsv1.DeleteAccountRequest{Id: args[0]}); err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(map[string]any{"id": args[0], "deleted": true})
				}
				a.tell("account.deleted", map[string]any{"Account": printable(args[0])})
				return nil
			})
		},
	}
}

// completeAccount completes the names of accounts.
func (a *app) completeAccount(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Accounts.ListAccounts(ctx, &accountsv1.ListAccountsRequest{})
			for _, r := range resp.GetAccounts() {
				list = append(list, r.GetMeta().GetId()+"\t"+word(r.GetSpec().GetRole()))
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
