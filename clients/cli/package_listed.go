package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// installListed has the server install or update a package from a registry.
func (a *app) installListed(ctx context.Context, c *hearth.Client, req *packagesv1.InstallPackageRequest, from *packagesv1.FromRegistry, wait bool) error {
	if err := findRegistry(ctx, c, from); err != nil {
		return err
	}
	req.FromRegistry = from
	return a.begin(ctx, c, req, a.newProgress(), wait)
}

// findRegistry puts the id of a registry in the place of its address.
func findRegistry(ctx context.Context, c *hearth.Client, from *packagesv1.FromRegistry) error {
	if !strings.Contains(from.GetRegistry(), "://") {
		return nil
	}
	resp, err := c.Registries.ListRegistries(ctx, &registriesv1.ListRegistriesRequest{})
	if err != nil {
		return err
	}
	for _, r := range resp.GetRegistries() {
		if r.GetSpec().GetUrl() == strings.TrimSuffix(from.GetRegistry(), "/") {
			from.Registry = r.GetMeta().GetId()
			return nil
		}
	}
	return wrong("usage.registry-unknown", "URL", from.GetRegistry())
}

// maxNeeded bounds how many packages come with one.
const maxNeeded = 32

// installNeeded installs what a package needs of others and what is not there, what those need first. How it is done is as
// the request says.
func (a *app) installNeeded(ctx context.Context, c *hearth.Client, req *packagesv1.InstallPackageRequest, from *packagesv1.FromRegistry, seen map[string]bool) error {
	if seen[from.GetPackageId()] {
		return nil // packages may need each other
	}
	if seen[from.GetPackageId()] = true; len(seen) > maxNeeded {
		return fmt.Errorf("cannot install more than %d packages with one", maxNeeded)
	}
	resp, err := c.Packages.InstallPackage(ctx, &packagesv1.InstallPackageRequest{FromRegistry: from, ValidateOnly: true})
	if err != nil {
		return err
	}
	for _, d := range resp.GetPlan().GetDependencies() {
		if d.GetOptional() || d.GetInstalledVersion() != "" || seen[d.GetPackageId()] {
			continue
		}
		needed := &packagesv1.FromRegistry{Registry: from.GetRegistry(), PackageId: d.GetPackageId()}
		if err := a.installNeeded(ctx, c, req, needed, seen); err != nil {
			return err
		}
		if !a.rows() {
			fmt.Fprintln(a.Err, a.say("package.needed", map[string]any{"ID": from.GetPackageId(), "Needed": d.GetPackageId()}))
		}
		if err := a.installListed(ctx, c, proto.CloneOf(req), needed, true); err != nil {
			return err
		}
	}
	return nil
}

// updateGates are flags of what is looked at before a package is updated, and after.
type updateGates struct {
	validateOnly, breakage bool
	health                 time.Duration
}

func (g *updateGates) flags(c *cobra.Command) {
	c.Flags().BoolVar(&g.validateOnly, "validate-only", false, "tell what would be done and what stops it, and do nothing")
	c.Flags().BoolVar(&g.breakage, "accept-breakage", false, "update also when packages that need it do not take the new version")
	c.Flags().DurationVar(&g.health, "health-limit", 0, "how long an updated service may take to be well (10m); 0: nobody looks")
}

// ask puts what the person said into a request.
func (g *updateGates) ask(c *cobra.Command, req *packagesv1.InstallPackageRequest) {
	req.ValidateOnly, req.AcceptBreakage = g.validateOnly, g.breakage
	if c.Flags().Changed("health-limit") {
		req.HealthLimit = durationpb.New(g.health)
	}
}

func (a *app) updateCommand() *cobra.Command {
	var noWait, yes bool
	var limit time.Duration
	var gates updateGates
	var from, version string
	c := &cobra.Command{
		Use: "update ID", Short: "Update a package from its registry", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Long: `Update a package to the newest version of the registry that it came from, as 'hearth
package install' does: when anything fails the old version comes back with its data.`,
		Example: "  hearth package update hello\n  hearth package update hello --version '^1.2'\n  hearth package update hello --registry mine",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if _, err := c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: args[0]}); err != nil {
					return err
				}
				req := &packagesv1.InstallPackageRequest{AcceptSigner: yes, TimeLimit: timeLimit(limit)}
				gates.ask(cmd, req)
				return a.installListed(ctx, c, req, &packagesv1.FromRegistry{Registry: from, PackageId: args[0], Version: version}, !noWait)
			})
		},
	}
	gates.flags(c)
	c.Flags().StringVar(&version, "version", "", "the version, or a range of which the newest is taken")
	c.Flags().StringVar(&from, "registry", "", "id or address of another registry")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "update also when somebody else has signed the file; do not ask")
	c.Flags().DurationVar(&limit, "time-limit", 0, "how long the package's own code may take to set itself up (12h)")
	c.Flags().BoolVar(&noWait, "no-wait", false, "print the operation and return at once")
	return c
}
