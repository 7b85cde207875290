package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) rollbackCommand() *cobra.Command {
	var yes, noWait bool
	c := &cobra.Command{
		Use: "rollback ID", Short: "Go back to the version before the last update, and to its data",
		Long: `Bring back the package file and the data from before the last update.

What was written since then is set aside: it is kept as a snapshot with the version
it goes with, and rolling back once more returns to it. It goes with the next update,
with the package, or by 'hearth package snapshots remove'.`,
		Example: "  hearth package rollback hello\n  hearth package rollback hello --yes --no-wait",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if err := a.askRollback(ctx, c, args[0], yes); err != nil {
					return err
				}
				resp, err := c.Packages.RollbackPackage(ctx, &packagesv1.RollbackPackageRequest{Id: args[0]})
				if err != nil {
					return err
				}
				if noWait {
					return a.printOperations(resp.GetOperation())
				}
				op, err := a.follow(ctx, c, resp.GetOperation().GetMeta().GetId(), a.newProgress())
				if err != nil {
					return err
				}
				a.tellReplaced(op)
				return a.showPackage(ctx, c, args[0])
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&noWait, "no-wait", false, "print the operation and return at once")
	return c
}

// askRollback has a person confirm what a rollback sets aside. What cannot be rolled back is left to the server to refuse.
func (a *app) askRollback(ctx context.Context, c *hearth.Client, id string, yes bool) error {
	if yes {
		return nil
	}
	resp, err := c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: id})
	if err != nil || len(resp.GetSnapshots()) == 0 {
		return err
	}
	if !isTerminal(a.In) {
		return wrong("usage.rollback-yes", "ID", id)
	}
	last := resp.GetSnapshots()[len(resp.GetSnapshots())-1]
	return a.confirm(a.say("package.rollback-question", map[string]any{
		"ID": id, "Version": last.GetSpec().GetVersion(), "Time": taken(last).Format("2006-01-02 15:04:05"),
	}), a.say("package.nothing-changed", nil))
}

// confirm asks for a yes; another answer is an error that says so.
func (a *app) confirm(question, otherwise string) error {
	fmt.Fprint(a.Err, question+" [y/N] ")
	var answer string
	if _, err := fmt.Fscanln(a.In, &answer); err != nil || !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return spoken(otherwise)
	}
	return nil
}

func taken(s *packagesv1.Snapshot) time.Time {
	return s.GetMeta().GetCreateTime().AsTime().Local()
}

// tellReplaced says which version followed which, and how long the service was away: from when it was told to stop until
// it was wanted again.
func (a *app) tellReplaced(op *operationsv1.Operation) {
	from := op.GetSpec().GetParameters()["from"]
	if from == "" || a.rows() {
		return
	}
	var away time.Duration
	for _, s := range op.GetStatus().GetSteps() {
		if s.GetName() == "hold" {
			away = op.GetStatus().GetEndTime().AsTime().Sub(s.GetStartTime().AsTime())
		}
	}
	fmt.Fprintln(a.Err, a.say("package.replaced", map[string]any{
		"ID": op.GetSpec().GetTarget(), "From": from, "To": op.GetSpec().GetParameters()["version"], "Away": away.Round(100 * time.Millisecond).String(),
	}))
}

func (a *app) snapshotsCommand() *cobra.Command {
	c := &cobra.Command{Use: "snapshots", Short: "List and remove the data kept from before updates and rollbacks"}
	c.AddCommand(a.listSnapshotsCommand(), a.removeSnapshotCommand())
	return c
}

func (a *app) listSnapshotsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list ID", Aliases: []string{"ls"}, Short: "List the snapshots of a package", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Long: `List the snapshots of a package: its data as they were before the last update, or
before the last rollback, with the version that they go with.

The size is that of the files. A snapshot made as a copy takes as much on disk; one
that shares its blocks with the data takes what has changed since.`,
		Example: "  hearth package snapshots list hello",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Packages.ListSnapshots(ctx, &packagesv1.ListSnapshotsRequest{Id: args[0]})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetSnapshots())
				}
				var table [][]string
				for _, s := range resp.GetSnapshots() {
					table = append(table, []string{
						strings.TrimPrefix(s.GetMeta().GetId(), args[0]+"/"), s.GetSpec().GetVersion(), word(s.GetSpec().GetCause()),
						taken(s).Format("2006-01-02 15:04:05"), size(s.GetStatus().GetBytes()), word(s.GetStatus().GetMechanism()),
					})
				}
				return a.table([]string{"snapshot", "version", "cause", "taken", "size", "mechanism"}, table)
			})
		},
	}
}

func (a *app) removeSnapshotCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "remove ID SNAPSHOT", Aliases: []string{"rm"}, Short: "Remove a snapshot for good", Args: cobra.ExactArgs(2),
		Example:           "  hearth package snapshots remove hello 01k3w0x5v9q2z7m4c8b6n1d5fg\n  hearth package snapshots remove hello 01k3w0x5v9q2z7m4c8b6n1d5fg --yes",
		ValidArgsFunction: a.completeSnapshots,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !isTerminal(a.In) {
				return wrong("usage.snapshot-yes", "Snapshot", args[1], "ID", args[0])
			}
			if !yes {
				if err := a.confirm(a.say("package.snapshot-question", map[string]any{"ID": args[0], "Snapshot": args[1]}), a.say("package.nothing-removed", nil)); err != nil {
					return err
				}
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Packages.DeleteSnapshot(ctx, &packagesv1.DeleteSnapshotRequest{Id: args[0], Snapshot: args[1]})
				if err != nil {
					return err
				}
				return a.followAndTell(ctx, c, resp.GetOperation(), func() { a.tell("package.snapshot-removed", map[string]any{"ID": args[0], "Snapshot": args[1]}) })
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// completeSnapshots completes the id of a package, and then that of a snapshot of it.
func (a *app) completeSnapshots(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeInstalled(cmd, args, toComplete)
	}
	var list []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		resp, err := c.Packages.ListSnapshots(ctx, &packagesv1.ListSnapshotsRequest{Id: args[0]})
		for _, s := range resp.GetSnapshots() {
			list = append(list, strings.TrimPrefix(s.GetMeta().GetId(), args[0]+"/")+"\t"+printable(s.GetSpec().GetVersion()))
		}
		return err
	})
	return list, cobra.ShellCompDirectiveNoFileComp
}
