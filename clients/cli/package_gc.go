package main

import (
	"context"
	"strings"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) gcCommand() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use: "gc", Short: "Remove what nothing uses of packages any more", Args: cobra.NoArgs,
		Long: `Remove package files that nothing uses, versions that were kept for longer than the policy of
their package says, and uploads that nobody took. The server does so by itself each night.

With --dry-run nothing is removed: it lists what there is besides the data of the packages,
what uses each, and what would go.`,
		Example: "  hearth package gc --dry-run\n  hearth package gc",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Packages.CollectGarbage(ctx, &packagesv1.CollectGarbageRequest{ValidateOnly: dryRun})
				if err != nil {
					return err
				}
				for _, op := range resp.GetOperations() {
					if _, err := a.follow(ctx, c, op.GetMeta().GetId(), a.newProgress()); err != nil {
						return err
					}
				}
				return a.printStored(resp.GetItems(), dryRun)
			})
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "remove nothing: list what there is, and what would go")
	return c
}

// printStored lists what is kept, or what went.
func (a *app) printStored(items []*packagesv1.StoredItem, all bool) error {
	var shown []*packagesv1.StoredItem
	var bytes uint64
	for _, item := range items {
		if item.GetGarbage() {
			bytes += item.GetBytes()
		}
		if all || item.GetGarbage() {
			shown = append(shown, item)
		}
	}
	if a.rows() {
		return printRows(a, shown)
	}
	var table [][]string
	for _, item := range shown {
		used := strings.Join(item.GetUsedBy(), ", ")
		if item.GetGarbage() {
			used = "—"
		}
		table = append(table, []string{strings.ReplaceAll(word(item.GetKind()), "_", " "), cut(item.GetId(), 26), item.GetPackageId(), item.GetVersion(), size(item.GetBytes()), since(item.GetCreateTime()), used})
	}
	if len(table) > 0 {
		if err := a.table([]string{"kind", "id", "package", "version", "size", "age", "used-by"}, table); err != nil {
			return err
		}
	}
	if all {
		a.tell("gc.would", map[string]any{"Size": size(bytes)})
	} else {
		a.tell("gc.done", map[string]any{"Size": size(bytes)})
	}
	return nil
}
