package main

import (
	"context"
	"fmt"

	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) rootKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "root-key", Short: "The key that the server's secrets are sealed with",
		Long: `The key that the server's secrets are sealed with.

It lies in the file keys/root.key of the server's state folder, so that the server starts
by itself. Copies of it open with the recovery code and with the passwords of owners:
'hearthd key recover' brings the file back with one of them.`,
	}
	c.AddCommand(a.showRootKeyCommand(), a.rotateRootKeyCommand())
	return c
}

func (a *app) showRootKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show which key there is and who could bring it back", Args: cobra.NoArgs,
		Example: "  hearth root-key show",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.RootKey.GetRootKey(ctx, &systemv1.GetRootKeyRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(resp))
				}
				fmt.Fprintf(a.Out, "root key %s\n", printable(resp.GetId()))
				if resp.GetRotating() {
					fmt.Fprintln(a.Out, "it is being changed")
				}
				if len(resp.GetCopies()) == 0 {
					fmt.Fprintln(a.Out, "there is no copy of it: make a recovery code with 'hearth recovery-code new'")
					return nil
				}
				var table [][]string
				for _, k := range resp.GetCopies() {
					table = append(table, []string{opener(k), k.GetAccount(), since(k.GetCreateTime())})
				}
				return a.table([]string{"opens with", "account", "age"}, table)
			})
		},
	}
}

// opener says what opens a copy.
func opener(k *systemv1.RootKeyCopy) string {
	if k.GetAccount() != "" {
		return "password"
	}
	return "recovery code"
}

func (a *app) rotateRootKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Make a new key and wrap everything with it", Args: cobra.NoArgs,
		Long: `Make a new key and wrap everything with it.

The recovery code and the passwords stay what they are.`,
		Example: "  hearth root-key rotate",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.RootKey.RotateRootKey(ctx, &systemv1.RotateRootKeyRequest{})
				if err != nil {
					return err
				}
				return a.followAndTell(ctx, c, resp.GetOperation(), func() { fmt.Fprintln(a.Out, "the root key is a new one") })
			})
		},
	}
}

func (a *app) recoveryCodeCommand() *cobra.Command {
	c := &cobra.Command{Use: "recovery-code", Short: "The code that brings back a lost root key"}
	c.AddCommand(&cobra.Command{
		Use: "new", Short: "Make a recovery code and print it, once; the one before no longer works", Args: cobra.NoArgs,
		Example: "  hearth recovery-code new",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.RootKey.CreateRecoveryCode(ctx, &systemv1.CreateRecoveryCodeRequest{})
				if err != nil {
					return err
				}
				if a.rows() && !a.quiet {
					return a.printRow(flatten(resp))
				}
				fmt.Fprintln(a.Out, resp.GetRecoveryCode())
				fmt.Fprintln(a.Err, "keep it on paper, away from the server: it is not shown again")
				return nil
			})
		},
	})
	return c
}
