package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func (a *app) getCommand() *cobra.Command {
	var parent string
	c := &cobra.Command{
		Use:   "get KIND [ID]",
		Short: "Show the resources of a kind, or all of one",
		Long: `Show the resources of a kind as they are now, or every member of one.

These are the rows that 'hearth watch' follows and every other command is made from.
'hearth status --output json | jq .kinds' lists the kinds.`,
		Example: `  hearth get package
  hearth get healthcheck --parent hello
  hearth get package hello
  hearth get host --output json | jq .addresses`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				sel := &statev1.Selector{Kind: args[0], Parent: parent}
				if len(args) == 2 {
					sel.Id = args[1]
				}
				rows, err := c.Snapshot(ctx, sel)
				if err != nil {
					return err
				}
				if len(args) == 2 && len(rows) == 0 {
					return fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no %s %q", args[0], args[1])
				}
				return a.printResources(rows, len(args) == 2)
			})
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return a.completeKinds(cmd)
			case 1:
				return a.completeIDs(cmd, args[0])
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().StringVar(&parent, "parent", "", "only resources that belong to this one")
	return c
}

// completeKinds completes the kinds that the caller may watch.
func (a *app) completeKinds(cmd *cobra.Command) ([]string, cobra.ShellCompDirective) {
	var kinds []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		server, err := c.Server(ctx)
		kinds = server.GetKinds()
		return err
	})
	return kinds, cobra.ShellCompDirectiveNoFileComp
}

// completeIDs completes the ids of resources of a kind.
func (a *app) completeIDs(cmd *cobra.Command, kind string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		rows, err := c.Snapshot(ctx, &statev1.Selector{Kind: kind})
		for _, r := range rows {
			ids = append(ids, r.GetId())
		}
		return err
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// printResources prints rows as a table, or the one with all its members.
func (a *app) printResources(rows []*statev1.Change, whole bool) error {
	if a.rows() {
		for _, r := range rows {
			if err := a.printRow(flatten(resourceOf(r))); err != nil {
				return err
			}
		}
		return nil
	}
	if whole {
		return a.printMembers(flatten(resourceOf(rows[0])))
	}
	table := [][]string{}
	for _, r := range rows {
		table = append(table, []string{r.GetId(), strconv.FormatUint(r.GetRevision(), 10), summary(r)})
	}
	return a.table([]string{"id", "revision", "summary"}, table)
}

// resourceOf is the resource itself, whatever its kind.
func resourceOf(ch *statev1.Change) proto.Message {
	var m proto.Message
	ch.GetResource().ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		m = v.Message().Interface()
		return false
	})
	return m
}

// printMembers prints the members of a row one a line.
func (a *app) printMembers(row map[string]any) error {
	var table [][]string
	for _, name := range slices.Sorted(maps.Keys(row)) {
		text, ok := row[name].(string)
		if !ok {
			raw, err := json.Marshal(row[name])
			if err != nil {
				return unable("failed.print", err, "Name", name)
			}
			text = string(raw)
		}
		table = append(table, []string{name, text})
	}
	return a.table([]string{"member", "value"}, table)
}
