package main

import (
	"context"
	"strings"

	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) gatewayCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "gateway", Short: "See the networks the server is in, and name them",
		Long: `See the network interfaces of the server, live as the machine has them, and give them names.

One of them is the way out: what the server and its services ask of the Internet leaves
by the interface with the best default route.`,
		Example: "  hearth gateway list\n  hearth watch gateway",
	}
	list := &cobra.Command{
		Use: "list", Short: "List the gateways with the server's addresses there", Args: cobra.NoArgs,
		Example: "  hearth gateway list\n  hearth gateway list --output json | jq -r 'select(.outbound) | .id'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Gateways.ListGateways(ctx, &gatewaysv1.ListGatewaysRequest{})
				if err != nil {
					return err
				}
				return a.printGateways(resp.GetGateways())
			})
		},
	}
	rename := &cobra.Command{
		Use: "rename ID NAME", Short: "Say what people call a gateway", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeGateway,
		Long: `Say what people call a gateway; an empty name takes the name away. A gateway with a name
stays in the list while its interface is gone.`,
		Example: "  hearth gateway rename eth0 'at home'\n  hearth gateway rename eth0 ''",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Gateways.RenameGateway(ctx, &gatewaysv1.RenameGatewayRequest{Id: args[0], Name: args[1]})
				if err != nil {
					return err
				}
				return a.printGateways([]*gatewaysv1.Gateway{resp.GetGateway()})
			})
		},
	}
	forget := &cobra.Command{
		Use: "forget ID", Short: "Remove a gateway whose interface is gone", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeGateway,
		Example: "  hearth gateway forget eth1",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				_, err := c.Gateways.ForgetGateway(ctx, &gatewaysv1.ForgetGatewayRequest{Id: args[0]})
				return err
			})
		},
	}
	c.AddCommand(list, rename, forget)
	return c
}

// printGateways shows gateways: the way out is marked.
func (a *app) printGateways(list []*gatewaysv1.Gateway) error {
	if a.rows() {
		return printRows(a, list)
	}
	var table [][]string
	for _, g := range list {
		st := g.GetStatus()
		state, out := "absent", ""
		if st.GetConnected() {
			state = "connected"
		}
		if st.GetOutbound() {
			out = a.worded("word.yes")
		}
		table = append(table, []string{
			g.GetMeta().GetId(), word(st.GetType()), state, out, strings.Join(st.GetAddresses(), " "), strings.Join(st.GetRouters(), " "), g.GetSpec().GetName(),
		})
	}
	return a.table([]string{"id", "type", "state", "way-out", "addresses", "routers", "name"}, table)
}

func (a *app) completeGateway(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Gateways.ListGateways(ctx, &gatewaysv1.ListGatewaysRequest{})
			for _, g := range resp.GetGateways() {
				list = append(list, g.GetMeta().GetId()+"\t"+strings.TrimSpace(g.GetSpec().GetName()+" "+strings.Join(g.GetStatus().GetAddresses(), " ")))
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
