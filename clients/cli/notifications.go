package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	notificationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) notificationsCommand() *cobra.Command {
	var pkg string
	var unseen bool
	c := &cobra.Command{
		Use: "notifications", Short: "See what services told; alone it lists it",
		Long: `List what services told, the newest first.

A notification stays until somebody removes it, or until its package is uninstalled.
Of a package the newest 64 are kept.`,
		Example: "  hearth notifications\n  hearth notifications --unseen\n  hearth watch notification",
	}
	list := &cobra.Command{
		Use: "list", Short: "List the notifications, the newest first", Args: cobra.NoArgs,
		Example: "  hearth notifications list --package hello",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				rows, err := allNotifications(ctx, c, pkg, unseen)
				if err != nil {
					return err
				}
				return a.printNotifications(rows)
			})
		},
	}
	list.Flags().BoolVar(&unseen, "unseen", false, "only those nobody has seen")
	list.Flags().StringVar(&pkg, "package", "", "only those of this package")
	_ = list.RegisterFlagCompletionFunc("package", func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return a.completeInstalled(cmd, nil, prefix)
	})
	c.AddCommand(list, a.showNotificationCommand(), a.markNotificationsCommand("seen", "Mark notifications as seen", false),
		a.markNotificationsCommand("unseen", "Mark notifications as not seen", true), a.removeNotificationsCommand())
	return c
}

// allNotifications lists notifications, page by page.
func allNotifications(ctx context.Context, c *hearth.Client, pkg string, unseen bool) ([]*notificationsv1.Notification, error) {
	var rows []*notificationsv1.Notification
	for token := ""; ; {
		resp, err := c.Notifications.ListNotifications(ctx, &notificationsv1.ListNotificationsRequest{PackageId: pkg, Unseen: unseen, PageToken: token})
		if err != nil {
			return rows, err
		}
		rows = append(rows, resp.GetNotifications()...)
		if token = resp.GetNextPageToken(); token == "" {
			return rows, nil
		}
	}
}

func (a *app) showNotificationCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a notification whole", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeNotification,
		Example: "  hearth notifications show hello/01m85wmxkfm468vnc1kjsw2k3p",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				rows, err := allNotifications(ctx, c, ids.Parent(args[0]), false)
				if err != nil {
					return err
				}
				for _, n := range rows {
					if n.GetMeta().GetId() == args[0] {
						return a.showNotification(n)
					}
				}
				return unable("failed.no-notification", nil, "ID", args[0])
			})
		},
	}
}

func (a *app) showNotification(n *notificationsv1.Notification) error {
	if a.rows() {
		return a.printRow(flatten(n))
	}
	st := n.GetStatus()
	fmt.Fprintf(a.Out, "%s  %s  %s\n", ids.Parent(n.GetMeta().GetId()), word(st.GetLevel()), printable(st.GetTitle()))
	for _, text := range []string{st.GetMessage(), st.GetData()} {
		if text != "" {
			fmt.Fprintf(a.Out, "\n%s\n", printableLines(text))
		}
	}
	return nil
}

func (a *app) markNotificationsCommand(name, short string, unseen bool) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: name + " [ID ...]", Short: short, ValidArgsFunction: a.completeNotification,
		Example: fmt.Sprintf("  hearth notifications %s hello/01m85wmxkfm468vnc1kjsw2k3p\n  hearth notifications %s --all", name, name),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return wrong("usage.which-notifications-all")
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Notifications.MarkNotifications(ctx, &notificationsv1.MarkNotificationsRequest{Ids: args, All: all, Unseen: unseen})
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(map[string]any{"marked": resp.GetMarked()})
				}
				a.tell("notifications.marked", map[string]any{"Count": resp.GetMarked()})
				return nil
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all there are")
	return c
}

func (a *app) removeNotificationsCommand() *cobra.Command {
	var seen bool
	c := &cobra.Command{
		Use: "remove [ID ...]", Aliases: []string{"rm"}, Short: "Remove notifications for good", ValidArgsFunction: a.completeNotification,
		Example: "  hearth notifications remove hello/01m85wmxkfm468vnc1kjsw2k3p\n  hearth notifications remove --seen",
		RunE: func(cmd *cobra.Command, args []string) error {
			if seen == (len(args) > 0) {
				return wrong("usage.which-notifications-seen")
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Notifications.RemoveNotifications(ctx, &notificationsv1.RemoveNotificationsRequest{Ids: args, Seen: seen})
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(map[string]any{"removed": resp.GetRemoved()})
				}
				a.tell("notifications.removed", map[string]any{"Count": resp.GetRemoved()})
				return nil
			})
		},
	}
	c.Flags().BoolVar(&seen, "seen", false, "all that somebody has seen")
	return c
}

// completeNotification completes the ids of notifications.
func (a *app) completeNotification(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		rows, err := allNotifications(ctx, c, "", false)
		for _, n := range rows {
			list = append(list, n.GetMeta().GetId()+"\t"+printable(n.GetStatus().GetTitle()))
		}
		return err
	})
	return list, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) printNotifications(rows []*notificationsv1.Notification) error {
	if a.rows() {
		return printRows(a, rows)
	}
	var table [][]string
	for _, n := range rows {
		st, state := n.GetStatus(), "new"
		if n.GetSpec().GetSeen() {
			state = "seen"
		}
		times := ""
		if st.GetTimes() > 1 {
			times = strconv.FormatUint(uint64(st.GetTimes()), 10) + "×"
		}
		table = append(table, []string{n.GetMeta().GetId(), word(st.GetLevel()), state, since(st.GetTime()), times, st.GetTitle() + ": " + st.GetMessage()})
	}
	return a.table([]string{"id", "severity", "state", "age", "times", "message"}, table)
}

// printableLines is printable for a text of several lines.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}
