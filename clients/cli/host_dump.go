package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) hostDumpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "dump", Short: "List every way through the front door", Args: cobra.NoArgs,
		Long: `List what the front door does with connections: by the address they come to and the name
they ask for, whose certificate is shown and where they are led. Of several ways at an
address the first counts that is for the name and the caller; a name that is switched off
where others are on leads to nobody. Ranges of ports, which the kernel leads, are in
'hearth forward dump', names in 'hearth dns dump'.`,
		Example: "  hearth host dump\n  hearth host dump --output json | jq 'select(.gated)'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Hosts.ListRoutes(ctx, &hostsv1.ListRoutesRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetRoutes())
				}
				var table [][]string
				for _, r := range resp.GetRoutes() {
					to := r.GetUpstream()
					if to == "" {
						to = a.worded("word." + word(hostsv1.Access_ACCESS_OFF))
					}
					table = append(table, []string{where(r), strings.Join(r.GetNames(), " "), r.GetCertificate(), to, few(r.GetSources())})
				}
				return a.table([]string{"address", "names", "certificate", "to", "for"}, table)
			})
		},
	}
}

// where is the address and port of a way: of one that is for some of the machine's addresses, those.
func where(r *hostsv1.Route) string {
	_, port, err := net.SplitHostPort(r.GetAddress())
	if err != nil || len(r.GetLocalAddresses()) == 0 {
		return r.GetAddress()
	}
	var all []string
	for _, a := range r.GetLocalAddresses() {
		all = append(all, net.JoinHostPort(a, port))
	}
	return few(all)
}

// few are the first networks of a list: what is for everybody but a few is a list of dozens, which JSON has whole.
func few(networks []string) string {
	const most = 3
	if len(networks) <= most+1 {
		return strings.Join(networks, " ")
	}
	return fmt.Sprintf("%s +%d", strings.Join(networks[:most], " "), len(networks)-most)
}
