package main

import (
	"context"
	"fmt"
	"strings"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) warningsCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "warnings", Short: "See what somebody should look at; alone it lists it",
		Long: `List the conditions of the server that somebody should look at, the gravest first.

A warning is there for as long as its condition holds and goes away by itself. One that
is dismissed stays out of sight until its condition ends or becomes graver.`,
		Example: "  hearth warnings\n  hearth watch warning",
	}
	list := &cobra.Command{
		Use: "list", Short: "List the warnings, the gravest first", Args: cobra.NoArgs,
		Example: "  hearth warnings list --all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Diagnostics.ListWarnings(ctx, &diagnosticsv1.ListWarningsRequest{Dismissed: all})
				if err != nil {
					return err
				}
				return a.printWarnings(resp.GetWarnings())
			})
		},
	}
	list.Flags().BoolVar(&all, "all", false, "also those that were dismissed")
	dismiss := &cobra.Command{
		Use: "dismiss ID", Short: "Put a warning aside until its condition ends or becomes graver", Args: cobra.ExactArgs(1),
		Example: "  hearth warnings dismiss disk-space", ValidArgsFunction: a.completeWarning,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Diagnostics.DismissWarning(ctx, &diagnosticsv1.DismissWarningRequest{Id: args[0]})
				if err != nil {
					return err
				}
				return a.printWarnings([]*diagnosticsv1.Warning{resp.GetWarning()})
			})
		},
	}
	c.AddCommand(list, dismiss)
	return c
}

func (a *app) completeWarning(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Diagnostics.ListWarnings(ctx, &diagnosticsv1.ListWarningsRequest{})
			for _, w := range resp.GetWarnings() {
				list = append(list, w.GetMeta().GetId()+"\t"+w.GetStatus().GetText())
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) printWarnings(list []*diagnosticsv1.Warning) error {
	if a.rows() {
		return printRows(a, list)
	}
	var table [][]string
	for _, w := range list {
		what, remedy := a.wordsOf(w)
		table = append(table, []string{w.GetMeta().GetId(), word(w.GetStatus().GetSeverity()), since(w.GetStatus().GetSince()), what})
		table = append(table, []string{"", "", "", "→ " + remedy})
		if b := w.GetStatus().GetButton(); b != nil {
			table = append(table, []string{"", "", "", fmt.Sprintf("→ hearth api %s '%s'", b.GetMethod(), b.GetRequestJson())})
		}
	}
	return a.table([]string{"id", "severity", "age", "warning"}, table)
}

// wordsOf are the texts of a warning in the person's language, where there are any; else the server's.
func (a *app) wordsOf(w *diagnosticsv1.Warning) (what, remedy string) {
	st := w.GetStatus()
	condition, _, _ := strings.Cut(w.GetMeta().GetId(), "/")
	what, remedy = a.said("warning."+condition, st.GetText(), st.GetRemedy(), st.GetMetadata())
	return a.quoting(what, st.GetQuote()), remedy
}
