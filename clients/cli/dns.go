package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	dnsv1 "github.com/hearthos/hearth/api/gen/go/hearth/dns/v1"
	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) dnsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "dns", Short: "The server's resolver: whom it asks, and the names it knows",
		Long: `The server answers names for its services, and for networks that have a private domain. It
answers its own names itself and asks other resolvers for all else.`,
		Example: "  hearth dns upstream show\n  hearth dns dump",
	}
	dump := &cobra.Command{
		Use: "dump", Short: "List the names the resolver answers itself", Args: cobra.NoArgs,
		Example: "  hearth dns dump\n  hearth dns dump --output json | jq -r .name",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.DNS.ListRecords(ctx, &dnsv1.ListRecordsRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetRecords())
				}
				var table [][]string
				for _, r := range resp.GetRecords() {
					below := ""
					if r.GetSubdomains() {
						below = a.worded("word.yes")
					}
					table = append(table, []string{r.GetName(), strings.Join(r.GetAddresses(), " "), below, few(r.GetSources())})
				}
				return a.table([]string{"name", "addresses", "subdomains", "for"}, table)
			})
		},
	}
	upstream := &cobra.Command{Use: "upstream", Short: "Whom the resolver asks for names that are not its own"}
	upstream.AddCommand(a.dnsUpstreamShowCommand(), a.dnsUpstreamSetCommand())
	c.AddCommand(dump, upstream)
	return c
}

func (a *app) dnsUpstreamShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show whom the resolver asks, and whether one asks back", Args: cobra.NoArgs,
		Example: "  hearth dns upstream show",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.DNS.GetServers(ctx, &dnsv1.GetServersRequest{})
				if err != nil {
					return err
				}
				return a.printUpstreams(resp)
			})
		},
	}
}

func (a *app) dnsUpstreamSetCommand() *cobra.Command {
	var link bool
	c := &cobra.Command{
		Use: "set SERVER... | --from-network", Short: "Choose whom the resolver asks", Args: cobra.MaximumNArgs(3), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Choose up to three resolvers that are asked for names that are not the server's own, by
address, each with a port where it is not 53. With --from-network those are asked that the
networks of the server name, usually the router.

Where the router is told to ask this server, the server must not ask the router: name
other resolvers first.`,
		Example: "  hearth dns upstream set 9.9.9.9 149.112.112.112\n  hearth dns upstream set --from-network",
		RunE: func(cmd *cobra.Command, args []string) error {
			if link == (len(args) > 0) {
				return wrong("usage.dns-servers")
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.DNS.SetServers(ctx, &dnsv1.SetServersRequest{Servers: args}); err != nil {
					return err
				}
				resp, err := c.DNS.GetServers(ctx, &dnsv1.GetServersRequest{})
				if err != nil {
					return err
				}
				return a.printUpstreams(resp)
			})
		},
	}
	c.Flags().BoolVar(&link, "from-network", false, "ask those that the networks of the server name")
	return c
}

func (a *app) printUpstreams(resp *dnsv1.GetServersResponse) error {
	if a.rows() {
		return a.printRow(map[string]any{
			"id": "server", "chosen": list(resp.GetSettings().GetSpec().GetServers()), "inUse": list(resp.GetInUse()),
			"circular": list(resp.GetCircular()), "routers": list(resp.GetRouters()),
		})
	}
	chosen := "network"
	if len(resp.GetSettings().GetSpec().GetServers()) > 0 {
		chosen = "chosen"
	}
	var table [][]string
	for _, server := range resp.GetInUse() {
		table = append(table, []string{server, chosen})
	}
	if err := a.table([]string{"server", "source"}, table); err != nil {
		return err
	}
	for _, server := range resp.GetInUse() {
		switch {
		case slices.Contains(resp.GetCircular(), server):
			fmt.Fprintln(a.Err, a.say("dns.circular", map[string]any{"Server": printable(server)}))
		case slices.Contains(resp.GetRouters(), server):
			fmt.Fprintln(a.Err, a.say("dns.router", map[string]any{"Server": printable(server)}))
		}
	}
	return nil
}

// list is an empty list where there is none: programs read no null.
func list(texts []string) []string { return append([]string{}, texts...) }

func (a *app) forwardCommand() *cobra.Command {
	c := &cobra.Command{Use: "forward", Short: "The ports that are led to services", Example: "  hearth forward list"}
	c.AddCommand(&cobra.Command{
		Use: "list", Aliases: []string{"dump"}, Short: "List every port that is led on, and where", Args: cobra.NoArgs,
		Long: `List every port that is led on, with what is done to connections: plain carries bytes,
pass leads on by the name in the TLS handshake without opening it, tls ends TLS and
carries what is in it, http reads the requests too. These the front door does; packets
are led on by the kernel, TCP and UDP, for the ranges of ports of services.`,
		Example: "  hearth forward list\n  hearth forward list --output json | jq 'select(.error != \"\")'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Gateways.ListForwards(ctx, &gatewaysv1.ListForwardsRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetForwards())
				}
				var table [][]string
				for _, f := range resp.GetForwards() {
					state := "open"
					if f.GetError() != "" {
						state = printable(f.GetError())
					}
					n := f.GetNumberOfPorts()
					table = append(table, []string{span(f.GetAddress(), n), word(f.GetMode()), strings.Join(f.GetNames(), " "), span(f.GetUpstream(), n), state})
				}
				return a.table([]string{"address", "mode", "names", "to", "state"}, table)
			})
		},
	})
	return c
}

// span writes an address and port with the last one of so many ports; with none it is left as it is.
func span(address string, ports uint32) string {
	first, err := netip.ParseAddrPort(address)
	if err != nil || ports < 2 {
		return address
	}
	return fmt.Sprintf("%s-%d", address, uint32(first.Port())+ports-1)
}
