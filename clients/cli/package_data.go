package main

import (
	"context"
	"fmt"
	"strings"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) dataCommand() *cobra.Command {
	c := &cobra.Command{Use: "data", Short: "List and remove what uninstalled packages left"}
	c.AddCommand(a.dataListCommand(), a.dataRemoveCommand())
	return c
}

// keptData lists the kept data, page by page.
func keptData(ctx context.Context, c *hearth.Client) ([]*packagesv1.PackageData, error) {
	var rows []*packagesv1.PackageData
	for token := ""; ; {
		resp, err := c.Packages.ListPackageData(ctx, &packagesv1.ListPackageDataRequest{PageToken: token})
		if err != nil {
			return rows, err
		}
		rows = append(rows, resp.GetData()...)
		if token = resp.GetNextPageToken(); token == "" {
			return rows, nil
		}
	}
}

func (a *app) dataListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the data of packages that are not installed", Args: cobra.NoArgs,
		Long: `List the data of packages that are not installed: what 'hearth package uninstall
--keep-data' left. The sizes are measured, which takes a while where there are
many files. An installation of the package goes on with its data.`,
		Example: "  hearth package data list\n  hearth package data list --output json | jq -r '.id, .bytes'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				rows, err := keptData(ctx, c)
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, rows)
				}
				var table [][]string
				for _, d := range rows {
					table = append(table, []string{d.GetId(), d.GetVersion(), size(d.GetBytes()), since(d.GetSince()), strings.Join(d.GetVolumes(), " ")})
				}
				return a.table([]string{"id", "version", "size", "kept", "volumes"}, table)
			})
		},
	}
}

func (a *app) dataRemoveCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "remove ID", Aliases: []string{"rm"}, Short: "Remove the data of a package that is not installed, for good", Args: cobra.ExactArgs(1),
		Example: "  hearth package data remove hello\n  hearth package data remove hello --yes", ValidArgsFunction: a.completeKeptData,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !isTerminal(a.In) {
				return wrong("usage.data-yes", "ID", args[0])
			}
			if !yes {
				fmt.Fprint(a.Err, a.say("data.remove-question", map[string]any{"ID": args[0]})+" ")
				var answer string
				if _, err := fmt.Fscanln(a.In, &answer); err != nil || answer != args[0] {
					return spoken(a.say("package.nothing-removed", nil))
				}
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Packages.DeletePackageData(ctx, &packagesv1.DeletePackageDataRequest{Id: args[0]})
				if err != nil {
					return err
				}
				return a.followAndTell(ctx, c, resp.GetOperation(), func() { a.tell("data.removed", map[string]any{"ID": args[0]}) })
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// completeKeptData completes the ids of packages whose data are kept.
func (a *app) completeKeptData(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		rows, err := keptData(ctx, c)
		for _, d := range rows {
			list = append(list, d.GetId())
		}
		return err
	})
	return list, cobra.ShellCompDirectiveNoFileComp
}
