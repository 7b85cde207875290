package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// installListed has the server install or update a package from a registry.
func (a *app) installListed(ctx context.Context, c *hearth.Client, req *packagesv1.InstallPackageRequest, from *packagesv1.FromRegistry, wait bool) error {
	if err := a.findRegistry(ctx, c, from); err != nil {
		return err
	}
	req.FromRegistry = from
	return a.begin(ctx, c, req, a.newProgress(), wait)
}

// unlessNewest is the error of an installation or an update, and none where what was asked for is there already.
func (a *app) unlessNewest(ctx context.Context, c *hearth.Client, req *packagesv1.InstallPackageRequest, err error) error {
	if !fault.Is(err, metav1.Reason_REASON_PACKAGE_UP_TO_DATE) {
		return err
	}
	id := fault.Proto(fault.FromStatus(err)).GetMetadata()["package"]
	resp, err := c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: id})
	if err != nil {
		return err
	}
	if a.rows() && !req.GetValidateOnly() {
		return a.showPackage(ctx, c, id)
	}
	fmt.Fprintln(a.Err, a.say("package.up-to-date", map[string]any{"ID": printable(id), "Version": printable(resp.GetPackage().GetSpec().GetVersion())}))
	return nil
}

// findRegistry puts the id of a registry in the place of its address.
func (a *app) findRegistry(ctx context.Context, c *hearth.Client, from *packagesv1.FromRegistry) (err error) {
	if from.GetRegistry() != "" {
		from.Registry, err = a.registryID(ctx, c, from.GetRegistry())
	}
	return err
}

// registryID is the id of the registry that a person names by its id, its address, or its name in hearth.yaml.
func (a *app) registryID(ctx context.Context, c *hearth.Client, named string) (string, error) {
	address, err := a.registryAddress(named)
	if err != nil || !strings.Contains(address, "://") {
		return named, err
	}
	resp, err := c.Registries.ListRegistries(ctx, &registriesv1.ListRegistriesRequest{})
	if err != nil {
		return "", err
	}
	for _, r := range resp.GetRegistries() {
		if r.GetSpec().GetUrl() == strings.TrimSuffix(address, "/") {
			return r.GetMeta().GetId(), nil
		}
	}
	return "", wrong("usage.registry-unknown", "URL", address)
}

// maxNeeded bounds how many packages come with one.
const maxNeeded = 32

// installWithNeeded installs a package and what it needs of others that is not there: first the package, whose code then says
// which versions it needs, without starting it, then what it needs, and starts it when that is there. That everything can be
// had is looked at before. How it is done is as the request says.
func (a *app) installWithNeeded(ctx context.Context, c *hearth.Client, req *packagesv1.InstallPackageRequest, from *packagesv1.FromRegistry) error {
	err := findAll(ctx, c, from, map[string]bool{})
	if fault.Is(err, metav1.Reason_REASON_PACKAGE_UP_TO_DATE) { // what it needs may be missing all the same
		return cmp.Or(a.installMissing(ctx, c, req, from), err)
	}
	if err != nil {
		return err
	}
	return a.installRest(ctx, c, req, from, map[string]bool{})
}

// installMissing installs what a package that is installed needs of others and is not there.
func (a *app) installMissing(ctx context.Context, c *hearth.Client, req *packagesv1.InstallPackageRequest, from *packagesv1.FromRegistry) error {
	resp, err := c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: from.GetPackageId()})
	if err != nil {
		return err
	}
	for _, d := range resp.GetDependencyStates() {
		if d.GetState() != packagesv1.DependencyState_STATE_NOT_INSTALLED {
			continue
		}
		if !a.rows() {
			fmt.Fprintln(a.Err, a.say("package.needed", map[string]any{"ID": from.GetPackageId(), "Needed": d.GetPackageId()}))
		}
		if err := a.installWithNeeded(ctx, c, req, &packagesv1.FromRegistry{Registry: from.GetRegistry(), PackageId: d.GetPackageId()}); err != nil {
			return err
		}
	}
	return nil
}

// findAll refuses a package that cannot be installed, or that needs one that cannot.
func findAll(ctx context.Context, c *hearth.Client, from *packagesv1.FromRegistry, seen map[string]bool) error {
	if seen[from.GetPackageId()] {
		return nil // packages may need each other
	}
	if seen[from.GetPackageId()] = true; len(seen) > maxNeeded {
		return unable("failed.too-many-needed", nil, "Count", maxNeeded)
	}
	plan, err := planOf(ctx, c, from)
	if err != nil {
		return err
	}
	if len(seen) > 1 {
		if err := obstacle(plan); err != nil {
			return err
		}
	}
	for _, d := range missing(plan, from.GetRegistry()) {
		if err := findAll(ctx, c, d, seen); err != nil {
			return err
		}
	}
	return nil
}

func planOf(ctx context.Context, c *hearth.Client, from *packagesv1.FromRegistry) (*packagesv1.InstallPlan, error) {
	resp, err := c.Packages.InstallPackage(ctx, &packagesv1.InstallPackageRequest{FromRegistry: from, ValidateOnly: true})
	return resp.GetPlan(), err
}

// missing is what a package needs of others and is not there.
func missing(plan *packagesv1.InstallPlan, registry string) []*packagesv1.FromRegistry {
	var list []*packagesv1.FromRegistry
	for _, d := range plan.GetDependencies() {
		if !d.GetOptional() && d.GetInstalledVersion() == "" {
			list = append(list, &packagesv1.FromRegistry{Registry: registry, PackageId: d.GetPackageId()})
		}
	}
	return list
}

// installRest installs a package, then what it needs, then starts it.
func (a *app) installRest(ctx context.Context, c *hearth.Client, req *packagesv1.InstallPackageRequest, from *packagesv1.FromRegistry, seen map[string]bool) error {
	seen[from.GetPackageId()] = true
	plan, err := planOf(ctx, c, from)
	if err != nil {
		return err
	}
	needed := missing(plan, from.GetRegistry())
	if len(needed) == 0 {
		return a.installListed(ctx, c, proto.CloneOf(req), from, true)
	}
	stopped := proto.CloneOf(req)
	stopped.Start = false
	if err := a.installListed(ctx, c, stopped, from, true); err != nil {
		return err
	}
	for _, d := range needed {
		if seen[d.GetPackageId()] {
			continue
		}
		if !a.rows() {
			fmt.Fprintln(a.Err, a.say("package.needed", map[string]any{"ID": from.GetPackageId(), "Needed": d.GetPackageId()}))
		}
		if err := a.installRest(ctx, c, req, d, seen); err != nil {
			return err
		}
	}
	if !req.GetStart() {
		return nil
	}
	_, err = c.Packages.StartPackage(ctx, &packagesv1.StartPackageRequest{Id: from.GetPackageId()})
	if fault.Is(err, metav1.Reason_REASON_TASK_BLOCKS_START) {
		return nil // as with every installation
	}
	if err == nil {
		_, err = a.awaitState(ctx, c, from.GetPackageId())
	}
	return err
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
	var noWait, yes, all bool
	var limit time.Duration
	var gates updateGates
	var from, version string
	c := &cobra.Command{
		Use: "update ID", Short: "Update a package from its registry", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeInstalled,
		Long: `Update a package to the newest version of the registry that it came from, as 'hearth
package install' does: when anything fails the old version comes back with its data. A
version that is skipped is not taken unless --version names it.

With --all the server looks for newer versions of all packages and updates them, one after the
other; one that fails does not keep the others. Those that get more permissions, come from
another registry or are another flavor are left for you to look at; with --yes they are
updated, too. What somebody else has signed, or anything speaks against, never is.`,
		Example: "  hearth package update hello\n  hearth package update hello --version '^1.2'\n  hearth package update hello --registry mine\n  hearth package update --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				return wrong("usage.update-which")
			}
			for _, flag := range []string{"version", "registry", "time-limit", "validate-only", "accept-breakage", "health-limit"} {
				if all && cmd.Flags().Changed(flag) {
					return wrong("usage.update-all", "Flag", "--"+flag)
				}
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if all {
					return a.updateAll(ctx, c, yes, !noWait)
				}
				if _, err := c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: args[0]}); err != nil {
					return err
				}
				req := &packagesv1.InstallPackageRequest{AcceptSigner: yes, TimeLimit: timeLimit(limit)}
				gates.ask(cmd, req)
				return a.unlessNewest(ctx, c, req, a.installListed(ctx, c, req, &packagesv1.FromRegistry{Registry: from, PackageId: args[0], Version: version}, !noWait))
			})
		},
	}
	gates.flags(c)
	c.Flags().BoolVar(&all, "all", false, "all packages for which there is a newer version")
	c.Flags().StringVar(&version, "version", "", "the version, or a range of which the newest is taken")
	c.Flags().StringVar(&from, "registry", "", "id or address of another registry, or its name in hearth.yaml")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "update also when somebody else has signed the file; with --all, those whose update changes what you should look at")
	c.Flags().DurationVar(&limit, "time-limit", 0, "how long the package's own code may take to set itself up (12h)")
	c.Flags().BoolVar(&noWait, "no-wait", false, "print what is begun and return at once")
	_ = c.RegisterFlagCompletionFunc("registry", a.completeRegistryFlag)
	_ = c.RegisterFlagCompletionFunc("version", a.completeVersion)
	return c
}
