package main

import (
	"context"
	"fmt"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (a *app) tokensCommand() *cobra.Command {
	c := &cobra.Command{Use: "tokens", Short: "Make and revoke bearer tokens"}
	var role string
	var scope accountsv1.Scope
	var life time.Duration
	create := &cobra.Command{
		Use: "create NAME", Short: "Make a token and print its secret, once", Args: cobra.ExactArgs(1),
		Example: "  hearth tokens create backup-script --role operator --for 720h\n  hearth tokens create blog --role operator --package blog",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := parseRole(role)
			if err != nil {
				return err
			}
			req := &accountsv1.CreateTokenRequest{Name: args[0], Role: r}
			for i, name := range scope.Methods {
				if m, err := findMethod(name); err == nil { // else a service, or what the server knows and this program does not
					scope.Methods[i] = string(m.FullName())
				}
			}
			if len(scope.Methods)+len(scope.Packages) > 0 {
				req.Scope = &scope
			}
			if cmd.Flags().Changed("for") {
				if life <= 0 {
					return wrong("usage.token-life", "Life", life)
				}
				req.ExpireTime = timestamppb.New(time.Now().Add(life))
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Accounts.CreateToken(ctx, req)
				if err != nil {
					return err
				}
				if a.rows() && !a.quiet { // an id would be of no use: the secret is shown once
					row := flatten(resp.GetToken())
					row["secret"] = resp.GetSecret()
					return a.printRow(row)
				}
				fmt.Fprintln(a.Out, resp.GetSecret())
				return nil
			})
		},
	}
	roleFlag(create, &role, "viewer", "what its bearer may do: viewer, operator, admin or owner")
	create.Flags().StringSliceVar(&scope.Methods, "method", nil, "only this method, by its name, or service, by its full name; may be repeated")
	create.Flags().StringSliceVar(&scope.Packages, "package", nil, "only for this package; may be repeated")
	_ = create.RegisterFlagCompletionFunc("package", a.completeInstalled)
	create.Flags().DurationVar(&life, "for", 0, "how long it is valid, as in 720h; for ever when not given")
	list := &cobra.Command{
		Use: "list", Short: "List the tokens", Args: cobra.NoArgs,
		Example: "  hearth tokens list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Accounts.ListTokens(ctx, &accountsv1.ListTokensRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetTokens())
				}
				var table [][]string
				for _, t := range resp.GetTokens() {
					expires := "never"
					if t.GetExpireTime() != nil {
						expires = t.GetExpireTime().AsTime().Local().Format(time.DateTime)
					}
					table = append(table, []string{t.GetId(), word(t.GetRole()), since(t.GetCreateTime()), expires, t.GetAccount(), t.GetName()})
				}
				return a.table([]string{"id", "role", "age", "expires", "account", "name"}, table)
			})
		},
	}
	remove := &cobra.Command{
		Use: "delete ID", Short: "Revoke a token", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeToken,
		Example: "  hearth tokens delete 01m85wp5wcfde678d206fyarhc",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Accounts.DeleteToken(ctx, &accountsv1.DeleteTokenRequest{Id: args[0]}); err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(map[string]any{"id": args[0], "deleted": true})
				}
				a.tell("token.revoked", map[string]any{"ID": printable(args[0])})
				return nil
			})
		},
	}
	c.AddCommand(create, list, remove)
	return c
}

// completeToken completes the ids of tokens.
func (a *app) completeToken(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Accounts.ListTokens(ctx, &accountsv1.ListTokensRequest{})
			for _, t := range resp.GetTokens() {
				list = append(list, t.GetId()+"\t"+printable(t.GetName()))
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
