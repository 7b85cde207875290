package main

import (
	"context"
	"fmt"
	"strings"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

// accountKeysCommand is about the keys the server accepts; 'hearth keys' is about the key pair on this machine.
func (a *app) accountKeysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Short: "Public keys whose signed requests the server accepts",
		Long: `Public keys whose signed requests the server accepts.

'hearth keys init' makes a key pair on this machine; its public half is added here, and
'hearth --sign-with FILE' signs each call with the private half.`,
	}
	c.AddCommand(a.addKeyCommand(), a.listKeysCommand(), a.removeKeyCommand())
	return c
}

func (a *app) addKeyCommand() *cobra.Command {
	var account string
	c := &cobra.Command{
		Use: "add NAME FILE", Short: "Accept requests signed with the key in a file", Args: cobra.ExactArgs(2),
		Example: "  hearth account keys add laptop ~/.config/hearth/developer.key.pem",
		RunE: func(cmd *cobra.Command, args []string) error {
			public, err := sign.LoadPublicKey(args[1])
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Keys.AddKey(ctx, &accountsv1.AddKeyRequest{Name: args[0], PublicKey: public[:], Account: account})
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(resp.GetKey()))
				}
				fmt.Fprintf(a.Out, "requests signed with key %s are accepted for %s\n", printable(resp.GetKey().GetId()), printable(resp.GetKey().GetAccount()))
				return nil
			})
		},
	}
	c.Flags().StringVar(&account, "account", "", "whose key it is; your own when not given")
	return c
}

func (a *app) listKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys", Args: cobra.NoArgs,
		Example: "  hearth account keys list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Keys.ListKeys(ctx, &accountsv1.ListKeysRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetKeys())
				}
				var table [][]string
				for _, k := range resp.GetKeys() {
					table = append(table, []string{k.GetId(), k.GetAccount(), since(k.GetCreateTime()), k.GetName()})
				}
				return a.table([]string{"key", "account", "age", "name"}, table)
			})
		},
	}
}

func (a *app) removeKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Accept a key no more", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeKey,
		Example: "  hearth account keys remove 0f3c9a",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Keys.DeleteKey(ctx, &accountsv1.DeleteKeyRequest{Id: strings.ToLower(args[0])}); err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(map[string]any{"id": args[0], "deleted": true})
				}
				fmt.Fprintf(a.Out, "key %s is accepted no more\n", printable(args[0]))
				return nil
			})
		},
	}
}

// completeKey completes the ids of keys.
func (a *app) completeKey(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Keys.ListKeys(ctx, &accountsv1.ListKeysRequest{})
			for _, k := range resp.GetKeys() {
				list = append(list, k.GetId()+"\t"+printable(k.GetName()))
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
