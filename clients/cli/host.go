package main

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) hostCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "host", Short: "Give services and the server addresses, and switch them on and off",
		Long: `Give the hosts of services names, see by which addresses they are reached and whether
these work, and switch addresses on and off. The server's own page is the host "server".`,
		Example: "  hearth host address list\n  hearth host domain add nextcloud cloud.example.org --public",
	}
	c.AddCommand(a.hostAddressCommand(), a.hostDomainCommand(), a.hostPassthroughCommand(), a.hostDumpCommand())
	return c
}

func (a *app) hostAddressCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "address", Short: "See addresses and whether they work, switch them on and off",
		Example: "  hearth host address list\n  hearth host address disable nextcloud https://192.168.1.5:61002",
	}
	list := &cobra.Command{
		Use: "list [PACKAGE[/HOST]]", Short: "List the addresses of a service or of all, and whether they work", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeInstalled,
		Long: `List the addresses of a service or of all and who reaches them. The server tries them
by itself when something changes, and every few minutes: what is missing is told with
what to do about it.`,
		Example: "  hearth host address list\n  hearth host address list nextcloud --output json | jq -r 'select(.access != \"off\") | .url'\n  hearth watch reachability",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				pkg, host, _ := strings.Cut(first(args), "/")
				resp, err := c.Hosts.ListAddresses(ctx, &hostsv1.ListAddressesRequest{PackageId: pkg})
				if err != nil {
					return err
				}
				found := slices.DeleteFunc(resp.GetAddresses(), func(h *hostsv1.HostAddress) bool { return host != "" && host != h.GetHost() })
				if host != "" && len(found) == 0 {
					return absent{worded{"usage.no-host", map[string]any{"Package": pkg, "Host": host}}}
				}
				return a.printAddresses(found)
			})
		},
	}
	check := &cobra.Command{
		Use: "check PACKAGE[/HOST]", Short: "Try the addresses of a service now", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth host address check nextcloud\n  hearth host address check server",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				hosts, err := a.hosts(ctx, c, args[0])
				var all []*hostsv1.HostAddress
				for _, h := range hosts {
					var resp *hostsv1.CheckAddressesResponse
					if resp, err = c.Hosts.CheckAddresses(ctx, &hostsv1.CheckAddressesRequest{PackageId: h[0], Host: h[1]}); err != nil {
						return err
					}
					all = append(all, resp.GetAddresses()...)
				}
				if err != nil {
					return err
				}
				return a.printAddresses(all)
			})
		},
	}
	var internet bool
	enable := a.accessCommand("enable", "Switch an address on", func(h *hostsv1.HostAddress) hostsv1.Access {
		if internet || h.GetAddress().GetInternet() {
			return hostsv1.Access_ACCESS_INTERNET
		}
		return hostsv1.Access_ACCESS_LAN
	})
	enable.Flags().BoolVar(&internet, "internet", false, "let the Internet in, too, where the address is one of it or a global one of IPv6")
	disable := a.accessCommand("disable", "Switch an address off", func(h *hostsv1.HostAddress) hostsv1.Access {
		if internet && !h.GetAddress().GetInternet() && h.GetAddress().GetAccess() != hostsv1.Access_ACCESS_OFF {
			return hostsv1.Access_ACCESS_LAN
		}
		return hostsv1.Access_ACCESS_OFF
	})
	disable.Flags().BoolVar(&internet, "internet", false, "keep the Internet out alone; networks that reach the address go on")
	c.AddCommand(list, check, enable, disable)
	return c
}

// accessCommand changes who reaches an address.
func (a *app) accessCommand(use, short string, access func(*hostsv1.HostAddress) hostsv1.Access) *cobra.Command {
	return &cobra.Command{
		Use: use + " PACKAGE[/HOST] ADDRESS", Short: short, Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeAddress,
		Example: "  hearth host address " + use + " nextcloud https://192.168.1.5:61002\n  hearth host address " + use + " server home.local",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				found, err := a.addresses(ctx, c, args[0], args[1])
				if err != nil {
					return err
				}
				for _, h := range found {
					_, err := c.Hosts.SetAddressAccess(ctx, &hostsv1.SetAddressAccessRequest{
						PackageId: h.GetPackageId(), Host: h.GetHost(), Hostname: h.GetAddress().GetHostname(), Port: choicePort(h.GetAddress()), Access: access(h),
					})
					if err != nil {
						return err
					}
				}
				resp, err := c.Hosts.ListAddresses(ctx, &hostsv1.ListAddressesRequest{PackageId: found[0].GetPackageId()})
				if err != nil {
					return err
				}
				return a.printAddresses(slices.DeleteFunc(resp.GetAddresses(), func(h *hostsv1.HostAddress) bool {
					return !slices.ContainsFunc(found, func(f *hostsv1.HostAddress) bool {
						return f.GetHost() == h.GetHost() && f.GetAddress().GetUrl() == h.GetAddress().GetUrl()
					})
				}))
			})
		},
	}
}

// addresses finds an address by its URL, by name and port, or by its name where that has one port. Of several that are the
// same, as one of the Internet that the server has itself, those of networks come first.
func (a *app) addresses(ctx context.Context, c *hearth.Client, host, address string) ([]*hostsv1.HostAddress, error) {
	pkg, name, _ := strings.Cut(host, "/")
	resp, err := c.Hosts.ListAddresses(ctx, &hostsv1.ListAddressesRequest{PackageId: pkg})
	if err != nil {
		return nil, err
	}
	var found []*hostsv1.HostAddress
	for _, h := range resp.GetAddresses() {
		at := h.GetAddress()
		named := address == at.GetUrl() || address == at.GetUrl()+"/" || address == at.GetHostname() ||
			address == net.JoinHostPort(at.GetHostname(), strconv.FormatUint(uint64(choicePort(at)), 10))
		if !named || name != "" && name != h.GetHost() {
			continue
		}
		if !slices.ContainsFunc(found, func(f *hostsv1.HostAddress) bool {
			return f.GetHost() == h.GetHost() && f.GetAddress().GetHostname() == at.GetHostname() && choicePort(f.GetAddress()) == choicePort(at)
		}) {
			found = append(found, h)
		}
	}
	if len(found) == 0 {
		return nil, absent{worded{"usage.address", map[string]any{"Value": address, "Host": host}}}
	}
	return found, nil
}

// choicePort is the port by which an address is named: that of its scheme where it has none.
func choicePort(at *hostsv1.Address) uint32 {
	switch {
	case at.GetPort() != 0:
		return at.GetPort()
	case at.GetSsl():
		return 443
	}
	return 80
}

func (a *app) printAddresses(list []*hostsv1.HostAddress) error {
	if a.rows() {
		for _, h := range list {
			row := flatten(h.GetAddress())
			row["package"], row["host"] = h.GetPackageId(), h.GetHost()
			if v := h.GetVerdict(); v != nil {
				row["works"], row["missing"], row["message"], row["remedy"] = v.GetWorks(), word(v.GetMissing()), v.GetMessage(), v.GetRemedy()
			}
			if err := a.printRow(row); err != nil {
				return err
			}
		}
		return nil
	}
	var table [][]string
	var missing []hostsv1.Verdict_Step
	for _, h := range list {
		works, detail := "", ""
		if v := h.GetVerdict(); v.GetWorks() {
			works, detail = a.worded("word.yes"), v.GetMessage()
		} else if v != nil {
			works, detail = a.worded("word.no"), v.GetMessage()
			if !slices.Contains(missing, v.GetMissing()) {
				missing = append(missing, v.GetMissing())
			}
		}
		table = append(table, []string{
			h.GetPackageId() + "/" + h.GetHost(), h.GetAddress().GetInterfaceId(), h.GetAddress().GetUrl(), a.openTo(h.GetAddress()), works, detail,
		})
	}
	if err := a.table([]string{"host", "interface", "address", "open-to", "works", "detail"}, table); err != nil {
		return err
	}
	slices.Sort(missing)
	for _, step := range missing {
		a.tell("verdict."+word(step), nil)
	}
	return nil
}

// openTo says who reaches an address. The machine's own are no network's.
func (a *app) openTo(at *hostsv1.Address) string {
	switch at.GetKind() {
	case hostsv1.Address_KIND_LOCALHOST:
		return a.worded("word.this-machine")
	case hostsv1.Address_KIND_BRIDGE:
		return a.worded("word.services")
	}
	return a.worded("word." + word(at.GetAccess()))
}

// hosts answers the hosts that are meant: one, or all of a package.
func (a *app) hosts(ctx context.Context, c *hearth.Client, name string) ([][2]string, error) {
	pkg, host, one := strings.Cut(name, "/")
	if one {
		return [][2]string{{pkg, host}}, nil
	}
	resp, err := c.Hosts.ListHosts(ctx, &hostsv1.ListHostsRequest{PackageId: pkg})
	var out [][2]string
	for _, h := range resp.GetHosts() {
		out = append(out, [2]string{pkg, h.GetMeta().GetId()[len(pkg)+1:]})
	}
	return out, err
}

func (a *app) completeAddress(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOfHosts(cmd, args, func(ctx context.Context, c *hearth.Client, pkg string) (list []string, err error) {
		resp, err := c.Hosts.ListAddresses(ctx, &hostsv1.ListAddressesRequest{PackageId: pkg})
		for _, h := range resp.GetAddresses() {
			list = append(list, h.GetAddress().GetUrl())
		}
		return list, err
	})
}

// completeOfHosts offers services, and then what one has.
func (a *app) completeOfHosts(cmd *cobra.Command, args []string, of func(ctx context.Context, c *hearth.Client, pkg string) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeInstalled(cmd, args, "")
	}
	var list []string
	if len(args) == 1 {
		_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) (err error) {
			pkg, _, _ := strings.Cut(args[0], "/")
			list, err = of(ctx, c, pkg)
			return err
		})
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// first is the first of a list, "" where there is none.
func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
