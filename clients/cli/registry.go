package main

import (
	"context"
	"fmt"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/text"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) registryCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "registry", Short: "Find packages in registries, and publish to them",
		Long: `Find packages in the registries that the server knows, and publish to a registry.

The first five commands ask the server, which asks the registries for what this machine can
run. The others speak to a registry themselves, with the key of 'hearth keys', which the
registry must know; any registry of StartOS will do.`,
		Example: "  hearth registry add https://registry.example.org\n  hearth registry search photos\n  hearth package install immich",
	}
	c.AddCommand(a.registryListCommand(), a.registryAddCommand(), a.registryRemoveCommand(), a.registrySearchCommand(), a.registryShowCommand(),
		a.registryInfoCommand(), a.registryPackageCommand(), a.registrySignerCommand(), a.registryAdminCommand(), a.registryCategoryCommand(), a.registryOSCommand(), a.registryMetricsCommand(), a.registryUpstreamCommand(),
		a.registryExportCommand())
	return c
}

// completeRegistry completes the ids of registries.
func (a *app) completeRegistry(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		resp, err := c.Registries.ListRegistries(ctx, &registriesv1.ListRegistriesRequest{})
		for _, r := range resp.GetRegistries() {
			list = append(list, r.GetMeta().GetId()+"\t"+printable(r.GetSpec().GetUrl()))
		}
		return err
	})
	return list, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) registryListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the registries that the server knows", Args: cobra.NoArgs,
		Example: "  hearth registry list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Registries.ListRegistries(ctx, &registriesv1.ListRegistriesRequest{})
				if err != nil {
					return err
				}
				return a.printRegistries(resp.GetRegistries())
			})
		},
	}
}

func (a *app) printRegistries(list []*registriesv1.Registry) error {
	if a.rows() {
		return printRows(a, list)
	}
	var table [][]string
	for _, r := range list {
		table = append(table, []string{r.GetMeta().GetId(), r.GetSpec().GetUrl(), r.GetSpec().GetName()})
	}
	return a.table([]string{"id", "address", "name"}, table)
}

func (a *app) registryAddCommand() *cobra.Command {
	req := &registriesv1.AddRegistryRequest{}
	c := &cobra.Command{
		Use: "add URL", Short: "Add a registry, which must answer, or a signed export", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Long: `Add a registry, or a signed export of one ('hearth registry export'): at an address of the
web, or in a folder of the server, such as a stick that is mounted there.

Of an export the fingerprint of its root is shown. Compare it with the one that those who
make the export publish: it decides whose word counts, wherever the files lie.`,
		Example: "  hearth registry add https://registry.example.org\n  hearth registry add http://192.168.1.5:5959 --id mine --local\n  hearth registry add file:///media/stick/packages",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				req.Url = args[0]
				resp, err := c.Registries.AddRegistry(ctx, req)
				if fault.Is(err, metav1.Reason_REASON_EXPORT_UNCONFIRMED) && isTerminal(a.In) {
					req.Fingerprint = fault.Proto(err).GetMetadata()["fingerprint"]
					if err := a.compareRoot(req.Fingerprint); err != nil {
						return err
					}
					resp, err = c.Registries.AddRegistry(ctx, req)
				}
				if err != nil {
					return err
				}
				return a.printRegistries([]*registriesv1.Registry{resp.GetRegistry()})
			})
		},
	}
	c.Flags().StringVar(&req.Id, "id", "", "what to call it; made from its host or folder when not given")
	c.Flags().BoolVar(&req.Local, "local", false, "it may be in this machine or in a private network")
	c.Flags().StringVar(&req.Fingerprint, "fingerprint", "", "fingerprint of the root of a signed export, in place of the question")
	return c
}

// compareRoot has a person compare the fingerprint of an export's root.
func (a *app) compareRoot(print string) error {
	fmt.Fprintln(a.Err, a.say("registry.fingerprint", map[string]any{"Fingerprint": printable(print)}))
	return a.confirm(a.say("registry.fingerprint-question", nil), a.say("registry.not-added", nil))
}

func (a *app) registryRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Forget a registry; packages that came from it stay", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeRegistry,
		Example: "  hearth registry remove mine",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				_, err := c.Registries.DeleteRegistry(ctx, &registriesv1.DeleteRegistryRequest{Id: args[0]})
				return err
			})
		},
	}
}

func (a *app) registrySearchCommand() *cobra.Command {
	var id, category string
	c := &cobra.Command{
		Use: "search [WORD ...]", Short: "Look for packages that this machine can run", ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth registry search\n  hearth registry search photos --category media\n  hearth registry search --output json | jq -r .packageId",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				req := &registriesv1.SearchPackagesRequest{Registry: id, Query: strings.Join(args, " "), Category: category, Language: a.locale(), PageSize: 500}
				var all []*registriesv1.Offer
				for {
					resp, err := c.Registries.SearchPackages(ctx, req)
					if err != nil {
						return err
					}
					all = append(all, resp.GetOffers()...)
					for _, f := range resp.GetFailures() {
						fmt.Fprintln(a.Err, printable(f.GetFault().GetMessage()))
					}
					if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
						return a.printOffers(all)
					}
				}
			})
		},
	}
	c.Flags().StringVar(&id, "registry", "", "only in the registry of this id")
	_ = c.RegisterFlagCompletionFunc("registry", a.completeRegistryFlag)
	c.Flags().StringVar(&category, "category", "", "only packages of this category")
	return c
}

// locale is the language as packages have it, such as de_DE.
func (a *app) locale() string {
	language := a.texts.Language()
	if language == text.English {
		return "en_US"
	}
	return language + "_" + strings.ToUpper(language)
}

func (a *app) printOffers(all []*registriesv1.Offer) error {
	if a.rows() {
		for _, o := range all {
			if err := a.printRow(flatten(o)); err != nil {
				return err
			}
		}
		return nil
	}
	var table [][]string
	for _, o := range all {
		for _, v := range o.GetBest() {
			table = append(table, []string{o.GetPackageId(), v.GetVersion(), o.GetInstalledVersion(), o.GetRegistry(), v.GetTitle(), v.GetShortDescription()})
		}
	}
	return a.table([]string{"id", "version", "installed", "registry", "title", "about"}, table)
}

func (a *app) registryShowCommand() *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: "show ID[@VERSION]", Short: "Show what a registry has of a package", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeOffer,
		Example: "  hearth registry show hello\n  hearth registry show hello@1.0.0:0 --registry mine",
		RunE: func(cmd *cobra.Command, args []string) error {
			pkg, version, _ := strings.Cut(args[0], "@")
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Registries.GetOffer(ctx, &registriesv1.GetOfferRequest{PackageId: pkg, Version: version, Registry: id, Language: a.locale()})
				if err != nil {
					return err
				}
				return a.printOffer(resp.GetOffer())
			})
		},
	}
	c.Flags().StringVar(&id, "registry", "", "only in the registry of this id")
	_ = c.RegisterFlagCompletionFunc("registry", a.completeRegistryFlag)
	return c
}

func (a *app) printOffer(o *registriesv1.Offer) error {
	if a.rows() {
		return a.printRow(flatten(o))
	}
	for _, v := range o.GetBest() {
		fmt.Fprintf(a.Out, "%s  %s  (%s)\n  %s\n", printable(v.GetTitle()), printable(v.GetVersion()), printable(o.GetRegistry()), printable(v.GetShortDescription()))
		fmt.Fprintf(a.Out, "  license: %s\n", printable(v.GetLicense()))
		if len(v.GetDependencies()) > 0 {
			fmt.Fprintf(a.Out, "  needs: %s\n", printable(strings.Join(v.GetDependencies(), ", ")))
		}
		for _, url := range v.GetUrls() {
			fmt.Fprintf(a.Out, "  at: %s\n", printable(url))
		}
		if notes := v.GetReleaseNotes(); notes != "" {
			fmt.Fprintf(a.Out, "  new: %s\n", printable(brief(notes)))
		}
	}
	if others := o.GetOtherVersions(); len(others) > 0 {
		fmt.Fprintf(a.Out, "  other versions: %s\n", printable(strings.Join(others, ", ")))
	}
	if o.GetInstalledVersion() != "" {
		fmt.Fprintf(a.Out, "  installed: %s\n", o.GetInstalledVersion())
	}
	return nil
}
