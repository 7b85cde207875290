package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/registry"
	"github.com/spf13/cobra"
)

func (a *app) registryUpstreamCommand() *cobra.Command {
	p := &publisher{app: a}
	c := &cobra.Command{
		Use: "upstream", Short: "Have a registry carry the packages of another one",
		Long: `Have a registry list and keep the packages of another one, of Hearth or of StartOS. It
looks there by the hour. Each file is fetched, verified and kept before it is listed,
with the signatures that it has there; what the registry publishes itself stays as it is.`,
		Example: "  hearth registry upstream add https://registry.example.org --registry https://mirror.example.net",
	}
	p.flags(c)
	c.AddCommand(a.upstreamAddCommand(p), a.upstreamListCommand(p), a.upstreamSyncCommand(p), a.upstreamRemoveCommand(p))
	return c
}

// printCarried prints where packages are taken from, and what came of it.
func (a *app) printCarried(list []registry.Upstream) error {
	var table [][]string
	for _, u := range list {
		if a.rows() {
			if err := a.printRow(map[string]any{
				"id": u.Meta.ID, "url": u.Spec.URL, "packages": u.Spec.Packages, "versions": u.Spec.Versions, "files": u.Status.Files,
				"sync_time": u.Status.SyncTime, "error": u.Status.Error, "refusals": u.Status.Refusals,
			}); err != nil {
				return err
			}
			continue
		}
		last := "-"
		if u.Status.SyncTime != nil {
			last = u.Status.SyncTime.Local().Format(time.DateTime)
		}
		table = append(table, []string{u.Meta.ID, printable(u.Spec.URL), cmp.Or(strings.Join(u.Spec.Packages, ", "), "*"), strconv.Itoa(u.Status.Files), last, printable(u.Status.Error)})
	}
	if a.rows() {
		return nil
	}
	if err := a.table([]string{"id", "address", "packages", "files", "checked", "problem"}, table); err != nil {
		return err
	}
	for _, u := range list {
		for _, r := range u.Status.Refusals {
			fmt.Fprintln(a.Err, a.say("registry.upstream-refused", map[string]any{"ID": printable(r.PackageID), "Version": printable(r.Version), "Why": printable(r.Message)}))
		}
	}
	return nil
}

func (a *app) upstreamAddCommand(p *publisher) *cobra.Command {
	var packages []string
	var versions string
	c := &cobra.Command{
		Use: "add URL", Short: "Take the packages of another registry, or change which", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth registry upstream add https://registry.example.org\n  hearth registry upstream add https://registry.example.org --package immich --versions '>=1.2.0:0'",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := p.open(true)
			if err != nil {
				return err
			}
			u, err := client.AddUpstream(cmd.Context(), args[0], packages, versions)
			if err != nil {
				return err
			}
			return a.printCarried([]registry.Upstream{u})
		},
	}
	c.Flags().StringArrayVar(&packages, "package", nil, "only the package of this id; may be given several times")
	c.Flags().StringVar(&versions, "versions", "", "only versions of this range")
	return c
}

func (a *app) upstreamListCommand(p *publisher) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List of which registries packages are taken, and what came of it", Args: cobra.NoArgs, Example: "  hearth registry upstream list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := p.open(true)
			if err != nil {
				return err
			}
			list, err := client.Upstreams(cmd.Context())
			if err != nil {
				return err
			}
			return a.printCarried(list)
		},
	}
}

func (a *app) upstreamSyncCommand(p *publisher) *cobra.Command {
	return &cobra.Command{
		Use: "sync ID", Short: "Look into the other registry now, and wait until all is here", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions, Example: "  hearth registry upstream sync ID",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := p.open(true)
			if err != nil {
				return err
			}
			u, err := client.SyncUpstream(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printCarried([]registry.Upstream{u})
		},
	}
}

func (a *app) upstreamRemoveCommand(p *publisher) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take no more of another registry; what is listed stays", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions, Example: "  hearth registry upstream remove ID",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := p.open(true)
			if err != nil {
				return err
			}
			return client.DeleteUpstream(cmd.Context(), args[0])
		},
	}
}
