package main

import (
	"context"
	"errors"
	"fmt"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) rebuildCommand() *cobra.Command {
	var all, noWait bool
	c := &cobra.Command{
		Use: "rebuild [ID]", Short: "Give a service a new container", ValidArgsFunction: a.completeInstalled,
		Long: `Give a service a new container of the same package file. What it wrote outside of its
volumes goes with the old one; its data stay, and it runs or rests as it did before.
With --all every service gets one, one after the other.`,
		Example: "  hearth package rebuild hello\n  hearth package rebuild --all",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || all == (len(args) == 1) {
				return wrong("usage.one-or-all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if !all {
					return a.rebuild(ctx, c, args[0], !noWait)
				}
				rows, err := allPackages(ctx, c)
				if err != nil {
					return err
				}
				var failed error
				for _, p := range rows {
					if p.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_ABSENT {
						continue
					}
					if err := a.rebuild(ctx, c, p.GetMeta().GetId(), !noWait); err != nil {
						failed = errors.Join(failed, fmt.Errorf("%s: %w", p.GetMeta().GetId(), err))
					}
					if ctx.Err() != nil {
						break
					}
				}
				return failed
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all services")
	c.Flags().BoolVar(&noWait, "no-wait", false, "return at once; the server goes on")
	return c
}

func (a *app) rebuild(ctx context.Context, c *hearth.Client, id string, wait bool) error {
	if _, err := c.Packages.RebuildPackage(ctx, &packagesv1.RebuildPackageRequest{Id: id}); err != nil || !wait {
		return err
	}
	row, err := a.awaitState(ctx, c, id)
	if err != nil {
		return err
	}
	if a.rows() {
		return a.printRow(flatten(row))
	}
	a.tell("package.rebuilt", map[string]any{"ID": id})
	return nil
}
