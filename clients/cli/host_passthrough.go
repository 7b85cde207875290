package main

import (
	"context"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) hostPassthroughCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "passthrough", Short: "Have names lead to other machines of the network",
		Long: `Have connections over TLS that ask this server for a name led to another machine of the
network. They are not opened: the certificate is that machine's own. So several machines
share one port of the router.`,
		Example: "  hearth host passthrough add nas.example.org 192.168.1.20:443 --internet\n  hearth host passthrough list",
	}
	list := &cobra.Command{
		Use: "list", Short: "List the names that lead to other machines", Args: cobra.NoArgs,
		Example: "  hearth host passthrough list\n  hearth watch passthrough",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Hosts.ListPassthroughs(ctx, &hostsv1.ListPassthroughsRequest{})
				if err != nil {
					return err
				}
				return a.printPassthroughs(resp.GetPassthroughs())
			})
		},
	}
	remove := &cobra.Command{
		Use: "remove NAME:PORT", Short: "Have a name lead to another machine no more", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completePassthrough,
		Example: "  hearth host passthrough remove nas.example.org:443",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				_, err := c.Hosts.DeletePassthrough(ctx, &hostsv1.DeletePassthroughRequest{Id: args[0]})
				return err
			})
		},
	}
	c.AddCommand(list, a.passthroughAddCommand(), remove)
	return c
}

func (a *app) passthroughAddCommand() *cobra.Command {
	var internet bool
	req := &hostsv1.AddPassthroughRequest{}
	c := &cobra.Command{
		Use: "add NAME ADDRESS:PORT", Short: "Have a name lead to another machine", Args: cobra.ExactArgs(2), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Have connections over TLS that ask for a name led to an address and port of another
machine of the network. Neighbours and private sources alone may use it, or with --internet
everybody; the record of the name is yours to make.`,
		Example: "  hearth host passthrough add nas.home.arpa 192.168.1.20:5001\n  hearth host passthrough add nas.example.org 192.168.1.20:443 --internet --gateway eth0",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Hostname, req.Backend, req.Access = args[0], args[1], hostsv1.Access_ACCESS_LAN
			if internet {
				req.Access = hostsv1.Access_ACCESS_INTERNET
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Hosts.AddPassthrough(ctx, req)
				if err != nil {
					return err
				}
				return a.printPassthroughs([]*hostsv1.Passthrough{resp.GetPassthrough()})
			})
		},
	}
	c.Flags().BoolVar(&internet, "internet", false, "let the Internet in, too")
	c.Flags().StringSliceVar(&req.Gateways, "gateway", nil, "gateway that connections come in by; else all that lead to a network")
	c.Flags().Uint32Var(&req.Port, "port", 0, "port of this server; else that of its page")
	_ = c.RegisterFlagCompletionFunc("gateway", func(cmd *cobra.Command, _ []string, w string) ([]string, cobra.ShellCompDirective) {
		return a.completeGateway(cmd, nil, w)
	})
	return c
}

func (a *app) printPassthroughs(list []*hostsv1.Passthrough) error {
	if a.rows() {
		return printRows(a, list)
	}
	var table [][]string
	for _, p := range list {
		table = append(table, []string{
			p.GetMeta().GetId(), p.GetSpec().GetBackend(), strings.Join(p.GetSpec().GetGateways(), " "), a.worded("word." + word(p.GetSpec().GetAccess())),
		})
	}
	return a.table([]string{"name", "to", "gateway", "open-to"}, table)
}

func (a *app) completePassthrough(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if len(args) == 0 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
			resp, err := c.Hosts.ListPassthroughs(ctx, &hostsv1.ListPassthroughsRequest{})
			for _, p := range resp.GetPassthroughs() {
				list = append(list, p.GetMeta().GetId())
			}
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
