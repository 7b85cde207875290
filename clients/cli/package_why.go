package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "why ID", Short: "Tell what keeps a service from being healthy", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Long: `Tell what keeps a service from being healthy: each thing in turn, from the service
itself to what is behind it in the packages that it needs, with the command that
helps. It prints that nothing does when the service is healthy.`,
		Example: "  hearth package why hello\n  hearth package why hello --output json | jq -r '.remedies[0].command'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Packages.WhyPackage(ctx, &packagesv1.WhyPackageRequest{Id: args[0]})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetLinks())
				}
				if len(resp.GetLinks()) == 0 {
					a.tell("why.nothing", map[string]any{"ID": args[0]})
				}
				for _, l := range resp.GetLinks() {
					a.printLink(l)
				}
				return nil
			})
		},
	}
}

func (a *app) printLink(l *packagesv1.WhyLink) {
	values := map[string]any{"ID": l.GetPackageId()}
	for k, v := range l.GetMetadata() {
		values[strings.ToUpper(k[:1])+k[1:]] = printable(v)
	}
	key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(l.GetCause().String(), "CAUSE_")), "_", "-")
	fmt.Fprintln(a.Out, a.say("why."+key, values))
	if m := cmp.Or(l.GetFault().GetMessage(), l.GetMetadata()["how"]); m != "" {
		fmt.Fprintf(a.Out, "  %s\n", printable(m))
	}
	for _, r := range l.GetRemedies() {
		fmt.Fprintf(a.Out, "  → %s\n", printable(r.GetCommand()))
	}
}

// dependencyText says whether a package has what it needs of another.
func (a *app) dependencyText(s *packagesv1.DependencyState) string {
	values := map[string]any{"Dependency": s.GetPackageId(), "Range": printable(s.GetVersionRange()), "Installed": printable(s.GetInstalledVersion()), "Detail": printable(s.GetDetail())}
	return a.say("dependency."+strings.ReplaceAll(word(s.GetState()), "_", "-"), values)
}
