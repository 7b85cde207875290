package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) hostDomainCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "domain", Short: "Give services names of your own",
		Long: `Give services and the server names of your own. A private name answers neighbours and
private sources alone; a public one everybody, for which its record and the router have
to lead to this server. The certificate is one of this server, made for the name.`,
		Example: "  hearth host domain add nextcloud cloud.home.arpa\n  hearth host domain list",
	}
	list := &cobra.Command{
		Use: "list [PACKAGE]", Short: "List the names of a service or of all", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth host domain list\n  hearth host domain list nextcloud --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Hosts.ListHosts(ctx, &hostsv1.ListHostsRequest{PackageId: first(args)})
				if err != nil {
					return err
				}
				return a.printDomains(resp.GetHosts())
			})
		},
	}
	c.AddCommand(list, a.domainAddCommand(), a.domainRemoveCommand())
	return c
}

func (a *app) domainAddCommand() *cobra.Command {
	var public bool
	var gateways []string
	var port uint32
	c := &cobra.Command{
		Use: "add PACKAGE[/HOST] NAME", Short: "Give a service a name", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth host domain add nextcloud cloud.home.arpa\n  hearth host domain add nextcloud cloud.example.org --public --gateway eth0\n  hearth host domain add server hearth.home.arpa",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				at, err := a.oneHost(ctx, c, args[0])
				if err != nil {
					return err
				}
				var row *hostsv1.Host
				if public {
					if len(gateways) > 1 {
						return wrong("usage.one-gateway")
					}
					resp, e := c.Hosts.AddPublicDomain(ctx, &hostsv1.AddPublicDomainRequest{PackageId: at[0], Host: at[1], Domain: args[1], Gateway: first(gateways), InternalPort: port})
					row, err = resp.GetHost(), e
				} else {
					resp, e := c.Hosts.AddPrivateDomain(ctx, &hostsv1.AddPrivateDomainRequest{PackageId: at[0], Host: at[1], Domain: args[1], Gateways: gateways, InternalPort: port})
					row, err = resp.GetHost(), e
				}
				if err != nil {
					return err
				}
				return a.printDomains([]*hostsv1.Host{row})
			})
		},
	}
	c.Flags().BoolVar(&public, "public", false, "let everybody use it, not neighbours alone")
	c.Flags().StringSliceVar(&gateways, "gateway", nil, "gateway that connections come in by; else the way out for a public name, all for a private one")
	c.Flags().Uint32Var(&port, "port", 0, "port of the service inside its container; else the one with a page, or the only one")
	_ = c.RegisterFlagCompletionFunc("gateway", func(cmd *cobra.Command, _ []string, w string) ([]string, cobra.ShellCompDirective) {
		return a.completeGateway(cmd, nil, w)
	})
	return c
}

func (a *app) domainRemoveCommand() *cobra.Command {
	var public bool
	c := &cobra.Command{
		Use: "remove PACKAGE[/HOST] NAME", Short: "Take a name away", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeDomain,
		Example: "  hearth host domain remove nextcloud cloud.home.arpa\n  hearth host domain remove nextcloud cloud.example.org --public",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				at, err := a.oneHost(ctx, c, args[0])
				if err != nil {
					return err
				}
				var row *hostsv1.Host
				if !public {
					if public, err = a.isPublicAlone(ctx, c, at, args[1]); err != nil {
						return err
					}
				}
				if public {
					resp, e := c.Hosts.RemovePublicDomain(ctx, &hostsv1.RemovePublicDomainRequest{PackageId: at[0], Host: at[1], Domain: args[1]})
					row, err = resp.GetHost(), e
				} else {
					resp, e := c.Hosts.RemovePrivateDomain(ctx, &hostsv1.RemovePrivateDomainRequest{PackageId: at[0], Host: at[1], Domain: args[1]})
					row, err = resp.GetHost(), e
				}
				if err != nil {
					return err
				}
				return a.printDomains([]*hostsv1.Host{row})
			})
		},
	}
	c.Flags().BoolVar(&public, "public", false, "the public name, where there is a private one, too")
	return c
}

// isPublicAlone tells whether a host has a name as a public one, and not as a private one, too.
func (a *app) isPublicAlone(ctx context.Context, c *hearth.Client, at [2]string, name string) (bool, error) {
	resp, err := c.Hosts.ListHosts(ctx, &hostsv1.ListHostsRequest{PackageId: at[0]})
	for _, h := range resp.GetHosts() {
		_, public := h.GetSpec().GetPublicDomains()[name]
		_, private := h.GetSpec().GetPrivateDomains()[name]
		if h.GetMeta().GetId() == at[0]+"/"+at[1] {
			return public && !private, err
		}
	}
	return false, err
}

// oneHost answers the host that is meant: the one named, or the only one of a package.
func (a *app) oneHost(ctx context.Context, c *hearth.Client, name string) ([2]string, error) {
	list, err := a.hosts(ctx, c, name)
	if err != nil {
		return [2]string{}, err
	}
	if len(list) != 1 {
		var names []string
		for _, h := range list {
			names = append(names, h[0]+"/"+h[1])
		}
		return [2]string{}, wrong("usage.host", "Value", name, "Hosts", strings.Join(names, " "))
	}
	return list[0], nil
}

// completeDomain offers services, and then the names that somebody gave one.
func (a *app) completeDomain(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOfHosts(cmd, args, func(ctx context.Context, c *hearth.Client, pkg string) (list []string, err error) {
		resp, err := c.Hosts.ListHosts(ctx, &hostsv1.ListHostsRequest{PackageId: pkg})
		for _, h := range resp.GetHosts() {
			list = slices.AppendSeq(list, maps.Keys(h.GetSpec().GetPublicDomains()))
			list = slices.AppendSeq(list, maps.Keys(h.GetSpec().GetPrivateDomains()))
		}
		slices.Sort(list)
		return list, err
	})
}

func (a *app) printDomains(hosts []*hostsv1.Host) error {
	var table [][]string
	add := func(id, name, access string, gateways []string) error {
		table = append(table, []string{id, name, a.worded("word." + access), strings.Join(gateways, " ")})
		if a.rows() {
			return a.printRow(map[string]any{"id": name, "host": id, "access": access, "gateways": gateways})
		}
		return nil
	}
	for _, h := range hosts {
		id := h.GetMeta().GetId()
		for _, name := range slices.Sorted(maps.Keys(h.GetSpec().GetPublicDomains())) {
			if err := add(id, name, "internet", []string{h.GetSpec().GetPublicDomains()[name].GetGateway()}); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(h.GetSpec().GetPrivateDomains())) {
			if err := add(id, name, "lan", h.GetSpec().GetPrivateDomains()[name].GetGateways()); err != nil {
				return err
			}
		}
	}
	if a.rows() {
		return nil
	}
	return a.table([]string{"host", "name", "open-to", "gateways"}, table)
}
