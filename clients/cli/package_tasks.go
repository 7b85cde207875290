package main

import (
	"context"
	"strings"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) tasksCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "tasks [ID]", Short: "List what packages ask you to do", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth package tasks\n  hearth package tasks hello\n  hearth package tasks dismiss hello choose-greeting",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				req := &actionsv1.ListTasksRequest{}
				if len(args) == 1 {
					req.PackageId = args[0]
				}
				resp, err := c.Actions.ListTasks(ctx, req)
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetTasks())
				}
				var table [][]string
				for _, t := range resp.GetTasks() {
					state := "inactive"
					if t.GetStatus().GetActive() {
						state = "active"
					}
					pkg, task := taskName(t)
					table = append(table, []string{pkg, task, word(t.GetSpec().GetSeverity()), state, t.GetSpec().GetPackageId() + " " + t.GetSpec().GetActionId(), t.GetSpec().GetReason()})
				}
				return a.table([]string{"by", "task", "severity", "state", "action", "reason"}, table)
			})
		},
	}
	c.AddCommand(a.dismissTaskCommand())
	return c
}

// taskName is the package that set a task, and the name that it gave the task.
func taskName(t *actionsv1.Task) (pkg, name string) {
	pkg, name, _ = strings.Cut(t.GetMeta().GetId(), "/")
	if plain, err := ids.Unescape(name); err == nil {
		name = plain
	}
	return pkg, name
}

func (a *app) dismissTaskCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "dismiss ID TASK", Short: "Dismiss what a package asks you to do", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeTask,
		Long: `Dismiss a task that a package set. The package may set it again, at its next start
or later. A critical task, without which the service does not start, is dismissed
with --force alone; the service then starts without what the task is for.`,
		Example: "  hearth package tasks dismiss hello choose-greeting\n  hearth package tasks dismiss hello choose-greeting --force",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				_, err := c.Actions.DismissTask(ctx, &actionsv1.DismissTaskRequest{PackageId: args[0], ReplayId: args[1], Force: force})
				if err == nil {
					a.tell("task.dismissed", map[string]any{"ID": args[0], "Task": args[1]})
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&force, "force", false, "dismiss it also when it is critical")
	return c
}

func (a *app) completeTask(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeInstalled(cmd, args, prefix)
	}
	var list []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		resp, err := c.Actions.ListTasks(ctx, &actionsv1.ListTasksRequest{PackageId: args[0]})
		for _, t := range resp.GetTasks() {
			_, name := taskName(t)
			list = append(list, name+"\t"+printable(t.GetSpec().GetReason()))
		}
		return err
	})
	return list, cobra.ShellCompDirectiveNoFileComp
}
